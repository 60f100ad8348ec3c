//! Intervals of the figures of predictions: the middle 95 % of what rows have that are drawn anew. Answers that stand together,
//! as those of MultiRC's questions, have none here.

use std::collections::BTreeMap;

use serde_json::Value;

use super::metrics::{Outcome, Tally};
use crate::config::{Task, TaskRecord};
use crate::metrics::{Bootstrap, Interval};
use crate::training::ClassificationMetrics;

/// Most rows that are counted in all draws; beyond it there are no intervals.
const MOST: usize = 200_000_000;

/// Intervals of the figures by name, of rows or of the exact match and F1 of answers in a text.
pub(super) fn of(
    record: &TaskRecord,
    outcomes: &[Outcome],
    answers: &[(f64, f64)],
    bootstrap: Bootstrap,
) -> BTreeMap<String, Interval> {
    let mut found = BTreeMap::new();
    let fits = |n: usize| n > 1 && n.saturating_mul(bootstrap.draws) <= MOST;
    if fits(answers.len()) {
        let mean = |of: fn(&(f64, f64)) -> f64| {
            let figure = |rows: &[usize]| rows.iter().map(|&row| of(&answers[row])).sum::<f64>() / rows.len() as f64;
            bootstrap.interval(answers.len(), figure)
        };
        found.extend(mean(|of| of.0).map(|interval| ("exact_match".to_owned(), interval)));
        found.extend(mean(|of| of.1).map(|interval| ("f1".to_owned(), interval)));
    }
    // The places of an answer's ends are no figure of it.
    let n_labels: usize = outcomes.iter().map(labels).sum();
    if fits(outcomes.len()) && fits(n_labels) && record.task != Task::QuestionAnswering {
        let draws = bootstrap.figures(outcomes.len(), |rows| {
            let mut tally = Tally::new(record);
            rows.iter().for_each(|&row| tally.add(&outcomes[row], record));
            tally.figures(record).map(|figures| by_name(&figures)).unwrap_or_default()
        });
        let names: Vec<String> = draws.first().map(|first| first.keys().cloned().collect()).unwrap_or_default();
        for name in names {
            let values = draws.iter().map(|draw| draw.get(&name).copied().unwrap_or(f64::NAN)).collect();
            found.extend(Interval::of(values).map(|interval| (name, interval)));
        }
    }
    found
}

fn labels(outcome: &Outcome) -> usize {
    if let Outcome::Labels(pairs) = outcome { pairs.len() } else { 1 }
}

/// The figures by their names, those of a table one deeper too.
fn by_name(figures: &ClassificationMetrics) -> BTreeMap<String, f64> {
    let Ok(Value::Object(tree)) = serde_json::to_value(figures) else { return BTreeMap::new() };
    let deeper: Vec<(String, Value)> = tree.values().filter_map(Value::as_object).flatten().map(owned).collect();
    let all = tree.iter().map(owned).chain(deeper).filter(|(name, _)| name != "candidates");
    all.filter_map(|(name, value)| Some((name, value.as_f64()?))).collect()
}

fn owned((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of n rows that are right with probability p the share has a standard deviation of the root of p (1 - p) / n.
    #[test]
    fn the_interval_of_an_accuracy_is_as_wide_as_that_of_a_share() {
        let record = TaskRecord {
            classes: ["a", "b"].map(str::to_owned).to_vec(),
            ..TaskRecord::of(Task::SequenceClassification)
        };
        let outcomes: Vec<Outcome> =
            (0..400).map(|row| Outcome::Labels([(row % 2, i32::from(row % 4 == 1))].into())).collect();
        let found = of(&record, &outcomes, &[], Bootstrap::default());
        let interval = found["accuracy"];
        let half = 1.96 * (0.75_f64 * 0.25 / 400.0).sqrt();
        assert!((interval.high - interval.low - 2.0 * half).abs() < 0.02, "{interval:?}");
        assert!(found.contains_key("macro_f1") && found.contains_key("matthews"), "{found:?}");
        assert!(of(&record, &outcomes[..1], &[], Bootstrap::default()).is_empty(), "one row is every draw");
    }

    #[test]
    fn answers_in_a_text_and_numbers_have_intervals() {
        let answers: Vec<(f64, f64)> = (0..50).map(|at| (f64::from(at % 2), f64::from(at % 5) / 4.0)).collect();
        let record = TaskRecord::of(Task::QuestionAnswering);
        let places = vec![Outcome::Labels([(1, 2)].into()); 50];
        let found = of(&record, &places, &answers, Bootstrap::default());
        assert!(found.keys().eq(["exact_match", "f1"]), "{found:?}");
        assert!(found["f1"].low < 0.5 && found["f1"].high > 0.5);
        let numbers: Vec<Outcome> = (0..50).map(|at| Outcome::Number(at as f32, (at + at % 7) as f32)).collect();
        let found = of(&TaskRecord::of(Task::Regression), &numbers, &[], Bootstrap::default());
        assert!(found.keys().eq(["mse", "pearson", "spearman"]), "{found:?}");
    }
}
