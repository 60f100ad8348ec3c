//! Events that the engine sends.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{
    AdapterFacts, ComparedColumn, ComparedRow, EnsembleReport, EnsembleRow, GeneratedStream, JobId, ProbeReport,
    TextScore,
};
use crate::Sentence;
use crate::analysis::{Analysis, NeighborList, PrefixGrid};
use crate::data::{DataPreview, DataStatistics};
use crate::device::DeviceInfo;
use crate::error::Failure;
use crate::evaluation::{PredictedRow, ScoredPredictions};
use crate::generation::ServingTime;
use crate::metrics::Interval;
use crate::metrics::bertscore::BertScore;
use crate::models::ModelSummary;
use crate::training::{
    BatchFit, BatchTrial, ClassificationMetrics, EvaluationReport, InitRow, InitScore, InitStep, LrRangeFindings,
    LrRangePoint, RunFacts, SampleReport, StepReport, StepTime,
};

/// Something told about a job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// The job, by the name its sender chose.
    pub job: JobId,
    /// The report.
    #[serde(flatten)]
    pub what: Report,
}

/// The engine's report on a job. As JSON it is one flat object, `{"event":"step","step":1,"loss":…}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Report {
    /// The devices that are there.
    Devices {
        /// CPU last.
        devices: Vec<DeviceInfo>,
    },
    /// A model folder, described.
    Model(Box<ModelSummary>),
    /// Rows as training would see them.
    Preview(Box<DataPreview>),
    /// A dataset, counted.
    Statistics(Box<DataStatistics>),
    /// The phase of a job before and between its steps.
    Phase(Phase),
    /// A training run knows its extent.
    #[serde(rename = "started")]
    RunStarted(Box<RunFacts>),
    /// A run was not resumed because it began with something else; [`Report::Failed`] follows.
    Changed {
        /// Differences from the beginning of the run, each in words.
        differences: Vec<Sentence>,
    },
    /// What a step and an evaluation of a run take.
    StepTime(StepTime),
    /// A step of so many rows was taken, while the largest batch is looked for.
    BatchTrial(BatchTrial),
    /// The largest batch that fits.
    BatchFit(BatchFit),
    /// One optimizer step is done.
    Step(StepReport),
    /// The validation rows were scored.
    #[serde(rename = "evaluation")]
    Evaluated(EvaluationReport),
    /// A continuation of a validation row, made at an evaluation.
    Sample(Box<SampleReport>),
    /// A checkpoint was written and can be opened.
    #[serde(rename = "checkpoint")]
    CheckpointWritten {
        /// The step it belongs to.
        step: usize,
        /// The checkpoint's folder, which holds an adapter in PEFT's format.
        folder: PathBuf,
        /// The best validation loss so far belongs to it.
        best: bool,
    },
    /// One learning rate was tried.
    #[serde(rename = "rate")]
    LrRangeStep(LrRangePoint),
    /// All learning rates were tried that make sense.
    #[serde(rename = "range")]
    LrRange(LrRangeFindings),
    /// A trial of an init comparison did a step.
    #[serde(rename = "lab_step")]
    InitStep(InitStep),
    /// A trial of an init comparison was scored, before its first step or after its last, or could not go on.
    #[serde(rename = "lab_score")]
    InitScore(InitScore),
    /// All trials of an init comparison are over.
    #[serde(rename = "lab")]
    InitComparison {
        /// A row for each start, the best first.
        rows: Vec<InitRow>,
    },
    /// A job was paused or goes on.
    Paused {
        /// Or goes on.
        paused: bool,
    },
    /// A job came to its end.
    Finished {
        /// The job's outcome.
        outcome: Outcome,
    },
    /// A job ended with an error.
    Failed(Failure),
    /// Something worth a line in the log.
    Notice {
        /// A sentence.
        text: Sentence,
    },
    /// One more piece of a stream.
    Token {
        /// Index of the stream.
        stream: usize,
        /// The text that it adds; empty while a character is incomplete.
        text: String,
    },
    /// The best text so far of a stream with beams.
    BestBeam {
        /// Index of the stream.
        stream: usize,
        /// The whole text, instead of what was said before.
        text: String,
    },
    /// All streams ended.
    Generated {
        /// One for each stream.
        streams: Vec<GeneratedStream>,
    },
    /// A question about an adapter is answered.
    Analysis(Box<Analysis>),
    /// An adapter was scored.
    Score {
        /// Nats per labeled token.
        #[serde(deserialize_with = "crate::number::or_nan")]
        loss: f64,
        /// The exponential of the loss.
        #[serde(deserialize_with = "crate::number::or_nan")]
        perplexity: f64,
        /// Labeled tokens.
        tokens: usize,
        /// Rows.
        rows: usize,
        /// Metrics of the predictions, where there are some.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        figures: Option<ClassificationMetrics>,
        /// The 95 % intervals of those over all rows by the bootstrap, by name.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        intervals: Box<BTreeMap<String, Interval>>,
    },
    /// One more row of a file has its text.
    Prediction {
        /// Rows that have theirs.
        done: usize,
        /// Rows in all.
        total: usize,
        /// The row.
        row: Box<PredictedRow>,
    },
    /// Predictions were scored.
    Metrics {
        /// Where they are kept, if they are.
        predictions: Option<PathBuf>,
        /// Figures of all and of each.
        scored: Box<ScoredPredictions>,
    },
    /// Predictions were scored by an encoder.
    BertScores {
        /// Of each row, the best of its references.
        rows: Vec<BertScore>,
        /// SHA-256 of the encoder's weights.
        encoder: String,
        /// The layer whose hidden states were compared, from 1.
        layer: usize,
    },
    /// Answers to some rows and their vote, in the order of the file.
    Voted {
        /// Row by row.
        rows: Vec<EnsembleRow>,
    },
    /// Adapters have voted on every row.
    #[serde(rename = "vote")]
    Ensemble(Box<EnsembleReport>),
    /// Norms of a prefix.
    Grid(Box<PrefixGrid>),
    /// Nearest tokens.
    #[serde(alias = "neighbours")]
    Neighbors {
        /// One for each cell asked for.
        lists: Vec<NeighborList>,
    },
    /// An import or export is complete.
    Written {
        /// The folder, or the file.
        folder: PathBuf,
    },
    /// Facts about an adapter.
    Inspected(Box<AdapterFacts>),
    /// An adapter was probed.
    #[serde(rename = "probe")]
    Probed(ProbeReport),
    /// Texts were scored.
    TextScored {
        /// One for each text.
        scores: Vec<TextScore>,
    },
    /// Streams were timed, each alone.
    Serving {
        /// One for each stream.
        times: Vec<ServingTime>,
    },
    /// One more row has the texts of all columns.
    RowCompared {
        /// Rows that have theirs.
        done: usize,
        /// Rows in all.
        total: usize,
        /// The row.
        row: Box<ComparedRow>,
    },
    /// The texts of a set of rows were scored: of all rows, or of those that were written before it was stopped.
    SetCompared {
        /// Numbers of the rows, in the order of the file.
        rows: Vec<usize>,
        /// One for each column.
        columns: Vec<ComparedColumn>,
    },
}

/// A phase of a job before and between its steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// Weights go to the device; share done, 0 to 1.
    LoadingModel {
        /// 0 to 1.
        share: f32,
    },
    /// Rows are read and tokenized.
    PreparingData,
    /// The adapter gets its initial values.
    Initializing,
    /// The first step; on a GPU kernels are compiled.
    FirstStep,
    /// Steps follow each other.
    Training,
    /// The validation rows are scored; share done, 0 to 1.
    Evaluating {
        /// 0 to 1.
        share: f32,
    },
    /// Samples are generated.
    Sampling,
    /// A checkpoint is written.
    Saving,
    /// Vocabulary vectors are computed; share done, 0 to 1.
    BuildingVocabulary {
        /// 0 to 1.
        share: f32,
    },
    /// Tokens are generated.
    Generating,
    /// Texts are written for rows; share done, 0 to 1.
    Predicting {
        /// 0 to 1.
        share: f32,
    },
    /// Texts are scored; share done, 0 to 1.
    Scoring {
        /// 0 to 1.
        share: f32,
    },
    /// A question about an adapter is looked into; share done, 0 to 1.
    Analyzing {
        /// 0 to 1.
        share: f32,
    },
}

/// The outcome of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All steps are done.
    Completed,
    /// Early stopping: no better validation loss for `patience` evaluations.
    StoppedEarly,
    /// The user stopped it; a checkpoint is there.
    Stopped,
}
