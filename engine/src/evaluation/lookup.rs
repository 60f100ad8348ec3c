//! The one place where a metric of texts is found by its name.

use crate::metrics::{TextMetric, TextRow};

/// A metric of texts, as it is listed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TextMetricEntry {
    /// Name in settings, files and commands.
    pub name: &'static str,
    /// Name in tables.
    pub label: &'static str,
    /// The best figure that can be: 1 or 100.
    pub scale: f64,
    /// Whether more is better.
    pub higher_is_better: bool,
    /// One sentence with the source.
    pub description: &'static str,
}

/// Every metric of texts.
pub const TEXT_METRICS: &[TextMetricEntry] = &[TextMetricEntry {
    name: "exact_match",
    label: "Exact match",
    scale: 1.0,
    higher_is_better: true,
    description: "Share of the texts that are one of their references, without spaces around them",
}];

/// A metric of texts by its name.
pub fn text_metric(name: &str) -> Option<Box<dyn TextMetric>> {
    match name {
        "exact_match" => Some(Box::new(ExactMatch)),
        _ => None,
    }
}

struct ExactMatch;

impl TextMetric for ExactMatch {
    fn statistics(&self, rows: &[TextRow]) -> Vec<Vec<f64>> {
        let is_right = |row: &TextRow| row.references.iter().any(|right| right.trim() == row.prediction.trim());
        rows.iter().map(|row| vec![f64::from(u8::from(is_right(row))), 1.0]).collect()
    }

    fn figure(&self, sum: &[f64]) -> f64 {
        sum[0] / sum[1]
    }
}
