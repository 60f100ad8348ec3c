//! Figures of predictions: of all rows with their intervals, of each row, and of the rows of each value of a column.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::predictions::{PredictedRow, each_part};
use crate::error::{EngineError, Result};
use crate::metrics::{Bootstrap, Counter, Metric, Resources, Score, TextRow};
use crate::{Sentence, sentence};

/// Most rows of a file that are shown with their texts.
const SHOWN: usize = 20_000;

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
    /// In the order of the file; of very many those with the lowest and the highest first figure.
    pub rows: Vec<ScoredRow>,
    /// Number of rows that the figures are of.
    #[serde(default)]
    pub total: usize,
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
    match metric.is_of_predictions() {
        true => Ok(metric),
        false => {
            let reason = sentence!("{name} is not computed of predictions and references alone", name = metric.name);
            Err(EngineError::Setting { field: "metrics", reason })
        }
    }
}

/// The figure of texts by a metric, without an interval and by what it needs no files for.
///
/// # Errors
/// The metric is not known, or these rows have no such figure.
pub fn score_texts(metric: &str, rows: &[PredictedRow]) -> Result<f64> {
    let metric = known(metric)?;
    let rows: Vec<TextRow> = rows.iter().map(text).collect();
    let mut counter = Counter::new(&metric, &Resources::default()).map_err(|reason| unscored(&metric, reason))?;
    counter.add(&rows).map_err(|reason| unscored(&metric, reason))?;
    Ok(counter.counted().map_err(|reason| unscored(&metric, reason))?.score(None).figure)
}

fn unscored(metric: &Metric, reason: Sentence) -> EngineError {
    let reason = sentence!("{name}: {reason}", name = metric.name, reason);
    EngineError::Setting { field: "metrics", reason }
}

/// Rows that are scored.
pub enum Predicted {
    /// In memory.
    Rows(Vec<PredictedRow>),
    /// In a file, which is read once for each metric.
    File(PathBuf),
}

impl Predicted {
    /// Goes over the rows, a part of them at a time.
    fn each(&self, each: &mut dyn FnMut(&[PredictedRow]) -> Result<()>) -> Result<()> {
        match self {
            Self::Rows(rows) => each(rows),
            Self::File(path) => each_part(path, &mut |part| each(&part)),
        }
    }

    /// Rows that are shown with their texts.
    fn most(&self) -> usize {
        if matches!(self, Self::Rows(_)) { usize::MAX } else { SHOWN }
    }
}

/// Predictions on their way to their figures, metric by metric. Of the rows of a file their figures alone are in memory, and
/// for a metric over a corpus its texts while it is computed.
pub struct Scoring {
    predicted: Predicted,
    resources: Resources,
    names: Vec<String>,
    next: usize,
    total: usize,
    figures: Vec<MetricFigure>,
    by: Vec<GroupFigures>,
    /// Of each metric the figures of the rows.
    of_rows: Vec<Vec<f64>>,
}

impl Scoring {
    /// Nothing is computed yet.
    ///
    /// # Errors
    /// A metric is not known.
    pub fn new(predicted: Predicted, names: &[String], resources: Resources) -> Result<Self> {
        check_metrics(names)?;
        let (figures, by, of_rows) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { predicted, resources, names: names.to_vec(), next: 0, total: 0, figures, by, of_rows })
    }

    /// Scores by one more metric; `None` while there are more.
    ///
    /// # Errors
    /// A metric is not known or has no figure of these rows; the file cannot be read.
    pub fn step(&mut self) -> Result<Option<ScoredPredictions>> {
        let Some(name) = self.names.get(self.next) else { return self.finished().map(Some) };
        self.next += 1;
        let metric = known(name)?;
        let failed = |reason| unscored(&metric, reason);
        let counter = || Counter::new(&metric, &self.resources).map_err(failed);
        let mut all = counter()?;
        let mut groups: BTreeMap<String, (usize, Counter)> = BTreeMap::new();
        self.predicted.each(&mut |rows| {
            let texts: Vec<TextRow> = rows.iter().map(text).collect();
            all.add(&texts).map_err(failed)?;
            // What depends on the whole corpus depends on the group's alone.
            for (value, texts) in by_group(rows, texts) {
                let (n, group) = match groups.entry(value) {
                    Entry::Occupied(entry) => entry.into_mut(),
                    Entry::Vacant(entry) => entry.insert((0, counter()?)),
                };
                *n += texts.len();
                group.add(&texts).map_err(failed)?;
            }
            Ok(())
        })?;
        let score = all.counted().map_err(failed)?.score(Some(Bootstrap::default()));
        self.total = score.rows.len();
        for (at, (value, (rows, group))) in groups.into_iter().enumerate() {
            let score = group.counted().map_err(failed)?.score(Some(Bootstrap::default()));
            if self.by.len() == at {
                self.by.push(GroupFigures { value, rows, figures: Vec::new() });
            }
            self.by[at].figures.push(MetricFigure::of(score));
        }
        self.of_rows.push(score.rows.clone());
        self.figures.push(MetricFigure::of(score));
        Ok(None)
    }

    /// The share of the metrics that are done, 0 to 1.
    pub fn share(&self) -> f32 {
        self.next as f32 / self.names.len().max(1) as f32
    }

    fn finished(&mut self) -> Result<ScoredPredictions> {
        let most = self.predicted.most();
        let shown = (self.total > most).then(|| extremes(&self.of_rows[0], most));
        let (mut rows, mut at) = (Vec::new(), 0);
        self.predicted.each(&mut |part| {
            for row in part {
                if shown.as_ref().is_none_or(|shown| shown.contains(&at)) {
                    let figure = |of: &Vec<f64>| of.get(at).copied().filter(|figure| figure.is_finite());
                    rows.push(ScoredRow { row: row.clone(), figures: self.of_rows.iter().map(figure).collect() });
                }
                at += 1;
            }
            Ok(())
        })?;
        let (figures, by) = (std::mem::take(&mut self.figures), std::mem::take(&mut self.by));
        Ok(ScoredPredictions { figures, by, rows, total: at })
    }
}

/// The texts of each value of the column, where one was named.
fn by_group(rows: &[PredictedRow], texts: Vec<TextRow>) -> BTreeMap<String, Vec<TextRow>> {
    let mut groups: BTreeMap<String, Vec<TextRow>> = BTreeMap::new();
    for (row, text) in rows.iter().zip(texts) {
        if let Some(value) = &row.group {
            groups.entry(value.clone()).or_default().push(text);
        }
    }
    groups
}

/// Places of the rows with the lowest and the highest figure, as many of the one as of the other.
fn extremes(figures: &[f64], most: usize) -> BTreeSet<usize> {
    let mut order: Vec<usize> = (0..figures.len()).collect();
    order.sort_by(|&a, &b| figures[a].total_cmp(&figures[b]));
    let half = most / 2;
    let (low, high) = (order.iter().take(half), order.iter().rev().take(most - half));
    low.chain(high).copied().collect()
}

fn text(row: &PredictedRow) -> TextRow {
    TextRow {
        prediction: row.prediction.clone(),
        references: row.references.clone(),
        question: row.question.clone(),
        no_answer: row.no_answer,
    }
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
            prediction: prediction.to_owned(),
            references: vec!["a".to_owned(), "b".to_owned()],
            group: group.map(str::to_owned),
            ..PredictedRow::default()
        }
    }

    fn scored(rows: Vec<PredictedRow>) -> ScoredPredictions {
        let names = ["exact_match".to_owned()];
        let mut scoring = Scoring::new(Predicted::Rows(rows), &names, Resources::default()).unwrap();
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

    #[test]
    fn a_file_is_scored_in_parts_and_shows_its_extremes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.jsonl");
        let n = SHOWN + 5_000;
        let word = |at: usize| if at.is_multiple_of(5) { "a" } else { "c" };
        let rows: Vec<PredictedRow> = (1..=n).map(|at| row(at, word(at), Some(word(at)))).collect();
        let lines: Vec<String> = rows.iter().map(|row| serde_json::to_string(row).unwrap()).collect();
        // Wide enough to be read in parts.
        std::fs::write(&path, lines.join(&format!("{}\n", " ".repeat(700)))).unwrap();
        let names = ["exact_match", "distinct_1", "accuracy"].map(str::to_owned);
        let figures = |predicted| {
            let mut scoring = Scoring::new(predicted, &names, Resources::default()).unwrap();
            std::iter::repeat_with(|| scoring.step().unwrap()).find_map(|scored| scored).unwrap()
        };
        let (file, held) = (figures(Predicted::File(path)), figures(Predicted::Rows(rows)));
        assert_eq!((&file.figures, &file.by, file.total), (&held.figures, &held.by, n));
        assert_eq!((file.rows.len(), held.rows.len()), (SHOWN, n));
        let right = file.rows.iter().filter(|row| row.figures[0] == Some(100.0)).count();
        assert_eq!(right, n / 5, "all that are right are among the highest");
        assert!(file.rows.is_sorted_by_key(|row| row.row.row));
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
