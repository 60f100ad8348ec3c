//! Metrics of texts by their names.

use super::TextMetric;

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
pub const TEXT_METRICS: &[TextMetricEntry] = &[];

/// A metric of texts by its name.
pub fn text_metric(_name: &str) -> Option<Box<dyn TextMetric>> {
    None
}
