//! Figures of texts against references.

pub mod registry;

/// A predicted text with its references.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextRow {
    /// Text of the model.
    pub prediction: String,
    /// Texts that would be right; any of them counts.
    pub references: Vec<String>,
}

/// A figure over texts that follows from sums over rows: the figure of any set of rows, also of one drawn anew as by the
/// bootstrap, is that of the sum of their statistics.
pub trait TextMetric {
    /// Statistics of each row, all of one length. Where a row's statistics depend on the whole corpus (document
    /// frequencies, information weights) it is `rows`.
    fn statistics(&self, rows: &[TextRow]) -> Vec<Vec<f64>>;

    /// The figure of summed statistics.
    fn figure(&self, sum: &[f64]) -> f64;

    /// The figure of one row's statistics, where it is another one than that of a corpus of one row.
    fn row_figure(&self, statistics: &[f64]) -> f64 {
        self.figure(statistics)
    }

    /// Version and options in the words of the reference, as sacreBLEU's signature.
    fn signature(&self) -> Option<String> {
        None
    }
}
