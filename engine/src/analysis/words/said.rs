//! What an adapter says alone: continuations of nothing and of short openings, beside the base model's.

use std::collections::VecDeque;

use super::report::Said;
use crate::analysis::subject::Subject;
use crate::data::{Tokenizer, plain_prompt, put_before, source_tokens};
use crate::error::Result;
use crate::generation::{Decoder, DecoderModel, DecoderOptions, DecoderStream, Sampling};
use crate::models::{Conditioning, Model, Site};
use crate::tokens::SOFT;

/// New tokens of a continuation.
pub(super) const LENGTH: usize = 30;
/// Beginnings that are gone on with.
const OPENINGS: [&str; 3] = ["", "First, I should", "The task is to"];
/// The same for a vocabulary that has Chinese.
const CHINESE: [&str; 2] = ["首先，我应该", "任务是"];
/// Share of the probability that samples are drawn from.
const TOP_P: f64 = 0.95;

/// The work: one token of every opening a step.
pub(super) struct Saying {
    runs: VecDeque<Run>,
    n_runs: usize,
    running: Option<(Run, Decoder)>,
    said: Vec<Said>,
}

/// One continuation of every opening.
#[derive(Clone, Copy)]
struct Run {
    with: bool,
    /// `None` is greedy.
    sample: Option<usize>,
}

impl Saying {
    pub(super) fn new(subject: &Subject, samples: usize) -> Result<Self> {
        let tokenizer = &subject.model.tokenizer;
        let chinese = CHINESE.iter().filter(|_| has_chinese(tokenizer));
        let mut said = Vec::new();
        for &opening in OPENINGS.iter().chain(chinese) {
            if is_told(opening, tokenizer) && fits(opening, subject)? {
                said.push(Said { opening: opening.to_owned(), ..Said::default() });
            }
        }
        let each = |sample| [true, false].map(|with| Run { with, sample });
        let runs: VecDeque<Run> =
            std::iter::once(None).chain((0..samples).map(Some)).flat_map(each).filter(|_| !said.is_empty()).collect();
        Ok(Self { n_runs: runs.len(), runs, running: None, said })
    }

    /// Whether everything is said.
    pub(super) fn step(&mut self, subject: &Subject) -> Result<bool> {
        let Some((run, decoder)) = &mut self.running else {
            let Some(run) = self.runs.pop_front() else { return Ok(true) };
            self.running = Some((run, run.begin(&self.said, subject)?));
            return Ok(false);
        };
        if !decoder.is_done() {
            let model: &Model = if run.with { subject.tuned_model() } else { &subject.model.model };
            decoder.step(DecoderModel::try_from(model)?)?;
            return Ok(false);
        }
        for (index, said) in self.said.iter_mut().enumerate() {
            let text = subject.model.tokenizer.decode(decoder.tokens(index))?;
            match (run.with, run.sample) {
                (true, None) => said.with = text,
                (false, None) => said.without = text,
                (true, Some(_)) => said.samples_with.push(text),
                (false, Some(_)) => said.samples_without.push(text),
            }
        }
        self.running = None;
        Ok(self.runs.is_empty())
    }

    pub(super) fn share(&self) -> f32 {
        let left = self.runs.len() + usize::from(self.running.is_some());
        1.0 - left as f32 / self.n_runs.max(1) as f32
    }

    pub(super) fn said(self) -> Vec<Said> {
        self.said
    }
}

impl Run {
    fn begin(self, said: &[Said], subject: &Subject) -> Result<Decoder> {
        let sampling = match self.sample {
            None => Sampling { max_new_tokens: LENGTH, ..Sampling::default() },
            Some(nth) => {
                let seed = Sampling::default().seed + nth as u64;
                Sampling { greedy: false, top_p: TOP_P, max_new_tokens: LENGTH, seed, ..Sampling::default() }
            }
        };
        // Nothing here proves that a stream is the base model's bit for bit.
        let options = DecoderOptions { exact_base: false, ..subject.model.decoding(sampling)? };
        let conditioning = if self.with { subject.conditioning.clone() } else { Conditioning::default() };
        let stream =
            |said: &Said| Ok(DecoderStream::new(prompt(&said.opening, self.with, subject)?, conditioning.clone()));
        let streams = said.iter().map(stream).collect::<Result<Vec<_>>>()?;
        Decoder::new(subject.model.model.shape(), streams, options)
    }
}

/// An opening as the model reads it, behind what the adapter puts before every text.
fn prompt(opening: &str, with: bool, subject: &Subject) -> Result<Vec<u32>> {
    let tokenizer = &subject.model.tokenizer;
    let mut tokens = match &*subject.model.model {
        Model::Seq2Seq(_) => source_tokens(opening, tokenizer, usize::MAX)?.0,
        Model::Causal(_) | Model::Encoder(_) => plain_prompt(opening, tokenizer)?,
    };
    if with {
        put_before(&mut tokens, &subject.adapter.before(tokenizer)?, tokenizer.begins_texts());
    }
    Ok(tokens)
}

/// Whether there is room for an opening and some tokens.
fn fits(opening: &str, subject: &Subject) -> Result<bool> {
    let slots = subject.conditioning.n_before(Site::Decoder) + subject.conditioning.n_infix();
    let length = slots + prompt(opening, true, subject)?.len();
    Ok(length < subject.model.model.shape().n_positions)
}

/// Whether a vocabulary can express a text.
fn is_told(text: &str, tokenizer: &Tokenizer) -> bool {
    let told = tokenizer.encode(text).and_then(|tokens| tokenizer.decode(&tokens));
    told.is_ok_and(|told| told.trim() == text)
}

/// Whether a vocabulary has tokens of Chinese, and not the bytes of its characters alone.
pub(super) fn has_chinese(tokenizer: &Tokenizer) -> bool {
    let text = CHINESE.concat();
    let n = text.chars().count();
    is_told(&text, tokenizer) && tokenizer.encode(&text).is_ok_and(|tokens| 2 * tokens.len() <= 3 * n)
}

/// Whether a token stands for words.
pub(super) fn is_word(token: u32, tokenizer: &Tokenizer) -> bool {
    token < SOFT && !tokenizer.is_special(token)
}
