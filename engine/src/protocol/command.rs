//! Commands to the engine.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{
    AnalysisRequest, BertScoreRequest, EnsembleRequest, GenerateRequest, JobId, NeighborRequest, RowSetRequest,
    RowsRequest, ScoreRequest,
};
use crate::adapters::{Combination, GgufNumbers, Program};
use crate::config::{DataConfig, RunConfig, Task};
use crate::device::DeviceChoice;
use crate::nn::MatrixNumbers;
use crate::training::{InitComparisonPlan, RateRange};

/// Something asked of the engine, under the name its sender chose for the job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// The job that begins, or that is to pause, go on, stop or write a checkpoint.
    pub job: JobId,
    /// The request.
    #[serde(flatten)]
    pub ask: Ask,
}

/// A request that the engine answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// List the devices: answered by `Report::Devices`.
    ListDevices,
    /// Describe a model folder without loading its weights: answered by `Report::Model`.
    DescribeModel {
        /// The folder.
        folder: PathBuf,
    },
    /// Tokenize the first rows as training would: answered by `Report::Preview`.
    Preview {
        /// Model folder whose tokenizer is used.
        model: PathBuf,
        /// The rows and their templates.
        data: DataConfig,
        /// The task that is learned of a row; `None` is the model's own.
        task: Option<Task>,
        /// Prefix length, which takes positions.
        n_virtual: usize,
        /// Number of rows.
        rows: usize,
    },
    /// Count what is in a dataset: answered by `Report::Statistics`.
    DescribeData {
        /// The rows; their templates and limit say what a model is given of them.
        data: DataConfig,
        /// Model folder whose tokenizer and context are used; without one nothing is told in tokens.
        model: Option<PathBuf>,
        /// The task that is learned of a row; `None` is the model's own.
        task: Option<Task>,
        /// Prefix length, which takes positions.
        n_virtual: usize,
    },
    /// Train a run in its folder, or go on with it: `Report::Phase` … `Report::Finished`.
    Train {
        /// The run's folder; it is made if need be.
        folder: PathBuf,
        /// Configuration of the run.
        config: Box<RunConfig>,
        /// Go on from the last checkpoint. Refused with `Report::Changed` when rows, split, tokenizer or order are no longer
        /// those that the run began with.
        resume: bool,
        /// Stop after this step with a checkpoint, so that others can be held against it; `None` is the run's end. The
        /// schedule stays that of the whole run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<usize>,
    },
    /// Time a few steps of a run and one evaluation: answered by `Report::StepTime`. Nothing is written.
    TimeSteps {
        /// The run.
        config: Box<RunConfig>,
        /// Steps to take, after one that is not counted.
        steps: usize,
    },
    /// Find the largest batch that memory has room for, by steps of a run's longest rows in a process of their own:
    /// `Report::BatchTrial` …, `Report::BatchFit`. Nothing is written.
    FindBatchSize {
        /// The run; its own batch size is not used.
        config: Box<RunConfig>,
    },
    /// Go on with a run from its last checkpoint, although something has changed that `Report::Changed` named.
    ResumeOnOthers {
        /// The run's folder.
        folder: PathBuf,
        /// Configuration of the run.
        config: Box<RunConfig>,
    },
    /// Try learning rates from low to high on the first steps of a run: `Report::LrRangeStep` …, `Report::LrRange`.
    /// Nothing is written.
    #[serde(rename = "test_range")]
    TestLrRange {
        /// The run; its own rate and schedule are not used.
        config: Box<RunConfig>,
        /// The rates to try.
        range: RateRange,
    },
    /// Hold initial values against each other on the first steps of a run: `Report::InitStep` and `Report::InitScore`
    /// …, `Report::InitComparison`. Nothing is written.
    #[serde(rename = "init_lab")]
    CompareInits {
        /// The run; its own initial values and seed are not used, but for how the rows are split.
        config: Box<RunConfig>,
        /// The initial values to compare, with seeds and steps.
        plan: InitComparisonPlan,
    },
    /// Stop stepping a job until [`Ask::Continue`]; other jobs go on.
    Pause,
    /// Step a paused job again.
    Continue,
    /// End a job. Training writes a checkpoint first; a generation just ends.
    Stop,
    /// Write a checkpoint before the next step.
    Checkpoint,
    /// Continue texts, each with its own adapter: `Report::Token` … `Report::Generated`.
    Generate(Box<GenerateRequest>),
    /// Loss and perplexity of an adapter on a dataset: answered by `Report::Score`.
    Evaluate {
        /// Model folder.
        model: PathBuf,
        /// Where it is computed.
        device: DeviceChoice,
        /// In what the model's matrices are kept and multiplied.
        numbers: MatrixNumbers,
        /// Adapter folder; `None` is the base model.
        adapter: Option<PathBuf>,
        /// All rows of `data.train` are scored.
        data: DataConfig,
        /// The task that is learned of a row; `None` is that of the adapter, or the model's own.
        task: Option<Task>,
    },
    /// Write texts for all rows of a file and score them: `Report::Prediction` …, `Report::Metrics`.
    GenerateRows(Box<RowsRequest>),
    /// Score predictions that were kept, without writing any: answered by `Report::Metrics`.
    ScorePredictions {
        /// A file of predictions, a JSON object a line.
        predictions: PathBuf,
        /// Metrics of texts by their names.
        metrics: Vec<String>,
        /// Folder of WordNet's files; `None` looks for them in the usual places.
        #[serde(default)]
        wordnet: Option<PathBuf>,
    },
    /// Score predictions by an encoder: answered by `Report::BertScores`.
    BertScore(Box<BertScoreRequest>),
    /// Let several adapters answer the rows of a dataset and count the majority: `Report::Voted` …, `Report::Ensemble`.
    #[serde(rename = "vote")]
    Ensemble(Box<EnsembleRequest>),
    /// Norms of a prefix or a soft prompt, cell by cell, and of what is changed of weights: answered by `Report::Grid`.
    DescribePrefix {
        /// Adapter folder.
        adapter: PathBuf,
        /// The base model, whose weights a change is held against; without one changes are left out.
        model: Option<PathBuf>,
        /// Adapter folder of the values before training, if it is known: how far each cell has come.
        initial: Option<PathBuf>,
    },
    /// Nearest tokens of prefix cells, beside what chance makes: answered by `Report::Neighbors`.
    #[serde(alias = "neighbours")]
    Neighbors(Box<NeighborRequest>),
    /// Answer a question about what an adapter does: `Report::Analysis`.
    Analyze(Box<AnalysisRequest>),
    /// Write an adapter in PEFT's format: answered by `Report::Written`.
    Export {
        /// Run checkpoint or adapter folder.
        adapter: PathBuf,
        /// Folder to write.
        to: PathBuf,
    },
    /// Write an adapter as the file that another program takes: answered by `Report::Written`.
    ExportFor {
        /// Run checkpoint or adapter folder.
        adapter: PathBuf,
        /// The base model it belongs to.
        model: PathBuf,
        /// The program.
        program: Program,
        /// File to write.
        to: PathBuf,
    },
    /// Write several adapters of one model as one: answered by `Report::Written`.
    Combine {
        /// Run checkpoints or adapter folders, at least two.
        adapters: Vec<PathBuf>,
        /// The base model they belong to.
        model: PathBuf,
        /// Side by side or mixed.
        how: Combination,
        /// Folder to write.
        to: PathBuf,
    },
    /// Write an adapter with some of its slots alone: answered by `Report::Written`.
    Prune {
        /// Run checkpoint or adapter folder.
        adapter: PathBuf,
        /// The base model it belongs to.
        model: PathBuf,
        /// The slots to keep, from 0.
        slots: Vec<usize>,
        /// Folder to write.
        to: PathBuf,
    },
    /// Write a prefix with fewer slots that are fitted to do what all did, and tell what that costs: `Report::Analysis`, then
    /// `Report::Written`.
    Shorten {
        /// The adapter, and the rows whose queries are fitted to; the question is not looked at.
        request: Box<AnalysisRequest>,
        /// So many slots.
        slots: usize,
        /// Folder to write.
        to: PathBuf,
    },
    /// Write the base model with an adapter in its weights, a plain checkpoint: answered by `Report::Written`.
    Merge {
        /// Run checkpoint or adapter folder.
        adapter: PathBuf,
        /// The base model it belongs to.
        model: PathBuf,
        /// Folder to write; it must not be there yet.
        to: PathBuf,
    },
    /// Write the base model with an adapter in its weights as one file in GGUF: answered by `Report::Written`.
    MergeGguf {
        /// Run checkpoint or adapter folder.
        adapter: PathBuf,
        /// The base model it belongs to.
        model: PathBuf,
        /// Numbers of its matrices.
        numbers: GgufNumbers,
        /// File to write; it must not be there yet.
        to: PathBuf,
    },
    /// Write an adapter with all that belongs to it as one file: answered by `Report::Written`.
    Share {
        /// Run checkpoint or adapter folder.
        adapter: PathBuf,
        /// The base model it was trained on: its fingerprint and the logits of a few rows go into the file.
        model: PathBuf,
        /// Where those are computed.
        device: DeviceChoice,
        /// The sender's words on it; empty is nothing.
        card: String,
        /// Whether a few rows of the validation data go along, with what the adapter says of them.
        with_samples: bool,
        /// File to write.
        to: PathBuf,
    },
    /// Look at an adapter of any form, a file or a folder: answered by `Report::Inspected`.
    Inspect {
        /// The file or folder that was sent.
        adapter: PathBuf,
        /// The base model it is held against; without one, only what says its own sizes can be looked at.
        model: Option<PathBuf>,
    },
    /// Read an adapter of any form into a run folder: answered by `Report::Written`.
    Import {
        /// The file or folder that was sent.
        adapter: PathBuf,
        /// The base model it belongs to; shapes are checked against it, and the fingerprint if the sender gave one.
        model: PathBuf,
        /// Accept a model of another fingerprint, if the shapes fit.
        other_base: bool,
        /// Run folder to make.
        to: PathBuf,
    },
    /// Compute a few logits with an adapter of any form: answered by `Report::Probed`.
    Probe {
        /// The file or folder that was sent, or an adapter folder.
        adapter: PathBuf,
        /// Model folder.
        model: PathBuf,
        /// Where it is computed.
        device: DeviceChoice,
    },
    /// Forget the loaded model, so that its memory is free.
    Unload,
    /// Probabilities of the tokens of known texts: answered by `Report::TextScored`.
    ScoreText(Box<ScoreRequest>),
    /// Time each stream alone: answered by `Report::Serving`.
    TimeServing(Box<GenerateRequest>),
    /// Write texts of several columns for all rows of a file: `Report::RowCompared` …, `Report::SetCompared`. Stopped, it ends
    /// with the rows that are complete.
    CompareRows(Box<RowSetRequest>),
}
