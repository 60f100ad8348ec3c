//! F1 of the words, or the characters, that an answer shares with the nearest of its references, in per cent: the mean of the
//! rows' F1.

use super::answers::AnswerForm;
use super::exact_match::percent;
use super::text::{TextMetric, TextRow};

/// Mean F1 of the answers, in a form of comparison.
#[derive(Clone, Copy, Debug)]
pub struct TokenF1(pub AnswerForm);

impl TextMetric for TokenF1 {
    fn statistics(&self, rows: &[TextRow]) -> Vec<Vec<f64>> {
        rows.iter().map(|row| vec![self.0.best(row, AnswerForm::f1), 1.0]).collect()
    }

    fn figure(&self, sum: &[f64]) -> f64 {
        percent(sum)
    }

    fn signature(&self) -> Option<String> {
        Some(format!("norm:{}|refs:max", self.0.name()))
    }
}
