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
mod wordnet;

#[cfg(test)]
mod tests;

use std::sync::Arc;

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
pub use wordnet::{PARTS, PartTexts, WordNet};

/// A predicted text with its references.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TextRow {
    /// Text of the model.
    pub prediction: String,
    /// Texts that would be right; any of them counts.
    pub references: Vec<String>,
    /// The question that it answers with other rows, where it says so.
    pub question: Option<String>,
    /// Probability that its question has no answer, where it says so.
    pub no_answer: Option<f64>,
}

impl TextRow {
    /// A text with its references, of which nothing else is known.
    pub fn new(prediction: String, references: Vec<String>) -> Self {
        Self { prediction, references, question: None, no_answer: None }
    }
}

/// Files of others that a metric reads beside texts; who has them hands them in.
#[derive(Clone, Debug, Default)]
pub struct Resources {
    /// Synonyms of METEOR.
    pub wordnet: Option<Arc<WordNet>>,
}

/// A figure over texts that follows from sums over rows: the figure of any set of rows, also of one drawn anew as by the
/// bootstrap, is that of the sum of their statistics.
pub trait TextMetric {
    /// Statistics of each row, all of one length. Where a row's statistics depend on the whole corpus (document
    /// frequencies, information weights) it is `rows`.
    fn statistics(&self, rows: &[TextRow]) -> Vec<Vec<f64>>;

    /// Whether a row's statistics are its own, whatever rows stand beside it.
    fn is_of_rows(&self) -> bool {
        true
    }

    /// The figure of summed statistics.
    fn figure(&self, sum: &[f64]) -> f64;

    /// The figure of one row's statistics, where it is another one than that of a corpus of one row.
    fn row_figure(&self, statistics: &[f64]) -> f64 {
        self.figure(statistics)
    }

    /// Version and options in the words of the reference, as sacreBLEU's signature. The number of references in it is
    /// that of the rows whose `statistics` were asked for.
    fn signature(&self) -> Option<String> {
        None
    }
}
