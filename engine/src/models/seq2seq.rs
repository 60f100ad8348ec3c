//! Models that read a source in both directions and write a target: what they offer, and how a source is read.

use std::ops::Range;

use burn::tensor::{Int, Tensor};

use crate::models::{Conditioning, ForwardPass, ModelShape, Site, Stack, StackName};
use crate::nn::positions::PositionIds;
use crate::nn::{AttentionMask, AttentionShape, FrozenLinear, FrozenMatrix, LayerKv, keys_and_values};
use crate::tokens::TargetStart;

/// Tokens that the architecture puts in by itself, as `config.json` names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetTokens {
    /// Stands before what is generated.
    pub start: Option<u32>,
    /// Before a target that is learned stands its own last token instead (mBART, where that may be the language).
    pub last_starts: bool,
    /// The first token that is generated, whatever the logits say.
    pub forced_first: Option<u32>,
    /// The last token that is generated when a text is cut off.
    pub forced_last: Option<u32>,
}

impl TargetTokens {
    /// The tokens at the start of a target that is learned.
    pub fn before_labels(&self) -> TargetStart {
        TargetStart { has_source: true, token: self.start.filter(|_| !self.last_starts), first: self.forced_first }
    }
}

/// Keys and values of a source as the decoder sees them, behind those of a prefix.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// Keys and values for each decoder layer that runs, `[batch, n_heads, past + source, d_head]`.
    pub cross: Vec<LayerKv>,
    /// The layer that the first of them are for.
    pub first: usize,
    /// The mask of the columns that each layer sees.
    pub mask: AttentionMask,
}

impl Encoded {
    /// Keys and values of an encoded source, `[batch, source, d_model]`, for some layers of the decoder, behind those
    /// that an adapter puts before it. `mask` is 1 for its real tokens, `[batch, source]`; `None`: all are.
    pub fn new(
        model: &dyn Seq2SeqModel,
        encoded: Tensor<3>,
        layers: Range<usize>,
        mask: Option<Tensor<2>>,
        conditioning: &Conditioning,
    ) -> Self {
        let ([batch, seq, _], first, device) = (encoded.dims(), layers.start, encoded.device());
        let mut cross = model.cross(encoded, layers);
        if let Some(prefix) = &conditioning.cross {
            let whole = |slots: &Tensor<4>| {
                let [_, n_heads, n_virtual, d_head] = slots.dims();
                slots.clone().expand([batch, n_heads, n_virtual, d_head])
            };
            let before = |(source, prefix): (LayerKv, &LayerKv)| LayerKv {
                key: Tensor::cat(vec![whole(&prefix.key), source.key], 2),
                value: Tensor::cat(vec![whole(&prefix.value), source.value], 2),
            };
            cross = cross.into_iter().zip(&prefix[first..]).map(before).collect();
        }
        Self {
            cross,
            first,
            mask: AttentionMask::with_prefix(conditioning.prefix_columns(Site::Cross), mask, [batch, seq], &device),
        }
    }

    /// Keys and values that a layer sees.
    pub(super) fn at(&self, layer: usize) -> &LayerKv {
        &self.cross[layer - self.first]
    }
}

/// An encoder and a decoder with frozen weights.
///
/// As in PEFT the decoder's own tokens stand after its prefix, unless that takes no positions. The encoder's positions start at 0 whether there is a
/// prefix or not, as in the paper's code; cross-attention has no positions.
pub trait Seq2SeqModel: Send + Sync {
    /// The decoder's sizes; its cross-attention has the same.
    fn shape(&self) -> &ModelShape;

    /// The encoder's sizes.
    fn encoder_shape(&self) -> &ModelShape;

    /// The tokens that are put in.
    fn target_tokens(&self) -> &TargetTokens;

    /// The counting of positions in sources and targets when a batch is read at once.
    fn position_ids(&self) -> PositionIds {
        PositionIds::Columns
    }

    /// The encoder or the decoder, as a pass must know it.
    fn stack(&self, site: Site) -> Stack {
        match site {
            Site::Encoder => {
                Stack { name: StackName::Encoder, ..Stack::only(site, self.encoder_shape(), self.position_ids()) }
            }
            Site::Decoder | Site::Cross => {
                Stack { name: StackName::Decoder, ..Stack::only(Site::Decoder, self.shape(), self.position_ids()) }
            }
        }
    }

    /// The encoder's hidden states of a source, `[batch, source, d_model]`.
    fn encode(&self, source: &mut ForwardPass<'_>) -> Tensor<3>;

    /// Keys and values of an encoded source for some layers of the decoder, `[batch, n_heads, source, d_head]`.
    fn cross(&self, encoded: Tensor<3>, layers: Range<usize>) -> Vec<LayerKv>;

    /// Hidden states that [`Seq2SeqModel::head`] makes logits of, `[batch, seq, head width]`, of a target behind its source.
    fn hidden(&self, target: &mut ForwardPass<'_>) -> Tensor<3>;

    /// The matrix that makes logits of hidden states, `[vocab_size, head width]`.
    fn head(&self) -> &FrozenMatrix;

    /// Hidden states as a head for classes reads them, `[n, d_model]`: without what they are scaled by for the logits.
    fn class_vectors(&self, hidden: Tensor<2>) -> Tensor<2> {
        hidden
    }

    /// The token embeddings, `[vocab_size, d_model]`.
    fn embeddings(&self) -> &FrozenMatrix;

    /// The sizes of each site that a prefix can have.
    fn sites(&self) -> Vec<(Site, ModelShape)> {
        let decoder = self.shape();
        vec![
            (Site::Encoder, self.encoder_shape().clone()),
            (Site::Decoder, decoder.clone()),
            (Site::Cross, decoder.clone()),
        ]
    }

    /// Keys and values of a source and a target that stand alone, one pair per layer of the site.
    fn keys_and_values(&self, site: Site, source: Tensor<2, Int>, text: Tensor<2, Int>) -> Vec<LayerKv> {
        let mut source = ForwardPass::of_texts(self.stack(Site::Encoder), source).keeping_kv();
        let encoded = self.encode(&mut source);
        if site == Site::Encoder {
            return source.take_kv();
        }
        let cross = self.cross(encoded, 0..self.shape().n_layers);
        if site == Site::Cross {
            return cross;
        }
        let source = Encoded { cross, first: 0, mask: AttentionMask::default() };
        let mut target = ForwardPass::of_texts(self.stack(Site::Decoder), text).behind_source(&source).keeping_kv();
        drop(self.hidden(&mut target));
        target.take_kv()
    }
}

/// Reads a source that stands alone, with what an adapter puts before it.
pub fn read_source(model: &dyn Seq2SeqModel, mut source: ForwardPass<'_>, conditioning: &Conditioning) -> Encoded {
    let encoded = model.encode(&mut source);
    Encoded::new(model, encoded, 0..model.shape().n_layers, None, conditioning)
}

/// Attention of a decoder's layer to the source, common to all decoders.
pub(super) struct CrossAttention {
    pub(super) query: FrozenLinear,
    /// Keys and values side by side.
    pub(super) key_value: FrozenLinear,
    pub(super) out: FrozenLinear,
    /// Without keys of its own.
    pub(super) shape: AttentionShape,
}

impl CrossAttention {
    /// Keys and values of an encoded source.
    pub(super) fn keys_and_values(&self, encoded: Tensor<3>) -> LayerKv {
        let shape = AttentionShape { n_heads: 0, ..self.shape.clone() };
        keys_and_values(&self.key_value.forward(encoded), &shape)
    }

    /// The output of attention from `x` to the source, `[batch, seq, d_model]`.
    pub(super) fn forward(&self, pass: &mut ForwardPass<'_>, layer: usize, x: Tensor<3>) -> Tensor<3> {
        let mixed = pass.cross_attention(layer, self.query.forward(x), &self.shape);
        pass.cross_attn_out(layer, self.out.forward(mixed))
    }
}
