//! Figures of predictions: of all rows with their intervals, of each row, and of the rows of each value of a column.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::predictions::PredictedRow;
use crate::error::{EngineError, Result};
use crate::metrics::{Bootstrap, Metric, Score, TextRow, score_with};
use crate::sentence;

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
    ["bleu", "rouge_l"].map(str::to_owned).to_vec()
}

/// Refuses a metric that is not known, or that is of something else than texts, by name.
///
/// # Errors
/// Those of [`Metric::named`]; [`EngineError::Setting`] for one of something else.
pub fn check_metrics(names: &[String]) -> Result<()> {
    names.iter().try_for_each(|name| known(name).map(|_| ()))
}

fn known(name: &str) -> Result<Metric> {
    let metric = Metric::named(name)?;
    match metric.is_of_texts() {
        true => Ok(metric),
        false => {
            let reason = sentence!("{name} is not computed of texts and references alone", name = metric.name);
            Err(EngineError::Setting { field: "metrics", reason })
        }
    }
}

/// The figure of texts by a metric, without an interval.
///
/// # Errors
/// The metric is not known, or these rows have no such figure.
pub fn score_texts(metric: &str, rows: &[PredictedRow]) -> Result<f64> {
    let rows: Vec<TextRow> = rows.iter().map(text).collect();
    Ok(scored_by(&known(metric)?, &rows, None)?.figure)
}

fn scored_by(metric: &Metric, rows: &[TextRow], bootstrap: Option<Bootstrap>) -> Result<Score> {
    let mut scores = score_with(&[*metric], rows, bootstrap);
    match scores.scores.pop() {
        Some(score) => Ok(score),
        None => {
            let reason = scores.unscored.pop().map(|unscored| unscored.reason).unwrap_or_default();
            let reason = sentence!("{name}: {reason}", name = metric.name, reason);
            Err(EngineError::Setting { field: "metrics", reason })
        }
    }
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
        let metric = known(name)?;
        let all: Vec<TextRow> = self.scored.rows.iter().map(|scored| text(&scored.row)).collect();
        let score = scored_by(&metric, &all, Some(Bootstrap::default()))?;
        for (at, scored) in self.scored.rows.iter_mut().enumerate() {
            scored.figures.push(score.rows.get(at).copied().filter(|figure| figure.is_finite()));
        }
        self.scored.figures.push(MetricFigure::of(score));
        for ((_, rows), group) in self.groups.iter().zip(&mut self.scored.by) {
            // What depends on the whole corpus depends on the group's alone.
            let of_group: Vec<TextRow> = rows.iter().map(|&row| all[row].clone()).collect();
            group.figures.push(MetricFigure::of(scored_by(&metric, &of_group, Some(Bootstrap::default()))?));
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

impl MetricFigure {
    fn of(score: Score) -> Self {
        // Every draw of one row is that row.
        let alone = if score.rows.len() == 1 { score.figure } else { f64::NAN };
        let (low, high) = score.interval.map_or((alone, alone), |interval| (interval.low, interval.high));
        Self { name: score.metric, figure: score.figure, low, high, signature: score.signature }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: usize, prediction: &str, group: Option<&str>) -> PredictedRow {
        PredictedRow {
            row: number,
            source: String::new(),
            prediction: prediction.to_owned(),
            references: vec!["a".to_owned(), "b".to_owned()],
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
        assert_eq!(scored.figures[0].figure, 75.0);
        assert!(scored.figures[0].low < 75.0 && scored.figures[0].high >= 75.0, "{:?}", scored.figures);
        let own: Vec<_> = scored.rows.iter().map(|row| row.figures[0]).collect();
        assert_eq!(own, [Some(100.0), Some(100.0), Some(0.0), Some(100.0)]);
        let by: Vec<_> = scored.by.iter().map(|of| (of.value.as_str(), of.rows, of.figures[0].figure)).collect();
        assert_eq!(by, [("seen", 2, 100.0), ("unseen", 2, 50.0)]);
    }

    /// Of n rows that are right with probability p the share has a standard deviation of the root of p (1 - p) / n.
    #[test]
    fn an_interval_is_as_wide_as_that_of_a_share() {
        let rows = (0..400).map(|n| row(n, if n % 2 == 0 { "a" } else { "c" }, None)).collect();
        let figure = scored(rows).figures.remove(0);
        let half = 196.0 * (0.25_f64 / 400.0).sqrt();
        assert!((figure.high - figure.low - 2.0 * half).abs() < 2.0, "{figure:?}");
        assert!((figure.figure - 50.0).abs() < 1e-12);
    }

    #[test]
    fn a_metric_that_is_not_known_is_named_with_those_that_are() {
        let error = check_metrics(&["blue".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("\"blue\"") && error.contains("exact_match"), "{error}");
        assert!(check_metrics(&usual_metrics()).is_ok());
    }
}
