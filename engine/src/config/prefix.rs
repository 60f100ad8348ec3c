//! Prefix tuning as a run asks for it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Site;
use super::rules::{SHARE, WIDTH, WIDTHS, check_length, check_start, refuse, usual_bound, usual_first, usual_shots};
use super::tagged::whole;
use crate::error::Result;
use crate::sentence;

/// Prefix tuning: trained keys and values that every layer attends to before the text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrefixConfig {
    /// Prefix length (PEFT: `num_virtual_tokens`).
    pub n_virtual: usize,
    /// Train through a small network that is folded away afterwards (PEFT: `prefix_projection`).
    #[serde(alias = "reparameterisation")]
    pub reparameterization: Option<Reparameterization>,
    /// Dropout on the prefix's keys and values while training, 0 to 1.
    pub dropout: f64,
    /// Share of the slots that a row does not see in a step of training, drawn row by row, 0 to 1 (CT-KV: token dropout).
    #[serde(skip_serializing_if = "is_none")]
    pub slot_dropout: f64,
    /// Initial values.
    #[serde(deserialize_with = "whole")]
    pub init: PrefixInit,
    /// Whether a row that is among the demonstrations does not see the slots that were read from it while it is learned
    /// (CT-KV). For [`PrefixInit::Demonstrations`].
    #[serde(skip_serializing_if = "is_false")]
    pub leave_one_out: bool,
    /// Number of first slots that stay as they were initialized: a cartridge (PEFT: `num_frozen_tokens`). One keeps the
    /// place that models rest their attention on.
    #[serde(skip_serializing_if = "is_zero")]
    pub n_frozen: usize,
    /// Where the model gets a prefix; `None` is everywhere it can, which for a causal model is one place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sites: Option<Vec<Site>>,
    /// The layers that get a prefix, counted from 0, in order; `None` is all. The others do not see its slots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<Vec<usize>>,
    /// Whether the slots stand between prompt and target, where Li & Liang compare them with a prefix ("infix-tuning"): only
    /// what comes after a prompt's last token but one sees them. For causal models.
    #[serde(skip_serializing_if = "is_false")]
    pub infix: bool,
}

impl Default for PrefixConfig {
    fn default() -> Self {
        Self {
            n_virtual: 20,
            reparameterization: None,
            dropout: 0.0,
            slot_dropout: 0.0,
            init: PrefixInit::ScaledRandom,
            leave_one_out: false,
            n_frozen: 0,
            sites: None,
            layers: None,
            infix: false,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_none(share: &f64) -> bool {
    share.to_bits() == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

impl PrefixConfig {
    pub(super) fn check(&self) -> Result<()> {
        check_length(self.n_virtual)?;
        match self.init {
            PrefixInit::Uniform { bound } => check_start(bound, 1)?,
            PrefixInit::Common { first } => check_start(1.0, first)?,
            PrefixInit::Demonstrations { shots } => {
                refuse(&[(shots >= 1, "method.init.shots", sentence!("must be at least 1"))])?;
            }
            _ => {}
        }
        let demonstrations = matches!(self.init, PrefixInit::Demonstrations { .. });
        let network = self.reparameterization.as_ref();
        let (width, n_hidden) = network.map_or((1, 1), |network| (network.width.unwrap_or(1), network.hidden_layers));
        let layers = self.layers.as_deref();
        let ordered = layers.is_none_or(|layers| layers.is_sorted_by(|a, b| a < b));
        refuse(&[
            (
                self.n_frozen < self.n_virtual,
                "method.n_frozen",
                sentence!("at least one virtual token must be trained"),
            ),
            (
                self.n_frozen == 0 || network.is_none(),
                "method.n_frozen",
                sentence!("a network gives all virtual tokens or none"),
            ),
            ((0.0..1.0).contains(&self.dropout), "method.dropout", SHARE),
            ((0.0..1.0).contains(&self.slot_dropout), "method.slot_dropout", SHARE),
            (
                demonstrations || !self.leave_one_out,
                "method.leave_one_out",
                sentence!(
                    "only slots that were read from rows can be hidden from them: method.init is to be demonstrations"
                ),
            ),
            (WIDTHS.contains(&width), "method.reparameterization.width", WIDTH),
            ((1..=2).contains(&n_hidden), "method.reparameterization.hidden_layers", sentence!("must be 1 or 2")),
            (layers != Some(&[]), "method.layers", sentence!("at least one layer needs a prefix")),
            (ordered, "method.layers", sentence!("must be in order, each once")),
        ])
    }
}

/// The network of Li & Liang: embedding, linear, activation, linear; with two hidden layers (theirs is called deep) another
/// linear and activation between.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reparameterization {
    /// Width of the hidden layer (PEFT: `encoder_hidden_size`); `None` is that of the model's keys, PEFT's where nothing is
    /// said: the width of the model where each head has keys of its own.
    pub width: Option<usize>,
    /// Behind each hidden layer; the paper's and PEFT's is tanh.
    pub activation: MlpActivation,
    /// 1 or 2; PEFT has one.
    #[serde(skip_serializing_if = "is_one")]
    pub hidden_layers: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_one(n: &usize) -> bool {
    *n == 1
}

impl Default for Reparameterization {
    fn default() -> Self {
        Self { width: Some(512), activation: MlpActivation::Tanh, hidden_layers: 1 }
    }
}

/// Activations offered between the linear layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MlpActivation {
    /// The paper's.
    Tanh,
    /// Rectified linear.
    Relu,
    /// Gaussian error linear unit.
    Gelu,
}

/// Initial values of a prefix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PrefixInit {
    /// N(0, 1), as PEFT: about fifty times too large for most models.
    Random,
    /// Random with the mean and spread of real keys and values, per layer and head. The default.
    ScaledRandom,
    /// Zeros; not the base model, since the slots still take attention.
    Zero,
    /// Keys and values of a text run through the model: copied, or with a reparameterization fitted to. In a causal model
    /// no slot sees the text behind it, so that a long text gives what PEFT's `initialize_kv_prefix_from_text` does: it takes
    /// the first slots of the whole text, which it wants to be long enough, with the begin token or as a turn of the system;
    /// whoever wants these writes them out in the text.
    Words {
        /// The text; it is repeated or cut to the prefix length.
        text: String,
    },
    /// Keys and values of the first tokens of a long text, which an encoder has read to its end. As PEFT's
    /// `initialize_kv_prefix_from_text`, with a reparameterization too.
    Prefill {
        /// The text; it must be at least as long as the prefix.
        text: String,
    },
    /// Keys and values of the first training rows, read as one text as the templates write them: the demonstrations of
    /// in-context learning as the start of training. CT-KV in Lu et al. 2025, "Context Tuning for In-Context Optimization".
    Demonstrations {
        /// So many rows; the prefix takes the first slots of their text, which must be at least as long.
        #[serde(default = "usual_shots")]
        shots: usize,
    },
    /// Uniform between `-bound` and `bound`: google-research/prompt-tuning and the adapters library take 0.5.
    Uniform {
        /// The largest number, either way.
        #[serde(default = "usual_bound")]
        bound: f64,
    },
    /// Keys and values of tokens drawn from the first so many of the vocabulary: in the order of a SentencePiece model these are
    /// the most frequent (google-research/prompt-tuning: 5,000).
    Common {
        /// So many.
        #[serde(default = "usual_first")]
        first: usize,
    },
    /// Keys and values of tokens drawn from the vocabulary, a slot for each, read as one text.
    Vocabulary,
    /// Keys and values of the tokens that the training rows have most often, read as one text.
    Frequent,
    /// Keys and values of the names of the classes, read as one text; what is left over is drawn from the vocabulary.
    Classes,
    /// Those of a trained adapter, repeated or cut to the length: copied, or with a reparameterization fitted to.
    Adapter {
        /// Folder or file of the adapter, or the folder of its run.
        path: PathBuf,
    },
}
