//! Several continuations side by side, one token of each a step.

use std::rc::Rc;

use super::column::{Columns, in_words, tokens_of};
use crate::data::StreamDecoder;
use crate::error::Result;
use crate::generation::{Decoder, DecoderModel, DecoderOptions, DecoderStream, Hypothesis, token_probability};
use crate::jobs::{Job, Outbox, Progress};
use crate::loaded_model::LoadedModel;
use crate::protocol::{GenerateRequest, GeneratedBeam, GeneratedStream, Outcome, Phase, Report, TextScore};
use crate::session::Session;

pub(super) struct Generate {
    request: GenerateRequest,
    running: Option<Running>,
}

struct Running {
    model: Rc<LoadedModel>,
    end_tokens: Vec<u32>,
    decoder: Decoder,
    texts: Vec<StreamText>,
    /// The most probable tokens that are told at each place.
    top: usize,
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
    length_penalty: f64,
    /// Token by token, if that was asked for.
    score: TextScore,
}

impl Generate {
    pub(super) fn new(request: GenerateRequest) -> Self {
        Self { request, running: None }
    }

    fn start(&self, session: &mut Session, out: &Outbox) -> Result<Running> {
        let mut heard = out.loading();
        let model = session.model(&self.request.model, (self.request.device, self.request.numbers), &mut heard)?;
        model.check_writes()?;
        DecoderModel::try_from(&*model.model)?;
        let (mut streams, mut texts, mut columns) = (Vec::new(), Vec::new(), Columns::default());
        for stream in &self.request.streams {
            let column = columns.of(stream, &model, out)?;
            let own = stream.sampling.as_ref().unwrap_or(&self.request.sampling);
            let options = stream.sampling.clone().map(|own| model.decoding(own)).transpose()?.map(Rc::new);
            let prompt = tokens_of(&stream.prompt, &model)?;
            streams.push(DecoderStream { options, ..column.stream(prompt, &model)? });
            texts.push(StreamText {
                pieces: StreamDecoder::new(&model.tokenizer),
                best: String::new(),
                log_probability: 0.0,
                adapter_hash: column.hash.clone(),
                elapsed_secs: 0.0,
                length_penalty: own.beams.length_penalty,
                score: TextScore::default(),
            });
        }
        let options = DecoderOptions { keep_logits: true, ..model.decoding(self.request.sampling.clone())? };
        let end_tokens = options.end_tokens.clone();
        let decoder = Decoder::new(model.model.shape(), streams, options)?;
        out.send(Report::Phase(Phase::Generating));
        Ok(Running { model, end_tokens, decoder, texts, top: self.request.top })
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
        for new in self.decoder.step(DecoderModel::try_from(&*self.model.model)?)? {
            let text = &mut self.texts[new.stream];
            if let Some(logits) = &new.logits {
                let found = token_probability(logits, new.token, self.top);
                text.log_probability += found.log_probability;
                if self.top > 0 {
                    text.score.tokens.push(in_words(&found, &self.model));
                }
            }
            text.elapsed_secs += new.secs;
            if self.decoder.has_beams(new.stream) {
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
            let length = |beam: &Hypothesis| (beam.tokens.len() as f64).powf(text.length_penalty);
            let of_best = beams.first().map(|beam| f64::from(beam.score) * length(beam));
            Ok(GeneratedStream {
                text: model.tokenizer.decode(&tokens)?,
                tokens,
                adapter_hash: text.adapter_hash.clone(),
                proven_base: self.decoder.prove_base(DecoderModel::try_from(&*model.model)?, index)?,
                elapsed_secs: text.elapsed_secs,
                log_probability: of_best.unwrap_or(text.log_probability),
                beams: beams.iter().map(beam).collect::<Result<_>>()?,
                score: text.score.clone(),
            })
        };
        self.texts.iter().enumerate().map(stream).collect()
    }
}
