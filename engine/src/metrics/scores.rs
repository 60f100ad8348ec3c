//! Figures of rows of texts: together, row by row, with an interval, and two sets of predictions held against each other.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answers::AnswerForm;
use super::bootstrap::{Bootstrap, Interval, Paired, sum_of};
use super::classification::Classification;
use super::correlation::{pearson, spearman};
use super::entities::Scheme;
use super::exact_match::ExactMatch;
use super::registry::{Metric, Needs};
use super::squad2::{Questions, Squad2};
use super::tags::EntityF1;
use super::text::{TextMetric, TextRow, text_metric};
use super::token_f1::TokenF1;
use crate::{Sentence, sentence};

/// Most additions that an interval may cost; beyond it there is none.
const MOST_ADDITIONS: usize = 20_000_000_000;

/// A figure of all rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Name of the metric.
    pub metric: String,
    /// The figure.
    #[serde(deserialize_with = "crate::number::or_nan")]
    pub figure: f64,
    /// Version and options in the words of the reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// The figure of each row; no number where a row does not count.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "numbers")]
    pub rows: Vec<f64>,
    /// The middle 95 % of the bootstrap; none for a single row, where a draw has no figure, or where it would take minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
}

/// A metric that these rows have no figure of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unscored {
    /// Name of the metric.
    pub metric: String,
    /// Why.
    pub reason: Sentence,
}

/// Figures of rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Number of rows.
    pub rows: usize,
    /// One for each metric that could be computed, in the order asked for.
    pub scores: Vec<Score>,
    /// The others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unscored: Vec<Unscored>,
}

/// A figure of two sets of predictions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Name of the metric.
    pub metric: String,
    /// Figure of the first set.
    pub first: f64,
    /// Figure of the second set.
    pub second: f64,
    /// The test; none for a single row, or where a draw has no figure.
    pub paired: Option<Paired>,
}

/// The figures of rows, with intervals of 1,000 draws.
pub fn score(metrics: &[Metric], rows: &[TextRow]) -> Scores {
    score_with(metrics, rows, Some(Bootstrap::default()))
}

/// The figures of rows, with intervals if there are draws to make them of.
pub fn score_with(metrics: &[Metric], rows: &[TextRow], bootstrap: Option<Bootstrap>) -> Scores {
    let mut scores = Scores { rows: rows.len(), ..Scores::default() };
    for metric in metrics {
        match Counted::of(metric, rows) {
            Ok(counted) => scores.scores.push(counted.score(metric, bootstrap)),
            Err(reason) => scores.unscored.push(Unscored { metric: metric.name.to_owned(), reason }),
        }
    }
    scores
}

/// Figures that are the mean of figures of rows, as those of BERTScore.
pub fn mean_score(metric: &Metric, of_rows: Vec<f64>, signature: String, bootstrap: Option<Bootstrap>) -> Score {
    let mean = |rows: &[usize]| rows.iter().map(|&row| of_rows[row]).sum::<f64>() / rows.len() as f64;
    let all: Vec<usize> = (0..of_rows.len()).collect();
    let (figure, interval) = (mean(&all), bootstrap.and_then(|bootstrap| bootstrap.interval(of_rows.len(), mean)));
    Score { metric: metric.name.to_owned(), figure, signature: Some(signature), interval, rows: of_rows }
}

/// A second set of predictions on the rows of a first held against it, a metric after the other.
///
/// # Errors
/// The metric that cannot be computed, or unequal numbers of rows.
pub fn compare(
    metrics: &[Metric],
    first: &[TextRow],
    second: &[TextRow],
    bootstrap: Bootstrap,
) -> Result<Vec<Comparison>, Unscored> {
    let compare = |metric: &Metric| {
        let unscored = |reason| Unscored { metric: metric.name.to_owned(), reason };
        if first.len() != second.len() {
            let (n, m) = (first.len(), second.len());
            return Err(unscored(sentence!("there are {n} and {m} rows", n, m)));
        }
        let a = Counted::of(metric, first).map_err(unscored)?;
        let b = Counted::of(metric, second).map_err(unscored)?;
        let all: Vec<usize> = (0..first.len()).collect();
        let may = a.additions(bootstrap) <= MOST_ADDITIONS;
        let test = || bootstrap.paired(first.len(), |rows| a.figure(rows), |rows| b.figure(rows));
        let paired = if may { test() } else { None };
        Ok(Comparison { metric: metric.name.to_owned(), first: a.figure(&all), second: b.figure(&all), paired })
    };
    metrics.iter().map(compare).collect()
}

/// Rows as far as a metric must know them.
enum Counted {
    Texts { metric: Box<dyn TextMetric>, statistics: Vec<Vec<f64>> },
    Classes { pairs: Vec<(usize, usize)>, n_classes: usize, figure: fn(&Classification) -> f64 },
    Numbers { predictions: Vec<f64>, labels: Vec<f64>, figure: fn(&[f64], &[f64]) -> Option<f64> },
}

impl Counted {
    fn of(metric: &Metric, rows: &[TextRow]) -> Result<Self, Sentence> {
        if rows.is_empty() {
            return Err(sentence!("there are no rows"));
        }
        let may_be_without = metric.name.starts_with("squad2");
        if let Some(row) = rows.iter().position(|row| row.references.is_empty()).filter(|_| !may_be_without) {
            return Err(sentence!("row {row} has no reference", row = row + 1));
        }
        match metric.needs {
            Needs::Texts => Self::texts(metric, rows),
            Needs::Tags => {
                let entities = EntityF1(scheme_of(metric.name));
                entities.check(rows)?;
                Ok(Self::Texts { statistics: entities.statistics(rows), metric: Box::new(entities) })
            }
            Needs::Classes => Ok(Self::classes(metric, rows)),
            Needs::Numbers => Self::numbers(metric, rows),
            needs => Err(sentence!("it needs {needs}", needs = needs.sentence())),
        }
    }

    fn texts(metric: &Metric, rows: &[TextRow]) -> Result<Self, Sentence> {
        let found = metric_of_texts(metric.name);
        let metric = found.ok_or_else(|| sentence!("it is not computed of texts"))?;
        Ok(Self::Texts { statistics: metric.statistics(rows), metric })
    }

    /// Of each different text a class, in the order in which they come. A prediction that is any of the references is right.
    fn classes(metric: &Metric, rows: &[TextRow]) -> Self {
        let mut names: BTreeMap<&str, usize> = BTreeMap::new();
        let mut pairs = Vec::with_capacity(rows.len());
        for row in rows {
            let guess = row.prediction.trim();
            let labels = || row.references.iter().map(|reference| reference.trim());
            let label = if labels().any(|label| label == guess) { guess } else { labels().next().unwrap_or_default() };
            let next = names.len();
            let label = *names.entry(label).or_insert(next);
            let next = names.len();
            pairs.push((label, *names.entry(guess).or_insert(next)));
        }
        let figure = match metric.name {
            "macro_f1" => Classification::macro_f1,
            "micro_f1" => Classification::micro_f1,
            "weighted_f1" => Classification::weighted_f1,
            "balanced_accuracy" => Classification::balanced_accuracy,
            "matthews" => Classification::matthews,
            _ => Classification::accuracy,
        };
        Self::Classes { pairs, n_classes: names.len(), figure }
    }

    fn numbers(metric: &Metric, rows: &[TextRow]) -> Result<Self, Sentence> {
        let number = |(row, text): (usize, &str)| {
            let read = text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
            read.ok_or_else(|| sentence!("row {row} has {text:?}, which is no number", row = row + 1, text))
        };
        let predictions = rows.iter().map(|row| row.prediction.as_str());
        let labels = rows.iter().map(|row| row.references.first().map_or("", String::as_str));
        let figure = if metric.name == "spearman" { spearman } else { pearson };
        Ok(Self::Numbers {
            predictions: predictions.enumerate().map(number).collect::<Result<_, _>>()?,
            labels: labels.enumerate().map(number).collect::<Result<_, _>>()?,
            figure,
        })
    }

    /// The figure of some rows.
    fn figure(&self, rows: &[usize]) -> f64 {
        match self {
            Self::Texts { metric, statistics } => metric.figure(&sum_of(statistics, rows.iter().copied())),
            Self::Classes { pairs, n_classes, figure } => {
                figure(&Classification::of(rows.iter().map(|&row| pairs[row]), *n_classes))
            }
            Self::Numbers { predictions, labels, figure } => {
                let of = |values: &[f64]| rows.iter().map(|&row| values[row]).collect::<Vec<f64>>();
                figure(&of(predictions), &of(labels)).unwrap_or(f64::NAN)
            }
        }
    }

    /// The figure of each row by itself: of a class 1 or 0, of a number how far it is from the label.
    fn row_figures(&self) -> Vec<f64> {
        match self {
            Self::Texts { metric, statistics } => statistics.iter().map(|of| metric.row_figure(of)).collect(),
            Self::Classes { pairs, .. } => {
                pairs.iter().map(|(label, guess)| f64::from(u8::from(label == guess))).collect()
            }
            Self::Numbers { predictions, labels, .. } => {
                predictions.iter().zip(labels).map(|(prediction, label)| (prediction - label).abs()).collect()
            }
        }
    }

    fn signature(&self) -> Option<String> {
        match self {
            Self::Texts { metric, .. } => metric.signature(),
            Self::Classes { n_classes, .. } => Some(format!("classes:{n_classes}")),
            Self::Numbers { .. } => None,
        }
    }

    fn additions(&self, bootstrap: Bootstrap) -> usize {
        let each = match self {
            Self::Texts { statistics, .. } => statistics.len() * statistics.first().map_or(1, Vec::len),
            Self::Classes { pairs, n_classes, .. } => pairs.len() + n_classes,
            // Ranks are sorted.
            Self::Numbers { labels, .. } => labels.len() * 20,
        };
        bootstrap.draws.saturating_mul(each)
    }

    fn score(&self, metric: &Metric, bootstrap: Option<Bootstrap>) -> Score {
        let all: Vec<usize> = (0..self.n_rows()).collect();
        let bootstrap = bootstrap.filter(|bootstrap| self.additions(*bootstrap) <= MOST_ADDITIONS);
        Score {
            metric: metric.name.to_owned(),
            figure: self.figure(&all),
            signature: self.signature(),
            rows: self.row_figures(),
            interval: bootstrap.and_then(|bootstrap| bootstrap.interval(all.len(), |rows| self.figure(rows))),
        }
    }

    fn n_rows(&self) -> usize {
        match self {
            Self::Texts { statistics, .. } => statistics.len(),
            Self::Classes { pairs, .. } => pairs.len(),
            Self::Numbers { labels, .. } => labels.len(),
        }
    }
}

/// A metric whose figure follows from sums over rows of texts, by its name; those of classes and of numbers do not.
pub fn metric_of_texts(name: &str) -> Option<Box<dyn TextMetric>> {
    answer_metric(name).or_else(|| text_metric(name))
}

fn answer_metric(name: &str) -> Option<Box<dyn TextMetric>> {
    let squad2 = |of, f1| -> Box<dyn TextMetric> { Box::new(Squad2 { of, f1 }) };
    Some(match name {
        "exact_match" => Box::new(ExactMatch(AnswerForm::Squad)),
        "exact_match_plain" => Box::new(ExactMatch(AnswerForm::Plain)),
        "exact_match_cmrc" => Box::new(ExactMatch(AnswerForm::Cmrc)),
        "token_f1" => Box::new(TokenF1(AnswerForm::Squad)),
        "token_f1_cmrc" => Box::new(TokenF1(AnswerForm::Cmrc)),
        "squad2_exact" => squad2(Questions::All, false),
        "squad2_f1" => squad2(Questions::All, true),
        "squad2_has_answer_exact" => squad2(Questions::Answered, false),
        "squad2_has_answer_f1" => squad2(Questions::Answered, true),
        "squad2_no_answer_exact" => squad2(Questions::Unanswerable, false),
        "squad2_no_answer_f1" => squad2(Questions::Unanswerable, true),
        "entity_f1" | "entity_f1_conlleval" | "entity_f1_iobes" => Box::new(EntityF1(scheme_of(name))),
        _ => return None,
    })
}

fn scheme_of(name: &str) -> Scheme {
    match name {
        "entity_f1_conlleval" => Scheme::Conlleval,
        "entity_f1_iobes" => Scheme::Iobes,
        _ => Scheme::Iob2,
    }
}

/// Reads numbers; `null` is NaN.
fn numbers<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    let read: Vec<Option<f64>> = Deserialize::deserialize(deserializer)?;
    Ok(read.into_iter().map(|number| number.unwrap_or(f64::NAN)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::golden::{close, other};

    fn rows(pairs: &[(&str, &[&str])]) -> Vec<TextRow> {
        let row = |(prediction, references): &(&str, &[&str])| TextRow {
            prediction: (*prediction).to_owned(),
            references: references.iter().map(|&reference| reference.to_owned()).collect(),
        };
        pairs.iter().map(row).collect()
    }

    fn metrics(names: &[&str]) -> Vec<Metric> {
        names.iter().map(|name| Metric::named(name).unwrap()).collect()
    }

    #[test]
    fn every_metric_of_texts_has_a_figure_of_rows() {
        let texts = rows(&[("2", &["1"]), ("1", &["1", "3"]), ("3", &["3"])]);
        let all: Vec<Metric> = Metric::all().into_iter().filter(Metric::is_of_texts).collect();
        let scores = score(&all, &texts);
        assert!(scores.unscored.is_empty() && scores.scores.len() == all.len(), "{:?}", scores.unscored);
        assert!(scores.scores.iter().all(|score| score.rows.len() == 3));
        let others: Vec<Metric> = Metric::all().into_iter().filter(|metric| !metric.is_of_texts()).collect();
        let unscored = score(&others, &texts);
        assert_eq!(unscored.unscored.len(), others.len(), "and what needs more says so");
    }

    #[test]
    fn texts_that_are_classes_are_scored_as_scikit_learn_scores_them() {
        let golden = other()["text_classes"].clone();
        let list = |key: &str| -> Vec<String> { serde_json::from_value(golden[key].clone()).unwrap() };
        let row = |(prediction, label): (String, String)| TextRow { prediction, references: vec![label] };
        let rows: Vec<TextRow> = list("predictions").into_iter().zip(list("labels")).map(row).collect();
        let names = ["accuracy", "macro_f1", "micro_f1", "weighted_f1", "balanced_accuracy", "matthews"];
        for score in score_with(&metrics(&names), &rows, None).scores {
            close(score.figure, &golden[&score.metric], &score.metric);
        }
    }

    #[test]
    fn what_cannot_be_scored_is_named_with_its_row() {
        let reasons = |names: &[&str], texts: &[TextRow]| -> Vec<String> {
            score(&metrics(names), texts).unscored.iter().map(|of| of.reason.to_string()).collect()
        };
        assert_eq!(reasons(&["token_f1"], &rows(&[("a", &["a"]), ("b", &[])])), ["row 2 has no reference"]);
        assert_eq!(reasons(&["pearson"], &rows(&[("1", &["x"])])), ["row 1 has \"x\", which is no number"]);
        assert_eq!(reasons(&["token_f1"], &[]), ["there are no rows"]);
        assert!(reasons(&["squad2_f1"], &rows(&[("", &[])])).is_empty());
        let unequal = reasons(&["entity_f1"], &rows(&[("O O", &["O"])]));
        assert_eq!(unequal, ["row 1 has 2 labels, its reference 1"]);
    }

    #[test]
    fn figures_stand_within_their_intervals_and_a_better_set_is_found_better() {
        let texts: Vec<TextRow> = (0..60)
            .map(|at| TextRow { prediction: format!("w{}", at % 3), references: vec!["w0".to_owned()] })
            .collect();
        let better: Vec<TextRow> = texts
            .iter()
            .map(|row| TextRow { prediction: "w0".to_owned(), references: row.references.clone() })
            .collect();
        let names = metrics(&["exact_match", "accuracy", "macro_f1"]);
        for score in score(&names, &texts).scores {
            let Interval { low, high, .. } = score.interval.unwrap();
            assert!(low < score.figure && score.figure < high, "{score:?}");
        }
        for compared in compare(&names, &texts, &better, Bootstrap::default()).unwrap() {
            let paired = compared.paired.unwrap();
            assert!(compared.second > compared.first && paired.higher == 1.0 && paired.p_value < 0.01, "{compared:?}");
        }
        assert!(compare(&names, &texts, &better[1..], Bootstrap::default()).is_err());
    }

    #[test]
    fn the_figure_of_a_row_is_its_own() {
        let scored = score(&metrics(&["token_f1", "accuracy"]), &rows(&[("a cat sat", &["the cat"]), ("x", &["x"])]));
        close(scored.scores[0].rows[0], &serde_json::json!(100.0 * 2.0 / 3.0), "token F1");
        assert_eq!(scored.scores[1].rows, [0.0, 1.0]);
        let read: Scores = serde_json::from_str(&serde_json::to_string(&scored).unwrap()).unwrap();
        assert_eq!(read, scored);
    }
}
