//! What is asked of the engine, and what it answers: one enum each way.
//!
//! A [`Command`] carries the [`JobId`] its sender chose; every [`Event`] about that work carries it back, so that late
//! news of a stopped job can be dropped. Events stay small: ids, scalars, pieces of text.

mod answers;
mod requests;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use self::answers::{AdapterFacts, GeneratedBeam, GeneratedStream, ProbeReport, ProbeVerdict, VoteReport, VoteRow};
pub use self::requests::{GenerateRequest, NeighbourRequest, Prompt, Stream, VoteRequest};
use crate::Sentence;
use crate::adapters::Combination;
use crate::analysis::{NeighbourList, PrefixGrid};
use crate::config::{DataConfig, RunConfig, Task};
use crate::data::DataPreview;
use crate::device::{DeviceChoice, DeviceInfo};
use crate::error::Failure;
use crate::models::ModelSummary;
use crate::nn::Precision;
use crate::training::{
    EvaluationReport, LabPlan, LabRow, LabScore, LabStep, RangeFindings, RangePoint, RateRange, RunFacts, SampleReport,
    StepReport, TaskFigures,
};

/// Names one piece of work; unique among those its sender has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobId(pub u64);

/// What the engine can be asked for.
#[derive(Clone, Debug)]
pub enum Command {
    /// List the devices: answered by [`Event::Devices`].
    ListDevices {
        /// Names the work.
        job: JobId,
    },
    /// Describe a model folder without loading its weights: answered by [`Event::Model`].
    DescribeModel {
        /// Names the work.
        job: JobId,
        /// The folder.
        folder: PathBuf,
    },
    /// Tokenise the first rows as training would: answered by [`Event::Preview`].
    Preview {
        /// Names the work.
        job: JobId,
        /// Model folder whose tokenizer is used.
        model: PathBuf,
        /// The rows and their templates.
        data: DataConfig,
        /// What is learned of a row; `None` is what the model does.
        task: Option<Task>,
        /// Prefix length, which takes positions.
        n_virtual: usize,
        /// How many rows.
        rows: usize,
    },
    /// Train a run in its folder, or go on with it: [`Event::Phase`] … [`Event::Finished`].
    Train {
        /// Names the work.
        job: JobId,
        /// The run's folder; it is made if need be.
        folder: PathBuf,
        /// What to compute.
        config: Box<RunConfig>,
        /// Go on from the last checkpoint. Refused with [`Event::Changed`] when rows, split, tokenizer or order are no longer
        /// those that the run began with.
        resume: bool,
    },
    /// Go on with a run from its last checkpoint, although something has changed that [`Event::Changed`] named.
    ResumeOnOthers {
        /// Names the work.
        job: JobId,
        /// The run's folder.
        folder: PathBuf,
        /// What to compute.
        config: Box<RunConfig>,
    },
    /// Try learning rates from low to high on the first steps of a run: [`Event::RangeStep`] …, [`Event::Range`]. Nothing
    /// is written.
    TestRange {
        /// Names the work.
        job: JobId,
        /// The run; its own rate and schedule are not used.
        config: Box<RunConfig>,
        /// Which rates.
        range: RateRange,
    },
    /// Hold initial values against each other on the first steps of a run: [`Event::LabStep`] and [`Event::LabScore`] …,
    /// [`Event::Lab`]. Nothing is written.
    InitLab {
        /// Names the work.
        job: JobId,
        /// The run; its own initial values and seed are not used, but for how the rows are split.
        config: Box<RunConfig>,
        /// Which initial values, how often and how long.
        plan: LabPlan,
    },
    /// Stop stepping a job until [`Command::Continue`]; other jobs go on.
    Pause {
        /// Which.
        job: JobId,
    },
    /// Step a paused job again.
    Continue {
        /// Which.
        job: JobId,
    },
    /// End a job. Training writes a checkpoint first; a generation just ends.
    Stop {
        /// Which.
        job: JobId,
    },
    /// Write a checkpoint before the next step.
    Checkpoint {
        /// Which training job.
        job: JobId,
    },
    /// Continue texts, each with its own adapter: [`Event::Token`] … [`Event::Generated`].
    Generate {
        /// Names the work.
        job: JobId,
        /// What.
        request: Box<GenerateRequest>,
    },
    /// Loss and perplexity of an adapter on a dataset: answered by [`Event::Score`].
    Evaluate {
        /// Names the work.
        job: JobId,
        /// Model folder.
        model: PathBuf,
        /// Where it is computed.
        device: DeviceChoice,
        /// In what.
        precision: Precision,
        /// Adapter folder; `None` is the base model.
        adapter: Option<PathBuf>,
        /// All rows of `data.train` are scored.
        data: DataConfig,
        /// What is learned of a row; `None` is what the adapter was trained for, or what the model does.
        task: Option<Task>,
    },
    /// Let several adapters answer the rows of a dataset and count the majority: answered by [`Event::Voted`].
    Vote {
        /// Names the work.
        job: JobId,
        /// What.
        request: Box<VoteRequest>,
    },
    /// Norms of a prefix or a soft prompt, cell by cell, and of what is changed of weights: answered by [`Event::Grid`].
    DescribePrefix {
        /// Names the work.
        job: JobId,
        /// Adapter folder.
        adapter: PathBuf,
        /// The base model, whose weights a change is held against; without one changes are left out.
        model: Option<PathBuf>,
        /// Adapter folder of the values before training, if it is known: how far each cell has come.
        initial: Option<PathBuf>,
    },
    /// Nearest tokens of prefix cells, beside what chance makes: answered by [`Event::Neighbours`].
    Neighbours {
        /// Names the work.
        job: JobId,
        /// What.
        request: Box<NeighbourRequest>,
    },
    /// Write an adapter in PEFT's format: answered by [`Event::Written`].
    Export {
        /// Names the work.
        job: JobId,
        /// Run checkpoint or adapter folder.
        adapter: PathBuf,
        /// Folder to write.
        to: PathBuf,
    },
    /// Write several adapters of one model as one: answered by [`Event::Written`].
    Combine {
        /// Names the work.
        job: JobId,
        /// Run checkpoints or adapter folders, at least two.
        adapters: Vec<PathBuf>,
        /// The base model they belong to.
        model: PathBuf,
        /// Side by side or mixed.
        how: Combination,
        /// Folder to write.
        to: PathBuf,
    },
    /// Write the base model with an adapter in its weights, a plain checkpoint: answered by [`Event::Written`].
    Merge {
        /// Names the work.
        job: JobId,
        /// Run checkpoint or adapter folder.
        adapter: PathBuf,
        /// The base model it belongs to.
        model: PathBuf,
        /// Folder to write; it must not be there yet.
        to: PathBuf,
    },
    /// Write an adapter with all that belongs to it as one file: answered by [`Event::Written`].
    Share {
        /// Names the work.
        job: JobId,
        /// Run checkpoint or adapter folder.
        adapter: PathBuf,
        /// The base model it was trained on: its fingerprint and the logits of a few rows go into the file.
        model: PathBuf,
        /// Where those are computed.
        device: DeviceChoice,
        /// What its sender says of it; empty is nothing.
        card: String,
        /// Whether a few rows of the validation data go along, with what the adapter says of them.
        with_samples: bool,
        /// File to write.
        to: PathBuf,
    },
    /// Look at an adapter of any form, a file or a folder: answered by [`Event::Inspected`].
    Inspect {
        /// Names the work.
        job: JobId,
        /// What was sent.
        adapter: PathBuf,
        /// The base model it is held against; without one, only what says its own sizes can be looked at.
        model: Option<PathBuf>,
    },
    /// Read an adapter of any form into a run folder: answered by [`Event::Written`].
    Import {
        /// Names the work.
        job: JobId,
        /// What was sent, a file or a folder.
        adapter: PathBuf,
        /// The base model it belongs to; shapes are checked against it, and the fingerprint if the sender gave one.
        model: PathBuf,
        /// Accept a model of another fingerprint, if the shapes fit.
        other_base: bool,
        /// Run folder to make.
        to: PathBuf,
    },
    /// Compute a few logits with an adapter of any form: answered by [`Event::Probed`].
    Probe {
        /// Names the work.
        job: JobId,
        /// What was sent, or an adapter folder.
        adapter: PathBuf,
        /// Model folder.
        model: PathBuf,
        /// Where it is computed.
        device: DeviceChoice,
    },
    /// Forget the loaded model, so that its memory is free.
    Unload,
}

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
