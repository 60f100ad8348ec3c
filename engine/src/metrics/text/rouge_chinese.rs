//! ROUGE of rouge_chinese 1.0.3 (Isaac-JL-Chen/rouge_chinese) as ChatGLM's ptuning/main.py averages it: F of *sets* of
//! n-grams, or of the longest common subsequence, rounded to four digits a row. That script gives it jieba's words;
//! here words are characters or what stands between spaces, so the figure is that of ADGEN's only for texts that were
//! cut by jieba before.

use std::sync::LazyLock;

use regex::Regex;

use super::lcs::lcs_len;
use super::mean::{self, rounded};
use super::ngrams::{Ngrams, Vocabulary};
use super::references::references;
use super::tokenize::{Words, characters, is_space, words};
use super::{TextMetric, TextRow};

/// Mean ROUGE of the rows, of 0 to 100.
#[derive(Clone, Copy, Debug)]
pub struct RougeChinese {
    /// 1 and 2 are n-grams; `None` the longest common subsequence.
    order: Option<usize>,
    words: Words,
}

impl RougeChinese {
    /// `rouge-1` and `rouge-2` with an order, `rouge-l` without. Characters where words are the usual ones.
    pub fn new(order: Option<usize>, words: Words) -> Self {
        Self { order: order.map(|order| order.clamp(1, 2)), words }
    }

    fn f(&self, reference: &str, prediction: &str) -> f64 {
        let mut vocabulary = Vocabulary::default();
        let mut tokens = |text: &str| vocabulary.ids(&self.tokens(text));
        let (reference, prediction) = (tokens(reference), tokens(prediction));
        let (hits, of_reference, of_prediction) = match self.order {
            None => (lcs_len(&reference, &prediction), reference.len(), prediction.len()),
            Some(order) => {
                let mut ngrams = Ngrams::new();
                let (reference, prediction) = (ngrams.tally(&reference, order), ngrams.tally(&prediction, order));
                let is_whole = |ngram: u32| ngrams.order(ngram) == order;
                let hits = reference.common(&prediction).filter(|(ngram, ..)| is_whole(*ngram)).count();
                let [a, b] = [&reference, &prediction].map(|t| t.iter().filter(|(ngram, _)| is_whole(*ngram)).count());
                (hits, a, b)
            }
        };
        let share = |whole: usize| mean::share(hits as f64, whole as f64);
        let (precision, recall) = (share(of_prediction), share(of_reference));
        2.0 * (precision * recall / (precision + recall + 1e-8))
    }

    fn tokens(&self, text: &str) -> Vec<String> {
        match self.words {
            Words::Spaces => sentences(text).iter().flat_map(|sentence| split_at_spaces(sentence)).collect(),
            Words::Usual | Words::Characters => characters(text),
        }
    }
}

/// Words of a sentence; an empty one where it is made of spaces.
fn split_at_spaces(sentence: &str) -> Vec<String> {
    let found: Vec<String> = words(sentence).map(str::to_owned).collect();
    if found.is_empty() { vec![String::new()] } else { found }
}

/// Sentences of the text, cut after signs that end one unless a quote ends with it.
fn sentences(text: &str) -> Vec<String> {
    static CUTS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
        let cuts = ["([。！？?])([^”’])", r"(\.{6})([^”’])", "(…{2})([^”’])", "([。！？?][”’])([^，。！？?])"];
        cuts.into_iter().filter_map(|cut| Regex::new(cut).ok()).collect()
    });
    let cut = CUTS.iter().fold(text.to_owned(), |text, cut| cut.replace_all(&text, "$1\n$2").into_owned());
    let lines = cut.trim_end_matches(is_space).split('\n');
    lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

impl TextMetric for RougeChinese {
    fn statistics(&self, rows: &[TextRow]) -> Vec<Vec<f64>> {
        mean::statistics(rows, |row| {
            let scores = references(row).into_iter().map(|reference| self.f(reference, &row.prediction));
            rounded(100.0 * scores.fold(0.0, f64::max))
        })
    }

    fn figure(&self, sum: &[f64]) -> f64 {
        mean::figure(sum)
    }

    fn signature(&self) -> Option<String> {
        let words = if self.words == Words::Spaces { "none" } else { "char" };
        Some(format!("rouge_chinese 1.0.3|F|tok:{words}, no jieba"))
    }
}
