//! Figures of predictions: of all rows with their intervals, of each row, and of the rows of each value of a column.
//!
//! An interval is the bootstrap's (Koehn 2004, "Statistical significance tests for machine translation evaluation"): of
//! 1,000 sets of as many rows, drawn with replacement, the middle 95 %.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::lookup::{TEXT_METRICS, TextMetricEntry, text_metric};
use super::predictions::PredictedRow;
use crate::error::{EngineError, Result};
use crate::metrics::{TextMetric, TextRow};
use crate::sentence;

/// Sets of rows that an interval is made of.
const SETS: usize = 1000;
/// Always the same sets.
const SEED: u64 = 12_345;
/// Additions that an interval may cost: of more rows than a million figures, fewer sets are drawn.
const MOST_ADDITIONS: usize = 2_000_000_000;
/// The sets below which an interval says nothing.
const LEAST_SETS: usize = 50;

/// One figure of a set of rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricFigure {
    /// The metric.
    pub name: String,
    /// Over the whole set.
    #[serde(deserialize_with = "crate::number::or_nan")]
    pub figure: f64,
    /// Lower end of the interval.
    #[serde(deserialize_with = "crate::number::or_nan")]
    pub low: f64,
    /// Upper end.
    #[serde(deserialize_with = "crate::number::or_nan")]
    pub high: f64,
    /// Version and options, where the reference has words for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// Figures of the rows that have one value in a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupFigures {
    /// The value.
    pub value: String,
    /// Number of rows.
    pub rows: usize,
    /// In the order of those of all rows.
    pub figures: Vec<MetricFigure>,
}

/// A prediction with its own figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoredRow {
    /// The prediction.
    #[serde(flatten)]
    pub row: PredictedRow,
    /// In the order of those of all rows; `None` where the row alone has none.
    pub figures: Vec<Option<f64>>,
}

/// Predictions with all their figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScoredPredictions {
    /// Of all rows.
    pub figures: Vec<MetricFigure>,
    /// Of the values of a column, where one was named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<GroupFigures>,
    /// In the order of the file.
    pub rows: Vec<ScoredRow>,
}

/// The metrics that are taken where none is named.
pub fn usual_metrics() -> Vec<String> {
    let known = |name: &&str| TEXT_METRICS.iter().any(|metric| metric.name == *name);
    let first = ["bleu"].into_iter().find(known);
    let second = ["rouge_l", "rougeL", "rougel"].into_iter().find(known);
    let found: Vec<&str> = first.into_iter().chain(second).collect();
    let found = if found.is_empty() { vec!["exact_match"] } else { found };
    found.into_iter().map(str::to_owned).collect()
}

/// Refuses a metric that is not known, by name.
///
/// # Errors
/// [`EngineError::Setting`] with the names of those that are.
pub fn check_metrics(names: &[String]) -> Result<()> {
    names.iter().try_for_each(|name| known(name).map(|_| ()))
}

fn known(name: &str) -> Result<(&'static TextMetricEntry, Box<dyn TextMetric>)> {
    let entry = TEXT_METRICS.iter().find(|metric| metric.name == name);
    entry.zip(text_metric(name)).ok_or_else(|| {
        let known = TEXT_METRICS.iter().map(|metric| metric.name).collect::<Vec<_>>().join(", ");
        let reason = sentence!("there is no metric of texts {name:?}, but {known}", name, known);
        EngineError::Setting { field: "metrics", reason }
    })
}

/// The figure of texts by a metric, without an interval.
///
/// # Errors
/// The metric is not known.
pub fn score_texts(metric: &str, rows: &[PredictedRow]) -> Result<f64> {
    let (_, metric) = known(metric)?;
    let statistics = metric.statistics(&texts(rows));
    Ok(metric.figure(&sum(&statistics)))
}

/// Predictions on their way to their figures, metric by metric.
pub struct Scoring {
    names: Vec<String>,
    next: usize,
    scored: ScoredPredictions,
    groups: Vec<(String, Vec<usize>)>,
}

impl Scoring {
    /// Nothing is computed yet.
    ///
    /// # Errors
    /// A metric is not known.
    pub fn new(rows: Vec<PredictedRow>, names: &[String]) -> Result<Self> {
        check_metrics(names)?;
        let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, row) in rows.iter().enumerate() {
            if let Some(value) = &row.group {
                groups.entry(value.clone()).or_default().push(at);
            }
        }
        let groups: Vec<_> = groups.into_iter().collect();
        let by = |(value, rows): &(String, Vec<usize>)| GroupFigures {
            value: value.clone(),
            rows: rows.len(),
            figures: Vec::new(),
        };
        let by = groups.iter().map(by).collect();
        let rows = rows.into_iter().map(|row| ScoredRow { row, figures: Vec::new() }).collect();
        let scored = ScoredPredictions { figures: Vec::new(), by, rows };
        Ok(Self { names: names.to_vec(), next: 0, scored, groups })
    }

    /// Scores by one more metric; `None` while there are more.
    ///
    /// # Errors
    /// A metric is not known.
    pub fn step(&mut self) -> Result<Option<ScoredPredictions>> {
        let Some(name) = self.names.get(self.next) else { return Ok(Some(std::mem::take(&mut self.scored))) };
        self.next += 1;
        let (_, metric) = known(name)?;
        let all: Vec<TextRow> = self.scored.rows.iter().map(|scored| text(&scored.row)).collect();
        let statistics = metric.statistics(&all);
        self.scored.figures.push(figure_of(name, metric.as_ref(), &statistics));
        for (scored, own) in self.scored.rows.iter_mut().zip(&statistics) {
            scored.figures.push(Some(metric.row_figure(own)).filter(|figure| figure.is_finite()));
        }
        for ((_, rows), group) in self.groups.iter().zip(&mut self.scored.by) {
            // What depends on the whole corpus depends on the group's alone.
            let of_group: Vec<TextRow> = rows.iter().map(|&row| all[row].clone()).collect();
            group.figures.push(figure_of(name, metric.as_ref(), &metric.statistics(&of_group)));
        }
        Ok(None)
    }

    /// The share of the metrics that are done, 0 to 1.
    pub fn share(&self) -> f32 {
        self.next as f32 / self.names.len().max(1) as f32
    }
}

fn text(row: &PredictedRow) -> TextRow {
    TextRow { prediction: row.prediction.clone(), references: row.references.clone() }
}

fn texts(rows: &[PredictedRow]) -> Vec<TextRow> {
    rows.iter().map(text).collect()
}

fn figure_of(name: &str, metric: &dyn TextMetric, statistics: &[Vec<f64>]) -> MetricFigure {
    let figure = if statistics.is_empty() { f64::NAN } else { metric.figure(&sum(statistics)) };
    let (low, high) = interval(metric, statistics);
    MetricFigure { name: name.to_owned(), figure, low, high, signature: metric.signature() }
}

fn sum(statistics: &[Vec<f64>]) -> Vec<f64> {
    let mut sum = vec![0.0; statistics.first().map_or(0, Vec::len)];
    for row in statistics {
        sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    sum
}

/// The middle 95 % of the figures of sets that are drawn anew.
fn interval(metric: &dyn TextMetric, statistics: &[Vec<f64>]) -> (f64, f64) {
    let n = statistics.len();
    let width = statistics.first().map_or(0, Vec::len);
    let sets = (MOST_ADDITIONS / (n * width).max(1)).clamp(LEAST_SETS, SETS);
    if n == 0 {
        return (f64::NAN, f64::NAN);
    }
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let mut figures: Vec<f64> = Vec::with_capacity(sets);
    for _ in 0..sets {
        let mut sum = vec![0.0; width];
        for _ in 0..n {
            let row = &statistics[random.random_range(0..n)];
            sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        figures.push(metric.figure(&sum));
    }
    figures.retain(|figure| figure.is_finite());
    figures.sort_by(f64::total_cmp);
    let at = |share: f64| figures.get((share * figures.len() as f64) as usize).copied().unwrap_or(f64::NAN);
    (at(0.025), at(0.975))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: usize, prediction: &str, group: Option<&str>) -> PredictedRow {
        PredictedRow {
            row: number,
            source: String::new(),
            prediction: prediction.to_owned(),
            references: vec!["a".to_owned(), "b ".to_owned()],
            group: group.map(str::to_owned),
        }
    }

    fn scored(rows: Vec<PredictedRow>) -> ScoredPredictions {
        let mut scoring = Scoring::new(rows, &["exact_match".to_owned()]).unwrap();
        assert!(scoring.step().unwrap().is_none());
        scoring.step().unwrap().unwrap()
    }

    #[test]
    fn figures_are_of_all_rows_of_each_row_and_of_each_value() {
        let said = [("a", "seen"), ("b", "seen"), ("c", "unseen"), ("a", "unseen")];
        let scored = scored((1..).zip(said).map(|(n, (text, group))| row(n, text, Some(group))).collect());
        assert_eq!(scored.figures[0].figure, 0.75);
        assert!(scored.figures[0].low < 0.75 && scored.figures[0].high >= 0.75, "{:?}", scored.figures);
        let own: Vec<_> = scored.rows.iter().map(|row| row.figures[0]).collect();
        assert_eq!(own, [Some(1.0), Some(1.0), Some(0.0), Some(1.0)]);
        let by: Vec<_> = scored.by.iter().map(|of| (of.value.as_str(), of.rows, of.figures[0].figure)).collect();
        assert_eq!(by, [("seen", 2, 1.0), ("unseen", 2, 0.5)]);
    }

    /// Of n rows that are right with probability p the share has a standard deviation of the root of p (1 - p) / n.
    #[test]
    fn an_interval_is_as_wide_as_that_of_a_share() {
        let rows = (0..400).map(|n| row(n, if n % 2 == 0 { "a" } else { "c" }, None)).collect();
        let figure = scored(rows).figures.remove(0);
        let half = 1.96 * (0.25_f64 / 400.0).sqrt();
        assert!((figure.high - figure.low - 2.0 * half).abs() < 0.02, "{figure:?}");
        assert!((figure.figure - 0.5).abs() < 1e-12);
    }

    #[test]
    fn a_metric_that_is_not_known_is_named_with_those_that_are() {
        let error = check_metrics(&["blue".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("\"blue\"") && error.contains("exact_match"), "{error}");
        assert!(check_metrics(&usual_metrics()).is_ok());
    }
}
