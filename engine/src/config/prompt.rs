//! Prompt tuning as a run asks for it: P-tuning, several tasks.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::rules::{WIDTH, WIDTHS, check_length, check_start, refuse, usual_bound, usual_first};
use super::tagged::whole;
use crate::error::Result;
use crate::sentence;

/// Prompt tuning: trained embeddings among those of the text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PromptConfig {
    /// Soft tokens (PEFT: `num_virtual_tokens`). They stand before the text, or where `soft(3)` of `data.prompt_template`
    /// puts them, which must be as many.
    pub n_virtual: usize,
    /// P-tuning's short form of such a template: `(3, sub, 3, obj)`. It takes the place of `n_virtual`, the prompt template
    /// and the columns before anything is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Train through a small network that is folded away afterwards: P-tuning v1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder: Option<PromptEncoder>,
    /// One prompt for several tasks, and a matrix of low rank for each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tasks: Option<PromptTasks>,
    /// Initial values.
    #[serde(deserialize_with = "whole")]
    pub init: PromptInit,
}

impl Default for PromptConfig {
    fn default() -> Self {
        Self { n_virtual: 20, template: None, encoder: None, tasks: None, init: PromptInit::ScaledRandom }
    }
}

impl PromptConfig {
    pub(super) fn check(&self) -> Result<()> {
        check_length(self.n_virtual)?;
        match self.init {
            PromptInit::Uniform { bound } => check_start(bound, 1)?,
            PromptInit::Common { first } => check_start(1.0, first)?,
            _ => {}
        }
        let (encoder, tasks) = (self.encoder.as_ref(), self.tasks.as_ref());
        let width = encoder.and_then(|encoder| encoder.width).is_none_or(|width| WIDTHS.contains(&width));
        let layers = encoder.is_none_or(|encoder| (1..=8).contains(&encoder.layers));
        let ranks = tasks.is_none_or(|tasks| (1..=4096).contains(&tasks.ranks));
        let from_others = tasks.is_some_and(|tasks| {
            matches!(tasks.init, TaskFactors::Average | TaskFactors::Exact { .. })
                && !matches!(self.init, PromptInit::Adapter { .. })
        });
        refuse(&[
            (encoder.is_none() || tasks.is_none(), "method.tasks", sentence!("a prompt behind a network has no tasks")),
            (ranks, "method.tasks.ranks", sentence!("must be between 1 and 4096")),
            (!from_others, "method.tasks.init", sentence!("is taken from an adapter: name one in method.init")),
            (width, "method.encoder.width", WIDTH),
            (layers, "method.encoder.layers", sentence!("must be between 1 and 8")),
        ])
    }
}

/// Multitask prompt tuning: the prompt of a task is one for all, times a matrix of low rank, number by number. Wang et al.
/// 2023, "Multitask Prompt Tuning Enables Parameter-Efficient Transfer Learning".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PromptTasks {
    /// Rank of a task's matrix (PEFT: `num_ranks`).
    pub ranks: usize,
    /// Initial values of the matrices.
    #[serde(deserialize_with = "whole")]
    pub init: TaskFactors,
}

impl Default for PromptTasks {
    fn default() -> Self {
        Self { ranks: 1, init: TaskFactors::Shared }
    }
}

/// Initial values of the matrices of tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TaskFactors {
    /// About one everywhere: each task begins with what all share. The default; from the prompt of an adapter it is PEFT's
    /// `ONLY_SOURCE_SHARED`.
    Shared,
    /// Both factors N(0, 0.02), as PEFT: next to no prompt at first.
    Random,
    /// The mean of the factors of the adapter that `init` names (PEFT: `AVERAGE_SOURCE_TASKS`).
    Average,
    /// Those of one of its tasks (PEFT: `EXACT_SOURCE_TASK`).
    Exact {
        /// Name of the task.
        task: String,
    },
}

/// The network of P-tuning v1 between trained embeddings and the prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PromptEncoder {
    /// Kind of its layers (PEFT: `encoder_reparameterization_type`).
    #[serde(rename = "type")]
    pub kind: PromptEncoderKind,
    /// Width of the hidden layers (PEFT: `encoder_hidden_size`); `None` is that of the embeddings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
    /// Layers of the LSTM (PEFT: `encoder_num_layers`).
    pub layers: usize,
}

impl Default for PromptEncoder {
    fn default() -> Self {
        Self { kind: PromptEncoderKind::Mlp, width: None, layers: 2 }
    }
}

/// Layers offered between trained embeddings and the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptEncoderKind {
    /// Linear, ReLU, linear, ReLU, linear: P-tuning.
    Mlp,
    /// Linear, tanh, linear: what Li & Liang compare a prefix with ("embedding-only").
    Tanh,
    /// LSTM in both directions, linear, ReLU, linear.
    Lstm,
}

/// Initial values of a soft prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PromptInit {
    /// N(0, 1), as PEFT: about fifty times too large for most models.
    Random,
    /// Random with the mean and spread of the model's embeddings, dimension by dimension. The default.
    ScaledRandom,
    /// Zeros.
    Zero,
    /// Uniform between `-bound` and `bound`: google-research/prompt-tuning and the adapters library take 0.5.
    Uniform {
        /// The largest number, either way.
        #[serde(default = "usual_bound")]
        bound: f64,
    },
    /// Embeddings of tokens drawn from the first so many of the vocabulary: in the order of a SentencePiece model these are
    /// the most frequent (google-research/prompt-tuning: 5,000).
    Common {
        /// So many.
        #[serde(default = "usual_first")]
        first: usize,
    },
    /// Embeddings of tokens drawn from the vocabulary.
    Vocabulary,
    /// Embeddings of the tokens that the training rows have most often.
    Frequent,
    /// Embeddings of the names of the classes, each the mean of its tokens; what is left over is drawn from the vocabulary.
    Classes,
    /// Embeddings of a text.
    Words {
        /// The text; it is repeated or cut to the length of the prompt.
        text: String,
    },
    /// The soft prompt of a trained adapter; it is repeated or cut to the length. The network of P-tuning is fitted to it.
    Adapter {
        /// Folder of the adapter.
        path: PathBuf,
    },
}
