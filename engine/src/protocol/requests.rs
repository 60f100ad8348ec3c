//! Contents of larger commands.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::analysis::{Metric, Question, Side, Space};
use crate::config::{BeginToken, DataConfig, Task};
use crate::device::DeviceChoice;
use crate::generation::Sampling;
use crate::nn::Precision;

/// Several continuations in one batch: one model, a column for each adapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GenerateRequest {
    /// Model folder.
    pub model: PathBuf,
    /// Where it is computed.
    pub device: DeviceChoice,
    /// Precision of the computation.
    pub precision: Precision,
    /// The streams, in order; `stream` of [`Report::Token`](crate::protocol::Report::Token) counts them from 0.
    pub streams: Vec<Stream>,
    /// Shared by all.
    pub sampling: Sampling,
}

/// One text to continue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stream {
    /// The text or source to continue.
    pub prompt: Prompt,
    /// Folder with `adapter_config.json`; `None` is the base model.
    pub adapter: Option<PathBuf>,
    /// 1 is the adapter as trained, 0 leaves its slots out and is the base model.
    pub strength: f64,
    /// Of an adapter for several tasks, the name of one.
    pub task: Option<String>,
}

/// A prompt to be continued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// A text, begun as the tokenizer begins every text.
    Text(String),
    /// A source, to be put into a prompt template.
    Source {
        /// The text for `source` in the template.
        text: String,
        /// The texts for columns of a row in it, by their names.
        columns: BTreeMap<String, String>,
        /// As in [`DataConfig::prompt_template`].
        template: String,
        /// As in [`DataConfig::begin_token`].
        begin_token: BeginToken,
        /// As in [`DataConfig::chat`].
        chat: bool,
    },
}

/// Texts for all rows of a file, and figures of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowsRequest {
    /// Model folder.
    pub model: PathBuf,
    /// Where it is computed.
    pub device: DeviceChoice,
    /// Precision of the computation.
    pub precision: Precision,
    /// Adapter folder; `None` is the base model.
    pub adapter: Option<PathBuf>,
    /// All rows of `data.train` are written from; rows of one source are one row with several references.
    pub data: DataConfig,
    /// The task; `None` is that of the adapter, or the model's own.
    pub task: Option<Task>,
    /// Decoding.
    pub generation: Sampling,
    /// Metrics of texts by their names.
    pub metrics: Vec<String>,
    /// A column whose values get figures of their own.
    pub by: Option<String>,
    /// Only the first so many sources.
    pub limit: Option<usize>,
    /// File of the predictions, `.jsonl`; what is there already is kept if it was made with the same settings.
    pub predictions: Option<PathBuf>,
    /// Folder of a run's evaluations, where predictions and figures are kept too.
    pub keep: Option<PathBuf>,
}

/// A vote of several adapters of one model, which were trained for one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnsembleRequest {
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

/// A question about what an adapter does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnalysisRequest {
    /// Model folder.
    pub model: PathBuf,
    /// Where it is computed, in f32.
    pub device: DeviceChoice,
    /// Adapter folder.
    pub adapter: PathBuf,
    /// Adapter folder of the same model that it is held against.
    pub other: Option<PathBuf>,
    /// Adapter folder of the values before training, if it is known.
    pub initial: Option<PathBuf>,
    /// The question.
    pub question: Question,
    /// The first rows of `data.train` are looked at.
    pub data: DataConfig,
    /// A text to look at in their place.
    pub text: Option<String>,
    /// Rows to look at.
    pub rows: usize,
    /// Adapter folders of a run's checkpoints with the steps that were done, in order, for questions about them.
    #[serde(default)]
    pub checkpoints: Vec<(usize, PathBuf)>,
}

/// BERTScore of predictions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BertScoreRequest {
    /// Folder of the encoder.
    pub encoder: PathBuf,
    /// Where it is computed.
    pub device: DeviceChoice,
    /// The layer whose hidden states are compared, from 1; `None` is the last.
    pub layer: Option<usize>,
    /// Whether tokens weigh more the fewer references have them.
    pub idf: bool,
    /// The texts, row by row.
    pub predictions: Vec<String>,
    /// What would be right, row by row.
    pub references: Vec<Vec<String>>,
}

/// Nearest tokens of some cells of a prefix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NeighborRequest {
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
    /// Whether each head of keys and values is compared by itself.
    #[serde(default)]
    pub per_head: bool,
    /// A text behind which each token of the vocabulary is read, in place of alone at the beginning of one.
    #[serde(default)]
    pub context: Option<String>,
}
