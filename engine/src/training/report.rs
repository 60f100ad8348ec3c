//! Reports of a run while it goes on.

use serde::{Deserialize, Serialize};

use crate::config::Task;

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
    /// Numbers of base model and adapter in training together, weights of the model once: what PEFT's
    /// `print_trainable_parameters` calls all; 0 in records of older versions.
    #[serde(default)]
    pub all_parameters: usize,
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
    /// The task that is learned of a row.
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
    #[serde(deserialize_with = "crate::number::or_nan")]
    pub loss: f64,
    /// The rate used.
    pub learning_rate: f64,
    /// Norm of the whole gradient before clipping.
    #[serde(deserialize_with = "crate::number::or_nan")]
    pub grad_norm: f64,
    /// Tokens with a label.
    #[serde(alias = "labelled_tokens")]
    pub labeled_tokens: usize,
    /// All tokens that went through the model, without padding.
    pub tokens: usize,
    /// Wall-clock seconds of this step.
    pub elapsed_secs: f64,
}

/// Figures of one evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluationReport {
    /// Steps done before it; 0 is before the first.
    pub step: usize,
    /// Nats per labeled token.
    #[serde(deserialize_with = "crate::number::or_nan")]
    pub loss: f64,
    /// The best so far.
    pub best: bool,
    /// Wall-clock seconds.
    pub elapsed_secs: f64,
    /// Metrics of the predictions, where there are some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figures: Option<ClassificationMetrics>,
    /// The figure by which it is the best, where that is not the loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<BestFigure>,
}

/// What a run costs in time, measured on a few of its steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepTime {
    /// Seconds that an optimizer step takes, the middle one of those that were timed.
    pub step_secs: f64,
    /// Seconds that an evaluation takes with its samples, by one of its batches and a few tokens; texts of a figure of texts do
    /// not count.
    pub evaluation_secs: f64,
    /// Seconds before the first step: weights, rows, kernels.
    pub preparation_secs: f64,
    /// Steps in all.
    pub total_steps: usize,
    /// Evaluations in all.
    pub evaluations: usize,
    /// Numbers that the optimizer changes.
    pub trained_parameters: u64,
}

impl StepTime {
    /// Seconds that the whole run takes.
    pub fn whole_secs(&self) -> f64 {
        let (steps, evaluations) = (self.total_steps as f64, self.evaluations as f64);
        self.preparation_secs + steps * self.step_secs + evaluations * self.evaluation_secs
    }
}

/// The figure by which evaluations are held against each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestFigure {
    /// Its name, as `training.best_metric` has it.
    pub name: String,
    /// Its value.
    #[serde(deserialize_with = "crate::number::or_nan")]
    pub value: f64,
}

/// Rates at which predicted classes or tokens are right, 0 to 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassificationMetrics {
    /// Share of the labels; `None` where numbers are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Mean of the classes' F1, without `O`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub macro_f1: Option<f64>,
    /// F1 over all labels, without `O`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub micro_f1: Option<f64>,
    /// F1 over entities, where classes are `B-…` and `I-…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity_f1: Option<f64>,
    /// Of answers that are places in a text, or choices that are held against a list of answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Box<AnswerMetrics>>,
    /// Of answers looked for among many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranking: Option<RankingMetrics>,
    /// Matthews' correlation of the classes of texts, −1 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matthews: Option<f64>,
    /// Of the answers to questions, each of which is right or not, as MultiRC has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub questions: Option<Box<QuestionMetrics>>,
    /// Of numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regression: Option<Box<RegressionMetrics>>,
    /// Of each of several datasets, or of each relation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub datasets: Vec<NamedMetrics>,
}

/// Figures of numbers that are told of texts, as scipy and scikit-learn have them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RegressionMetrics {
    /// Pearson's correlation, −1 to 1; 0 where it is none, as where all are told the same number.
    pub pearson: f64,
    /// Spearman's correlation, likewise.
    pub spearman: f64,
    /// Mean of the squared errors.
    pub mse: f64,
}

/// Figures of judged answers, 0 to 1, as SuperGLUE has them for MultiRC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QuestionMetrics {
    /// F1 of the right answers over all questions.
    pub multirc_f1a: f64,
    /// Share of the questions whose every answer is judged rightly.
    pub multirc_exact: f64,
}

/// Figures of answers, 0 to 1, as SQuAD's script has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AnswerMetrics {
    /// Share of the questions answered to the letter, case, articles and punctuation aside.
    pub exact_match: f64,
    /// Mean over the questions of the F1 of the words.
    pub f1: f64,
    /// Exact match and F1 at the threshold where each is best, where some questions have no answer.
    #[serde(default, skip_serializing_if = "Option::is_none", flatten)]
    pub best: Option<BestAnswers>,
}

/// Figures of answers, 0 to 1, where no answer is taken for what scores more than a threshold above the best answer: at the
/// threshold that is best for each, as SQuAD 2.0's script finds it. The names are its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BestAnswers {
    /// Exact match.
    pub best_exact: f64,
    /// Its threshold.
    pub best_exact_thresh: f64,
    /// F1.
    pub best_f1: f64,
    /// Its threshold.
    pub best_f1_thresh: f64,
}

/// Figures of the rank that right answers have among many candidates, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RankingMetrics {
    /// Share of the right answers that stand first.
    pub p_at_1: f64,
    /// Share among the first ten.
    pub p_at_10: f64,
    /// Mean of the inverse ranks.
    pub mrr: f64,
    /// Most candidates of a row.
    pub candidates: usize,
    /// Means of the same over the datasets or relations, each counted once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub macro_mean: Option<MacroRanking>,
}

/// Means of figures over several datasets or relations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MacroRanking {
    /// Of the shares that stand first.
    pub p_at_1: f64,
    /// Of the shares among the first ten.
    pub p_at_10: f64,
    /// Of the mean inverse ranks.
    pub mrr: f64,
}

/// The figures of one of several datasets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NamedMetrics {
    /// Name of the dataset.
    pub name: String,
    /// On its rows alone.
    #[serde(flatten)]
    pub figures: ClassificationMetrics,
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
    /// The target of the row.
    pub reference: String,
    /// The model's answer.
    pub text: String,
}
