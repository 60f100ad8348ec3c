//! Corpus BLEU (Papineni et al., 2002) of sacreBLEU 2.6.0 (Post, 2018; mjpost/sacrebleu, sacrebleu/metrics/bleu.py).

use rayon::prelude::*;

use super::mean::at;
use super::ngrams::{Ngrams, Tally, Vocabulary};
use super::references::{ReferenceCount, references};
use super::tokenize::{Tokenizer, is_space};
use super::{TextMetric, TextRow};

/// Version of sacreBLEU whose figures these are.
pub(super) const SACREBLEU_VERSION: &str = "2.6.0";

const MAX_ORDER: usize = 4;

/// Precision of an order without a match.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Smoothing {
    /// Half of that of the order before, as mteval-v13a.pl.
    #[default]
    Exp,
    /// A small count in place of none; 0.1 is sacreBLEU's.
    Floor(f64),
    /// A count more in orders above the first; 1 is sacreBLEU's.
    AddK(f64),
    /// Nought, and so the figure.
    None,
}

/// BLEU of 0 to 100.
#[derive(Debug, Default)]
pub struct Bleu {
    tokenizer: Tokenizer,
    smoothing: Smoothing,
    lowercase: bool,
    effective_order: bool,
    count: ReferenceCount,
}

impl Bleu {
    /// sacreBLEU's defaults with a tokenizer.
    pub fn new(tokenizer: Tokenizer) -> Self {
        Self { tokenizer, ..Self::default() }
    }

    /// sacreBLEU's `smooth_method` and `smooth_value`.
    pub fn smoothing(self, smoothing: Smoothing) -> Self {
        Self { smoothing, ..self }
    }

    /// sacreBLEU's `lowercase`.
    pub fn lowercase(self, lowercase: bool) -> Self {
        Self { lowercase, ..self }
    }

    /// sacreBLEU's `effective_order` for the corpus; a row's figure has it always, as `sentence_bleu`.
    pub fn effective_order(self, effective_order: bool) -> Self {
        Self { effective_order, ..self }
    }

    fn words(&self, text: &str) -> Vec<String> {
        let text = if self.lowercase { text.to_lowercase() } else { text.to_owned() };
        self.tokenizer.words(text.trim_end_matches(is_space))
    }

    fn row(&self, row: &TextRow) -> Vec<f64> {
        let (mut vocabulary, mut ngrams) = (Vocabulary::default(), Ngrams::new());
        let mut count = |text: &str| {
            let tokens = vocabulary.ids(&self.words(text));
            (tokens.len(), ngrams.tally(&tokens, MAX_ORDER))
        };
        let (lengths, tallies): (Vec<usize>, Vec<Tally>) = references(row).into_iter().map(&mut count).unzip();
        let (length, predicted) = count(&row.prediction);

        let closest = lengths.into_iter().min_by_key(|other| (length.abs_diff(*other), *other)).unwrap_or_default();
        let matches = predicted.matches::<MAX_ORDER>(&Tally::largest(&tallies), &ngrams);
        let totals = predicted.totals::<MAX_ORDER>(&ngrams);
        [[length as f64, closest as f64].as_slice(), &matches, &totals].concat()
    }

    fn score(&self, sum: &[f64], effective_order: bool) -> f64 {
        let (length, reference_length) = (at(sum, 0), at(sum, 1));
        let counts: Vec<(f64, f64)> =
            (0..MAX_ORDER).map(|order| (at(sum, 2 + order), at(sum, 2 + MAX_ORDER + order))).collect();
        if counts.iter().all(|(correct, _)| *correct == 0.0) {
            return 0.0;
        }
        let mut precisions = [0.0; MAX_ORDER];
        let (mut halves, mut n_orders) = (1.0, MAX_ORDER);
        for (order, (mut correct, mut total)) in counts.into_iter().enumerate() {
            if let (Smoothing::AddK(k), 1..) = (self.smoothing, order) {
                (correct, total) = (correct + k, total + k);
            }
            if total == 0.0 {
                break;
            }
            if effective_order {
                n_orders = order + 1;
            }
            precisions[order] = match self.smoothing {
                _ if correct != 0.0 => 100.0 * correct / total,
                Smoothing::Exp => {
                    halves *= 2.0;
                    100.0 / (halves * total)
                }
                Smoothing::Floor(value) => 100.0 * value / total,
                Smoothing::AddK(_) | Smoothing::None => 0.0,
            };
        }
        let precisions = &precisions[..n_orders];
        if precisions.contains(&0.0) {
            return 0.0;
        }
        let mean = precisions.iter().map(|precision| precision.ln()).sum::<f64>() / n_orders as f64;
        brevity(length, reference_length) * mean.exp()
    }
}

/// Brevity penalty; 0 of an empty text.
fn brevity(length: f64, reference_length: f64) -> f64 {
    match length {
        0.0 if reference_length > 0.0 => 0.0,
        _ if length < reference_length => (1.0 - reference_length / length).exp(),
        _ => 1.0,
    }
}

impl TextMetric for Bleu {
    fn statistics(&self, rows: &[TextRow]) -> Vec<Vec<f64>> {
        self.count.note(rows);
        rows.par_iter().map(|row| self.row(row)).collect()
    }

    fn figure(&self, sum: &[f64]) -> f64 {
        self.score(sum, self.effective_order)
    }

    fn row_figure(&self, statistics: &[f64]) -> f64 {
        self.score(statistics, true)
    }

    fn signature(&self) -> Option<String> {
        let case = if self.lowercase { "lc" } else { "mixed" };
        let effective = if self.effective_order { "yes" } else { "no" };
        let smooth = match self.smoothing {
            Smoothing::Exp => "exp".to_owned(),
            Smoothing::Floor(value) => format!("floor[{value:.2}]"),
            Smoothing::AddK(value) => format!("add-k[{value:.2}]"),
            Smoothing::None => "none".to_owned(),
        };
        let (count, tokenizer) = (self.count.field(), self.tokenizer.name());
        Some(format!("{count}case:{case}|eff:{effective}|tok:{tokenizer}|smooth:{smooth}|version:{SACREBLEU_VERSION}"))
    }
}
