//! A stream: its prompt and prefix, checked against the model, and how far it has come.

use std::rc::Rc;

use super::{DecoderOptions, EndReason};
use crate::config::Strength;
use crate::error::{EngineError, Result};
use crate::generation::beam::BeamSearch;
use crate::generation::decoder_model::SourceOptions;
use crate::generation::rules::Rules;
use crate::generation::sampling::TokenSampler;
use crate::models::{Conditioning, Model, ModelShape, Site};
use crate::nn::LayerKv;
use crate::nn::positions::Place;
use crate::tokens::SOFT;
use crate::{Sentence, sentence};

/// One text to continue, or one source to write a text from.
#[derive(Clone, Debug)]
pub struct DecoderStream {
    /// At least one token; soft ones stand where the adapter's embeddings go.
    pub prompt: Vec<u32>,
    /// The model with changed weights that stands in place of the one that [`Decoder::step`](super::Decoder::step) is
    /// given.
    pub model: Option<Rc<Model>>,
    /// Positions left free behind the soft tokens at the beginning. PEFT leaves as many as a row of its batch has padding.
    pub n_free: usize,
    /// The prefixes: one pair per layer, `[1, n_kv_heads, n_virtual, d_head]`, on the model's device and not tracked.
    /// The text's positions start where [`Conditioning::n_before`] says: at the decoder's `n_virtual`, as in PEFT, or at 0.
    pub conditioning: Conditioning,
    /// 0 leaves slots and soft tokens out and is the base model, 1 takes the prefix as it is; anything else up to 2 scales its
    /// values, so that what attention brings from the slots changes, and how much attention they get does not (in
    /// the first layer; later layers see the consequences). Towards 0 this is therefore not the base model.
    pub strength: Strength,
    /// Options of its own in place of those of all, but for logits, base and source, which are of all.
    pub options: Option<Rc<DecoderOptions>>,
}

impl DecoderStream {
    /// A text behind an adapter as it is.
    pub fn new(prompt: Vec<u32>, conditioning: Conditioning) -> Self {
        Self { prompt, model: None, n_free: 0, conditioning, strength: Strength::Whole(1.0), options: None }
    }
}

/// The choice of the tokens of a stream.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) options: Rc<DecoderOptions>,
    pub(super) rules: Rules,
}

impl Choice {
    pub(super) fn new(options: Rc<DecoderOptions>) -> Result<Self> {
        options.sampling.check()?;
        Ok(Self { rules: Rules::new(&options), options })
    }
}

#[derive(Debug)]
pub(super) struct StreamState {
    pub(super) prompt: Vec<u32>,
    /// The prefixes until the prompt is read.
    pub(super) conditioning: Conditioning,
    pub(super) model: Option<Rc<Model>>,
    pub(super) n_free: usize,
    /// Whether it is anything but the base model.
    pub(super) has_slots: bool,
    /// Whether anything stands before its prompt or in it.
    pub(super) has_prompt: bool,
    /// Positions taken when the first new token is chosen: the decoder's slots, if they take any, and the prompt or the
    /// start token.
    pub(super) n_before: usize,
    /// Where its first new token stands; told when the prompt is read.
    pub(super) next: Place,
    /// Tokens that the penalties count: the prompt or the start token, and the new ones; padding does not count, as in
    /// transformers.
    pub(super) seen: Vec<u32>,
    pub(super) tokens: Vec<u32>,
    pub(super) choice: Rc<Choice>,
    pub(super) sampler: TokenSampler,
    /// Most new tokens.
    pub(super) most: usize,
    /// Where beams are searched; `tokens` are then those of the best one so far.
    pub(super) search: Option<BeamSearch>,
    pub(super) end: Option<EndReason>,
    /// Logits after the prompt, of a stream without slots.
    pub(super) base_logits: Option<Vec<f32>>,
}

impl StreamState {
    /// `shared` is how tokens are chosen where the stream does not say it.
    pub(super) fn new(stream: DecoderStream, shape: &ModelShape, shared: &Rc<Choice>) -> Result<Self> {
        let choice = match &stream.options {
            Some(own) => Rc::new(Choice::new(Rc::clone(own))?),
            None => Rc::clone(shared),
        };
        let options = &*choice.options;
        let setting = |field, reason: Sentence| Err(EngineError::Setting { field, reason });
        stream.strength.check()?;
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
        if stream.strength.is_none() {
            stream.prompt.retain(|&token| token < SOFT);
            (stream.model, stream.n_free) = (None, 0);
        }
        check_prefixes(&stream.conditioning, shape, shared.options.source.as_ref())?;
        let conditioning = stream.conditioning.prompt_at_strength(&stream.strength)?;
        let n_virtual = conditioning.n_before(Site::Decoder) + conditioning.n_infix();
        let has_prompt = conditioning.has_prompt();
        let has_slots = stream.model.is_some() || has_prompt;
        let overflow = |n_virtual, tokens, n_positions| EngineError::ContextOverflow { n_virtual, tokens, n_positions };
        let begins = match &shared.options.source {
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
        // A soft token is none that could be said again, and none of the text.
        let seen: Vec<u32> = begins.into_iter().filter(|&token| token < SOFT).collect();
        let most = options.sampling.room_behind(seen.len());
        let forced = [options.sampling.forced_bos_token_id, options.sampling.forced_eos_token_id];
        if let Some(token) = forced.into_iter().flatten().find(|&token| token as usize >= shape.vocab_size) {
            let known = shape.vocab_size;
            return setting(
                "forced_eos_token_id",
                sentence!("token {token} is unknown to the model, which has {known}", token, known),
            );
        }
        Ok(Self {
            seen,
            most,
            prompt: stream.prompt,
            model: stream.model,
            n_free: stream.n_free,
            conditioning,
            has_slots,
            has_prompt,
            n_before,
            next: Place::default(),
            tokens: Vec::new(),
            sampler: TokenSampler::new(&options.sampling),
            search: has_beams.then(|| BeamSearch::new(options, room.min(most))),
            end: (most == 0).then_some(EndReason::MaxTokens),
            base_logits: None,
            choice,
        })
    }

    /// The text so far of each of the stream's rows.
    pub(super) fn texts(&self) -> Vec<Vec<u32>> {
        let behind = |tokens: &[u32]| [self.prompt.as_slice(), tokens].concat();
        match &self.search {
            Some(search) => search.texts().map(behind).collect(),
            None => vec![behind(&self.tokens)],
        }
    }

    /// Tokens that the stream's rows take in next.
    pub(super) fn last_tokens(&self) -> Vec<u32> {
        match &self.search {
            Some(search) => search.last_tokens().collect(),
            None => vec![*self.tokens.last().expect("the first token")],
        }
    }
}

fn check_prefixes(conditioning: &Conditioning, shape: &ModelShape, source: Option<&SourceOptions>) -> Result<()> {
    for site in Site::ALL {
        let wanted = match (source, site) {
            (Some(source), Site::Encoder) => &source.encoder,
            _ => shape,
        };
        conditioning.of(site).map_or(Ok(()), |past| check_prefix(past, wanted))?;
    }
    Ok(())
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
