//! The interface between a decoder and a model, whether it goes on with a text or writes one from a source.

use burn::tensor::{Device, Tensor};

use super::cache::{KvCache, Segments};
use crate::error::{EngineError, Result};
use crate::models::{
    CausalModel, Conditioning, Encoded, ForwardPass, GenerationConfig, Model, ModelShape, Seq2SeqModel, Site, Stack,
    read_source,
};
use crate::nn::positions::Place;
use crate::nn::{Head, LayerKv, head_logits};
use crate::{Sentence, sentence};

/// Settings for the begin and the end of a target.
#[derive(Clone, Debug)]
pub struct SourceOptions {
    /// Stands before every target.
    pub start: u32,
    /// The first new token, whatever the logits say.
    pub forced_first: Option<u32>,
    /// The last token of a target that is cut off.
    pub forced_last: Option<u32>,
    /// The encoder's sizes.
    pub encoder: ModelShape,
}

impl SourceOptions {
    /// As transformers decides: `generation_config.json` speaks, without the file the model's configuration; what neither
    /// names is the begin token.
    pub fn of(model: &dyn Seq2SeqModel, file: &GenerationConfig, begin: u32) -> Self {
        let own = model.target_tokens();
        let said = file.target.as_ref().unwrap_or(own);
        Self {
            start: said.start.or(own.start).unwrap_or(begin),
            forced_first: said.forced_first,
            forced_last: said.forced_last,
            encoder: model.encoder_shape().clone(),
        }
    }
}

/// A model that writes.
#[derive(Clone, Copy)]
pub enum DecoderModel<'a> {
    /// Goes on with the prompt.
    Causal(&'a dyn CausalModel),
    /// Reads the prompt first.
    Seq2Seq(&'a dyn Seq2SeqModel),
}

impl<'a, M: CausalModel> From<&'a M> for DecoderModel<'a> {
    fn from(model: &'a M) -> Self {
        Self::Causal(model)
    }
}

impl<'a> From<&'a dyn CausalModel> for DecoderModel<'a> {
    fn from(model: &'a dyn CausalModel) -> Self {
        Self::Causal(model)
    }
}

impl<'a> TryFrom<&'a Model> for DecoderModel<'a> {
    type Error = EngineError;

    /// Refuses a model that writes nothing.
    fn try_from(model: &'a Model) -> Result<Self> {
        match model {
            Model::Causal(model) => Ok(Self::Causal(model.as_ref())),
            Model::Seq2Seq(model) => Ok(Self::Seq2Seq(model.as_ref())),
            Model::Encoder(_) => Err(model.writes_nothing()),
        }
    }
}

/// Result of reading a prompt: the logits of the first new token, and what later tokens see.
pub(super) struct PromptOutput {
    pub(super) logits: Vec<f32>,
    /// Of the tokens that were read into the cache, without the prefix.
    pub(super) text: Vec<LayerKv>,
    /// Keys and values of cross-attention, prefix and source.
    pub(super) cross: Option<Vec<LayerKv>>,
    /// Where the first new token stands.
    pub(super) next: Place,
}

impl DecoderModel<'_> {
    pub(super) fn device(self) -> Device {
        match self {
            Self::Causal(model) => model.embeddings().device(),
            Self::Seq2Seq(model) => model.embeddings().device(),
        }
    }

    /// Reads a prompt that stands alone in its batch, behind its prefixes.
    pub(super) fn read(
        self,
        prompt: &[u32],
        n_free: usize,
        conditioning: &Conditioning,
        start: Option<u32>,
    ) -> Result<PromptOutput> {
        let device = self.device();
        let stack = self.stack();
        let (hidden, text, cross, next) = match self {
            Self::Causal(model) => {
                let pass = ForwardPass::of_prompt(stack, prompt, n_free, conditioning, &device)?;
                let mut pass = pass.keeping_kv();
                (model.hidden(&mut pass), pass.take_kv(), None, stack.behind(prompt, n_free, conditioning))
            }
            Self::Seq2Seq(model) => {
                let start = start_of(model, start)?;
                let source = ForwardPass::of_prompt(model.stack(Site::Encoder), prompt, 0, conditioning, &device)?;
                let encoded = read_source(model, source, conditioning);
                let target = ForwardPass::of_prompt(stack, &[start], 0, conditioning, &device)?;
                let mut target = target.behind_source(&encoded).keeping_kv();
                let next = stack.behind(&[start], 0, conditioning);
                (model.hidden(&mut target), target.take_kv(), Some(encoded.cross), next)
            }
        };
        let [_, seq, width] = hidden.dims();
        let last = hidden.slice([0..1, seq - 1..seq, 0..width]).reshape([1, width]);
        Ok(PromptOutput { logits: to_host(head_logits(last, self.head()))?, text, cross, next })
    }

    /// Hidden states that the tokens of a known text behind a prompt are told from, `[text, head width]`.
    pub(super) fn known(
        self,
        (prompt, text): (&[u32], &[u32]),
        n_free: usize,
        conditioning: &Conditioning,
        start: Option<u32>,
    ) -> Result<Tensor<2>> {
        let device = self.device();
        let read = &text[..text.len() - 1];
        let (hidden, first) = match self {
            Self::Causal(model) => {
                let whole = [prompt, read].concat();
                let last = prompt.len() - 1;
                let mut pass = ForwardPass::of_text(self.stack(), (&whole, last), n_free, conditioning, &device)?;
                (model.hidden(&mut pass), last)
            }
            Self::Seq2Seq(model) => {
                let start = start_of(model, start)?;
                let source = ForwardPass::of_prompt(model.stack(Site::Encoder), prompt, 0, conditioning, &device)?;
                let encoded = read_source(model, source, conditioning);
                let whole = [&[start], read].concat();
                let target = ForwardPass::of_text(self.stack(), (&whole, 0), 0, conditioning, &device)?;
                (model.hidden(&mut target.behind_source(&encoded)), 0)
            }
        }; // [1, seq, head width]
        let [_, seq, width] = hidden.dims();
        Ok(hidden.slice([0..1, first..seq, 0..width]).reshape([seq - first, width])) // [text, head width]
    }

    /// Logits after one more token of each row, `[rows * vocab_size]`; the cache takes the token in.
    pub(super) fn advance(
        self,
        tokens: Vec<i64>,
        places: Vec<Place>,
        cache: &mut KvCache,
        cross: Option<&KvCache>,
    ) -> Result<Vec<f32>> {
        let (device, past) = (self.device(), cache.past());
        let seen = (past.as_slice(), cache.attention_mask(1, &device));
        let mut pass = ForwardPass::of_next(self.stack(), (tokens, places), seen, &device).keeping_kv();
        let (hidden, kv) = match (self, cross) {
            (Self::Causal(model), _) => (model.hidden(&mut pass), pass.take_kv()),
            (Self::Seq2Seq(model), Some(cross)) => {
                let source = Encoded { cross: cross.past(), first: 0, mask: cross.attention_mask(0, &device) };
                let mut pass = pass.behind_source(&source);
                (model.hidden(&mut pass), pass.take_kv())
            }
            (Self::Seq2Seq(_), None) => return Err(EngineError::Computation(sentence!("a target without its source"))),
        }; // [rows, 1, head width]
        drop(past); // so that the cache is written in place
        cache.append(&kv);
        to_host(head_logits(hidden.squeeze_dim(1), self.head()))
    }

    /// The position at which a text is read anew.
    pub(super) fn rereads_at(self) -> Option<usize> {
        match self {
            Self::Causal(model) => model.rereads_at(),
            Self::Seq2Seq(_) => None,
        }
    }

    /// The stack that writes.
    fn stack(self) -> Stack {
        match self {
            Self::Causal(model) => model.stack(),
            Self::Seq2Seq(model) => model.stack(Site::Decoder),
        }
    }

    pub(super) fn head(&self) -> Head {
        match self {
            Self::Causal(model) => model.logit_head(),
            Self::Seq2Seq(model) => Head::new(model.head().clone()),
        }
    }
}

/// The token that begins a target.
fn start_of(model: &dyn Seq2SeqModel, start: Option<u32>) -> Result<u32> {
    start.ok_or(EngineError::TaskShape {
        architecture: model.shape().architecture,
        wanted: sentence!("a model for prompts that it goes on with"),
    })
}

/// The cache of what cross-attention sees, for rows that have a source.
pub(super) fn cross_cache(rows: Vec<Option<Vec<LayerKv>>>) -> Option<KvCache> {
    let rows: Option<Vec<Segments>> = rows.into_iter().map(|row| row.map(|cross| vec![cross])).collect();
    rows.filter(|rows| !rows.is_empty()).map(|rows| KvCache::new(&rows, 0))
}

pub(super) fn to_host(logits: Tensor<2>) -> Result<Vec<f32>> {
    logits.try_into_vec_as().map_err(|error| EngineError::Computation(Sentence::verbatim(error)))
}
