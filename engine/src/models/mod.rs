//! Language models, one file for each architecture, and what all of them offer.
//!
//! A model knows two ways to be conditioned and no method by name: keys and values before the text in each layer, and
//! (in later architectures) embeddings before the tokens.

use burn::tensor::{Int, Tensor};

pub use self::conditioning::{Conditioning, Site, n_virtual};
pub use self::generation_config::GenerationConfig;
pub use self::seq2seq::{Encoded, Seq2SeqModel, TargetTokens, read_source};
use crate::data::RowForm;
use crate::error::{EngineError, Result};
use crate::nn::{Activation, AttentionShape, LayerKv};

pub mod bart;
mod conditioning;
pub mod folder;
mod generation_config;
pub mod gpt2;
pub mod gpt_neox;
pub mod llama;
mod loader;
mod rope;
mod seq2seq;
#[cfg(test)]
mod seq2seq_tests;
pub mod t5;

/// The sizes of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelShape {
    /// As `config.json` names the architecture.
    pub architecture: &'static str,
    /// Layers.
    pub n_layers: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Query heads.
    pub n_heads: usize,
    /// Key and value heads.
    pub n_kv_heads: usize,
    /// Width of a head.
    pub d_head: usize,
    /// Width of the feed-forward layer.
    pub d_ff: usize,
    /// Tokens.
    pub vocab_size: usize,
    /// Positions.
    pub n_positions: usize,
}

impl ModelShape {
    /// Attention as most architectures have it.
    pub(crate) fn causal_attention(&self) -> AttentionShape {
        AttentionShape {
            n_heads: self.n_heads,
            n_kv_heads: self.n_kv_heads,
            d_head: self.d_head,
            scale: (self.d_head as f32).sqrt().recip(),
            causal: true,
            own_keys: true,
        }
    }
}

/// A model by what it does with a text.
pub enum Model {
    /// Goes on with it.
    Causal(Box<dyn CausalModel>),
    /// Reads it, then writes another.
    Seq2Seq(Box<dyn Seq2SeqModel>),
}

impl Model {
    /// Its sizes; the decoder's, where there is an encoder too.
    pub fn shape(&self) -> &ModelShape {
        match self {
            Self::Causal(model) => model.shape(),
            Self::Seq2Seq(model) => model.shape(),
        }
    }

    /// The sizes of each site that a prefix can have.
    pub fn sites(&self) -> Vec<(Site, ModelShape)> {
        match self {
            Self::Causal(model) => vec![(Site::Decoder, model.shape().clone())],
            Self::Seq2Seq(model) => model.sites(),
        }
    }

    /// The form in which it takes rows.
    pub fn row_form(&self) -> RowForm {
        match self {
            Self::Causal(_) => RowForm::OneText,
            Self::Seq2Seq(model) => model.target_tokens().row_form(),
        }
    }

    /// The matrix that makes logits of hidden states, `[vocab_size, head width]`.
    pub fn head(&self) -> &Tensor<2> {
        match self {
            Self::Causal(model) => model.head(),
            Self::Seq2Seq(model) => model.head(),
        }
    }

    /// The model, if it is causal.
    ///
    /// # Errors
    /// [`EngineError::TaskShape`] otherwise.
    pub fn causal(&self) -> Result<&dyn CausalModel> {
        match self {
            Self::Causal(model) => Ok(model.as_ref()),
            Self::Seq2Seq(model) => {
                Err(EngineError::TaskShape { architecture: model.shape().architecture, wanted: "a causal model" })
            }
        }
    }
}

/// One batch of tokens on the device.
#[derive(Clone, Debug)]
pub struct Input {
    /// Token ids, `[batch, seq]`.
    pub tokens: Tensor<2, Int>,
    /// Position of each token, `[batch, seq]`.
    pub positions: Tensor<2, Int>,
    /// 1 where a key may be seen, 0 where it is padding, `[batch, past + seq]`; `None` if all may be seen.
    pub key_mask: Option<Tensor<2>>,
}

/// A causal language model with frozen weights.
pub trait CausalModel: Send {
    /// Its sizes.
    fn shape(&self) -> &ModelShape;

    /// Hidden states after the last norm, `[batch, seq, d_model]`.
    ///
    /// `past` holds keys and values that every token may see, one pair per layer: a prefix, a cache, or both.
    /// `kv`, if given, receives the keys and values of this call's tokens, one pair per layer,
    /// `[batch, n_kv_heads, seq, d_head]`: what a cache appends and what a prefix is initialised from.
    fn hidden(&self, input: &Input, past: Option<&[LayerKv]>, kv: Option<&mut Vec<LayerKv>>) -> Tensor<3>;

    /// The matrix that makes logits of hidden states, `[vocab_size, d_model]`.
    fn head(&self) -> &Tensor<2>;

    /// The token embeddings, `[vocab_size, d_model]`.
    fn embeddings(&self) -> &Tensor<2>;
}

/// The activation that `config.json` names under `option`.
pub(crate) fn activation_named(architecture: &'static str, option: &'static str, name: &str) -> Result<Activation> {
    Activation::from_name(name).ok_or_else(|| EngineError::UnsupportedOption {
        architecture,
        option,
        value: name.to_owned(),
    })
}

/// The keys and values in the output of a fused projection.
///
/// # Shapes
/// - `qkv`: `[batch, seq, (n_heads + 2 * n_kv_heads) * d_head]`
/// - each result: `[batch, n_kv_heads, seq, d_head]`
pub(crate) fn keys_and_values(qkv: &Tensor<3>, shape: &AttentionShape) -> LayerKv {
    let [batch, seq, _] = qkv.dims();
    let (queries, width) = (shape.n_heads * shape.d_head, shape.n_kv_heads * shape.d_head);
    let part = |from: usize| {
        qkv.clone()
            .slice([0..batch, 0..seq, from..from + width])
            .reshape([batch, seq, shape.n_kv_heads, shape.d_head])
            .swap_dims(1, 2) // [batch, n_kv_heads, seq, d_head]
    };
    LayerKv { key: part(queries), value: part(queries + width) }
}
