//! The types of the store's answers: a run as a row of the table, and a run in full.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use engine::Sentence;
use engine::config::RunConfig;
use engine::error::Failure;
use engine::evaluation::EvaluationRecord;
use engine::protocol::Phase;
use engine::training::{EvaluationReport, RunFacts, SampleReport};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::workspace::RunId;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Waits for its turn.
    Queued,
    /// Weights are loaded, rows are read.
    Preparing,
    /// Steps follow each other.
    Running,
    /// The user paused it.
    Paused,
    /// All steps are done, or early stopping ended it.
    Finished,
    /// The user stopped it; it can be resumed.
    Stopped,
    /// It ended with an error.
    Failed,
    /// The program that computed it is gone; it can be resumed from its last checkpoint.
    Interrupted,
}

impl RunState {
    /// All of them, in the order of a run's life.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Preparing,
        Self::Running,
        Self::Paused,
        Self::Finished,
        Self::Stopped,
        Self::Failed,
        Self::Interrupted,
    ];

    /// As it is stored and printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Preparing => "preparing",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Finished => "finished",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }

    /// The state of that name; an unknown one is a run we know nothing of, so it was interrupted.
    pub fn from_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|state| state.name() == name).unwrap_or(Self::Interrupted)
    }

    /// Waiting or computing: it cannot be deleted now.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Queued | Self::Preparing | Self::Running | Self::Paused)
    }
}

/// A run as the table of runs shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunRow {
    /// Name of the run's folder.
    pub id: RunId,
    /// Name for people.
    pub name: String,
    /// Where it stands.
    pub state: RunState,
    /// The host that computes it, where another program does so without this list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Phase of its computation, while this program computes it.
    pub phase: Option<Phase>,
    /// Marked by the user.
    pub starred: bool,
    /// In alphabetical order.
    pub tags: Vec<String>,
    /// A named group of runs.
    pub experiment: Option<String>,
    /// The base model's name.
    pub model: String,
    /// The base model's folder.
    pub model_folder: PathBuf,
    /// The dataset's name.
    pub dataset: String,
    /// The method in a few words: `prefix 20`, `prefix 10 + MLP 512`.
    pub method: String,
    /// Prefix length.
    pub n_virtual: usize,
    /// Numbers that the optimizer changes; known once the run has started.
    pub trained_parameters: Option<u64>,
    /// Numbers that the adapter keeps.
    pub stored_parameters: Option<u64>,
    /// Best validation loss, in nats per token.
    pub best_loss: Option<f64>,
    /// Steps done when it was reached.
    pub best_step: Option<u64>,
    /// Training loss of the last step.
    pub last_loss: Option<f64>,
    /// Steps done.
    pub step: u64,
    /// Steps in all; 0 while unknown.
    pub total_steps: u64,
    /// When it was put into the list; seconds since 1970.
    pub created: i64,
    /// When its first step began; seconds since 1970.
    pub started: Option<i64>,
    /// When it came to its end; seconds since 1970.
    pub ended: Option<i64>,
    /// Seconds spent in steps and evaluations, over all sittings.
    pub duration_secs: f64,
    /// Training loss in at most 64 points, each the mean of equally many steps.
    pub sparkline: Vec<f32>,
    /// The run's folder.
    pub folder: PathBuf,
    /// The folder is no longer there.
    pub files_missing: bool,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// Put away: not shown unless asked for.
    pub archived: bool,
    /// What the user wrote about it.
    pub notes: String,
    /// All settings, as its `config.json` has them.
    pub settings: Arc<Value>,
    /// Figures by name: those of the evaluation that is kept as the best (`accuracy`, `macro_f1`, `bleu`), and those of files
    /// it was evaluated on (`test/bleu`).
    pub figures: Arc<BTreeMap<String, f64>>,
}

impl RunRow {
    /// Its name where runs of several experiments stand beside each other: those of one are named by what differs within it.
    pub fn title(&self) -> String {
        match &self.experiment {
            Some(experiment) => format!("{} · {experiment}", self.name),
            None => self.name.clone(),
        }
    }
}

/// A figure of a run over its steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Whose it is.
    pub run: RunId,
    /// `loss` is that of the steps, `validation loss` that of the evaluations; others by the name of the figure.
    pub name: String,
    /// In the order of the steps.
    pub points: Vec<CurvePoint>,
}

/// A point of a curve, with what the horizontal axis can count.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CurvePoint {
    /// Steps done.
    pub step: u64,
    /// Tokens seen.
    pub tokens: u64,
    /// Seconds of computation.
    pub secs: f64,
    /// Epochs done.
    pub epoch: f64,
    /// The figure.
    pub value: f64,
}

#[cfg(test)]
impl RunRow {
    /// A run that has finished.
    pub(crate) fn example() -> Self {
        Self {
            id: RunId("a".into()),
            name: "Paper setting".into(),
            state: RunState::Finished,
            host: None,
            phase: None,
            starred: false,
            tags: vec!["paper".into()],
            experiment: None,
            model: "starter".into(),
            model_folder: "/m".into(),
            dataset: "records".into(),
            method: "prefix 10 + MLP 512".into(),
            n_virtual: 10,
            trained_parameters: None,
            stored_parameters: None,
            best_loss: Some(2.25),
            best_step: Some(100),
            last_loss: None,
            step: 200,
            total_steps: 200,
            created: 0,
            started: None,
            ended: None,
            duration_secs: 1.0,
            sparkline: Vec::new(),
            folder: "/r".into(),
            files_missing: false,
            failure: None,
            archived: false,
            notes: String::new(),
            settings: Default::default(),
            figures: Default::default(),
        }
    }
}

/// One figure over the steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Series {
    /// `loss`, `learning_rate`, `grad_norm`, `labeled_tokens`, `tokens`, `elapsed_secs`.
    pub name: String,
    /// `[step, value]` by rising step; a value may be NaN.
    pub points: Vec<[f64; 2]>,
}

/// The place up to which a reader has read: give it back with the next question. The default is the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Changes when a resumed run dropped steps, or the run was read anew: what was read before is then void.
    pub(crate) revision: i64,
    pub(crate) step: i64,
    pub(crate) evaluation: i64,
    pub(crate) sample: i64,
    pub(crate) log: i64,
}

/// A run in full, or what is new since a [`Cursor`].
#[derive(Clone, Debug)]
pub struct RunDetail {
    /// The whole row.
    pub row: RunRow,
    /// Where the next question goes on.
    pub cursor: Cursor,
    /// The lists below start anew: drop what was read before. Also set on the first answer.
    pub replace: bool,
    /// There are more points than fit into one answer: ask again at once.
    pub more: bool,
    /// Whole; `None` when it cannot be understood.
    pub config: Option<Box<RunConfig>>,
    /// Whole; known once the run has started.
    pub facts: Option<Box<RunFacts>>,
    /// New points, by name.
    pub series: Vec<Series>,
    /// New evaluations, by step.
    pub evaluations: Vec<EvaluationReport>,
    /// New samples, by step and row.
    pub samples: Vec<SampleReport>,
    /// All that are on disk, by step.
    pub checkpoints: Vec<CheckpointRow>,
    /// Evaluations of whole files of rows, the newest first.
    pub kept: Vec<KeptEvaluation>,
    /// New lines, oldest first.
    pub log: Vec<LogLine>,
    /// Text that the user wrote about the run.
    pub notes: String,
}

/// An evaluation of a whole file of rows, as it is kept in a run's folder.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeptEvaluation {
    /// File of its predictions.
    pub predictions: PathBuf,
    /// How it was made, and its figures.
    pub record: EvaluationRecord,
}

/// A checkpoint that can be opened: its folder holds an adapter in PEFT's format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckpointRow {
    /// Steps done.
    pub step: u64,
    /// Folder of the checkpoint.
    pub folder: PathBuf,
    /// The best validation loss so far belongs to it.
    pub best: bool,
}

/// Importance of a line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// The usual course of a run.
    Info,
    /// Something one should know.
    Warning,
    /// The failure that ended the run.
    Error,
}

/// A line of a run's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Seconds since 1970.
    pub at: i64,
    /// Importance of the line.
    pub level: LogLevel,
    /// A sentence.
    pub text: Sentence,
}

/// A model folder that was used or chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelRow {
    /// The folder.
    pub folder: PathBuf,
    /// Last part of the folder.
    pub name: String,
    /// As `config.json` names it, once known.
    pub architecture: Option<String>,
    /// Numbers in the weights, once known.
    pub parameters: Option<u64>,
    /// SHA-256 over the weights, once a run has computed it.
    pub hash: Option<String>,
    /// Seconds since 1970.
    pub last_used: i64,
    /// Runs of it.
    pub runs: u64,
}

/// A dataset that was used or chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DatasetRow {
    /// Training rows.
    pub train: PathBuf,
    /// Validation rows, when they have a file of their own.
    pub validation: Option<PathBuf>,
    /// Name for people.
    pub name: String,
    /// Training rows used, once a run has counted them.
    pub rows: Option<u64>,
    /// Seconds since 1970.
    pub last_used: i64,
    /// Runs on it.
    pub runs: u64,
}
