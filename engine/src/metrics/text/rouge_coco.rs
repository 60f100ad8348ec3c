//! ROUGE-L of the COCO captions' and the E2E challenge's scripts (tuetschek/e2e-metrics, pycocoevalcap/rouge/rouge.py):
//! best precision and best recall over the references, each of its own, recall 1.44 times as heavy.

use super::lcs::lcs_len;
use super::mean;
use super::ngrams::Vocabulary;
use super::references::references;
use super::tokenize::{Words, characters, ptb_words, words};
use super::{TextMetric, TextRow};

const BETA: f64 = 1.2;

/// Mean ROUGE-L of the rows, of 0 to 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct RougeCoco {
    words: Words,
}

impl RougeCoco {
    /// The usual words are like those of the Penn Treebank, in small letters and without punctuation.
    pub fn new(words: Words) -> Self {
        Self { words }
    }

    /// One empty word in an empty text, as `"".split(" ")` has it.
    fn tokens(&self, text: &str) -> Vec<String> {
        let tokens = match self.words {
            Words::Usual => ptb_words(text),
            Words::Spaces => words(text).map(str::to_owned).collect(),
            Words::Characters => characters(text),
        };
        if tokens.is_empty() { vec![String::new()] } else { tokens }
    }

    fn score(&self, row: &TextRow) -> f64 {
        let mut vocabulary = Vocabulary::default();
        let prediction = vocabulary.ids(&self.tokens(&row.prediction));
        let (mut precision, mut recall) = (0.0_f64, 0.0_f64);
        for reference in references(row) {
            let reference = vocabulary.ids(&self.tokens(reference));
            let common = lcs_len(&reference, &prediction) as f64;
            precision = precision.max(common / prediction.len() as f64);
            recall = recall.max(common / reference.len() as f64);
        }
        let factor = BETA * BETA;
        mean::share((1.0 + factor) * precision * recall, recall + factor * precision)
    }
}

impl TextMetric for RougeCoco {
    fn statistics(&self, rows: &[TextRow]) -> Vec<Vec<f64>> {
        mean::statistics(rows, |row| self.score(row))
    }

    fn figure(&self, sum: &[f64]) -> f64 {
        mean::figure(sum)
    }

    fn signature(&self) -> Option<String> {
        let words = if self.words == Words::Usual { "like ptb, lc, no punctuation" } else { self.words.suffix() };
        Some(format!("pycocoevalcap of e2e-metrics|ROUGE_L|beta:{BETA}|tok:{words}"))
    }
}
