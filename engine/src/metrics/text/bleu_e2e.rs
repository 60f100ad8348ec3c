//! BLEU of the E2E challenge's script (tuetschek/e2e-metrics, metrics/pymteval.py, `BLEUScore`): letters made small,
//! words as mteval-v13a.pl, of 0 to 1. A row's figure is the script's column `sentBLEU`, but for predictions of one or two
//! words: there the script has fewer than no n-grams of an order, and figures far above 1.

use rayon::prelude::*;

use super::mean::at;
use super::ngrams::{Ngrams, Tally, Vocabulary};
use super::references::references;
use super::tokenize::{mteval_13a, words};
use super::{TextMetric, TextRow};

const MAX_ORDER: usize = 4;

/// The script's figure `BLEU`.
#[derive(Clone, Copy, Debug, Default)]
pub struct BleuE2e;

/// Words of the script, small letters; one empty word in an empty text.
pub(super) fn e2e_words(text: &str) -> Vec<String> {
    let spaced = mteval_13a(text);
    let words: Vec<String> = words(&spaced).map(str::to_lowercase).collect();
    if words.is_empty() { vec![String::new()] } else { words }
}

impl BleuE2e {
    fn score(sum: &[f64], smoothing: f64) -> f64 {
        let (reference_length, length) = (at(sum, 0), at(sum, 1 + MAX_ORDER));
        let brevity = if length <= reference_length {
            (1.0 - reference_length / if length == 0.0 { 1e-5 } else { length }).exp()
        } else {
            1.0
        };
        let log_precision = |order: usize| {
            let (hits, total) = (at(sum, 1 + order) + smoothing, at(sum, 1 + MAX_ORDER + order).max(0.0) + smoothing);
            (hits.max(1e-15) / total.max(1e-9)).ln()
        };
        // Above 1 where most predictions have fewer words than the longest n-gram.
        f64::min(1.0, brevity * ((0..MAX_ORDER).map(log_precision).sum::<f64>() / MAX_ORDER as f64).exp())
    }
}

impl TextMetric for BleuE2e {
    fn statistics(&self, rows: &[TextRow]) -> Vec<Vec<f64>> {
        rows.par_iter()
            .map(|row| {
                let (mut vocabulary, mut ngrams) = (Vocabulary::default(), Ngrams::new());
                let mut count = |text: &str| {
                    let tokens = vocabulary.ids(&e2e_words(text));
                    (tokens.len(), ngrams.tally(&tokens, MAX_ORDER))
                };
                let (lengths, tallies): (Vec<usize>, Vec<Tally>) = references(row).into_iter().map(&mut count).unzip();
                let (length, predicted) = count(&row.prediction);

                let closest = lengths.into_iter().min_by_key(|other| (length.abs_diff(*other), *other));
                let hits = predicted.matches::<MAX_ORDER>(&Tally::largest(&tallies), &ngrams);
                // The script counts `length − n + 1` n-grams also where that is below nought.
                let totals: [f64; MAX_ORDER] = std::array::from_fn(|order| length as f64 - order as f64);
                [[closest.unwrap_or_default() as f64].as_slice(), &hits, &totals].concat()
            })
            .collect()
    }

    fn figure(&self, sum: &[f64]) -> f64 {
        if sum.is_empty() { 0.0 } else { Self::score(sum, 0.0) }
    }

    fn row_figure(&self, statistics: &[f64]) -> f64 {
        Self::score(statistics, 1.0)
    }

    fn signature(&self) -> Option<String> {
        Some("pymteval of e2e-metrics|case:lc|tok:13a|smooth:none".to_owned())
    }
}
