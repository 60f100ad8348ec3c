//! NIST (Doddington, 2002) of the E2E challenge's script (tuetschek/e2e-metrics, metrics/pymteval.py, `NISTScore`):
//! matches weigh as much as they inform, by counts over all references. A row's figure is the script's for a corpus of
//! that row alone.

use rayon::prelude::*;

use super::bleu_e2e::e2e_words;
use super::mean::at;
use super::ngrams::{Ngrams, Tally, Vocabulary};
use super::references::references;
use super::{TextMetric, TextRow};

const MAX_ORDER: usize = 5;

/// The script's figure `NIST`, of 0 on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nist;

/// A row's n-grams.
struct Counted {
    hits: Vec<(u32, u32)>,
    references: Vec<Tally>,
    length: usize,
    reference_lengths: Vec<usize>,
}

/// Information of each n-gram, by how often it and its prefix stand in the references.
struct Information {
    counts: Vec<u32>,
}

impl Information {
    fn new(n_ngrams: usize) -> Self {
        Self { counts: vec![0; n_ngrams] }
    }

    fn add(&mut self, row: &Counted) {
        self.counts[0] += row.reference_lengths.iter().sum::<usize>() as u32;
        for (ngram, count) in row.references.iter().flat_map(Tally::iter) {
            self.counts[ngram as usize] += count;
        }
    }

    /// Nought again for a row's n-grams.
    fn clear(&mut self, row: &Counted) {
        self.counts[0] = 0;
        for (ngram, _) in row.references.iter().flat_map(Tally::iter) {
            self.counts[ngram as usize] = 0;
        }
    }

    fn hit(&self, row: &Counted, ngrams: &Ngrams) -> [f64; MAX_ORDER] {
        let mut information = [0.0; MAX_ORDER];
        for (ngram, hits) in &row.hits {
            let of = |ngram: u32| f64::from(self.counts[ngram as usize]);
            let bits = (of(ngrams.prefix(*ngram)) / of(*ngram)).log2();
            information[ngrams.order(*ngram) - 1] += bits * f64::from(*hits);
        }
        information
    }
}

/// Information of hits (5), n-grams of the prediction (5), mean length of the references.
fn score(hit: impl Fn(usize) -> f64, total: impl Fn(usize) -> f64, reference_length: f64) -> f64 {
    // The script divides by nought where all predictions together are a token short of an n-gram; none then informs.
    let order = |order: usize| if total(order) == 0.0 { 0.0 } else { hit(order) / total(order) };
    let informed = (0..MAX_ORDER).map(order).sum::<f64>();
    let ratio = if reference_length == 0.0 { 0.0 } else { total(0) / reference_length };
    let penalty = if ratio >= 1.0 {
        1.0
    } else if ratio <= 0.0 {
        0.0
    } else {
        let beta = -0.5_f64.ln() / 1.5_f64.ln().powi(2);
        (-beta * ratio.ln().powi(2)).exp()
    };
    penalty * informed
}

impl TextMetric for Nist {
    fn statistics(&self, rows: &[TextRow]) -> Vec<Vec<f64>> {
        let words: Vec<(Vec<String>, Vec<Vec<String>>)> = rows
            .par_iter()
            .map(|row| (e2e_words(&row.prediction), references(row).into_iter().map(e2e_words).collect()))
            .collect();
        let (mut vocabulary, mut ngrams) = (Vocabulary::default(), Ngrams::new());
        let counted: Vec<Counted> = words
            .into_iter()
            .map(|(predicted, references)| {
                let reference_lengths = references.iter().map(Vec::len).collect();
                let length = predicted.len();
                let mut tally = |words: &[String]| ngrams.tally(&vocabulary.ids(words), MAX_ORDER);
                let references: Vec<Tally> = references.iter().map(|words| tally(words)).collect();
                let largest = Tally::largest(&references);
                let predicted = tally(&predicted);
                let hits = predicted.common(&largest).map(|(ngram, a, b)| (ngram, a.min(b))).collect();
                Counted { hits, references, length, reference_lengths }
            })
            .collect();

        let (mut corpus, mut own) = (Information::new(ngrams.len()), Information::new(ngrams.len()));
        counted.iter().for_each(|row| corpus.add(row));
        counted
            .iter()
            .map(|row| {
                let of_corpus = corpus.hit(row, &ngrams);
                own.add(row);
                let of_row = own.hit(row, &ngrams);
                own.clear(row);
                let totals: [f64; MAX_ORDER] = std::array::from_fn(|order| row.length as f64 - order as f64);
                let n_references = row.reference_lengths.len() as f64;
                let mean_length = row.reference_lengths.iter().sum::<usize>() as f64 / n_references;
                [of_corpus.as_slice(), &totals, &[mean_length], &of_row].concat()
            })
            .collect()
    }

    fn is_of_rows(&self) -> bool {
        false
    }

    fn figure(&self, sum: &[f64]) -> f64 {
        score(|order| at(sum, order), |order| at(sum, MAX_ORDER + order), at(sum, 2 * MAX_ORDER))
    }

    fn row_figure(&self, statistics: &[f64]) -> f64 {
        let own = |order| at(statistics, 2 * MAX_ORDER + 1 + order);
        score(own, |order| at(statistics, MAX_ORDER + order), at(statistics, 2 * MAX_ORDER))
    }

    fn signature(&self) -> Option<String> {
        Some("pymteval of e2e-metrics|case:lc|tok:13a|orders:5".to_owned())
    }
}
