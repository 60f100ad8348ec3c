//! BLEU-4 of ChatGLM's ptuning/main.py (THUDM/ChatGLM-6B), the figure for ADGEN: nltk 3.10's `sentence_bleu` over
//! characters with `SmoothingFunction().method3`, in per cent, rounded to four digits, averaged over the rows.

use super::mean::{self, rounded};
use super::ngrams::{Ngrams, Tally};
use super::references::references;
use super::{TextMetric, TextRow};

const MAX_ORDER: usize = 4;

/// The script's figure `bleu-4`, of 0 to 100.
#[derive(Clone, Copy, Debug, Default)]
pub struct BleuAdgen;

fn sentence_bleu(references: &[&str], prediction: &str) -> f64 {
    let mut ngrams = Ngrams::new();
    let mut count = |text: &str| {
        let characters: Vec<u32> = text.chars().map(u32::from).collect();
        (characters.len(), ngrams.tally(&characters, MAX_ORDER))
    };
    let (lengths, tallies): (Vec<usize>, Vec<Tally>) = references.iter().map(|text| count(text)).unzip();
    let (length, predicted) = count(prediction);

    let matches = predicted.matches::<MAX_ORDER>(&Tally::largest(&tallies), &ngrams);
    if matches[0] == 0.0 {
        return 0.0;
    }
    let totals = predicted.totals::<MAX_ORDER>(&ngrams);
    let mut halves = 1.0;
    let logs = matches.iter().zip(totals).map(|(matches, total)| {
        if *matches == 0.0 {
            halves *= 2.0;
            (1.0 / (halves * total.max(1.0))).ln()
        } else {
            (matches / total).ln()
        }
    });
    let mean = logs.sum::<f64>() / MAX_ORDER as f64;
    let closest = lengths.into_iter().min_by_key(|other| (length.abs_diff(*other), *other)).unwrap_or_default();
    let brevity = if length > closest { 1.0 } else { (1.0 - closest as f64 / length as f64).exp() };
    brevity * mean.exp()
}

impl TextMetric for BleuAdgen {
    fn statistics(&self, rows: &[TextRow]) -> Vec<Vec<f64>> {
        mean::statistics(rows, |row| rounded(100.0 * sentence_bleu(&references(row), &row.prediction)))
    }

    fn figure(&self, sum: &[f64]) -> f64 {
        mean::figure(sum)
    }

    fn signature(&self) -> Option<String> {
        Some("nltk 3.10.4 sentence_bleu|tok:char|smooth:method3|mean of rows".to_owned())
    }
}
