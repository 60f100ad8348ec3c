//! Figures of MultiRC as SuperGLUE has them (Khashabi et al. 2018; nyu-mll/jiant: jiant/tasks/evaluate/core.py): F1 over all
//! answers together (F1a), and the share of questions whose every answer is judged rightly (EM). ReCoRD's exact match and
//! F1, the maximum over the entities that are right, are [`ExactMatch`](super::ExactMatch) and
//! [`TokenF1`](super::TokenF1) as SQuAD 1.1 has them.

use std::collections::HashMap;

use super::classification::ClassCounts;
use super::text::TextRow;
use crate::{Sentence, sentence};

/// F1a and exact match.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MultiRc {
    /// F1 of the right answers over all questions.
    pub f1a: f64,
    /// Share of the questions whose every answer is judged rightly.
    pub exact: f64,
}

/// Whether a word says that an answer is right; `None` for one that says neither.
pub fn truth(word: &str) -> Option<bool> {
    match word.trim().to_lowercase().as_str() {
        "1" | "true" | "yes" | "right" => Some(true),
        "0" | "false" | "no" | "wrong" => Some(false),
        _ => None,
    }
}

/// Judged answers, counted by their question as they come.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// Number of each question.
    known: HashMap<String, usize>,
    /// Counts of the right answers of each question, and whether every answer is judged rightly.
    questions: Vec<(ClassCounts, bool)>,
    /// Whether each answer is.
    rows: Vec<bool>,
}

impl Judged {
    /// Takes in an answer.
    pub fn push(&mut self, question: &str, label: bool, prediction: bool) {
        let next = self.questions.len();
        let at = *self.known.entry(question.to_owned()).or_insert(next);
        if at == next {
            self.questions.push((ClassCounts::default(), true));
        }
        let (counts, whole) = &mut self.questions[at];
        counts.right += usize::from(label && prediction);
        counts.wanted += usize::from(label);
        counts.given += usize::from(prediction);
        *whole &= label == prediction;
        self.rows.push(label == prediction);
    }

    /// Takes in a row of texts that say yes or no. What a model wrote and says neither is no.
    pub(super) fn add(&mut self, row: &TextRow, number: usize) -> Result<(), Sentence> {
        let question = row.question.as_deref();
        let question =
            question.ok_or_else(|| sentence!("row {row} does not say which question it answers", row = number))?;
        let reference = row.references.first().map_or("", String::as_str);
        let label = truth(reference);
        let label = label.ok_or_else(|| {
            sentence!("row {row} has {reference:?}, which is neither yes nor no", row = number, reference)
        })?;
        self.push(question, label, truth(&row.prediction).unwrap_or(false));
        Ok(())
    }

    /// Number of questions.
    pub fn n_questions(&self) -> usize {
        self.questions.len()
    }

    /// The figures of some questions.
    pub(super) fn figures(&self, questions: &[usize]) -> MultiRc {
        let of = || questions.iter().map(|&question| &self.questions[question]);
        let whole = of().filter(|(_, whole)| *whole).count();
        let f1a = ClassCounts::sum(of().map(|(counts, _)| *counts)).f1();
        MultiRc { f1a, exact: whole as f64 / questions.len().max(1) as f64 }
    }

    /// The figures of all questions; `None` without one.
    pub fn all(&self) -> Option<MultiRc> {
        let all: Vec<usize> = (0..self.n_questions()).collect();
        (!all.is_empty()).then(|| self.figures(&all))
    }

    /// Of each answer whether it is judged rightly.
    pub(super) fn row_figures(&self) -> Vec<f64> {
        self.rows.iter().map(|&right| f64::from(u8::from(right))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::golden::{close, other};

    #[test]
    fn answers_count_together_and_questions_whole() {
        let golden = other()["multirc"].clone();
        let mut judged = Judged::default();
        for row in golden["rows"].as_array().unwrap() {
            judged.push(row["question"].as_str().unwrap(), row["label"] == 1, row["prediction"] == 1);
        }
        let figures = judged.all().unwrap();
        close(figures.f1a, &golden["f1a"], "f1a");
        close(figures.exact, &golden["exact"], "exact");
    }

    #[test]
    fn a_row_says_which_question_it_answers_and_yes_or_no() {
        let row = |prediction: &str, reference: &str, question: Option<&str>| TextRow {
            question: question.map(str::to_owned),
            ..TextRow::new(prediction.to_owned(), vec![reference.to_owned()])
        };
        let mut judged = Judged::default();
        let rows = [row("Yes", "1", Some("0-1")), row("no", "0", Some("0-1")), row("perhaps", "1", Some("0-2"))];
        (1..).zip(&rows).for_each(|(number, row)| judged.add(row, number).unwrap());
        assert_eq!(judged.all(), Some(MultiRc { f1a: 2.0 / 3.0, exact: 0.5 }));
        assert_eq!(judged.row_figures(), [1.0, 1.0, 0.0]);
        let reason = |row: &TextRow| Judged::default().add(row, 7).unwrap_err().to_string();
        assert!(reason(&row("1", "1", None)).contains("row 7"));
        assert!(reason(&row("1", "cat", Some("q"))).contains("\"cat\""));
    }
}
