//! The figure that says which evaluation is the best, as the Trainer's `metric_for_best_model`: its order, and where it is
//! found among what an evaluation has.

use serde_json::Value;

use crate::config::Task;
use crate::error::{EngineError, Result};
use crate::evaluation::{PredictedRow, check_metrics, score_texts};
use crate::metrics::Metric;
use crate::sentence;
use crate::training::ClassificationMetrics;

/// Figures of what is predicted; more is better of each.
const PREDICTED: [&str; 10] = [
    "accuracy",
    "macro_f1",
    "micro_f1",
    "entity_f1",
    "matthews",
    "p_at_1",
    "p_at_10",
    "mrr",
    "multirc_f1a",
    "multirc_exact",
];
/// Those of what is ranked.
const RANKED: [&str; 8] =
    ["accuracy", "macro_f1", "matthews", "p_at_1", "p_at_10", "mrr", "multirc_f1a", "multirc_exact"];
/// Those of numbers; texts that are numbers have figures of these names too. Of the squared error less is better.
const NUMBERS: [&str; 3] = ["pearson", "spearman", MSE];
/// Mean of the squared errors.
const MSE: &str = "mse";
/// Those of answers that are places in a text; texts have figures of these names too.
const ANSWERS: [&str; 2] = ["exact_match", "f1"];

/// Names that `training.best_metric` can have for a task whose answers are looked for among candidates or not, the loss first.
pub fn best_metrics(task: Task, is_ranked: bool) -> Vec<&'static str> {
    let predicted: &[&str] = match task {
        Task::Causal | Task::Seq2Seq if !is_ranked => &[],
        Task::Causal | Task::Seq2Seq => &RANKED,
        Task::SequenceClassification => {
            &["accuracy", "macro_f1", "micro_f1", "matthews", "multirc_f1a", "multirc_exact"]
        }
        Task::TokenClassification => &["accuracy", "macro_f1", "micro_f1", "entity_f1"],
        Task::MaskedFill if is_ranked => &RANKED,
        Task::MaskedFill => &["accuracy"],
        Task::MultipleChoice => &["accuracy", "exact_match", "f1"],
        Task::Regression => &NUMBERS,
        Task::QuestionAnswering => &ANSWERS,
    };
    let mut names: Vec<&'static str> = std::iter::once("loss").chain(predicted.iter().copied()).collect();
    // Texts that are classes have figures of the same names as classes, which are then those of candidates.
    let of_texts = |metric: &Metric| metric.is_of_texts() && task.writes() && !PREDICTED.contains(&metric.name);
    names.extend(Metric::all().iter().filter(|metric| of_texts(metric)).map(|metric| metric.name));
    names
}

/// The figure by which evaluations are held against each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BestMetric {
    /// Less is better.
    Loss,
    /// A figure of predicted classes, tokens or candidates.
    Predicted(&'static str),
    /// A figure of generated texts.
    Texts(String),
}

impl BestMetric {
    /// The figure of that name, with or without the Trainer's `eval_`.
    ///
    /// # Errors
    /// [`EngineError::Setting`] where there is none, or the task writes no texts.
    pub(crate) fn of(name: &str, task: Task) -> Result<Self> {
        let name = name.strip_prefix("eval_").unwrap_or(name);
        if name == "loss" {
            return Ok(Self::Loss);
        }
        let own = match task {
            Task::QuestionAnswering | Task::MultipleChoice => ANSWERS.as_slice(),
            Task::Regression => NUMBERS.as_slice(),
            _ => &[],
        };
        if let Some(predicted) = PREDICTED.iter().chain(own).find(|known| **known == name) {
            return Ok(Self::Predicted(predicted));
        }
        let field = "training.best_metric";
        if Metric::named(name).is_ok_and(|metric| !metric.is_of_texts()) || check_metrics(&[name.to_owned()]).is_err() {
            let all = Metric::all();
            let texts = all.iter().filter(|metric| metric.is_of_texts()).map(|metric| metric.name);
            let known = ["loss"].into_iter().chain(PREDICTED).chain([MSE]).chain(texts).collect::<Vec<_>>().join(", ");
            let reason = sentence!("there is no figure {name:?}, but {known}", name, known);
            return Err(EngineError::Setting { field, reason });
        }
        if !task.writes() {
            let reason = sentence!("{name} is a figure of texts, and this task writes none", name);
            return Err(EngineError::Setting { field, reason });
        }
        Ok(Self::Texts(name.to_owned()))
    }

    /// As it is kept with the evaluations.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Loss => "loss",
            Self::Predicted(name) => name,
            Self::Texts(name) => name,
        }
    }

    /// Whether one figure is better than another; what is no number is better than nothing.
    pub(crate) fn is_better(&self, new: f64, before: f64) -> bool {
        let more = match self {
            Self::Loss | Self::Predicted(MSE) => false,
            Self::Predicted(_) => true,
            Self::Texts(name) => {
                return Metric::named(name).is_ok_and(|metric| metric.is_better(new, before));
            }
        };
        if more { new > before } else { new < before }
    }

    /// Its value, of a loss, of figures of predictions, or of texts.
    ///
    /// # Errors
    /// [`EngineError::Setting`] where the evaluation has no such figure, as entities where classes have no B- and I-.
    pub(crate) fn value(
        &self,
        loss: f64,
        predicted: Option<&ClassificationMetrics>,
        texts: &[PredictedRow],
    ) -> Result<f64> {
        let found = match self {
            Self::Loss => Some(loss),
            Self::Predicted(name) => predicted.and_then(|figures| find(figures, name)),
            Self::Texts(name) => Some(score_texts(name, texts)?),
        };
        found.ok_or_else(|| {
            let reason = sentence!("the evaluations of this run have no figure {name}", name = self.name());
            EngineError::Setting { field: "training.best_metric", reason }
        })
    }
}

/// A figure by its name, in the figures or one table deeper.
fn find(figures: &ClassificationMetrics, name: &str) -> Option<f64> {
    let tree = serde_json::to_value(figures).ok()?;
    let tables = tree.as_object()?.values().filter(|value| value.is_object());
    std::iter::once(&tree).chain(tables).find_map(|table| table.get(name).and_then(Value::as_f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_found_by_the_name_of_the_trainer_too_and_knows_its_order() {
        let of = |name: &str| BestMetric::of(name, Task::Causal).unwrap();
        assert_eq!((of("loss"), of("eval_loss")), (BestMetric::Loss, BestMetric::Loss));
        assert!(of("loss").is_better(1.0, 2.0) && !of("loss").is_better(2.0, 2.0));
        assert!(of("eval_accuracy").is_better(0.9, 0.8) && !of("accuracy").is_better(f64::NAN, 0.8));
        assert!(of("exact_match").is_better(0.9, 0.8));
        let of_numbers = |name: &str| BestMetric::of(name, Task::Regression).unwrap();
        assert!(of_numbers("mse").is_better(0.8, 0.9) && of_numbers("eval_pearson").is_better(0.9, 0.8));
        assert_eq!(of("pearson"), BestMetric::Texts("pearson".to_owned()), "of texts that are numbers");
        assert!(BestMetric::of("blue", Task::Causal).unwrap_err().to_string().contains("exact_match"));
        assert!(BestMetric::of("exact_match", Task::TokenClassification).is_err(), "it writes nothing");
    }

    #[test]
    fn what_is_offered_for_a_task_is_taken_for_it() {
        let tasks = [
            Task::Causal,
            Task::Seq2Seq,
            Task::SequenceClassification,
            Task::TokenClassification,
            Task::MaskedFill,
            Task::MultipleChoice,
            Task::Regression,
            Task::QuestionAnswering,
        ];
        for task in tasks {
            let names = [false, true].map(|is_ranked| best_metrics(task, is_ranked)).concat();
            for name in names {
                assert_eq!(BestMetric::of(name, task).unwrap().name(), name, "{task:?}");
            }
        }
        let has = |task, is_ranked, name| best_metrics(task, is_ranked).contains(&name);
        assert!(has(Task::Causal, false, "bleu") && !has(Task::TokenClassification, false, "bleu"));
        assert!(has(Task::Causal, true, "accuracy") && !has(Task::Causal, false, "accuracy"), "nothing is predicted");
    }

    #[test]
    fn its_value_is_that_of_the_evaluation_or_refused_where_there_is_none() {
        let figures =
            ClassificationMetrics { accuracy: Some(0.75), macro_f1: Some(0.5), ..ClassificationMetrics::default() };
        let value = |metric: BestMetric| metric.value(1.5, Some(&figures), &[]);
        assert_eq!(value(BestMetric::Loss).unwrap(), 1.5);
        assert_eq!(value(BestMetric::Predicted("accuracy")).unwrap(), 0.75);
        assert_eq!(value(BestMetric::Predicted("macro_f1")).unwrap(), 0.5);
        assert!(value(BestMetric::Predicted("entity_f1")).unwrap_err().to_string().contains("entity_f1"));
        let (prediction, references) = ("a".to_owned(), vec!["a".to_owned()]);
        let row = PredictedRow { row: 1, prediction, references, ..PredictedRow::default() };
        assert_eq!(BestMetric::Texts("exact_match".to_owned()).value(1.5, None, &[row]).unwrap(), 100.0);
    }
}
