//! Figures of rows of texts: together, row by row, with an interval, and two sets of predictions held against each other.

use serde::{Deserialize, Serialize};

use super::answers::AnswerForm;
use super::bootstrap::{Bootstrap, Interval, Paired};
use super::counted::{Counted, MOST_ADDITIONS};
use super::entities::Scheme;
use super::exact_match::ExactMatch;
use super::registry::Metric;
use super::squad2::{Questions, Squad2};
use super::tags::EntityF1;
use super::text::{Resources, TextMetric, TextRow, text_metric};
use super::token_f1::TokenF1;
use crate::{Sentence, sentence};

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

/// The figures of rows, with intervals of 1,000 draws, by what metrics need no files for.
pub fn score(metrics: &[Metric], rows: &[TextRow]) -> Scores {
    score_with(metrics, rows, Some(Bootstrap::default()), &Resources::default())
}

/// The figures of rows, with intervals if there are draws to make them of.
pub fn score_with(metrics: &[Metric], rows: &[TextRow], bootstrap: Option<Bootstrap>, resources: &Resources) -> Scores {
    let mut scores = Scores { rows: rows.len(), ..Scores::default() };
    for metric in metrics {
        match Counted::of(metric, rows, resources) {
            Ok(counted) => scores.scores.push(counted.score(bootstrap)),
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
    resources: &Resources,
) -> Result<Vec<Comparison>, Unscored> {
    let compare = |metric: &Metric| {
        let unscored = |reason| Unscored { metric: metric.name.to_owned(), reason };
        if first.len() != second.len() {
            let (n, m) = (first.len(), second.len());
            return Err(unscored(sentence!("there are {n} and {m} rows", n, m)));
        }
        let a = Counted::of(metric, first, resources).map_err(unscored)?;
        let b = Counted::of(metric, second, resources).map_err(unscored)?;
        let may = a.additions(bootstrap) <= MOST_ADDITIONS;
        let test = || bootstrap.paired(a.n_drawn(), |rows| a.figure(rows), |rows| b.figure(rows));
        let paired = if may { test() } else { None };
        Ok(Comparison { metric: metric.name.to_owned(), first: a.whole(), second: b.whole(), paired })
    };
    metrics.iter().map(compare).collect()
}

/// A metric whose figure follows from sums over rows of texts, by its name; those of classes and of numbers do not.
pub fn metric_of_texts(name: &str, resources: &Resources) -> Option<Box<dyn TextMetric>> {
    answer_metric(name).or_else(|| text_metric(name, resources))
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

pub(super) fn scheme_of(name: &str) -> Scheme {
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
            ..TextRow::default()
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
        let row = |(prediction, label): (String, String)| TextRow::new(prediction, vec![label]);
        let rows: Vec<TextRow> = list("predictions").into_iter().zip(list("labels")).map(row).collect();
        let names = ["accuracy", "macro_f1", "micro_f1", "weighted_f1", "balanced_accuracy", "matthews"];
        for score in score_with(&metrics(&names), &rows, None, &Resources::default()).scores {
            close(score.figure, &golden[&score.metric], &score.metric);
        }
    }

    fn figures(names: &[&str], rows: &[TextRow]) -> Vec<f64> {
        score(&metrics(names), rows).scores.iter().map(|score| score.figure).collect()
    }

    #[test]
    fn what_stands_beside_predictions_is_scored_as_superglue_and_squad_score_it() {
        let golden = other()["multirc"].clone();
        let answer = |row: &serde_json::Value| TextRow {
            question: row["question"].as_str().map(str::to_owned),
            ..TextRow::new(row["prediction"].to_string(), vec![row["label"].to_string()])
        };
        let rows: Vec<TextRow> = golden["rows"].as_array().unwrap().iter().map(answer).collect();
        let scored = score(&metrics(&["multirc_f1a", "multirc_exact"]), &rows);
        close(scored.scores[0].figure, &golden["f1a"], "f1a");
        close(scored.scores[1].figure, &golden["exact"], "exact");
        assert!(scored.scores.iter().all(|score| score.rows.len() == rows.len()));
        let Interval { low, high, .. } = scored.scores[1].interval.unwrap();
        assert!(low < scored.scores[1].figure && scored.scores[1].figure < high, "questions are drawn");
        let case = &other()["squad2_reports"][0];
        let answer = |row: &serde_json::Value| TextRow {
            no_answer: row["no_answer"].as_f64(),
            ..TextRow::new(
                row["prediction"].as_str().unwrap().to_owned(),
                serde_json::from_value(row["references"].clone()).unwrap(),
            )
        };
        let rows: Vec<TextRow> = case["rows"].as_array().unwrap().iter().map(answer).collect();
        let names = ["best_exact", "squad2_best_exact_thresh", "best_f1", "squad2_best_f1_thresh"];
        let wanted = ["best_exact", "best_exact_thresh", "best_f1", "best_f1_thresh"];
        for (figure, wanted) in figures(&names, &rows).into_iter().zip(wanted) {
            close(figure, &case["report"][wanted], wanted);
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
        let texts: Vec<TextRow> =
            (0..60).map(|at| TextRow::new(format!("w{}", at % 3), vec!["w0".to_owned()])).collect();
        let better: Vec<TextRow> =
            texts.iter().map(|row| TextRow::new("w0".to_owned(), row.references.clone())).collect();
        let names = metrics(&["exact_match", "accuracy", "macro_f1"]);
        for score in score(&names, &texts).scores {
            let Interval { low, high, .. } = score.interval.unwrap();
            assert!(low < score.figure && score.figure < high, "{score:?}");
        }
        for compared in compare(&names, &texts, &better, Bootstrap::default(), &Resources::default()).unwrap() {
            let paired = compared.paired.unwrap();
            assert!(compared.second > compared.first && paired.higher == 1.0 && paired.p_value < 0.01, "{compared:?}");
        }
        assert!(compare(&names, &texts, &better[1..], Bootstrap::default(), &Resources::default()).is_err());
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
