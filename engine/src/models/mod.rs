//! Language models, one file for each architecture, and what all of them offer.
//!
//! A model knows two ways to be conditioned and no method by name: keys and values before the text in each layer, and
//! (in later architectures) embeddings before the tokens.

use burn::tensor::{Device, Int, Tensor};

pub mod architectures;
mod conditioning;
mod encoder;
mod facts;
mod forward;
mod heads;
pub(crate) mod load;
#[cfg(test)]
mod precision_tests;
pub(crate) mod registry;
mod seq2seq;
#[cfg(test)]
mod seq2seq_tests;
#[cfg(test)]
mod tests;

pub use self::conditioning::Conditioning;
pub use self::encoder::EncoderModel;
pub use self::facts::{ModelFacts, SiteShape};

pub use self::forward::{
    ActivationCache, BaseDropout, DropoutRates, EmbeddingOptions, ForwardPass, HookName, HookPoint, Hooks, LayerRange,
    PaddedRows, Stack, StackName, Tokens,
};
pub use self::heads::{ClassHead, HeadKind, MaskHead, PretrainedHead};
pub(crate) use self::load::catalog::{is_class_head, is_shared_table};
pub use self::load::{
    BaseModel, GenerationConfig, GraphCut, LayerPosition, LinearName, ModelFolder, ModelSummary, Packing, Role, Rows,
    WeightCache, WeightName, WeightOverrides, Weights,
};
pub(crate) use self::load::{Leaf, leaf, tied_head, with_gradient};
pub use self::registry::lora_targets;
pub(crate) use self::registry::{class_prefix, takes_past, tokenizer_of};
pub use self::seq2seq::{Encoded, Seq2SeqModel, TargetTokens, read_source};
pub use crate::config::Site;
use crate::config::Task;
use crate::error::{EngineError, Result};
use crate::models::registry::Architecture;
use crate::nn::positions::PositionIds;
use crate::nn::{Activation, AttentionShape, FrozenMatrix, Head, LayerKv, Rotary, SlidingWindow};
use crate::sentence;
use crate::tokens::TargetStart;

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
            is_cross: false,
            softcap: None,
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
    /// Sizes of the model; of the decoder, where there is an encoder too.
    pub fn shape(&self) -> &ModelShape {
        match self {
            Self::Causal(model) => model.shape(),
            Self::Encoder(model) => model.shape(),
            Self::Seq2Seq(model) => model.shape(),
        }
    }

    /// The counting of positions in a batch that is read at once.
    pub fn position_ids(&self) -> PositionIds {
        match self {
            Self::Causal(model) => model.position_ids(),
            Self::Encoder(model) => model.position_ids(),
            Self::Seq2Seq(model) => model.position_ids(),
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

    /// The tokens at the start of a target; none where there is no source.
    pub fn target_start(&self) -> TargetStart {
        match self {
            Self::Causal(_) | Self::Encoder(_) => TargetStart::default(),
            Self::Seq2Seq(model) => model.target_tokens().before_labels(),
        }
    }

    /// The head that makes logits of hidden states; its matrix is `[vocab_size, head width]`.
    ///
    /// # Errors
    /// [`EngineError::TaskShape`] for a model that writes nothing.
    pub fn head(&self) -> Result<Head> {
        match self {
            Self::Causal(model) => Ok(model.logit_head()),
            Self::Seq2Seq(model) => Ok(Head::new(model.head().clone())),
            Self::Encoder(_) => Err(self.writes_nothing()),
        }
    }

    /// The layers of a head that names classes.
    ///
    /// # Errors
    /// [`EngineError::Setting`] when the model cannot do the task.
    pub fn head_kind(&self, task: Task) -> Result<HeadKind> {
        let architecture = self.shape().architecture;
        let entry = Architecture::find(architecture);
        entry.and_then(|entry| entry.head_kind(task)).ok_or_else(|| cannot(architecture, task))
    }

    /// Width of what a head that names classes reads.
    pub fn head_width(&self) -> usize {
        match self {
            Self::Causal(model) => model.class_width(),
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
            Self::Causal(model) => model.supports_infix(),
            Self::Encoder(_) | Self::Seq2Seq(_) => false,
        };
        let architecture = self.shape().architecture;
        let reason = sentence!(
            "{architecture} has no infix: it is for causal models in which neither ALiBi nor a sliding window counts the \
             columns between two tokens, and which read no context in both directions",
            architecture
        );
        if takes { Ok(()) } else { Err(EngineError::Setting { field: "method.infix", reason }) }
    }

    /// Refuses several rows in a line where they could not be kept apart.
    ///
    /// # Errors
    /// [`EngineError::Setting`].
    pub fn check_packing(&self) -> Result<()> {
        let architecture = self.shape().architecture;
        let reason = match self {
            Self::Causal(model) if model.rotary().is_some_and(Rotary::depends_on_length) => sentence!(
                "the positions of this model turn by the length of a text, and a line of several rows has another"
            ),
            Self::Causal(model) if model.stack().context.is_none() => return Ok(()),
            _ => sentence!(
                "{architecture} cannot have several rows in a line: that is for causal models that read no context in both \
                 directions",
                architecture
            ),
        };
        Err(EngineError::Setting { field: "training.packing", reason })
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
    pub fn embeddings(&self) -> &FrozenMatrix {
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
        match self {
            Self::Causal(model) => model.forward_kv(text),
            Self::Encoder(model) => {
                let mut pass = ForwardPass::of_texts(model.stack(), text).keeping_kv();
                drop(model.hidden(&mut pass));
                pass.take_kv()
            }
            Self::Seq2Seq(model) => model.keys_and_values(site, source, text),
        }
    }
}

/// The refusal of a task that an architecture cannot do.
pub(crate) fn cannot(architecture: &str, task: Task) -> EngineError {
    EngineError::Setting { field: "task", reason: sentence!("{architecture} cannot do {task}", architecture, task) }
}

/// A model as a source of real keys and values: what a prefix is initialized from and compared with.
pub trait KvSource {
    /// The sizes.
    fn sizes(&self) -> &ModelShape;

    /// Keys and values of texts that stand alone, from the first position on: one pair per layer.
    ///
    /// # Shapes
    /// - `tokens`: `[batch, seq]`
    /// - key and value of each layer: `[batch, n_kv_heads, seq, d_head]`
    fn forward_kv(&self, tokens: Tensor<2, Int>) -> Vec<LayerKv>;

    /// Where its weights are.
    fn device(&self) -> Device;
}

impl<M: CausalModel + ?Sized> KvSource for M {
    fn sizes(&self) -> &ModelShape {
        self.shape()
    }

    fn forward_kv(&self, tokens: Tensor<2, Int>) -> Vec<LayerKv> {
        let mut pass = ForwardPass::of_texts(self.stack(), tokens).keeping_kv();
        drop(self.hidden(&mut pass));
        pass.take_kv()
    }

    fn device(&self) -> Device {
        self.embeddings().device()
    }
}

/// A causal language model with frozen weights.
pub trait CausalModel: Send {
    /// Sizes of the model.
    fn shape(&self) -> &ModelShape;

    /// The counting of positions in a batch that is read at once, in training and evaluation: as transformers'
    /// `forward` counts when it is given none. Generation counts real tokens in every architecture.
    fn position_ids(&self) -> PositionIds {
        PositionIds::Columns
    }

    /// The layers that see only the last columns, if there are any.
    fn window(&self) -> Option<&SlidingWindow> {
        None
    }

    /// Whether slots can stand within a text: not where the columns between two tokens are their distance.
    fn supports_infix(&self) -> bool {
        self.window().is_none()
    }

    /// What turns queries and keys by their positions, where something does.
    fn rotary(&self) -> Option<&Rotary> {
        None
    }

    /// The position at which a text that is gone on with is read anew, since from there on its earlier tokens have other
    /// keys. The reference does so where nothing stands before the text.
    fn rereads_at(&self) -> Option<usize> {
        None
    }

    /// Hidden states as the head takes them, after the last norm: `[batch, seq, d_out]`, where `d_out` is `d_model` but
    /// for models that project them to narrower embeddings.
    fn hidden(&self, pass: &mut ForwardPass<'_>) -> Tensor<3>;

    /// The blocks of the model, as a pass must know them.
    fn stack(&self) -> Stack {
        Stack::only(Site::Decoder, self.shape(), self.position_ids())
    }

    /// The matrix that makes logits of hidden states, `[vocab_size, d_out]`.
    fn head(&self) -> &FrozenMatrix;

    /// Hidden states as a head for classes reads them, `[n, class_width]`: without the 1 that meets a bias of the logits.
    fn class_vectors(&self, hidden: Tensor<2>) -> Tensor<2> {
        hidden
    }

    /// Width of what a head for classes reads: that of the embeddings, to which some project their hidden states.
    fn class_width(&self) -> usize {
        self.embeddings().dims()[1]
    }

    /// The same with what the architecture does to the logits: a bias, a bound.
    fn logit_head(&self) -> Head {
        Head::new(self.head().clone())
    }

    /// The token embeddings, `[vocab_size, d_out]`.
    fn embeddings(&self) -> &FrozenMatrix;
}

/// The activation that `config.json` names under `option`.
pub(crate) fn activation_named(architecture: &'static str, option: &'static str, name: &str) -> Result<Activation> {
    Activation::from_name(name).ok_or_else(|| EngineError::UnsupportedOption {
        architecture,
        option,
        value: name.to_owned(),
    })
}
