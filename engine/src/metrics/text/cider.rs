//! CIDEr (Vedantam et al., 2015) of the COCO captions' and the E2E challenge's scripts (tuetschek/e2e-metrics,
//! pycocoevalcap/cider/cider_scorer.py): cosine of n-grams weighed by how few rows have them in a reference, times ten.
//! What those scripts call CIDEr clips counts and weighs lengths, so it is CIDEr-D; the plain one is that of
//! vrama91/cider, pyciderevalcap/cider/cider_scorer.py.

use rayon::prelude::*;

use super::mean;
use super::ngrams::{Ngrams, Tally, Vocabulary};
use super::references::references;
use super::tokenize::{Words, characters, ptb_words, words};
use super::{TextMetric, TextRow};

const MAX_ORDER: usize = 4;
/// Width of the weight of lengths.
const SIGMA: f64 = 6.0;

/// Mean CIDEr of the rows, of 0 to 10.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cider {
    is_plain: bool,
    words: Words,
}

impl Cider {
    /// CIDEr-D, the scripts' CIDEr. The usual words are like those of the Penn Treebank, in small letters and without
    /// punctuation.
    pub fn new(words: Words) -> Self {
        Self { words, is_plain: false }
    }

    /// Without clipping and weight of lengths.
    pub fn plain(words: Words) -> Self {
        Self { words, is_plain: true }
    }

    fn tokens(&self, text: &str) -> Vec<String> {
        match self.words {
            Words::Usual => ptb_words(text),
            Words::Spaces => words(text).map(str::to_owned).collect(),
            Words::Characters => characters(text),
        }
    }

    /// Mean cosine over the orders.
    fn similarity(&self, prediction: &Vector, reference: &Vector, ngrams: &Ngrams) -> f64 {
        let (mut products, mut others) = ([0.0; MAX_ORDER], reference.weights.iter().peekable());
        for (ngram, weight) in &prediction.weights {
            while others.next_if(|(other, _)| other < ngram).is_some() {}
            if let Some((_, other)) = others.next_if(|(other, _)| other == ngram) {
                let weight = if self.is_plain { *weight } else { weight.min(*other) };
                products[ngrams.order(*ngram) - 1] += weight * other;
            }
        }
        let cosine = |order: usize| {
            let norm = (prediction.squares[order]).sqrt() * reference.squares[order].sqrt();
            mean::share(products[order], norm)
        };
        let cosines = (0..MAX_ORDER).map(cosine).sum::<f64>() / MAX_ORDER as f64;
        let difference = prediction.length - reference.length;
        let weight = if self.is_plain { 1.0 } else { (-difference.powi(2) / (2.0 * SIGMA.powi(2))).exp() };
        weight * cosines
    }
}

/// Weights of a text's n-grams, sums of their squares by order, and its length in pairs of words.
struct Vector {
    weights: Vec<(u32, f64)>,
    squares: [f64; MAX_ORDER],
    length: f64,
}

impl Vector {
    fn of(tally: &Tally, n_rows: f64, rows_with: &[u32], ngrams: &Ngrams) -> Self {
        let weight = |ngram: u32| n_rows.ln() - f64::from(rows_with[ngram as usize].max(1)).ln();
        let weights: Vec<(u32, f64)> =
            tally.iter().map(|(ngram, count)| (ngram, f64::from(count) * weight(ngram))).collect();
        let mut squares = [0.0; MAX_ORDER];
        for (ngram, weight) in &weights {
            squares[ngrams.order(*ngram) - 1] += weight.powi(2);
        }
        let [_, length, ..] = tally.totals::<MAX_ORDER>(ngrams);
        Self { weights, squares, length }
    }
}

impl TextMetric for Cider {
    fn statistics(&self, rows: &[TextRow]) -> Vec<Vec<f64>> {
        let words: Vec<Vec<Vec<String>>> = rows
            .par_iter()
            .map(|row| {
                let texts = std::iter::once(row.prediction.as_str()).chain(references(row));
                texts.map(|text| self.tokens(text)).collect()
            })
            .collect();
        let (mut vocabulary, mut ngrams) = (Vocabulary::default(), Ngrams::new());
        let tallies: Vec<Vec<Tally>> = words
            .iter()
            .map(|texts| texts.iter().map(|words| ngrams.tally(&vocabulary.ids(words), MAX_ORDER)).collect())
            .collect();

        let mut rows_with = vec![0; ngrams.len()];
        for (ngram, _) in tallies.iter().flat_map(|row| Tally::largest(&row[1..]).pairs()) {
            rows_with[ngram as usize] += 1;
        }
        let n_rows = rows.len() as f64;
        tallies
            .par_iter()
            .map(|row| {
                let vectors: Vec<Vector> =
                    row.iter().map(|tally| Vector::of(tally, n_rows, &rows_with, &ngrams)).collect();
                let sum: f64 = vectors[1..].iter().map(|other| self.similarity(&vectors[0], other, &ngrams)).sum();
                vec![10.0 * sum / (vectors.len() - 1) as f64, 1.0]
            })
            .collect()
    }

    fn is_of_rows(&self) -> bool {
        false
    }

    fn figure(&self, sum: &[f64]) -> f64 {
        mean::figure(sum)
    }

    fn signature(&self) -> Option<String> {
        let words = if self.words == Words::Usual { "like ptb, lc, no punctuation" } else { self.words.suffix() };
        let form = if self.is_plain { "CIDEr" } else { "CIDEr-D" };
        Some(format!("pycocoevalcap of e2e-metrics|{form}|n:{MAX_ORDER}|sigma:{SIGMA}|df:corpus|tok:{words}"))
    }
}
