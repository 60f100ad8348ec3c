//! METEOR (Lavie and Agarwal, 2007) of nltk 3.10 (nltk/nltk, nltk/translate/meteor_score.py), its stages of equal words
//! and equal stems. Synonyms need WordNet's files, which are not there: the signature says so. The Java program of the
//! COCO and E2E scripts is METEOR 1.5 with paraphrases, another figure.

use std::collections::HashMap;

use super::mean;
use super::porter::porter_stem;
use super::references::references;
use super::tokenize::{Tokenizer, Words, characters, words};
use super::{TextMetric, TextRow};

const ALPHA: f64 = 0.9;
const BETA: f64 = 3.0;
const GAMMA: f64 = 0.5;

/// Mean METEOR of the rows, of 0 to 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meteor {
    words: Words,
}

impl Meteor {
    /// nltk takes words, not texts: the usual ones here are those of mteval-v13a.pl.
    pub fn new(words: Words) -> Self {
        Self { words }
    }

    fn tokens(&self, text: &str) -> Vec<String> {
        let tokens = match self.words {
            Words::Usual => Tokenizer::Mteval13a.words(text),
            Words::Spaces => words(text).map(str::to_owned).collect(),
            Words::Characters => characters(text),
        };
        tokens.into_iter().map(|word| word.to_lowercase()).collect()
    }
}

/// Places in prediction and reference.
type Match = (usize, usize);

/// Takes equal words from both lists, from the last word of the prediction on, each with the last one left of the
/// reference.
fn match_equal(prediction: &mut Vec<(usize, String)>, reference: &mut Vec<(usize, String)>) -> Vec<Match> {
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, (_, word)) in reference.iter().enumerate() {
        places.entry(word).or_default().push(index);
    }
    let (mut matches, mut is_used, mut left) = (Vec::new(), vec![false; reference.len()], Vec::new());
    for (place, word) in prediction.iter().rev() {
        match places.get_mut(word.as_str()).and_then(Vec::pop) {
            Some(index) => {
                is_used[index] = true;
                matches.push((*place, reference[index].0));
            }
            None => left.push((*place, word.clone())),
        }
    }
    left.reverse();
    *prediction = left;
    let mut is_used = is_used.into_iter();
    reference.retain(|_| is_used.next() != Some(true));
    matches
}

fn score(reference: &[String], prediction: &[String]) -> f64 {
    let numbered = |words: &[String]| words.iter().cloned().enumerate().collect::<Vec<_>>();
    let (mut left, mut left_reference) = (numbered(prediction), numbered(reference));
    let mut matches = match_equal(&mut left, &mut left_reference);
    for (_, word) in left.iter_mut().chain(&mut left_reference) {
        *word = porter_stem(word);
    }
    matches.extend(match_equal(&mut left, &mut left_reference));
    if matches.is_empty() {
        return 0.0;
    }
    matches.sort_unstable();

    let n_matches = matches.len() as f64;
    let (precision, recall) = (n_matches / prediction.len() as f64, n_matches / reference.len() as f64);
    let mean = precision * recall / (ALPHA * precision + (1.0 - ALPHA) * recall);
    let is_break = |pair: &&[Match]| pair[1].0 != pair[0].0 + 1 || pair[1].1 != pair[0].1 + 1;
    let n_chunks = 1 + matches.windows(2).filter(is_break).count();
    (1.0 - GAMMA * (n_chunks as f64 / n_matches).powf(BETA)) * mean
}

impl TextMetric for Meteor {
    fn statistics(&self, rows: &[TextRow]) -> Vec<Vec<f64>> {
        mean::statistics(rows, |row| {
            let prediction = self.tokens(&row.prediction);
            let scores = references(row).into_iter().map(|reference| score(&self.tokens(reference), &prediction));
            scores.fold(0.0, f64::max)
        })
    }

    fn figure(&self, sum: &[f64]) -> f64 {
        mean::figure(sum)
    }

    fn signature(&self) -> Option<String> {
        let words = if self.words == Words::Usual { "13a" } else { self.words.suffix() };
        Some(format!("nltk 3.10.4|exact+stem, no synonyms|alpha:{ALPHA}|beta:{BETA}|gamma:{GAMMA}|tok:{words}"))
    }
}
