//! Exact match of an answer with any of its references, in per cent.

use super::answers::AnswerForm;
use super::text::{TextMetric, TextRow};

/// Share of the rows whose answer is one of the references, in a form of comparison.
#[derive(Clone, Copy, Debug)]
pub struct ExactMatch(pub AnswerForm);

impl TextMetric for ExactMatch {
    fn statistics(&self, rows: &[TextRow]) -> Vec<Vec<f64>> {
        rows.iter().map(|row| vec![self.0.best(row, AnswerForm::exact), 1.0]).collect()
    }

    fn figure(&self, sum: &[f64]) -> f64 {
        percent(sum)
    }

    fn signature(&self) -> Option<String> {
        Some(format!("norm:{}|refs:max", self.0.name()))
    }
}

/// The mean of what was summed with a count behind it, in per cent; no number where nothing counts.
pub(super) fn percent(sum: &[f64]) -> f64 {
    match sum {
        [total, n] => 100.0 * total / n,
        _ => f64::NAN,
    }
}
