//! What a training, a range test or a lab tells of itself while it goes on.

use serde::{Deserialize, Serialize};

use crate::config::{PrefixInit, Task};
use crate::error::Failure;

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
