//! Streams of text that grow by one token per step, many adapters in one batch.
//!
//! Each prompt goes through the model alone, without padding or mask, with its own prefix in front: no column is
//! wasted, and steps stay bounded. Then the streams decode together in one cache, padded on the left.
//!
//! A model that reads a source reads each prompt alone too, and what its decoder sees of it is cached like a prompt: rows of
//! different lengths are padded on the left and masked.
//!
//! A stream with beams has a row for each of them. They share its prompt and its prefix, which are put into the rows once;
//! when beams take each other's place only what came after is copied.
//!
//! A stream without slots (no adapter, or strength 0) is by default a batch of its own for good. Its calls of the
//! model are then exactly those of the untouched model continuing that prompt alone (same tensors, same shapes, so
//! the same kernels), and therefore its logits are the same bit for bit. In a larger batch they would not be: a
//! product of another shape may add in another order.

mod batch;
mod known;
mod prompt;
mod streams;

use std::rc::Rc;

use self::batch::Batch;
pub use self::known::known_text;
use self::prompt::Ready;
pub use self::prompt::plain_logits;
pub use self::streams::DecoderStream;
use self::streams::{Choice, StreamState};
use super::beam::{BeamSearch, Hypothesis};
use super::decoder_model::{DecoderModel, SourceOptions};
use super::stop::StopStrings;
use crate::error::Result;
use crate::generation::Sampling;
use crate::models::{Model, ModelShape};

/// Options that all streams share.
#[derive(Clone, Debug)]
pub struct DecoderOptions {
    /// Settings for the choice of tokens. Every stream starts from the same seed.
    pub sampling: Sampling,
    /// Tokens that end a stream if `sampling.stop_at_end` is on.
    pub end_tokens: Vec<u32>,
    /// Tokens that are never chosen, unless one is forced, beside those of `sampling`.
    pub suppress_tokens: Vec<u32>,
    /// Tokens of the words that are never written, beside those of `sampling`.
    pub bad_words: Vec<Vec<u32>>,
    /// Texts that end a stream.
    pub stops: Option<StopStrings>,
    /// Hand out the logits of each step, before penalties.
    pub keep_logits: bool,
    /// Each stream without slots decodes in a batch of its own, bit for bit as the untouched model. Off saves time
    /// with many such streams.
    pub exact_base: bool,
    /// For a model that reads the prompts and writes from them.
    pub source: Option<SourceOptions>,
}

impl Default for DecoderOptions {
    fn default() -> Self {
        Self {
            sampling: Sampling::default(),
            end_tokens: Vec::new(),
            suppress_tokens: Vec::new(),
            bad_words: Vec::new(),
            stops: None,
            keep_logits: false,
            exact_base: true,
            source: None,
        }
    }
}

impl DecoderOptions {
    /// Tokens that end a stream, each once; none if an end is not heeded.
    pub(super) fn ends(&self) -> Vec<u32> {
        let mut ends = if self.sampling.stop_at_end { self.end_tokens.clone() } else { Vec::new() };
        ends.sort_unstable();
        ends.dedup();
        ends
    }
}

/// Why a stream is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The end token was chosen; it is the stream's last token.
    EndToken,
    /// A stop word was completed.
    StopString,
    /// As many tokens as were asked for.
    MaxTokens,
    /// The model has no position left.
    Context,
}

/// One more token of a stream.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Index of the stream, in the order they were given.
    pub stream: usize,
    /// The token; with beams the last one of the best beam so far.
    pub token: u32,
    /// Set with a stream's last token.
    pub end: Option<EndReason>,
    /// The logits it was chosen from, `[vocab_size]`, if they are kept; not with beams.
    pub logits: Option<Vec<f32>>,
    /// Seconds that went into it: those of its batch, or of reading its prompt. Other batches do not count.
    pub secs: f64,
}

/// Streams on their way.
#[derive(Debug)]
pub struct Decoder {
    options: Rc<DecoderOptions>,
    n_positions: usize,
    streams: Vec<StreamState>,
    /// Streams whose prompt was read, with their keys and values, until all have been.
    ready: Vec<Ready>,
    /// Number of streams whose prompts were read.
    read: usize,
    batches: Vec<Batch>,
}

impl Decoder {
    /// Checks everything, computes nothing.
    ///
    /// # Errors
    /// - [`EngineError::ContextOverflow`] for a prompt that does not fit behind its prefix
    /// - [`EngineError::AdapterMismatch`] for a prefix of another shape
    /// - [`EngineError::Setting`] for an empty prompt, an unknown token, a strength or a sampling setting out of range
    ///
    /// [`EngineError::ContextOverflow`]: crate::error::EngineError::ContextOverflow
    /// [`EngineError::AdapterMismatch`]: crate::error::EngineError::AdapterMismatch
    /// [`EngineError::Setting`]: crate::error::EngineError::Setting
    pub fn new(shape: &ModelShape, streams: Vec<DecoderStream>, options: DecoderOptions) -> Result<Self> {
        let options = Rc::new(options);
        let shared = Rc::new(Choice::new(Rc::clone(&options))?);
        let streams = streams.into_iter().map(|stream| StreamState::new(stream, shape, &shared));
        Ok(Self {
            n_positions: shape.n_positions,
            streams: streams.collect::<Result<_>>()?,
            ready: Vec::new(),
            read: 0,
            batches: Vec::new(),
            options,
        })
    }

    /// Whether every stream is over.
    pub fn is_done(&self) -> bool {
        self.streams.iter().all(|stream| stream.end.is_some())
    }

    /// A stream's new tokens so far; with beams those of the best one, which may become another.
    pub fn tokens(&self, stream: usize) -> &[u32] {
        &self.streams[stream].tokens
    }

    /// Whether a stream has several beams.
    pub fn has_beams(&self, stream: usize) -> bool {
        self.streams[stream].search.is_some()
    }

    /// Texts that beam search returns, best first; nothing before its end, or without beams.
    pub fn hypotheses(&self, stream: usize) -> &[Hypothesis] {
        self.streams[stream].search.as_ref().map_or(&[], BeamSearch::returned)
    }

    /// Why a stream is over, if it is.
    pub fn end(&self, stream: usize) -> Option<EndReason> {
        self.streams[stream].end
    }

    /// Advances: first over the prompts, a few at a time, then every live stream by one token. Every call until the
    /// end brings at least one token. Dropping the decoder between two calls stops it.
    ///
    /// # Errors
    /// [`EngineError::Computation`](crate::error::EngineError::Computation) when the device fails or the logits are not
    /// numbers.
    pub fn step<'a>(&mut self, model: impl Into<DecoderModel<'a>>) -> Result<Vec<NewToken>> {
        let model = model.into();
        if self.read < self.streams.len() {
            return self.read_prompts(model);
        }
        let mut batches = std::mem::take(&mut self.batches);
        let mut news = Vec::new();
        for batch in &mut batches {
            self.advance(batch, model, &mut news)?;
        }
        batches.retain_mut(|batch| batch.drop_idle(&self.streams));
        self.batches = batches;
        news.sort_by_key(|new| new.stream);
        Ok(news)
    }

    /// Takes a token from the logits and notes whether the stream is over.
    fn choose(&mut self, index: usize, mut logits: Vec<f32>) -> Result<NewToken> {
        if self.streams[index].search.is_some() {
            return self.search(index, logits);
        }
        let kept = self.options.keep_logits.then(|| logits.clone());
        let forced = self.forced(index);
        let stream = &mut self.streams[index];
        let token = match forced {
            Some(token) => token,
            None => {
                stream.choice.rules.apply(&mut logits, &stream.seen, stream.tokens.len());
                stream.sampler.choose(&logits)?
            }
        };
        stream.seen.push(token);
        stream.tokens.push(token);
        let options = &stream.choice.options;
        stream.end = if options.sampling.stop_at_end && options.end_tokens.contains(&token) {
            Some(EndReason::EndToken)
        } else if options.stops.as_ref().is_some_and(|stops| stops.complete(&stream.seen)) {
            Some(EndReason::StopString)
        } else if stream.tokens.len() >= stream.most {
            Some(EndReason::MaxTokens)
        } else if stream.n_before + stream.tokens.len() > self.n_positions {
            Some(EndReason::Context)
        } else {
            None
        };
        Ok(NewToken { stream: index, token, end: stream.end, logits: kept, secs: 0.0 })
    }

    /// Takes a token for each beam from its logits, and notes whether the stream is over.
    fn search(&mut self, index: usize, logits: Vec<f32>) -> Result<NewToken> {
        let forced = self.forced(index);
        let stream = &mut self.streams[index];
        let search = stream.search.as_mut().expect("it has beams");
        let Choice { options, rules } = &*stream.choice;
        search.advance(logits, &stream.seen, (rules, options.stops.as_ref()), forced)?;
        stream.tokens = search.best().to_vec();
        stream.end = search.end(stream.most);
        let token = *stream.tokens.last().expect("a beam has a token");
        Ok(NewToken { stream: index, token, end: stream.end, logits: None, secs: 0.0 })
    }

    /// The next token of a stream, where the model leaves no choice.
    fn forced(&self, index: usize) -> Option<u32> {
        let stream = &self.streams[index];
        let (source, sampling) = (self.options.source.as_ref(), &stream.choice.options.sampling);
        let n = stream.search.as_ref().map_or(stream.tokens.len(), BeamSearch::length);
        let last = sampling.forced_eos_token_id.or(source.and_then(|source| source.forced_last));
        // The first one is forced behind a single token, as in transformers.
        let first = sampling.forced_bos_token_id.or(source.and_then(|source| source.forced_first));
        last.filter(|_| n + 1 == stream.most).or(first.filter(|_| n == 0 && stream.seen.len() == 1))
    }
}

/// The model of a stream.
fn in_place_of<'a>(base: DecoderModel<'a>, own: Option<&'a Model>) -> Result<DecoderModel<'a>> {
    own.map_or(Ok(base), DecoderModel::try_from)
}
