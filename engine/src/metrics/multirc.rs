//! Figures of MultiRC as SuperGLUE has them (Khashabi et al. 2018; nyu-mll/jiant: jiant/tasks/evaluate/core.py): F1 over all
//! answers together (F1a), and the share of questions whose every answer is judged rightly (EM). ReCoRD's exact match and
//! F1, the maximum over the entities that are right, are [`ExactMatch`](super::ExactMatch) and
//! [`TokenF1`](super::TokenF1) as SQuAD 1.1 has them.

use std::collections::BTreeMap;

use super::classification::ClassCounts;

/// An answer to a question, which is right or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgedAnswer {
    /// Name of the question, unique over paragraphs.
    pub question: String,
    /// Whether it is right.
    pub label: bool,
    /// Whether it is said to be.
    pub prediction: bool,
}

/// F1a and exact match.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MultiRc {
    /// F1 of the right answers over all questions.
    pub f1a: f64,
    /// Share of the questions whose every answer is judged rightly.
    pub exact: f64,
}

/// The figures of judged answers.
pub fn multirc(answers: &[JudgedAnswer]) -> MultiRc {
    let count = |fits: &dyn Fn(&JudgedAnswer) -> bool| answers.iter().filter(|answer| fits(answer)).count();
    let right = ClassCounts {
        right: count(&|answer| answer.label && answer.prediction),
        wanted: count(&|answer| answer.label),
        given: count(&|answer| answer.prediction),
    };
    let mut questions: BTreeMap<&str, bool> = BTreeMap::new();
    for answer in answers {
        *questions.entry(&answer.question).or_insert(true) &= answer.label == answer.prediction;
    }
    let whole = questions.values().filter(|whole| **whole).count();
    MultiRc { f1a: right.f1(), exact: whole as f64 / questions.len().max(1) as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::golden::{close, other};

    #[test]
    fn answers_count_together_and_questions_whole() {
        let golden = other()["multirc"].clone();
        let answer = |row: &serde_json::Value| JudgedAnswer {
            question: row["question"].as_str().unwrap().to_owned(),
            label: row["label"] == 1,
            prediction: row["prediction"] == 1,
        };
        let answers: Vec<JudgedAnswer> = golden["rows"].as_array().unwrap().iter().map(answer).collect();
        let figures = multirc(&answers);
        close(figures.f1a, &golden["f1a"], "f1a");
        close(figures.exact, &golden["exact"], "exact");
    }
}
