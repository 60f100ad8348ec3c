//! METEOR (Lavie and Agarwal, 2007) of nltk 3.10 (nltk/nltk, nltk/translate/meteor_score.py): equal words, equal stems and,
//! where WordNet is there, synonyms; the signature says which. The Java program of the COCO and E2E scripts is METEOR 1.5
//! with paraphrases, another figure.

use std::collections::HashMap;
use std::sync::Arc;

use super::mean;
use super::porter::porter_stem;
use super::references::references;
use super::tokenize::{Tokenizer, Words, characters, words};
use super::wordnet::WordNet;
use super::{TextMetric, TextRow};

const ALPHA: f64 = 0.9;
const BETA: f64 = 3.0;
const GAMMA: f64 = 0.5;

/// Mean METEOR of the rows, of 0 to 1.
#[derive(Clone, Debug, Default)]
pub struct Meteor {
    words: Words,
    wordnet: Option<Arc<WordNet>>,
}

impl Meteor {
    /// nltk takes words, not texts: the usual ones here are those of mteval-v13a.pl.
    pub fn new(words: Words) -> Self {
        Self { words, wordnet: None }
    }

    /// With a stage of synonyms, where there are some.
    pub fn synonyms(self, wordnet: Option<Arc<WordNet>>) -> Self {
        Self { wordnet, ..self }
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
/// reference that is the word, or with a dictionary one of its synonyms.
fn match_words(
    prediction: &mut Vec<(usize, String)>,
    reference: &mut Vec<(usize, String)>,
    wordnet: Option<&WordNet>,
) -> Vec<Match> {
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, (_, word)) in reference.iter().enumerate() {
        places.entry(word).or_default().push(index);
    }
    let (mut matches, mut is_used, mut left) = (Vec::new(), vec![false; reference.len()], Vec::new());
    for (place, word) in prediction.iter().rev() {
        let last = |word: &str| places.get(word).and_then(|places| places.last()).copied();
        let chosen = match wordnet {
            Some(wordnet) => {
                let there = wordnet.synonyms(word).into_iter().filter_map(|word| Some((last(word)?, word)));
                there.max().map(|(_, word)| word)
            }
            None => Some(word.as_str()),
        };
        match chosen.and_then(|word| places.get_mut(word)).and_then(Vec::pop) {
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

fn score(reference: &[String], prediction: &[String], wordnet: Option<&WordNet>) -> f64 {
    let numbered = |words: &[String]| words.iter().cloned().enumerate().collect::<Vec<_>>();
    let (mut left, mut left_reference) = (numbered(prediction), numbered(reference));
    let mut matches = match_words(&mut left, &mut left_reference, None);
    for (_, word) in left.iter_mut().chain(&mut left_reference) {
        *word = porter_stem(word);
    }
    matches.extend(match_words(&mut left, &mut left_reference, None));
    if wordnet.is_some() {
        matches.extend(match_words(&mut left, &mut left_reference, wordnet));
    }
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
            let wordnet = self.wordnet.as_deref();
            let of = |reference| score(&self.tokens(reference), &prediction, wordnet);
            references(row).into_iter().map(of).fold(0.0, f64::max)
        })
    }

    fn figure(&self, sum: &[f64]) -> f64 {
        mean::figure(sum)
    }

    fn signature(&self) -> Option<String> {
        let words = if self.words == Words::Usual { "13a" } else { self.words.suffix() };
        let stages = match &self.wordnet {
            Some(wordnet) => format!("exact+stem+synonyms of WordNet {}", wordnet.version()),
            None => "exact+stem, no synonyms".to_owned(),
        };
        Some(format!("nltk 3.10.4|{stages}|alpha:{ALPHA}|beta:{BETA}|gamma:{GAMMA}|tok:{words}"))
    }
}
