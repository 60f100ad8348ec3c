//! What is asked of the engine, and what it answers: one enum each way.
//!
//! A [`Command`] carries the [`JobId`] its sender chose; every [`Event`] about that work carries it back, so that late
//! news of a stopped job can be dropped. Events stay small: ids, scalars, pieces of text.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::adapters::Combination;
use crate::adapters::single_file::About;
use crate::config::{BeginToken, DataConfig, LoraConfig, MethodConfig, PrefixInit, RunConfig, Task};
use crate::device::{DeviceChoice, DeviceInfo};
use crate::error::Failure;
use crate::models::{LinearName, OwnHead, Site, WeightName};
use crate::nn::Precision;
use crate::nn::positions::Positions;

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
        /// Go on from the last checkpoint.
        resume: bool,
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
    },
    /// Nearest tokens of prefix cells, with their null: answered by [`Event::Neighbours`].
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
    /// The streams, in order; [`Event::Token::stream`] counts them from 0.
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

/// Nearest tokens of some cells of a prefix.
#[derive(Clone, Debug)]
pub struct NeighbourRequest {
    /// Model folder.
    pub model: PathBuf,
    /// Where it is computed.
    pub device: DeviceChoice,
    /// Adapter folder (a run's checkpoint has one).
    pub adapter: PathBuf,
    /// Adapter folder of the values before training, for the null; `None` when unknown (an imported adapter).
    pub initial: Option<PathBuf>,
    /// Layers, from 0; empty is all.
    pub layers: Vec<usize>,
    /// Prefix positions, from 0; empty is all.
    pub positions: Vec<usize>,
    /// Keys or values.
    pub side: Side,
    /// The measure.
    pub metric: Metric,
    /// Tokens per list.
    pub top: usize,
}

/// One nearest token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Token id.
    pub token: u32,
    /// The token as text, with invisible characters escaped.
    pub text: String,
    /// In the units of the metric.
    pub score: f32,
}

/// The nearest tokens of one cell, beside their null.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NeighbourList {
    /// Layer, from 0.
    pub layer: usize,
    /// Prefix position, from 0.
    pub position: usize,
    /// Nearest first.
    pub nearest: Vec<Neighbour>,
    /// The same query on the prefix's initial values, if known.
    pub initial: Vec<Neighbour>,
    /// Best scores that random vectors of equal norm reach in this layer: mean and standard deviation.
    pub random_best: (f32, f32),
    /// Mean and standard deviation of the scores over the whole vocabulary.
    pub vocabulary: (f32, f32),
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
        text: String,
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

/// Facts of a run that are known when it starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFacts {
    /// The device, in words, with a precision that is not f32.
    pub device: String,
    /// Architecture as `config.json` names it.
    pub architecture: String,
    /// Layers of the base model.
    pub n_layers: usize,
    /// SHA-256 over the names, shapes and bytes of the base weights, in hexadecimal.
    pub model_hash: String,
    /// Numbers that the optimizer changes.
    pub trained_parameters: usize,
    /// Numbers that the adapter keeps.
    pub stored_parameters: usize,
    /// Numbers of the frozen base.
    pub base_parameters: usize,
    /// Optimizer steps in all.
    pub total_steps: usize,
    /// Steps already done (0, or where a resumed run goes on).
    pub done_steps: usize,
    /// Optimizer steps per pass over the rows.
    pub steps_per_epoch: usize,
    /// Training rows used.
    pub train_rows: usize,
    /// Validation rows used.
    pub validation_rows: usize,
    /// Rows cut to the length limit.
    pub truncated_rows: usize,
    /// Rows skipped because nothing in them could be learned.
    pub skipped_rows: usize,
    /// What is learned of a row.
    #[serde(default)]
    pub task: Task,
    /// Names of the classes, where there are some.
    #[serde(default)]
    pub classes: Vec<String>,
}

/// Figures of one optimizer step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// From 1.
    pub step: usize,
    /// Nats per token, or per row with the sentence sum.
    pub loss: f64,
    /// The rate used.
    pub learning_rate: f64,
    /// Norm of the whole gradient before clipping.
    pub grad_norm: f64,
    /// Tokens with a label.
    pub labelled_tokens: usize,
    /// All tokens that went through the model, without padding.
    pub tokens: usize,
    /// Wall-clock seconds of this step.
    pub elapsed_secs: f64,
}

/// One learning rate of a range test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RangePoint {
    /// The rate of the step.
    pub learning_rate: f64,
    /// The loss before it, in the units of a run's.
    pub loss: f64,
    /// Its mean with those before it.
    pub smoothed: f64,
}

/// What a range test suggests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RangeFindings {
    /// The rate where the smoothed loss falls fastest; `None` if it never falls.
    pub steepest: Option<f64>,
    /// The first rate after the lowest smoothed loss at which it is higher than it began, or four times the lowest, or no
    /// number; `None` if it does not come to that.
    pub diverged: Option<f64>,
}

impl RangeFindings {
    /// A tenth of the rate that was too high.
    pub fn tenth(&self) -> Option<f64> {
        self.diverged.map(|rate| rate / 10.0)
    }
}

/// A step of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabStep {
    /// Which of the plan's starts.
    pub start: usize,
    /// The seed of the trial.
    pub seed: u64,
    /// From 1.
    pub step: usize,
    /// The loss before the step, in the units of a run's.
    pub loss: f64,
}

/// How good a trial is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabScore {
    /// Which of the plan's starts.
    pub start: usize,
    /// The seed of the trial.
    pub seed: u64,
    /// Steps done.
    pub step: usize,
    /// Nats per labelled token of the validation rows; `None` where it is no number any more, or the trial never began.
    pub loss: Option<f64>,
    /// Why it never began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// How good a start is over the seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabRow {
    /// Which of the plan's starts.
    pub start: usize,
    /// Its name.
    pub init: PrefixInit,
    /// Validation loss before the first step.
    pub before: Option<Spread>,
    /// Validation loss after the last step, of the trials that came so far.
    pub after: Option<Spread>,
    /// Trials whose loss became no number.
    pub diverged: usize,
    /// Why trials never began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// Mean and spread of some numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, with n - 1; `None` of a single number.
    pub deviation: Option<f64>,
}

impl Spread {
    /// Of some numbers; `None` if there are none.
    pub fn of(numbers: &[f64]) -> Option<Self> {
        let n = numbers.len() as f64;
        let mean = numbers.iter().sum::<f64>() / n;
        let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
        let deviation = (numbers.len() > 1).then(|| (squares / (n - 1.0)).sqrt());
        (!numbers.is_empty()).then_some(Self { mean, deviation })
    }
}

/// Figures of one evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluationReport {
    /// Steps done before it; 0 is before the first.
    pub step: usize,
    /// Nats per labelled token.
    pub loss: f64,
    /// The best so far.
    pub best: bool,
    /// Wall-clock seconds.
    pub elapsed_secs: f64,
    /// How often the predictions are right, where there are some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figures: Option<TaskFigures>,
}

/// How often predicted classes or tokens are right, 0 to 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskFigures {
    /// Share of the labels.
    pub accuracy: f64,
    /// Mean of the classes' F1, without `O`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub macro_f1: Option<f64>,
    /// F1 over all labels, without `O`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub micro_f1: Option<f64>,
    /// F1 over entities, where classes are `B-…` and `I-…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity_f1: Option<f64>,
    /// Of each of several datasets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub datasets: Vec<NamedFigures>,
}

/// The figures of one of several datasets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NamedFigures {
    /// What it is called.
    pub name: String,
    /// On its rows alone.
    #[serde(flatten)]
    pub figures: TaskFigures,
}

/// How often several adapters are right, each and by their majority. A text is right when it is the wanted one, without
/// spaces around it; the accuracy is then the share of such texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VoteReport {
    /// Of each adapter, in the order they were named.
    pub members: Vec<TaskFigures>,
    /// Of the majority.
    pub vote: TaskFigures,
    /// Answers that as many gave as another one, where their log-probabilities decided.
    pub by_score: usize,
    /// Row by row.
    pub rows: Vec<VoteRow>,
}

impl VoteReport {
    /// Mean accuracy of the adapters.
    pub fn mean(&self) -> f64 {
        self.members.iter().map(|of| of.accuracy).sum::<f64>() / self.members.len().max(1) as f64
    }

    /// The highest accuracy of an adapter.
    pub fn best(&self) -> f64 {
        self.members.iter().map(|of| of.accuracy).fold(0.0, f64::max)
    }
}

/// What is answered to one row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VoteRow {
    /// From 1, as the file counts.
    pub row: usize,
    /// What was wanted.
    pub reference: String,
    /// Of each adapter.
    pub answers: Vec<String>,
    /// Of the majority.
    pub vote: String,
}

/// A continuation made at an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleReport {
    /// Steps done before it.
    pub step: usize,
    /// Validation row, from 0.
    pub row: usize,
    /// The prompt.
    pub prompt: String,
    /// What the row wants.
    pub reference: String,
    /// What the model says.
    pub text: String,
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

/// The end of one stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GeneratedStream {
    /// The whole continuation.
    pub text: String,
    /// Its tokens.
    pub tokens: Vec<u32>,
    /// Short hash of the adapter, or of nothing for the base.
    pub adapter_hash: String,
    /// For the base and for strength 0: logits of the first token equal those of the untouched model bit for bit.
    pub proven_base: Option<bool>,
    /// Wall-clock seconds from the first step to the end of this stream.
    pub elapsed_secs: f64,
    /// Of the text, in nats; sampling and penalties do not count.
    pub log_probability: f64,
    /// What beam search returns, the text above first; empty without it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beams: Vec<GeneratedBeam>,
}

/// One of the texts that beam search returns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GeneratedBeam {
    /// The continuation.
    pub text: String,
    /// Its tokens.
    pub tokens: Vec<u32>,
    /// What it is worth, in nats: its log-probability divided by its length to the power of the length penalty.
    pub score: f32,
}

/// What an adapter is that somebody sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdapterFacts {
    /// The file or folder.
    pub path: PathBuf,
    /// A sentence on what was found.
    pub sentence: String,
    /// What it is, as far as its files say how it was trained.
    pub method: MethodConfig,
    /// Matrices of low rank beside that.
    pub lora: Option<LoraConfig>,
    /// Length of a prefix or a soft prompt.
    pub n_virtual: usize,
    /// Where the text's positions begin.
    pub positions: Positions,
    /// What it was trained for.
    pub task: Task,
    /// Names of the classes, where there are some.
    pub classes: Vec<String>,
    /// Names of the tasks that share a prompt, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<String>,
    /// Why it is for another model than the one it is held against, though its shapes fit.
    pub other_base: Option<String>,
    /// What a file of ours says beside its numbers.
    pub about: Option<Box<About>>,
}

/// Logits after the last token of a few rows, with an adapter, beside others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeReport {
    /// Rows.
    pub rows: usize,
    /// The largest size of a logit.
    pub largest: f32,
    /// Largest difference from the base model's: what the adapter does.
    pub from_base: f32,
    /// Largest difference from those that the sender computed; `None` if there are none.
    pub from_sender: Option<f32>,
    /// The difference up to which the sender's are the same.
    pub tolerance: f32,
}

impl ProbeReport {
    /// What the probe says of the adapter.
    pub fn verdict(&self) -> ProbeVerdict {
        match self.from_sender {
            Some(difference) if difference <= self.tolerance => ProbeVerdict::AsTheSender,
            Some(_) => ProbeVerdict::NotAsTheSender,
            None if self.from_base <= self.tolerance => ProbeVerdict::DoesNothing,
            None => ProbeVerdict::DoesSomething,
        }
    }
}

/// What a probe says of an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeVerdict {
    /// It computes what its sender computed.
    AsTheSender,
    /// It computes something else: another model, other positions, or a damaged file.
    NotAsTheSender,
    /// Nobody says what it should compute; it changes what the model says.
    DoesSomething,
    /// Nobody says what it should compute; the model says the same without it.
    DoesNothing,
}

/// Norms of a prefix, cell by cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PrefixGrid {
    /// Layers.
    pub n_layers: usize,
    /// Prefix length.
    pub n_virtual: usize,
    /// `[layer][position]` row by row: norm of the key over all heads.
    pub key_norm: Vec<f32>,
    /// `[layer][position]` row by row: norm of the value over all heads.
    pub value_norm: Vec<f32>,
    /// The places of a sequence-to-sequence model's prefix in the order of the layers, each with how many are its.
    #[serde(default)]
    pub sites: Vec<(Site, usize)>,
    /// The cells are the slots of a soft prompt, one row of embeddings; both norms are the slot's.
    #[serde(default)]
    pub is_prompt: bool,
    /// What is changed of the model's weights.
    #[serde(default)]
    pub changes: Vec<WeightChange>,
}

/// How much an adapter changes of a weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WeightChange {
    /// The module or the weight, as adapters call it.
    pub name: String,
    /// Frobenius norm of what is added.
    pub norm: f32,
    /// The same, divided by the norm of the weight itself; 0 where that is 0.
    pub share: f32,
}

/// A model folder's facts, without its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelSummary {
    /// The folder.
    pub folder: PathBuf,
    /// As `config.json` names it.
    pub architecture: String,
    /// Layers; the decoder's, where there is an encoder too.
    pub n_layers: usize,
    /// Layers of the encoder; 0 without one.
    #[serde(default)]
    pub encoder_layers: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Query heads.
    pub n_heads: usize,
    /// Key and value heads.
    pub n_kv_heads: usize,
    /// Width of a head.
    pub d_head: usize,
    /// Positions.
    pub n_positions: usize,
    /// Tokens.
    pub vocab_size: usize,
    /// Width of the feed-forward layer.
    pub d_ff: usize,
    /// Numbers in the weights.
    pub parameters: usize,
    /// Storage format of the weights, such as `F16`.
    pub dtype: String,
    /// Bytes of the weight files.
    pub file_bytes: u64,
    /// Bytes of the largest tensor as f32.
    pub largest_tensor_bytes: u64,
    /// What can be learned with it; first what it does by itself.
    #[serde(default)]
    pub tasks: Vec<Task>,
    /// The head for classes that it was saved with.
    #[serde(default)]
    pub own_head: Option<OwnHead>,
    /// Width of the embeddings.
    #[serde(default)]
    pub embedding_width: usize,
    /// Every weight, by the names that adapters use.
    #[serde(skip)]
    pub weights: Vec<WeightName>,
    /// Every linear layer of the blocks.
    #[serde(skip)]
    pub linears: Vec<LinearName>,
}

/// Rows as training would see them, and what is odd about the dataset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DataPreview {
    /// Columns of the file, in order.
    pub columns: Vec<String>,
    /// Column that `source` stands for.
    pub source_column: String,
    /// Column that `target` stands for.
    pub target_column: String,
    /// The first rows.
    pub rows: Vec<TokenRow>,
    /// Rows of the training file.
    pub total_rows: usize,
    /// Training rows used after the split.
    pub train_rows: usize,
    /// Validation rows used.
    pub validation_rows: usize,
    /// Rows cut to the length limit.
    pub truncated_rows: usize,
    /// Rows skipped: number from 1 and reason, the first ten.
    pub skipped: Vec<(usize, String)>,
    /// How many were skipped in all.
    pub skipped_rows: usize,
    /// Tokens of every usable row, before the limit.
    pub lengths: Vec<u32>,
    /// The limit in force.
    pub max_tokens: usize,
    /// The model says how it wants conversations written, so that rows can be turns of one.
    pub has_chat_template: bool,
    /// What stands in for tokens that the tokenizer does not name.
    pub tokenizer_notes: Vec<String>,
    /// What is learned of a row.
    #[serde(default)]
    pub task: Task,
    /// Names of the classes, where there are some.
    #[serde(default)]
    pub classes: Vec<String>,
}

/// One row as training would see it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TokenRow {
    /// From 1, as the file counts.
    pub row: usize,
    /// The tokens as text, invisible characters escaped.
    pub tokens: Vec<String>,
    /// Whether each token has a label.
    pub labelled: Vec<bool>,
    /// The class of each token that has one; empty where there are no classes of tokens.
    #[serde(default)]
    pub classes: Vec<String>,
    /// Cut to the length limit.
    pub truncated: bool,
    /// The rendered prompt.
    pub prompt: String,
    /// The rendered target.
    pub target: String,
}
