//! Contents of larger commands.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::adapters::Combination;
use crate::analysis::{Metric, Question, Side, Space};
use crate::config::{BeginToken, DataConfig, Strength, Task};
use crate::data::Message;
use crate::device::DeviceChoice;
use crate::generation::Sampling;
use crate::nn::MatrixNumbers;

/// Several continuations in one batch: one model, a column for each adapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GenerateRequest {
    /// Model folder.
    pub model: PathBuf,
    /// Where it is computed.
    pub device: DeviceChoice,
    /// In what the model's matrices are kept and multiplied.
    pub numbers: MatrixNumbers,
    /// The streams, in order; `stream` of [`Report::Token`](crate::protocol::Report::Token) counts them from 0.
    pub streams: Vec<Stream>,
    /// Shared by all that have none of their own.
    pub sampling: Sampling,
    /// The most probable tokens that are told at each place, with the probability of the one that was taken; 0: neither. With
    /// beams there are none: such a text is scored when it is written, by [`ScoreRequest`].
    #[serde(default)]
    pub top: usize,
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
    /// In place of it, of each layer, as many as the model has; empty: it is that of all. A layer at 0 does not see the slots.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layer_strengths: Vec<f64>,
    /// Of an adapter for several tasks, the name of one.
    pub task: Option<String>,
    /// Words before the prompt, as the method `few_shot` has them; left out at strength 0.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub words: String,
    /// Another adapter that is put beside the adapter, or mixed with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mixed: Option<Mixture>,
    /// Decoding of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
}

impl Stream {
    /// A prompt of the base model.
    pub fn of_base(prompt: Prompt) -> Self {
        Self {
            prompt,
            adapter: None,
            strength: 1.0,
            layer_strengths: Vec::new(),
            task: None,
            words: String::new(),
            mixed: None,
            sampling: None,
        }
    }

    /// A prompt behind an adapter as it was trained.
    pub fn behind(adapter: impl Into<PathBuf>, prompt: Prompt) -> Self {
        Self { adapter: Some(adapter.into()), ..Self::of_base(prompt) }
    }

    /// In every layer, or in each its own.
    pub fn strength(&self) -> Strength {
        Strength::new(self.strength, &self.layer_strengths)
    }
}

/// An adapter that joins another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mixture {
    /// The adapter.
    pub adapter: PathBuf,
    /// Side by side, or a weighted sum: the first weight is that of the other adapter.
    pub how: Combination,
}

/// Texts that are known, each behind a prompt of its own: the probability of their tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreRequest {
    /// Model folder.
    pub model: PathBuf,
    /// Where it is computed.
    pub device: DeviceChoice,
    /// In what the model's matrices are kept and multiplied.
    pub numbers: MatrixNumbers,
    /// The texts, each with what stands before it; decoding does not matter.
    pub texts: Vec<(Stream, Continuation)>,
    /// The most probable tokens that are told at each place.
    pub top: usize,
}

/// A text that continues a prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Continuation {
    /// A text, cut into tokens behind the prompt as a target is.
    Text {
        /// The text.
        text: String,
        /// The end token is told too, as a target that has one trains it.
        end: bool,
    },
    /// Tokens, as they were written.
    Tokens(Vec<u32>),
}

/// Texts of several columns for all rows of a file, and figures of each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowSetRequest {
    /// Model folder.
    pub model: PathBuf,
    /// Where it is computed.
    pub device: DeviceChoice,
    /// In what the model's matrices are kept and multiplied.
    pub numbers: MatrixNumbers,
    /// The columns; their prompts are those of the rows.
    pub columns: Vec<Stream>,
    /// All rows of `data.train` are written from; rows of one source are one row with several references.
    pub data: DataConfig,
    /// The task; `None` is the model's own.
    pub task: Option<Task>,
    /// Decoding of the columns that have none of their own.
    pub sampling: Sampling,
    /// Metrics of texts by their names.
    pub metrics: Vec<String>,
    /// Whether each column scores the target of a row, too.
    pub losses: bool,
    /// Only the first so many sources.
    pub limit: Option<usize>,
}

/// A prompt to be continued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// A text, begun as the tokenizer begins every text.
    Text(String),
    /// Turns of a conversation, written by the model's chat template.
    Chat {
        /// The turns, the first one first; the model answers the last.
        turns: Vec<Message>,
    },
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

impl Prompt {
    /// What somebody typed: the text, or the last turn.
    pub fn typed(&self) -> &str {
        match self {
            Self::Text(text) | Self::Source { text, .. } => text,
            Self::Chat { turns } => turns.last().map_or("", |turn| turn.content.as_str()),
        }
    }
}

/// Texts for all rows of a file, and figures of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowsRequest {
    /// Model folder.
    pub model: PathBuf,
    /// Where it is computed.
    pub device: DeviceChoice,
    /// In what the model's matrices are kept and multiplied.
    pub numbers: MatrixNumbers,
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
    /// Folder of WordNet's files; `None` looks for them in the usual places.
    #[serde(default)]
    pub wordnet: Option<PathBuf>,
}

/// A vote of several adapters of one model, which were trained for one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnsembleRequest {
    /// Model folder.
    pub model: PathBuf,
    /// Where it is computed.
    pub device: DeviceChoice,
    /// In what the model's matrices are kept and multiplied.
    pub numbers: MatrixNumbers,
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
    /// Where it is computed.
    pub device: DeviceChoice,
    /// In what the model's matrices are kept and multiplied.
    #[serde(default)]
    pub numbers: MatrixNumbers,
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
    /// In what the model's matrices are kept and multiplied.
    #[serde(default)]
    pub numbers: MatrixNumbers,
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
