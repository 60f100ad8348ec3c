//! Counts of n-grams: each n-gram is a number, that of its first n − 1 tokens with one token more.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Numbers of words.
#[derive(Default)]
pub(super) struct Vocabulary(HashMap<String, u32>);

impl Vocabulary {
    pub(super) fn ids<W: AsRef<str>>(&mut self, words: &[W]) -> Vec<u32> {
        words.iter().map(|word| self.id(word.as_ref())).collect()
    }

    pub(super) fn id(&mut self, word: &str) -> u32 {
        match self.0.get(word) {
            Some(id) => *id,
            None => {
                let id = self.0.len() as u32;
                self.0.insert(word.to_owned(), id);
                id
            }
        }
    }
}

/// N-grams seen so far; number 0 is the empty one.
pub(super) struct Ngrams {
    longer: HashMap<u64, u32, BuildHasherDefault<PairHasher>>,
    prefixes: Vec<u32>,
    orders: Vec<u8>,
}

impl Ngrams {
    pub(super) fn new() -> Self {
        Self { longer: HashMap::default(), prefixes: vec![0], orders: vec![0] }
    }

    /// Number of n-grams, with the empty one.
    pub(super) fn len(&self) -> usize {
        self.orders.len()
    }

    /// Length in tokens.
    pub(super) fn order(&self, ngram: u32) -> usize {
        usize::from(self.orders[ngram as usize])
    }

    /// The n-gram without its last token.
    pub(super) fn prefix(&self, ngram: u32) -> u32 {
        self.prefixes[ngram as usize]
    }

    /// Counts of all n-grams of a text up to an order.
    pub(super) fn tally(&mut self, tokens: &[u32], max_order: usize) -> Tally {
        let mut found = Vec::with_capacity(tokens.len() * max_order);
        for start in 0..tokens.len() {
            let mut ngram = 0;
            for token in tokens[start..].iter().take(max_order) {
                ngram = self.longer(ngram, *token);
                found.push(ngram);
            }
        }
        Tally::of(found)
    }

    fn longer(&mut self, prefix: u32, token: u32) -> u32 {
        let next = self.orders.len() as u32;
        let pair = u64::from(prefix) << 32 | u64::from(token);
        let ngram = *self.longer.entry(pair).or_insert(next);
        if ngram == next {
            self.prefixes.push(prefix);
            self.orders.push(self.orders[prefix as usize] + 1);
        }
        ngram
    }
}

/// N-grams of a text, each once, with their counts, in the order of their numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally(Vec<(u32, u32)>);

impl Tally {
    fn of(mut ngrams: Vec<u32>) -> Self {
        ngrams.sort_unstable();
        let mut counts: Vec<(u32, u32)> = Vec::new();
        for ngram in ngrams {
            match counts.last_mut() {
                Some((last, count)) if *last == ngram => *count += 1,
                _ => counts.push((ngram, 1)),
            }
        }
        Self(counts)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.0.iter().copied()
    }

    pub(super) fn pairs(self) -> Vec<(u32, u32)> {
        self.0
    }

    /// The largest count of each n-gram in any of several texts.
    pub(super) fn largest(tallies: &[Self]) -> Self {
        let mut all: Vec<(u32, u32)> = tallies.iter().flat_map(Self::iter).collect();
        all.sort_unstable_by_key(|(ngram, count)| (*ngram, std::cmp::Reverse(*count)));
        all.dedup_by_key(|(ngram, _)| *ngram);
        Self(all)
    }

    /// Each n-gram that both have, with the two counts.
    pub(super) fn common<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (u32, u32, u32)> + 'a {
        let mut others = other.0.iter().peekable();
        self.0.iter().filter_map(move |(ngram, count)| {
            while others.next_if(|(other, _)| other < ngram).is_some() {}
            others.next_if(|(other, _)| other == ngram).map(|(_, other_count)| (*ngram, *count, *other_count))
        })
    }

    /// Occurrences of each order.
    pub(super) fn totals<const N: usize>(&self, ngrams: &Ngrams) -> [f64; N] {
        let mut totals = [0.0; N];
        for (ngram, count) in self.iter() {
            totals[ngrams.order(ngram) - 1] += f64::from(count);
        }
        totals
    }

    /// Occurrences of each order that another text has too, as often at most as there.
    pub(super) fn matches<const N: usize>(&self, other: &Self, ngrams: &Ngrams) -> [f64; N] {
        let mut matches = [0.0; N];
        for (ngram, count, other_count) in self.common(other) {
            matches[ngrams.order(ngram) - 1] += f64::from(count.min(other_count));
        }
        matches
    }
}

/// A hash of one number that is spread enough for numbers given out one after another.
#[derive(Default)]
pub(super) struct PairHasher(u64);

impl Hasher for PairHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        let wide = u128::from(self.0 ^ number) * 0x9E37_79B9_7F4A_7C15;
        self.0 = (wide >> 64) as u64 ^ wide as u64;
    }
}
