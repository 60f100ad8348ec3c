//! Several continuations side by side, one token of each a step.

use std::rc::Rc;

use crate::adapters::AdapterState;
use crate::config::{DataConfig, Task};
use crate::data::{Prompts, StreamDecoder, plain_prompt, put_before, source_tokens};
use crate::ensemble::log_probability;
use crate::error::{EngineError, Result};
use crate::generation::{Decoder, DecoderModel, DecoderOptions, DecoderStream, Hypothesis};
use crate::jobs::{Job, Outbox, Progress};
use crate::loaded_model::LoadedModel;
use crate::models::Conditioning;
use crate::protocol::{GenerateRequest, GeneratedBeam, GeneratedStream, Outcome, Phase, Prompt, Report};
use crate::sentence;
use crate::session::Session;
use crate::tokens::SOFT;

pub(super) struct Generate {
    request: GenerateRequest,
    running: Option<Running>,
}

struct Running {
    model: Rc<LoadedModel>,
    end_tokens: Vec<u32>,
    decoder: Decoder,
    texts: Vec<StreamText>,
    length_penalty: f64,
}

/// Text of one stream so far.
struct StreamText {
    pieces: StreamDecoder,
    /// The best beam, where there are some.
    best: String,
    /// Sum over the tokens, without beams.
    log_probability: f64,
    adapter_hash: String,
    elapsed_secs: f64,
}

impl Generate {
    pub(super) fn new(request: GenerateRequest) -> Self {
        Self { request, running: None }
    }

    fn start(&self, session: &mut Session, out: &Outbox) -> Result<Running> {
        let mut heard = out.loading();
        let model = session.model(&self.request.model, (self.request.device, self.request.precision), &mut heard)?;
        model.check_writes()?;
        DecoderModel::try_from(&*model.model)?;
        let (mut streams, mut texts, mut said) = (Vec::new(), Vec::new(), Vec::new());
        for stream in &self.request.streams {
            let adapter = stream.adapter.as_ref().map(|folder| model.adapter(folder)).transpose()?;
            // Streams of one adapter are told once.
            if !said.contains(&stream.adapter.as_deref()) {
                adapter.iter().for_each(|adapter| out.unread(adapter));
                said.push(stream.adapter.as_deref());
            }
            let acting = adapter.as_ref().filter(|_| stream.strength != 0.0);
            let prompt = of_adapter(acting, stream.task.as_deref(), tokens_of(&stream.prompt, &model)?, &model)?;
            let conditioning = match &adapter {
                Some(adapter) => model.conditioning(adapter)?,
                None => Conditioning::default(),
            };
            let tuned = conditioning.tuned_at_strength(stream.strength)?;
            let tuned = model.model.with_overrides(&tuned)?.map(Rc::new);
            streams.push(DecoderStream {
                model: tuned,
                strength: stream.strength,
                ..DecoderStream::new(prompt, conditioning)
            });
            texts.push(StreamText {
                pieces: StreamDecoder::new(&model.tokenizer),
                best: String::new(),
                log_probability: 0.0,
                adapter_hash: adapter.map_or_else(String::new, |adapter| adapter.hash()),
                elapsed_secs: 0.0,
            });
        }
        let options = DecoderOptions { keep_logits: true, ..model.decoding(self.request.sampling.clone())? };
        let end_tokens = options.end_tokens.clone();
        let decoder = Decoder::new(model.model.shape(), streams, options)?;
        out.send(Report::Phase(Phase::Generating));
        let length_penalty = self.request.sampling.beams.length_penalty;
        Ok(Running { model, end_tokens, decoder, texts, length_penalty })
    }
}

/// A prompt with what stands before every text of an adapter: soft tokens, of one of its tasks, which the prompt may have
/// in other places, or words.
fn of_adapter(
    adapter: Option<&AdapterState>,
    task: Option<&str>,
    mut prompt: Vec<u32>,
    model: &LoadedModel,
) -> Result<Vec<u32>> {
    let n_soft = adapter.map_or(0, AdapterState::n_soft);
    let placed = prompt.iter().filter(|&&token| token >= SOFT).count();
    if n_soft == 0 {
        prompt.retain(|&token| token < SOFT);
    } else if placed > 0 && placed != n_soft {
        let reason = sentence!("it has {n_soft} soft tokens, the prompt {placed}", n_soft, placed);
        return Err(EngineError::AdapterMismatch { reason });
    }
    let Some(adapter) = adapter else { return Ok(prompt) };
    if n_soft == 0 || placed == 0 {
        put_before(&mut prompt, &adapter.before(&model.tokenizer)?, model.tokenizer.begins_texts());
    }
    let first = adapter.first_soft(task)? as u32;
    prompt.iter_mut().filter(|token| **token >= SOFT).for_each(|token| *token += first);
    Ok(prompt)
}

/// Tokens that the model gets. An empty prompt still needs a token to predict from.
fn tokens_of(prompt: &Prompt, model: &LoadedModel) -> Result<Vec<u32>> {
    let (task, tokenizer) = (model.task(None)?, &model.tokenizer);
    match prompt {
        Prompt::Text(text) if task == Task::Seq2Seq => Ok(source_tokens(text, tokenizer, usize::MAX)?.0),
        Prompt::Text(text) => plain_prompt(text, tokenizer),
        Prompt::Source { text, columns, template, begin_token, chat } => {
            let (prompt_template, begin_token, chat) = (template.clone(), *begin_token, *chat);
            let config = DataConfig { prompt_template, begin_token, chat, ..DataConfig::new("") };
            Prompts::new(&config, task, tokenizer)?.for_source(text, columns, tokenizer)
        }
    }
}

impl Job for Generate {
    fn step(&mut self, session: &mut Session, out: &Outbox) -> Result<Progress> {
        let Some(running) = &mut self.running else {
            self.running = Some(self.start(session, out)?);
            return Ok(Progress::More);
        };
        if !running.decoder.is_done() {
            running.advance(out)?;
            return Ok(Progress::More);
        }
        let streams = running.streams()?;
        out.send(Report::Generated { streams });
        Ok(Progress::Done(Outcome::Completed))
    }
}

impl Running {
    fn advance(&mut self, out: &Outbox) -> Result<()> {
        let has_beams = self.decoder.has_beams();
        for new in self.decoder.step(DecoderModel::try_from(&*self.model.model)?)? {
            let text = &mut self.texts[new.stream];
            if let Some(logits) = &new.logits {
                text.log_probability += log_probability(logits, new.token as usize);
            }
            text.elapsed_secs += new.secs;
            if has_beams {
                let whole = self.model.tokenizer.decode(self.decoder.tokens(new.stream))?;
                if whole != text.best {
                    text.best.clone_from(&whole);
                    out.send(Report::BestBeam { stream: new.stream, text: whole });
                }
                continue;
            }
            let mut piece = String::new();
            // The end token ends a text, it is no part of it.
            if !self.end_tokens.contains(&new.token) {
                piece = text.pieces.push(new.token);
            }
            if new.end.is_some() {
                piece += &text.pieces.finish();
            }
            out.send(Report::Token { stream: new.stream, text: piece });
        }
        Ok(())
    }

    fn streams(&self) -> Result<Vec<GeneratedStream>> {
        let model = &self.model;
        let beam = |Hypothesis { tokens, score }: &Hypothesis| {
            Ok(GeneratedBeam { text: model.tokenizer.decode(tokens)?, tokens: tokens.clone(), score: *score })
        };
        let stream = |(index, text): (usize, &StreamText)| {
            let tokens = self.decoder.tokens(index).to_vec();
            let beams = self.decoder.hypotheses(index);
            // A beam is worth its log-probability over its length.
            let length = |beam: &Hypothesis| (beam.tokens.len() as f64).powf(self.length_penalty);
            let of_best = beams.first().map(|beam| f64::from(beam.score) * length(beam));
            Ok(GeneratedStream {
                text: model.tokenizer.decode(&tokens)?,
                tokens,
                adapter_hash: text.adapter_hash.clone(),
                proven_base: self.decoder.prove_base(DecoderModel::try_from(&*model.model)?, index)?,
                elapsed_secs: text.elapsed_secs,
                log_probability: of_best.unwrap_or(text.log_probability),
                beams: beams.iter().map(beam).collect::<Result<_>>()?,
            })
        };
        self.texts.iter().enumerate().map(stream).collect()
    }
}
