//! chrF (Popović, 2015) and chrF++ (Popović, 2017) of sacreBLEU 2.6.0 (mjpost/sacrebleu, sacrebleu/metrics/chrf.py):
//! F of n-grams of characters, with words up to pairs in chrF++, recall twice as heavy.

use rayon::prelude::*;

use super::bleu::SACREBLEU_VERSION;
use super::mean::at;
use super::ngrams::{Ngrams, Tally, Vocabulary};
use super::references::{ReferenceCount, references};
use super::tokenize::{is_space, words};
use super::{TextMetric, TextRow};

const CHARACTER_ORDER: usize = 6;
const BETA: f64 = 2.0;

/// chrF of 0 to 100.
#[derive(Debug, Default)]
pub struct Chrf {
    /// Longest n-gram of words: 0 of chrF, 2 of chrF++.
    word_order: usize,
    lowercase: bool,
    count: ReferenceCount,
}

/// N-grams of a text by characters and by words.
struct Counted {
    characters: Tally,
    words: Tally,
}

/// Occurrences in prediction, reference and both, for each order.
type Counts = Vec<[f64; 3]>;

impl Chrf {
    /// chrF with n-grams of words up to an order of at most 2.
    pub fn new(word_order: usize) -> Self {
        Self { word_order: word_order.min(2), ..Self::default() }
    }

    /// sacreBLEU's `lowercase`.
    pub fn lowercase(self, lowercase: bool) -> Self {
        Self { lowercase, ..self }
    }

    fn row(&self, row: &TextRow) -> Vec<f64> {
        let (mut vocabulary, mut by_character, mut by_word) = (Vocabulary::default(), Ngrams::new(), Ngrams::new());
        let mut count = |text: &str| {
            let text = if self.lowercase { text.to_lowercase() } else { text.to_owned() };
            let characters: Vec<u32> = text.chars().filter(|c| !is_space(*c)).map(u32::from).collect();
            let words = if self.word_order > 0 { vocabulary.ids(&split_words(&text)) } else { Vec::new() };
            Counted {
                characters: by_character.tally(&characters, CHARACTER_ORDER),
                words: by_word.tally(&words, self.word_order),
            }
        };
        let counted: Vec<Counted> = references(row).into_iter().map(&mut count).collect();
        let predicted = count(&row.prediction);

        let mut best: (f64, Counts) = (-1.0, Vec::new());
        for reference in &counted {
            let mut counts = compare::<CHARACTER_ORDER>(&predicted.characters, &reference.characters, &by_character);
            counts.extend(compare::<2>(&predicted.words, &reference.words, &by_word).into_iter().take(self.word_order));
            let f = f_score(&counts);
            if f > best.0 {
                best = (f, counts);
            }
        }
        best.1.concat()
    }
}

fn compare<const N: usize>(predicted: &Tally, reference: &Tally, ngrams: &Ngrams) -> Counts {
    let matches = predicted.matches::<N>(reference, ngrams);
    let (of_prediction, of_reference) = (predicted.totals::<N>(ngrams), reference.totals::<N>(ngrams));
    (0..N)
        .map(|order| {
            let counted = if of_reference[order] > 0.0 { of_prediction[order] } else { 0.0 };
            [counted, of_reference[order], matches[order]]
        })
        .collect()
}

/// Words, the last sign of punctuation apart, or else the first.
fn split_words(text: &str) -> Vec<&str> {
    let mut split = Vec::new();
    for word in words(text) {
        let mut characters = word.chars();
        let (first, last) = (characters.next(), characters.next_back());
        match (first, last) {
            (Some(_), Some(last)) if last.is_ascii_punctuation() => {
                split.extend([&word[..word.len() - 1], &word[word.len() - 1..]])
            }
            (Some(first), Some(_)) if first.is_ascii_punctuation() => split.extend([&word[..1], &word[1..]]),
            _ => split.push(word),
        }
    }
    split
}

/// F of mean precision and mean recall over the orders that both texts have.
fn f_score(counts: &[[f64; 3]]) -> f64 {
    let both: Vec<&[f64; 3]> = counts.iter().filter(|count| count[0] > 0.0 && count[1] > 0.0).collect();
    if both.is_empty() {
        return 0.0;
    }
    let mean = |side: usize| both.iter().map(|count| count[2] / count[side]).sum::<f64>() / both.len() as f64;
    let (precision, recall, factor) = (mean(0), mean(1), BETA * BETA);
    if precision + recall == 0.0 {
        return 0.0;
    }
    100.0 * (1.0 + factor) * precision * recall / (factor * precision + recall)
}

impl TextMetric for Chrf {
    fn statistics(&self, rows: &[TextRow]) -> Vec<Vec<f64>> {
        self.count.note(rows);
        rows.par_iter().map(|row| self.row(row)).collect()
    }

    fn figure(&self, sum: &[f64]) -> f64 {
        let counts: Counts = (0..CHARACTER_ORDER + self.word_order)
            .map(|order| [at(sum, 3 * order), at(sum, 3 * order + 1), at(sum, 3 * order + 2)])
            .collect();
        f_score(&counts)
    }

    fn signature(&self) -> Option<String> {
        let (count, case, words) = (self.count.field(), if self.lowercase { "lc" } else { "mixed" }, self.word_order);
        Some(format!("{count}case:{case}|eff:yes|nc:{CHARACTER_ORDER}|nw:{words}|space:no|version:{SACREBLEU_VERSION}"))
    }
}
