//! What the engine tells.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{AdapterFacts, GeneratedStream, JobId, ProbeReport, VoteReport};
use crate::Sentence;
use crate::analysis::{NeighbourList, PrefixGrid};
use crate::data::DataPreview;
use crate::device::DeviceInfo;
use crate::error::Failure;
use crate::models::ModelSummary;
use crate::training::{
    EvaluationReport, LabRow, LabScore, LabStep, RangeFindings, RangePoint, RunFacts, SampleReport, StepReport,
    TaskFigures,
};

/// What the engine tells.
#[derive(Clone, Debug)]
pub enum Event {
    /// The devices that are there.
    Devices {
        /// Which work.
        job: JobId,
        /// CPU last.
        devices: Vec<DeviceInfo>,
    },
    /// A model folder, described.
    Model {
        /// Which work.
        job: JobId,
        /// Its facts.
        model: Box<ModelSummary>,
    },
    /// Rows as training would see them.
    Preview {
        /// Which work.
        job: JobId,
        /// The rows and what is odd about the dataset.
        preview: Box<DataPreview>,
    },
    /// What a job is doing before and between its steps.
    Phase {
        /// Which work.
        job: JobId,
        /// Now.
        phase: Phase,
    },
    /// A training run knows its extent.
    RunStarted {
        /// Which work.
        job: JobId,
        /// Facts of the run.
        facts: Box<RunFacts>,
    },
    /// A run was not resumed because it began with something else; [`Event::Failed`] follows.
    Changed {
        /// Which work.
        job: JobId,
        /// What is no longer as it was, each in words.
        differences: Vec<Sentence>,
    },
    /// One optimizer step is done.
    Step {
        /// Which work.
        job: JobId,
        /// Its figures.
        step: StepReport,
    },
    /// The validation rows were scored.
    Evaluated {
        /// Which work.
        job: JobId,
        /// Its figures.
        evaluation: EvaluationReport,
    },
    /// A continuation of a validation row, made at an evaluation.
    Sample {
        /// Which work.
        job: JobId,
        /// The text.
        sample: Box<SampleReport>,
    },
    /// A checkpoint was written and can be opened.
    CheckpointWritten {
        /// Which work.
        job: JobId,
        /// The step it belongs to.
        step: usize,
        /// Its folder, which holds an adapter in PEFT's format.
        folder: PathBuf,
        /// The best validation loss so far belongs to it.
        best: bool,
    },
    /// One learning rate was tried.
    RangeStep {
        /// Which work.
        job: JobId,
        /// What came of it.
        point: RangePoint,
    },
    /// All learning rates were tried that make sense.
    Range {
        /// Which work.
        job: JobId,
        /// What can be read off the curve.
        findings: RangeFindings,
    },
    /// A trial of an init lab did a step.
    LabStep {
        /// Which work.
        job: JobId,
        /// What came of it.
        step: LabStep,
    },
    /// A trial of an init lab was scored, before its first step or after its last, or could not go on.
    LabScore {
        /// Which work.
        job: JobId,
        /// How it went.
        score: LabScore,
    },
    /// All trials of an init lab are over.
    Lab {
        /// Which work.
        job: JobId,
        /// A row for each start, the best first.
        rows: Vec<LabRow>,
    },
    /// A job was paused or goes on.
    Paused {
        /// Which work.
        job: JobId,
        /// Or goes on.
        paused: bool,
    },
    /// A job came to its end.
    Finished {
        /// Which work.
        job: JobId,
        /// How.
        outcome: Outcome,
    },
    /// A job ended with an error.
    Failed {
        /// Which work.
        job: JobId,
        /// What happened and what to do.
        failure: Failure,
    },
    /// Something worth a line in the log.
    Notice {
        /// Which work.
        job: JobId,
        /// A sentence.
        text: Sentence,
    },
    /// One more piece of a stream.
    Token {
        /// Which work.
        job: JobId,
        /// Which stream.
        stream: usize,
        /// What it adds; empty while a character is incomplete.
        text: String,
    },
    /// What a stream with beams says so far.
    BestBeam {
        /// Which work.
        job: JobId,
        /// Which stream.
        stream: usize,
        /// The whole text, instead of what was said before.
        text: String,
    },
    /// All streams ended.
    Generated {
        /// Which work.
        job: JobId,
        /// One for each stream.
        streams: Vec<GeneratedStream>,
    },
    /// An adapter was scored.
    Score {
        /// Which work.
        job: JobId,
        /// Nats per labelled token.
        loss: f64,
        /// Its exponential.
        perplexity: f64,
        /// Labelled tokens.
        tokens: usize,
        /// Rows.
        rows: usize,
        /// How often the predictions are right, where there are some.
        figures: Option<TaskFigures>,
    },
    /// Adapters have voted.
    Voted {
        /// Which work.
        job: JobId,
        /// How it went.
        vote: Box<VoteReport>,
    },
    /// Norms of a prefix.
    Grid {
        /// Which work.
        job: JobId,
        /// Cell by cell.
        grid: Box<PrefixGrid>,
    },
    /// Nearest tokens.
    Neighbours {
        /// Which work.
        job: JobId,
        /// One for each cell asked for.
        lists: Vec<NeighbourList>,
    },
    /// An import or export is complete.
    Written {
        /// Which work.
        job: JobId,
        /// The folder, or the file.
        folder: PathBuf,
    },
    /// What an adapter is.
    Inspected {
        /// Which work.
        job: JobId,
        /// Its facts.
        found: Box<AdapterFacts>,
    },
    /// An adapter was probed.
    Probed {
        /// Which work.
        job: JobId,
        /// The differences.
        probe: ProbeReport,
    },
}

impl Event {
    /// The work that the event is about.
    pub fn job(&self) -> JobId {
        match self {
            Self::Devices { job, .. }
            | Self::Model { job, .. }
            | Self::Preview { job, .. }
            | Self::Phase { job, .. }
            | Self::RunStarted { job, .. }
            | Self::Changed { job, .. }
            | Self::Step { job, .. }
            | Self::Evaluated { job, .. }
            | Self::Sample { job, .. }
            | Self::CheckpointWritten { job, .. }
            | Self::RangeStep { job, .. }
            | Self::Range { job, .. }
            | Self::LabStep { job, .. }
            | Self::LabScore { job, .. }
            | Self::Lab { job, .. }
            | Self::Paused { job, .. }
            | Self::Finished { job, .. }
            | Self::Failed { job, .. }
            | Self::Notice { job, .. }
            | Self::Token { job, .. }
            | Self::BestBeam { job, .. }
            | Self::Generated { job, .. }
            | Self::Score { job, .. }
            | Self::Voted { job, .. }
            | Self::Grid { job, .. }
            | Self::Neighbours { job, .. }
            | Self::Written { job, .. }
            | Self::Inspected { job, .. }
            | Self::Probed { job, .. } => *job,
        }
    }
}

/// What a job is doing before and between its steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// Weights go to the device; share done, 0 to 1.
    LoadingModel {
        /// 0 to 1.
        share: f32,
    },
    /// Rows are read and tokenised.
    PreparingData,
    /// The adapter gets its initial values.
    Initialising,
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
}

/// How a job ended.
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
