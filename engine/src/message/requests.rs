//! What commands ask for.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::{BeginToken, DataConfig, PrefixInit};
use crate::device::DeviceChoice;
use crate::nn::Precision;

/// Learning rates to be tried, each the same factor above the one before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RateRange {
    /// The lowest.
    pub from: f64,
    /// The highest.
    pub to: f64,
    /// How many, each for one step.
    pub steps: usize,
}

impl Default for RateRange {
    fn default() -> Self {
        Self { from: 1e-6, to: 10.0, steps: 100 }
    }
}

/// What an init lab holds against each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabPlan {
    /// Initial values.
    pub starts: Vec<PrefixInit>,
    /// Each decides the initial values, the order of the rows and the dropout of one trial of each start.
    pub seeds: Vec<u64>,
    /// Optimizer steps of a trial.
    pub steps: usize,
    /// At most so many validation rows are scored.
    pub validation_rows: usize,
}

impl Default for LabPlan {
    fn default() -> Self {
        use PrefixInit::{Frequent, Random, ScaledRandom, Vocabulary, Zero};
        let starts = vec![ScaledRandom, Random, Zero, Vocabulary, Frequent];
        Self { starts, seeds: vec![1, 2, 3], steps: 50, validation_rows: 100 }
    }
}

/// How tokens are chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sampling {
    /// Always the most probable token; the settings below are then unused, except the penalty.
    pub greedy: bool,
    /// Logits are divided by it.
    pub temperature: f64,
    /// Only the k most probable tokens; 0 is all.
    pub top_k: usize,
    /// Only the most probable tokens that together reach this probability; 1 is all.
    pub top_p: f64,
    /// Divides the logits of tokens that are already there, as in CTRL; 1 changes nothing.
    pub repetition_penalty: f64,
    /// Most new tokens.
    pub max_new_tokens: usize,
    /// Same seed, same text.
    pub seed: u64,
    /// End at the model's end token.
    pub stop_at_end: bool,
    /// Search with several beams instead.
    pub beams: Beams,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            greedy: true,
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            repetition_penalty: 1.0,
            max_new_tokens: 60,
            seed: 42,
            stop_at_end: true,
            beams: Beams::default(),
        }
    }
}

/// How the most probable text is searched for, as in transformers' `generate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Beams {
    /// Texts that are kept at each step (transformers: `num_beams`); 1 searches nothing.
    pub n_beams: usize,
    /// A finished text is worth its log-probability divided by its length to this power: more than 0 prefers long texts,
    /// less short ones.
    pub length_penalty: f64,
    /// When enough texts are finished.
    pub early_stopping: EarlyStopping,
    /// How many of the best texts are returned (transformers: `num_return_sequences`).
    pub n_returned: usize,
}

impl Beams {
    /// Every beam is a row of the cache.
    pub const MOST: usize = 256;
}

impl Default for Beams {
    fn default() -> Self {
        Self { n_beams: 1, length_penalty: 1.0, early_stopping: EarlyStopping::False, n_returned: 1 }
    }
}

/// When beam search ends after as many texts are finished as there are beams; the names are transformers' values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EarlyStopping {
    /// When the best beam, if it ended now, would not be among them.
    #[default]
    False,
    /// At once.
    True,
    /// When the best beam could not get among them at any length; with a length penalty of 0 or less as `False`.
    Never,
}

/// Several continuations in one batch: one model, a column for each adapter.
#[derive(Clone, Debug)]
pub struct GenerateRequest {
    /// Model folder.
    pub model: PathBuf,
    /// Where it is computed.
    pub device: DeviceChoice,
    /// In what.
    pub precision: Precision,
    /// The streams, in order; `stream` of [`Event::Token`](crate::message::Event::Token) counts them from 0.
    pub streams: Vec<Stream>,
    /// Shared by all.
    pub sampling: Sampling,
}

/// One text to continue.
#[derive(Clone, Debug)]
pub struct Stream {
    /// What is continued.
    pub prompt: Prompt,
    /// Folder with `adapter_config.json`; `None` is the base model.
    pub adapter: Option<PathBuf>,
    /// 1 is the adapter as trained, 0 leaves its slots out and is the base model.
    pub strength: f64,
    /// Of an adapter for several tasks, the name of one.
    pub task: Option<String>,
}

/// What is to be continued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// A text, begun as the tokenizer begins every text.
    Text(String),
    /// A source, to be put into a prompt template.
    Source {
        /// What stands for `source` in the template.
        text: String,
        /// As in [`DataConfig::prompt_template`].
        template: String,
        /// As in [`DataConfig::begin_token`].
        begin_token: BeginToken,
        /// As in [`DataConfig::chat`].
        chat: bool,
    },
}

/// A vote of several adapters of one model, which were trained for one task.
#[derive(Clone, Debug)]
pub struct VoteRequest {
    /// Model folder.
    pub model: PathBuf,
    /// Where it is computed.
    pub device: DeviceChoice,
    /// In which numbers.
    pub precision: Precision,
    /// Adapter folders, at least two.
    pub adapters: Vec<PathBuf>,
    /// All rows of `data.train` are answered.
    pub data: DataConfig,
    /// Most new tokens of an answer that is written.
    pub max_new_tokens: usize,
}

/// Which vectors of a prefix are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// What attention is decided by.
    Key,
    /// What attention brings.
    Value,
}

/// How near two vectors are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Cosine of the angle; the default.
    Cosine,
    /// Dot product.
    Dot,
    /// Euclidean distance; nearer is smaller.
    L2,
}

/// In which space vectors are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Space {
    /// Measured from the vocabulary's mean, and the directions that most tokens share scaled down to the size of the
    /// others, so that they do not decide alone.
    #[default]
    Whitened,
    /// Measured from the vocabulary's mean.
    Centered,
    /// As they are: what all tokens have in common counts as nearness.
    Raw,
}

/// Nearest tokens of some cells of a prefix.
#[derive(Clone, Debug)]
pub struct NeighbourRequest {
    /// Model folder.
    pub model: PathBuf,
    /// Where it is computed.
    pub device: DeviceChoice,
    /// Adapter folder (a run's checkpoint has one).
    pub adapter: PathBuf,
    /// Adapter folder of the values before training; `None` when unknown (an imported adapter).
    pub initial: Option<PathBuf>,
    /// Layers, from 0; empty is all.
    pub layers: Vec<usize>,
    /// Prefix positions, from 0; empty is all.
    pub positions: Vec<usize>,
    /// Keys or values.
    pub side: Side,
    /// The measure, which decides the order. Whether a token is above chance is always judged by its cosine.
    pub metric: Metric,
    /// Where they are compared.
    pub space: Space,
    /// Tokens per list.
    pub top: usize,
}
