//! SQuAD 2.0 (Rajpurkar et al. 2018, `evaluate-v2.0.py`): exact match and F1 over all questions, over those that have an
//! answer and over those that have none, and the thresholds of the probability of no answer at which they would be best.

use serde::{Deserialize, Serialize};

use super::answers::{AnswerForm, has_answer};
use super::exact_match::percent;
use super::text::{TextMetric, TextRow};
use crate::{Sentence, sentence};

/// The questions that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Questions {
    /// All.
    All,
    /// Those with an answer (`HasAns`).
    Answered,
    /// Those without one (`NoAns`).
    Unanswerable,
}

/// Exact match or F1 of some of the questions.
#[derive(Clone, Copy, Debug)]
pub struct Squad2 {
    /// The questions that count.
    pub of: Questions,
    /// F1 in place of exact match.
    pub f1: bool,
}

impl TextMetric for Squad2 {
    fn statistics(&self, rows: &[TextRow]) -> Vec<Vec<f64>> {
        let counts = |row: &TextRow| match self.of {
            Questions::All => true,
            Questions::Answered => has_answer(row),
            Questions::Unanswerable => !has_answer(row),
        };
        let score = if self.f1 { AnswerForm::f1 } else { AnswerForm::exact };
        let of = |row| if counts(row) { vec![AnswerForm::Squad2.best(row, score), 1.0] } else { vec![0.0, 0.0] };
        rows.iter().map(of).collect()
    }

    fn figure(&self, sum: &[f64]) -> f64 {
        percent(sum)
    }

    fn signature(&self) -> Option<String> {
        let of = match self.of {
            Questions::All => "all",
            Questions::Answered => "HasAns",
            Questions::Unanswerable => "NoAns",
        };
        Some(format!("norm:squad-2.0|refs:max|questions:{of}"))
    }
}

/// Exact match and F1 of questions, in per cent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AnswerFigures {
    /// Exact match.
    pub exact: f64,
    /// F1.
    pub f1: f64,
    /// Questions.
    pub total: usize,
}

/// A figure at the best threshold, and that threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BestThreshold {
    /// In per cent.
    pub figure: f64,
    /// Above this probability of no answer a question counts as unanswered.
    pub threshold: f64,
}

/// All figures of the official script.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Squad2Report {
    /// All questions.
    pub all: AnswerFigures,
    /// Those with an answer, if there are some.
    pub has_answer: Option<AnswerFigures>,
    /// Those without, if there are some.
    pub no_answer: Option<AnswerFigures>,
    /// Exact match at its best threshold.
    pub best_exact: BestThreshold,
    /// F1 at its best threshold.
    pub best_f1: BestThreshold,
}

/// The report of the official script over rows, with the probability of each that it has no answer, of which one above
/// `threshold` makes the answer empty.
pub fn squad2_report(rows: &[TextRow], no_answer: &[f64], threshold: f64) -> Squad2Report {
    let scores = |score: fn(AnswerForm, &str, &str) -> f64| -> Vec<f64> {
        rows.iter().map(|row| AnswerForm::Squad2.best(row, score)).collect()
    };
    let (exact, f1) = (scores(AnswerForm::exact), scores(AnswerForm::f1));
    let decided = |scores: &[f64]| -> Vec<f64> {
        let of = |((row, score), chance): ((&TextRow, &f64), &f64)| match *chance > threshold {
            true => f64::from(u8::from(!has_answer(row))),
            false => *score,
        };
        rows.iter().zip(scores).zip(no_answer).map(of).collect()
    };
    let (decided_exact, decided_f1) = (decided(&exact), decided(&f1));
    let figures = |fits: &dyn Fn(&TextRow) -> bool| {
        let of: Vec<usize> = (0..rows.len().min(no_answer.len())).filter(|&at| fits(&rows[at])).collect();
        let mean = |scores: &[f64]| 100.0 * of.iter().map(|&at| scores[at]).sum::<f64>() / of.len().max(1) as f64;
        AnswerFigures { exact: mean(&decided_exact), f1: mean(&decided_f1), total: of.len() }
    };
    let some = |figures: AnswerFigures| (figures.total > 0).then_some(figures);
    let said = |(row, &chance): (&TextRow, &f64)| TextRow { no_answer: Some(chance), ..row.clone() };
    let rows_said: Vec<TextRow> = rows.iter().zip(no_answer).map(said).collect();
    let best = |f1| best_threshold(&rows_said, f1).unwrap_or_default();
    Squad2Report {
        all: figures(&|_| true),
        has_answer: some(figures(&has_answer)),
        no_answer: some(figures(&|row| !has_answer(row))),
        best_exact: best(false),
        best_f1: best(true),
    }
}

/// Answers with the probability that there is none, for the threshold at which a figure is best.
#[derive(Clone, Debug, Default)]
pub(super) struct Thresholds {
    /// F1 in place of exact match.
    f1: bool,
    questions: Vec<Question>,
    /// Places of the questions, the least probability of no answer first.
    order: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Question {
    has_answer: bool,
    is_empty: bool,
    /// Of the answer as it is.
    score: f64,
    no_answer: f64,
}

impl Thresholds {
    pub(super) fn new(f1: bool) -> Self {
        Self { f1, ..Self::default() }
    }

    /// Takes in a row.
    pub(super) fn add(&mut self, row: &TextRow, number: usize) -> Result<(), Sentence> {
        let no_answer = row.no_answer.filter(|chance| !chance.is_nan());
        let no_answer =
            no_answer.ok_or_else(|| sentence!("row {row} does not say how probable no answer is", row = number))?;
        let score = if self.f1 { AnswerForm::f1 } else { AnswerForm::exact };
        self.questions.push(Question {
            has_answer: has_answer(row),
            is_empty: row.prediction.is_empty(),
            score: AnswerForm::Squad2.best(row, score),
            no_answer,
        });
        Ok(())
    }

    /// All questions are there.
    pub(super) fn sort(&mut self) {
        self.order = (0..u32::try_from(self.questions.len()).unwrap_or(u32::MAX)).collect();
        let chance = |place: u32| self.questions[place as usize].no_answer;
        self.order.sort_by(|&a, &b| chance(a).total_cmp(&chance(b)));
    }

    /// From the threshold below which nothing is answered upwards, one more answer at a time, over some questions, of which
    /// one may be there several times.
    pub(super) fn best(&self, questions: &[usize]) -> BestThreshold {
        let mut times = vec![0.0; self.questions.len()];
        questions.iter().for_each(|&question| times[question] += 1.0);
        let without = questions.iter().filter(|&&question| !self.questions[question].has_answer).count();
        let mut now = without as f64;
        let (mut best, mut threshold) = (now, 0.0);
        for &place in &self.order {
            let question = &self.questions[place as usize];
            now += times[place as usize]
                * match question {
                    Question { has_answer: true, score, .. } => *score,
                    Question { is_empty: false, .. } => -1.0,
                    Question { is_empty: true, .. } => 0.0,
                };
            if now > best {
                (best, threshold) = (now, question.no_answer);
            }
        }
        BestThreshold { figure: 100.0 * best / questions.len().max(1) as f64, threshold }
    }

    /// Of each answer as it is, in per cent.
    pub(super) fn row_figures(&self) -> Vec<f64> {
        self.questions.iter().map(|question| 100.0 * question.score).collect()
    }
}

/// The best threshold of rows, each with the probability that it has no answer.
pub fn best_threshold(rows: &[TextRow], f1: bool) -> Result<BestThreshold, Sentence> {
    let mut thresholds = Thresholds::new(f1);
    (1..).zip(rows).try_for_each(|(number, row)| thresholds.add(row, number))?;
    thresholds.sort();
    Ok(thresholds.best(&(0..rows.len()).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::golden::{close, other};

    #[test]
    fn the_report_is_that_of_the_official_script() {
        for case in other()["squad2_reports"].as_array().unwrap() {
            let rows = case["rows"].as_array().unwrap();
            let texts: Vec<TextRow> = rows
                .iter()
                .map(|row| {
                    let references = serde_json::from_value(row["references"].clone()).unwrap();
                    TextRow::new(row["prediction"].as_str().unwrap().to_owned(), references)
                })
                .collect();
            let chances: Vec<f64> = rows.iter().map(|row| row["no_answer"].as_f64().unwrap()).collect();
            let report = squad2_report(&texts, &chances, case["threshold"].as_f64().unwrap());
            let wanted = &case["report"];
            let of = |figures: AnswerFigures, prefix: &str| {
                close(figures.exact, &wanted[format!("{prefix}exact")], prefix);
                close(figures.f1, &wanted[format!("{prefix}f1")], prefix);
                assert_eq!(figures.total as u64, wanted[format!("{prefix}total")].as_u64().unwrap());
            };
            of(report.all, "");
            of(report.has_answer.unwrap(), "HasAns_");
            of(report.no_answer.unwrap(), "NoAns_");
            close(report.best_exact.figure, &wanted["best_exact"], "best exact");
            close(report.best_exact.threshold, &wanted["best_exact_thresh"], "its threshold");
            close(report.best_f1.figure, &wanted["best_f1"], "best f1");
            close(report.best_f1.threshold, &wanted["best_f1_thresh"], "its threshold");
            if case["threshold"] == 1.0 {
                for (of, prefix) in
                    [(Questions::All, ""), (Questions::Answered, "HasAns_"), (Questions::Unanswerable, "NoAns_")]
                {
                    for (f1, name) in [(false, "exact"), (true, "f1")] {
                        let metric = Squad2 { of, f1 };
                        let sum =
                            metric.statistics(&texts).iter().fold([0.0, 0.0], |sum, s| [sum[0] + s[0], sum[1] + s[1]]);
                        close(metric.figure(&sum), &wanted[format!("{prefix}{name}")], prefix);
                    }
                }
            }
        }
    }
}
