//! Distinct-n (Li et al., 2016): different n-grams of all predictions for each n-gram there is. References have no part.
//! Each occurrence counts one divided by how often the corpus has it, so the sum over all rows is the number of
//! different ones; over rows drawn anew it is so in the mean.

use super::mean::{at, share};
use super::ngrams::{Ngrams, Tally, Vocabulary};
use super::tokenize::{Words, characters, words};
use super::{TextMetric, TextRow};

/// Share of different n-grams, of 0 to 1.
#[derive(Clone, Copy, Debug)]
pub struct Distinct {
    order: usize,
    words: Words,
}

impl Distinct {
    /// The usual words are between spaces.
    pub fn new(order: usize, words: Words) -> Self {
        Self { order: order.clamp(1, 9), words }
    }

    fn tokens(&self, text: &str) -> Vec<String> {
        match self.words {
            Words::Usual | Words::Spaces => words(text).map(str::to_owned).collect(),
            Words::Characters => characters(text),
        }
    }
}

impl TextMetric for Distinct {
    fn statistics(&self, rows: &[TextRow]) -> Vec<Vec<f64>> {
        let (mut vocabulary, mut ngrams) = (Vocabulary::default(), Ngrams::new());
        let tallies: Vec<Tally> =
            rows.iter().map(|row| ngrams.tally(&vocabulary.ids(&self.tokens(&row.prediction)), self.order)).collect();
        let mut counts = vec![0.0; ngrams.len()];
        for (ngram, count) in tallies.iter().flat_map(Tally::iter) {
            counts[ngram as usize] += f64::from(count);
        }
        tallies
            .iter()
            .map(|tally| {
                let whole = tally.iter().filter(|(ngram, _)| ngrams.order(*ngram) == self.order);
                let mut statistics = vec![0.0; 3];
                for (ngram, count) in whole {
                    statistics[0] += f64::from(count) / counts[ngram as usize];
                    statistics[1] += f64::from(count);
                    statistics[2] += 1.0;
                }
                statistics
            })
            .collect()
    }

    fn is_of_rows(&self) -> bool {
        false
    }

    fn figure(&self, sum: &[f64]) -> f64 {
        share(at(sum, 0), at(sum, 1)).min(1.0)
    }

    fn row_figure(&self, statistics: &[f64]) -> f64 {
        share(at(statistics, 2), at(statistics, 1))
    }

    fn signature(&self) -> Option<String> {
        let words = if self.words == Words::Characters { "char" } else { "none" };
        Some(format!("n:{}|tok:{words}", self.order))
    }
}
