//! Figures of texts against references: one file a metric, each equal to the implementation that it names.
//!
//! Spaces, digits and small letters are Python's, as the references are written in it; a row without a reference is
//! scored against an empty one.

mod bleu;
mod bleu_adgen;
mod bleu_e2e;
mod chrf;
mod cider;
mod distinct;
mod lcs;
mod mean;
mod meteor;
mod ngrams;
mod nist;
mod porter;
mod references;
mod registry;
mod rouge;
mod rouge_chinese;
mod rouge_coco;
mod ter;
mod tokenize;

#[cfg(test)]
mod tests;

pub use bleu::{Bleu, Smoothing};
pub use bleu_adgen::BleuAdgen;
pub use bleu_e2e::BleuE2e;
pub use chrf::Chrf;
pub use cider::Cider;
pub use distinct::Distinct;
pub use meteor::Meteor;
pub use nist::Nist;
pub use porter::porter_stem;
pub use registry::{Scale, TEXT_METRICS, TextMetricEntry, text_metric};
pub use rouge::{Rouge, RougeKind, RougePart};
pub use rouge_chinese::RougeChinese;
pub use rouge_coco::RougeCoco;
pub use ter::Ter;
pub use tokenize::{Tokenizer, Words};

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

    /// Version and options in the words of the reference, as sacreBLEU's signature. The number of references in it is
    /// that of the rows of the last `statistics`.
    fn signature(&self) -> Option<String> {
        None
    }
}
