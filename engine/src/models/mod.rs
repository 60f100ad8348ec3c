//! Language models, one file for each architecture, and what all of them offer.
//!
//! A model knows two ways to be conditioned and no method by name: keys and values before the text in each layer, and
//! (in later architectures) embeddings before the tokens.

use burn::tensor::{Device, Int, Tensor};

pub use self::base::BaseModel;
pub use self::conditioning::Conditioning;
pub use self::depth::Depth;
pub use self::encoder::{EncoderModel, MaskHead};
pub use self::facts::{ModelFacts, SiteShape};
pub use self::generation_config::GenerationConfig;
pub use self::head::{ClassHead, HeadKind};
pub(crate) use self::known::{is_class_head, is_shared_table};
pub(crate) use self::loader::tied_head;
pub use self::loader::{LinearName, Role, Shared, WeightName, Weights};
pub use self::own_head::OwnHead;
pub use self::seams::Seams;
pub(crate) use self::seams::{Leaf, leaf, with_gradient};
pub(crate) use self::seq2seq::encode;
pub use self::seq2seq::{Encoded, Seq2SeqModel, TargetTokens, read_source};
pub use self::span::Span;
pub use self::summary::ModelSummary;
pub use self::tokens::{Lookup, SOFT, Tokens};
pub use self::tuned::{Rows, Tuned};
pub use crate::config::Site;
use crate::config::Task;
use crate::data::TargetStart;
use crate::error::{EngineError, Result};
use crate::nn::positions::{Counting, Taken, positions};
use crate::nn::{Activation, AttentionShape, FrozenMatrix, LayerKv, Sight, SlidingWindow};
use crate::sentence;

mod albert;
pub mod bart;
mod base;
mod bert;
pub mod bloom;
mod conditioning;
mod config_file;
mod depth;
mod distilbert;
mod electra;
mod encoder;
mod facts;
pub mod folder;
mod generation_config;
pub mod glm;
pub mod gpt2;
pub mod gpt_neo;
pub mod gpt_neox;
mod head;
pub(crate) mod known;
pub mod llama;
mod loader;
pub mod opt;
mod own_head;
pub(crate) mod place;
mod post_norm;
#[cfg(test)]
mod precision_tests;
mod roberta;
mod rope;
mod seams;
mod seq2seq;
#[cfg(test)]
mod seq2seq_tests;
mod span;
mod summary;
pub mod t5;
#[cfg(test)]
mod tests;
mod tokens;
mod tuned;
mod unread;

/// Hears the share of a model that is loaded; an error ends the loading.
pub type Loading<'a> = dyn FnMut(f32) -> Result<()> + 'a;

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
    /// Reads it in both directions.
    Encoder(Box<dyn EncoderModel>),
    /// Reads it, then writes another.
    Seq2Seq(Box<dyn Seq2SeqModel>),
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Model({})", self.shape().architecture)
    }
}

impl Model {
    /// Its sizes; the decoder's, where there is an encoder too.
    pub fn shape(&self) -> &ModelShape {
        match self {
            Self::Causal(model) => model.shape(),
            Self::Encoder(model) => model.shape(),
            Self::Seq2Seq(model) => model.shape(),
        }
    }

    /// How a batch that is read at once counts its positions.
    pub fn counting(&self) -> Counting {
        match self {
            Self::Causal(model) => model.counting(),
            Self::Encoder(model) => model.counting(),
            Self::Seq2Seq(model) => model.counting(),
        }
    }

    /// The layers that see only the last columns, if there are any.
    pub fn window(&self) -> Option<&SlidingWindow> {
        match self {
            Self::Causal(model) => model.window(),
            Self::Encoder(_) | Self::Seq2Seq(_) => None,
        }
    }

    /// The sizes of each site that a prefix can have.
    pub fn sites(&self) -> Vec<(Site, ModelShape)> {
        match self {
            Self::Causal(model) => vec![(Site::Decoder, model.shape().clone())],
            Self::Encoder(model) => vec![(Site::Encoder, model.shape().clone())],
            Self::Seq2Seq(model) => model.sites(),
        }
    }

    /// What stands before a target; nothing where there is no source.
    pub fn target_start(&self) -> TargetStart {
        match self {
            Self::Causal(_) | Self::Encoder(_) => TargetStart::default(),
            Self::Seq2Seq(model) => model.target_tokens().before_labels(),
        }
    }

    /// The matrix that makes logits of hidden states, `[vocab_size, head width]`.
    ///
    /// # Errors
    /// [`EngineError::TaskShape`] for a model that writes nothing.
    pub fn head(&self) -> Result<&FrozenMatrix> {
        match self {
            Self::Causal(model) => Ok(model.head()),
            Self::Seq2Seq(model) => Ok(model.head()),
            Self::Encoder(_) => Err(self.writes_nothing()),
        }
    }

    /// The layers of a head that names classes.
    ///
    /// # Errors
    /// [`EngineError::Setting`] when the model cannot do the task.
    pub fn head_kind(&self, task: Task) -> Result<HeadKind> {
        match (self, task) {
            (Self::Encoder(model), Task::SequenceClassification) => Ok(model.text_head()),
            (Self::Encoder(_), Task::TokenClassification) => Ok(HeadKind::Linear),
            (Self::Causal(_), Task::SequenceClassification) => Ok(HeadKind::Score),
            _ => Err(cannot(self.shape().architecture, task)),
        }
    }

    /// Width of what a head that names classes reads.
    pub fn head_width(&self) -> usize {
        match self {
            // Some project their hidden states to narrower embeddings.
            Self::Causal(model) => model.head().dims()[1],
            Self::Encoder(_) | Self::Seq2Seq(_) => self.shape().d_model,
        }
    }

    /// The model, if it is causal.
    ///
    /// # Errors
    /// [`EngineError::TaskShape`] otherwise.
    pub fn causal(&self) -> Result<&dyn CausalModel> {
        match self {
            Self::Causal(model) => Ok(model.as_ref()),
            Self::Encoder(_) => Err(self.writes_nothing()),
            Self::Seq2Seq(model) => Err(EngineError::TaskShape {
                architecture: model.shape().architecture,
                wanted: sentence!("a causal model"),
            }),
        }
    }

    /// Refuses slots within a text where they would mean something else.
    ///
    /// # Errors
    /// [`EngineError::Setting`].
    pub fn check_infix(&self) -> Result<()> {
        let takes = match self {
            Self::Causal(model) => model.takes_infix(),
            Self::Encoder(_) | Self::Seq2Seq(_) => false,
        };
        let architecture = self.shape().architecture;
        let reason = sentence!(
            "{architecture} has no infix: it is for causal models in which neither ALiBi nor a sliding window counts the \
             columns between two tokens",
            architecture
        );
        if takes { Ok(()) } else { Err(EngineError::Setting { field: "method.infix", reason }) }
    }

    /// The model, if it is an encoder.
    ///
    /// # Errors
    /// [`EngineError::TaskShape`] otherwise.
    pub fn encoder(&self) -> Result<&dyn EncoderModel> {
        match self {
            Self::Encoder(model) => Ok(model.as_ref()),
            other => Err(EngineError::TaskShape {
                architecture: other.shape().architecture,
                wanted: sentence!("an encoder"),
            }),
        }
    }

    /// The token embeddings, `[vocab_size, width]`.
    pub fn embeddings(&self) -> &Tensor<2> {
        match self {
            Self::Causal(model) => model.embeddings(),
            Self::Encoder(model) => model.embeddings(),
            Self::Seq2Seq(model) => model.embeddings(),
        }
    }

    /// Where its weights are.
    pub fn device(&self) -> Device {
        self.embeddings().device()
    }

    /// The refusal to write, of an encoder.
    pub(crate) fn writes_nothing(&self) -> EngineError {
        EngineError::TaskShape {
            architecture: self.shape().architecture,
            wanted: sentence!("a model that writes: it reads a text and does not go on with it"),
        }
    }

    /// Keys and values of texts that stand alone, one pair per layer of a site. A model that reads a source and writes a
    /// target has read `source` and writes `text`; any other reads `text`.
    ///
    /// # Shapes
    /// - `source` and `text`: `[batch, seq]`
    /// - key and value of each layer: `[batch, n_kv_heads, seq, d_head]`
    pub fn keys_and_values(&self, site: Site, source: Tensor<2, Int>, text: Tensor<2, Int>) -> Vec<LayerKv> {
        let mut kv = Vec::new();
        match self {
            Self::Causal(model) => return model.read_alone(text),
            Self::Encoder(model) => {
                let input = alone(text, model.shape(), model.counting());
                drop(model.hidden(&input, None, None, Some(&mut kv)));
            }
            Self::Seq2Seq(model) => return model.keys_and_values(site, source, text),
        }
        kv
    }
}

/// The refusal of a task that an architecture cannot do.
pub(crate) fn cannot(architecture: &str, task: Task) -> EngineError {
    EngineError::Setting { field: "task", reason: sentence!("{architecture} cannot do {task}", architecture, task) }
}

/// A model as a source of real keys and values: what a prefix is initialised from and compared with.
pub trait KeysAndValues {
    /// The sizes.
    fn sizes(&self) -> &ModelShape;

    /// Keys and values of texts that stand alone, from the first position on: one pair per layer.
    ///
    /// # Shapes
    /// - `tokens`: `[batch, seq]`
    /// - key and value of each layer: `[batch, n_kv_heads, seq, d_head]`
    fn read_alone(&self, tokens: Tensor<2, Int>) -> Vec<LayerKv>;

    /// Where its weights are.
    fn device(&self) -> Device;
}

impl<M: CausalModel + ?Sized> KeysAndValues for M {
    fn sizes(&self) -> &ModelShape {
        self.shape()
    }

    fn read_alone(&self, tokens: Tensor<2, Int>) -> Vec<LayerKv> {
        let input = alone(tokens, self.shape(), Counting::Columns);
        let mut kv = Vec::new();
        drop(self.hidden(&input, None, Some(&mut kv)));
        kv
    }

    fn device(&self) -> Device {
        self.embeddings().device()
    }
}

/// Texts without padding and without anything before them.
fn alone(tokens: Tensor<2, Int>, shape: &ModelShape, counting: Counting) -> Input {
    let [batch, seq] = tokens.dims();
    let mask = vec![1.0; batch * seq];
    let positions = positions(&mask, [batch, seq], Taken::Before(0), shape.n_positions, counting, &tokens.device());
    Input { tokens: Tokens::plain(tokens), positions, sight: Sight::default(), span: Span::Whole }
}

/// One batch of tokens on the device.
#[derive(Clone, Debug)]
pub struct Input {
    /// What stands where, `[batch, seq]`.
    pub tokens: Tokens,
    /// Position of each token, `[batch, seq]`.
    pub positions: Tensor<2, Int>,
    /// Which keys each layer sees, of the past and of the text.
    pub sight: Sight,
    /// The blocks that run.
    pub span: Span,
}

/// A causal language model with frozen weights.
pub trait CausalModel: Send {
    /// Its sizes.
    fn shape(&self) -> &ModelShape;

    /// How a batch that is read at once counts its positions, in training and evaluation: as transformers' `forward`
    /// does when it is given none. Generation counts real tokens in every architecture.
    fn counting(&self) -> Counting {
        Counting::Columns
    }

    /// The layers that see only the last columns, if there are any.
    fn window(&self) -> Option<&SlidingWindow> {
        None
    }

    /// Whether slots can stand within a text: not where the columns between two tokens are their distance.
    fn takes_infix(&self) -> bool {
        self.window().is_none()
    }

    /// Hidden states as the head takes them, after the last norm: `[batch, seq, d_out]`, where `d_out` is `d_model` but
    /// for models that project them to narrower embeddings.
    ///
    /// `past` holds keys and values that every token may see, one pair per layer: a prefix, a cache, or both.
    /// `kv`, if given, receives the keys and values of this call's tokens, one pair per layer,
    /// `[batch, n_kv_heads, seq, d_head]`: what a cache appends and what a prefix is initialised from.
    fn hidden(&self, input: &Input, past: Option<&[LayerKv]>, kv: Option<&mut Vec<LayerKv>>) -> Tensor<3>;

    /// The matrix that makes logits of hidden states, `[vocab_size, d_out]`.
    fn head(&self) -> &FrozenMatrix;

    /// The token embeddings, `[vocab_size, d_out]`.
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
