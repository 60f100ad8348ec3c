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

use std::rc::Rc;
use std::time::Instant;

use burn::tensor::Tensor;

use super::beam::{BeamSearch, Hypothesis};
use super::cache::{KvCache, Segments};
use super::sampling::{Chooser, check_sampling, suppress};
use super::writer::{SourceOptions, Writer, cross_cache};
use crate::error::{EngineError, Result};
use crate::generation::Sampling;
use crate::models::{CausalModel, Conditioning, Model, ModelShape, Site};
use crate::nn::{LayerKv, past_length};
use crate::tokens::SOFT;
use crate::{Sentence, sentence};

/// Prompts are read until a step has gone over so many tokens.
const PROMPT_TOKENS_PER_STEP: usize = 256;
/// Room for new tokens that a cache starts with, at most.
const SPARE_TOKENS: usize = 128;

/// One text to continue, or one source to write a text from.
#[derive(Clone, Debug)]
pub struct DecoderStream {
    /// At least one token; soft ones stand where the adapter's embeddings go.
    pub prompt: Vec<u32>,
    /// The model with changed weights that stands in place of the one that [`Decoder::step`] is given.
    pub model: Option<Rc<Model>>,
    /// Positions left free behind the soft tokens at the beginning. PEFT leaves as many as a row of its batch has padding.
    pub n_free: usize,
    /// The prefixes: one pair per layer, `[1, n_kv_heads, n_virtual, d_head]`, on the model's device and not tracked.
    /// The text's positions start where [`Conditioning::n_before`] says: at the decoder's `n_virtual`, as in PEFT, or at 0.
    pub conditioning: Conditioning,
    /// 0 leaves slots and soft tokens out and is the base model, 1 takes the prefix as it is; anything else up to 2 scales its
    /// values, so that what attention brings from the slots changes, and how much attention they get does not (in
    /// the first layer; later layers see the consequences). Towards 0 this is therefore not the base model.
    pub strength: f64,
}

impl DecoderStream {
    /// A text behind an adapter as it is.
    pub fn new(prompt: Vec<u32>, conditioning: Conditioning) -> Self {
        Self { prompt, model: None, n_free: 0, conditioning, strength: 1.0 }
    }
}

/// What all streams share.
#[derive(Clone, Debug)]
pub struct DecoderOptions {
    /// How tokens are chosen. Every stream starts from the same seed.
    pub sampling: Sampling,
    /// Tokens that end a stream if `sampling.stop_at_end` is on.
    pub end_tokens: Vec<u32>,
    /// Tokens that are never chosen, unless one is forced.
    pub suppress_tokens: Vec<u32>,
    /// No n tokens in a row twice; 0 allows everything.
    pub no_repeat_ngram: usize,
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
            no_repeat_ngram: 0,
            keep_logits: false,
            exact_base: true,
            source: None,
        }
    }
}

/// Why a stream is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The end token was chosen; it is the stream's last token.
    EndToken,
    /// As many tokens as were asked for.
    MaxTokens,
    /// The model has no position left.
    Context,
}

/// One more token of a stream.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Which stream, in the order they were given.
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
    options: DecoderOptions,
    n_positions: usize,
    streams: Vec<StreamState>,
    /// Streams whose prompt was read, with their keys and values, until all have been.
    ready: Vec<Ready>,
    /// How many streams' prompts were read.
    read: usize,
    batches: Vec<Batch>,
}

#[derive(Debug)]
struct Ready {
    stream: usize,
    /// The prefix, then the text.
    own: Segments,
    hidden: Hidden,
    cross: Option<Vec<LayerKv>>,
}

/// The slots that not every layer of a stream sees.
#[derive(Clone, Debug)]
struct Hidden {
    /// The layers that do; `None`: all.
    layers: Option<Vec<usize>>,
    /// How many stand before the text.
    own: usize,
    /// How many before the source.
    cross: usize,
}

impl Hidden {
    fn of(conditioning: &Conditioning) -> Self {
        let n = |site| past_length(conditioning.of(site));
        Self { layers: conditioning.layers.clone(), own: n(Site::Decoder), cross: n(Site::Cross) }
    }

    fn slots(&self, n: usize) -> Option<(usize, Vec<usize>)> {
        self.layers.clone().filter(|_| n > 0).map(|layers| (n, layers))
    }
}

#[derive(Debug)]
struct StreamState {
    prompt: Vec<u32>,
    /// The prefixes until the prompt is read.
    conditioning: Conditioning,
    model: Option<Rc<Model>>,
    n_free: usize,
    /// Whether it is anything but the base model.
    has_slots: bool,
    /// Positions taken when the first new token is chosen: the decoder's slots, if they take any, and the prompt or the
    /// start token.
    n_before: usize,
    /// The decoder's slots that take no position.
    beside: usize,
    /// What the penalties count: the prompt or the start token, and the new tokens; padding does not count, as in
    /// transformers.
    seen: Vec<u32>,
    tokens: Vec<u32>,
    chooser: Chooser,
    /// Where beams are searched; `tokens` are then those of the best one so far.
    search: Option<BeamSearch>,
    end: Option<EndReason>,
    /// Logits after the prompt, of a stream without slots.
    base_logits: Option<Vec<f32>>,
}

/// Streams that go through the model together; those that ended stay as idle rows until half of the rows are idle.
#[derive(Debug)]
struct Batch {
    cache: KvCache,
    /// What cross-attention sees.
    cross: Option<KvCache>,
    model: Option<Rc<Model>>,
    /// Each has `n_rows` rows.
    streams: Vec<usize>,
    /// One, or as many as there are beams.
    n_rows: usize,
}

impl Decoder {
    /// Checks everything, computes nothing.
    ///
    /// # Errors
    /// - [`EngineError::ContextOverflow`] for a prompt that does not fit behind its prefix
    /// - [`EngineError::AdapterMismatch`] for a prefix of another shape
    /// - [`EngineError::Setting`] for an empty prompt, an unknown token, a strength or a sampling setting out of range
    pub fn new(shape: &ModelShape, streams: Vec<DecoderStream>, options: DecoderOptions) -> Result<Self> {
        check_sampling(&options.sampling)?;
        let streams = streams.into_iter().map(|stream| StreamState::new(stream, shape, &options));
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

    /// Whether the streams have several beams.
    pub fn has_beams(&self) -> bool {
        self.options.sampling.beams.n_beams > 1
    }

    /// What beam search returns, best first; nothing before its end, or without beams.
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
    /// [`EngineError::Computation`] when the device fails or the logits are not numbers.
    pub fn step<'a>(&mut self, model: impl Into<Writer<'a>>) -> Result<Vec<NewToken>> {
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

    /// For a stream without slots: whether its first logits equal, bit for bit, those of the untouched model, which
    /// reads the prompt once more for it. `None` for a stream with slots, or one whose prompt was not yet read.
    ///
    /// # Errors
    /// [`EngineError::Computation`] when the device fails.
    pub fn prove_base<'a>(&self, model: impl Into<Writer<'a>>, stream: usize) -> Result<Option<bool>> {
        let stream = &self.streams[stream];
        let Some(ours) = &stream.base_logits else {
            return Ok(None);
        };
        let plain = model.into().read(&stream.prompt, 0, &Conditioning::default(), self.start())?.logits;
        let equal = plain.len() == ours.len() && plain.iter().zip(ours).all(|(a, b)| a.to_bits() == b.to_bits());
        Ok(Some(equal))
    }

    fn start(&self) -> Option<u32> {
        self.options.source.as_ref().map(|source| source.start)
    }

    fn read_prompts(&mut self, model: Writer<'_>) -> Result<Vec<NewToken>> {
        let start = self.start();
        let mut news = Vec::new();
        let mut gone_over = 0;
        while self.read < self.streams.len() && gone_over < PROMPT_TOKENS_PER_STEP {
            let index = self.read;
            self.read += 1;
            let stream = &mut self.streams[index];
            if stream.end.is_some() {
                continue;
            }
            gone_over += stream.prompt.len();
            let conditioning = std::mem::take(&mut stream.conditioning);
            let model = in_place_of(model, stream.model.as_deref())?;
            let begun = Instant::now();
            let read = model.read(&stream.prompt, stream.n_free, &conditioning, start)?;
            if !stream.has_slots {
                stream.base_logits = Some(read.logits.clone());
            }
            let new = self.choose(index, read.logits)?;
            news.push(NewToken { secs: begun.elapsed().as_secs_f64(), ..new });
            if self.streams[index].end.is_none() {
                let hidden = Hidden::of(&conditioning);
                let own = conditioning.decoder.into_iter().chain([read.text]).collect();
                self.ready.push(Ready { stream: index, own, hidden, cross: read.cross });
            }
        }
        if self.read == self.streams.len() {
            self.form_batches();
        }
        Ok(news)
    }

    fn form_batches(&mut self) {
        let exact = self.options.exact_base;
        let alone = |ready: &Ready| exact && !self.streams[ready.stream].has_slots;
        let (alone, together): (Vec<_>, Vec<_>) = std::mem::take(&mut self.ready).into_iter().partition(alone);
        let model = |ready: &Ready| self.streams[ready.stream].model.clone();
        // One batch for each model.
        let mut groups: Vec<Vec<Ready>> = Vec::new();
        for row in together {
            let address = |row: &Ready| model(row).map(|model| Rc::as_ptr(&model).cast::<()>());
            match groups.iter_mut().find(|group| address(&group[0]) == address(&row)) {
                Some(group) => group.push(row),
                None => groups.push(vec![row]),
            }
        }
        let spare = self.options.sampling.max_new_tokens.min(SPARE_TOKENS);
        let n_rows = self.options.sampling.beams.n_beams;
        self.batches = groups
            .into_iter()
            .chain(alone.into_iter().map(|row| vec![row]))
            .map(|rows| {
                let model = model(&rows[0]);
                let (mut streams, mut own, mut cross) = (Vec::new(), Vec::new(), Vec::new());
                let mut hidden = Vec::new();
                for row in rows {
                    streams.push(row.stream);
                    own.extend(std::iter::repeat_n(row.own, n_rows));
                    cross.extend(std::iter::repeat_n(row.cross, n_rows));
                    hidden.extend(std::iter::repeat_n(row.hidden, n_rows));
                }
                let slots = |n: fn(&Hidden) -> usize| hidden.iter().map(|row| row.slots(n(row))).collect();
                let cache = KvCache::new(&own, spare).hiding(slots(|row| row.own));
                let cross = cross_cache(cross).map(|cache| cache.hiding(slots(|row| row.cross)));
                Batch { cache, cross, model, streams, n_rows }
            })
            .collect();
    }

    /// One token for each row of a batch.
    fn advance(&mut self, batch: &mut Batch, model: Writer<'_>, news: &mut Vec<NewToken>) -> Result<()> {
        let tokens = batch.streams.iter().flat_map(|&index| self.streams[index].last_tokens());
        let tokens = tokens.map(i64::from).collect();
        let lengths = batch.cache.lengths();
        let of = |index: usize| (self.streams[index].n_free, self.streams[index].beside);
        let free = batch.streams.iter().flat_map(|&index| std::iter::repeat_n(of(index), batch.n_rows));
        // An idle row has run out of positions perhaps; what it computes is not used.
        let position =
            |length: usize, free: usize, beside: usize| (length - beside + free).min(self.n_positions - 1) as i64;
        let positions = lengths.iter().zip(free).map(|(&length, (free, beside))| position(length, free, beside));
        let positions = positions.collect();
        let model = in_place_of(model, batch.model.as_deref())?;
        let (begun, first) = (Instant::now(), news.len());
        let logits = model.advance(tokens, positions, &mut batch.cache, batch.cross.as_ref())?; // [streams * n_rows, vocab_size]
        for (row, &index) in logits.chunks_exact(logits.len() / batch.streams.len()).zip(&batch.streams) {
            if self.streams[index].end.is_none() {
                news.push(self.choose(index, row.to_vec())?);
            }
        }
        if batch.n_rows > 1 {
            batch.reorder(&self.streams);
        }
        let secs = begun.elapsed().as_secs_f64();
        news[first..].iter_mut().for_each(|new| new.secs = secs);
        Ok(())
    }

    /// Takes a token from the logits and notes whether the stream is over.
    fn choose(&mut self, index: usize, mut logits: Vec<f32>) -> Result<NewToken> {
        if self.streams[index].search.is_some() {
            return self.search(index, logits);
        }
        let kept = self.options.keep_logits.then(|| logits.clone());
        suppress(&mut logits, &self.options.suppress_tokens);
        let forced = self.forced(index);
        let stream = &mut self.streams[index];
        let token = match forced {
            Some(token) => token,
            None => stream.chooser.choose(&mut logits, &stream.seen)?,
        };
        stream.seen.push(token);
        stream.tokens.push(token);
        let sampling = &self.options.sampling;
        stream.end = if sampling.stop_at_end && self.options.end_tokens.contains(&token) {
            Some(EndReason::EndToken)
        } else if stream.tokens.len() >= sampling.max_new_tokens {
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
        search.advance(logits, &stream.seen, &self.options, forced)?;
        stream.tokens = search.best().to_vec();
        stream.end = search.end(self.options.sampling.max_new_tokens);
        let token = *stream.tokens.last().expect("a beam has a token");
        Ok(NewToken { stream: index, token, end: stream.end, logits: None, secs: 0.0 })
    }

    /// The next token of a stream, where the model leaves no choice.
    fn forced(&self, index: usize) -> Option<u32> {
        let source = self.options.source.as_ref()?;
        let stream = &self.streams[index];
        let n = stream.search.as_ref().map_or(stream.tokens.len(), BeamSearch::length);
        let last = source.forced_last.filter(|_| n + 1 == self.options.sampling.max_new_tokens);
        last.or(source.forced_first.filter(|_| n == 0))
    }
}

impl StreamState {
    fn new(stream: DecoderStream, shape: &ModelShape, options: &DecoderOptions) -> Result<Self> {
        let setting = |field, reason: Sentence| Err(EngineError::Setting { field, reason });
        if !(0.0..=2.0).contains(&stream.strength) {
            return setting("strength", sentence!("must be between 0 and 2"));
        }
        if stream.prompt.is_empty() {
            return setting("prompt", sentence!("must have at least one token"));
        }
        let unknown = |token: u32| token as usize >= shape.vocab_size && token < SOFT;
        if let Some(token) = stream.prompt.iter().find(|&&token| unknown(token)) {
            let known = shape.vocab_size;
            return setting(
                "prompt",
                sentence!("token {token} is unknown to the model, which has {known}", token, known),
            );
        }
        let mut stream = stream;
        if stream.strength == 0.0 {
            stream.prompt.retain(|&token| token < SOFT);
            (stream.model, stream.n_free) = (None, 0);
        }
        let conditioning = scaled(stream.conditioning, stream.strength, shape, options)?;
        let n_virtual = conditioning.n_before(Site::Decoder) + conditioning.n_infix();
        let beside = past_length(conditioning.decoder.as_deref()) - n_virtual;
        let has_slots = stream.model.is_some()
            || conditioning.soft_prompt.is_some()
            || Site::ALL.iter().any(|site| conditioning.of(*site).is_some());
        let overflow = |n_virtual, tokens, n_positions| EngineError::ContextOverflow { n_virtual, tokens, n_positions };
        let begins = match &options.source {
            None => stream.prompt.clone(),
            Some(source) => {
                let (tokens, n_positions) = (stream.prompt.len(), source.encoder.n_positions);
                if tokens > n_positions {
                    return Err(overflow(0, tokens, n_positions));
                }
                vec![source.start]
            }
        };
        let n_before = n_virtual + begins.len() + stream.n_free;
        if n_before > shape.n_positions {
            return Err(overflow(n_virtual, begins.len(), shape.n_positions));
        }
        let room = shape.n_positions.saturating_add(1) - n_before;
        let has_beams = options.sampling.beams.n_beams > 1;
        Ok(Self {
            // A soft token is none that could be said again.
            seen: begins.into_iter().filter(|&token| token < SOFT).collect(),
            prompt: stream.prompt,
            model: stream.model,
            n_free: stream.n_free,
            conditioning,
            has_slots,
            n_before,
            beside,
            tokens: Vec::new(),
            chooser: Chooser::new(&options.sampling, options.no_repeat_ngram),
            end: (options.sampling.max_new_tokens == 0).then_some(EndReason::MaxTokens),
            base_logits: None,
            search: has_beams.then(|| BeamSearch::new(options, room)),
        })
    }

    /// What its rows take in next.
    fn last_tokens(&self) -> Vec<u32> {
        match &self.search {
            Some(search) => search.last_tokens().collect(),
            None => vec![*self.tokens.last().expect("the first token")],
        }
    }
}

/// The slots that are there at this strength, with their values scaled.
fn scaled(
    mut conditioning: Conditioning,
    strength: f64,
    shape: &ModelShape,
    options: &DecoderOptions,
) -> Result<Conditioning> {
    conditioning.soft_prompt = match conditioning.soft_prompt.take() {
        Some(prompt) if strength != 0.0 => Some(if strength == 1.0 { prompt } else { prompt * strength }),
        _ => None,
    };
    for site in Site::ALL {
        let Some(past) = conditioning.place(site).take() else { continue };
        let wanted = match (&options.source, site) {
            (Some(source), Site::Encoder) => &source.encoder,
            _ => shape,
        };
        check_prefix(&past, wanted)?;
        if strength == 0.0 || past_length(Some(&past)) == 0 {
            continue;
        }
        let scale = |value: Tensor<4>| if strength == 1.0 { value } else { value * strength };
        let scaled = past.into_iter().map(|slots| LayerKv { key: slots.key, value: scale(slots.value) }).collect();
        *conditioning.place(site) = Some(scaled);
    }
    Ok(conditioning)
}

impl Batch {
    /// Drops idle rows when half of them are; `false` when none is live.
    fn drop_idle(&mut self, streams: &[StreamState]) -> bool {
        let live: Vec<usize> =
            (0..self.streams.len()).filter(|&place| streams[self.streams[place]].end.is_none()).collect();
        if !live.is_empty() && live.len() * 2 <= self.streams.len() {
            let rows: Vec<usize> =
                live.iter().flat_map(|place| place * self.n_rows..(place + 1) * self.n_rows).collect();
            self.cache.keep(&rows);
            if let Some(cross) = &mut self.cross {
                cross.keep(&rows);
            }
            self.streams = live.iter().map(|&place| self.streams[place]).collect();
        }
        !live.is_empty()
    }

    /// Each beam's row gets what came before its last token. What cross-attention sees is the same for all.
    fn reorder(&mut self, streams: &[StreamState]) {
        let mut rows = Vec::new();
        for (place, &index) in self.streams.iter().enumerate() {
            let search = streams[index].search.as_ref().expect("it has beams");
            rows.extend(search.parents().map(|row| place * self.n_rows + row));
        }
        self.cache.reorder(&rows);
    }
}

/// The untouched model's logits after a prompt, `[vocab_size]`: a plain forward pass, without cache, mask or batch.
///
/// # Errors
/// [`EngineError::Computation`] when the device fails.
pub fn plain_logits(model: &dyn CausalModel, prompt: &[u32]) -> Result<Vec<f32>> {
    Ok(Writer::Causal(model).read(prompt, 0, &Conditioning::default(), None)?.logits)
}

/// The model of a stream.
fn in_place_of<'a>(base: Writer<'a>, own: Option<&'a Model>) -> Result<Writer<'a>> {
    own.map_or(Ok(base), Writer::try_from)
}

fn check_prefix(past: &[LayerKv], shape: &ModelShape) -> Result<()> {
    let mismatch = |reason| Err(EngineError::AdapterMismatch { reason });
    if past.len() != shape.n_layers {
        return mismatch(sentence!(
            "it has {n_past} layers, the model {n_layers}",
            n_past = past.len(),
            n_layers = shape.n_layers
        ));
    }
    let n_virtual = past[0].key.dims()[2];
    let expected = [1, shape.n_kv_heads, n_virtual, shape.d_head];
    for slots in past {
        for found in [slots.key.dims(), slots.value.dims()] {
            if found != expected {
                return mismatch(sentence!(
                    "a layer has keys or values {found}, the model needs {expected}",
                    found,
                    expected
                ));
            }
        }
    }
    Ok(())
}
