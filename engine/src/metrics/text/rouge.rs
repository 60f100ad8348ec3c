//! ROUGE (Lin, 2004) of rouge_score 0.1.2 (google-research/google-research, rouge): n-grams, the longest common
//! subsequence, and that of lines together (Lsum). Of several references the one of the best F counts.

use rayon::prelude::*;

use super::lcs::{lcs_len, lcs_places};
use super::mean::{at, share};
use super::ngrams::{Ngrams, Vocabulary};
use super::porter::porter_stem;
use super::references::references;
use super::tokenize::{Words, characters, words};
use super::{TextMetric, TextRow};

/// Longest n-gram of ROUGE-N.
const MAX_ORDER: usize = 9;

/// Which ROUGE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RougeKind {
    /// `rouge1` to `rouge9`: n-grams.
    Ngrams(usize),
    /// `rougeL`: the longest common subsequence of the whole texts.
    Lcs,
    /// `rougeLsum`: union of longest common subsequences of lines.
    LcsOfLines,
}

/// Which of the three numbers is the figure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RougePart {
    /// Share of the prediction that the reference has.
    Precision,
    /// Share of the reference that the prediction has.
    Recall,
    /// Harmonic mean of both.
    #[default]
    F,
}

/// Mean ROUGE of the rows, of 0 to 1.
#[derive(Clone, Copy, Debug)]
pub struct Rouge {
    kind: RougeKind,
    part: RougePart,
    words: Words,
    stems: bool,
}

impl Rouge {
    /// F of rouge_score's words, without stems.
    pub fn new(kind: RougeKind) -> Self {
        Self { kind, part: RougePart::F, words: Words::Usual, stems: false }
    }

    /// Another number than F.
    pub fn part(self, part: RougePart) -> Self {
        Self { part, ..self }
    }

    /// rouge_score's `use_stemmer`.
    pub fn stems(self, stems: bool) -> Self {
        Self { stems, ..self }
    }

    /// Words in place of rouge_score's, which drop all but `a`–`z` and digits: a Chinese text has none of those.
    pub fn words(self, words: Words) -> Self {
        Self { words, ..self }
    }

    fn tokens(&self, text: &str) -> Vec<String> {
        match self.words {
            Words::Spaces => words(text).map(str::to_owned).collect(),
            Words::Characters => characters(text),
            Words::Usual => usual_words(text, self.stems),
        }
    }

    /// Precision, recall and F against one reference.
    fn score(&self, reference: &str, prediction: &str) -> [f64; 3] {
        let mut vocabulary = Vocabulary::default();
        let (hits, of_reference, of_prediction) = match self.kind {
            RougeKind::LcsOfLines => {
                let mut lines = |text: &str| -> Vec<Vec<u32>> {
                    let lines = text.split('\n').filter(|line| !line.is_empty());
                    lines.map(|line| vocabulary.ids(&self.tokens(line))).collect()
                };
                let (reference, prediction) = (lines(reference), lines(prediction));
                let n_tokens = |lines: &[Vec<u32>]| lines.iter().map(Vec::len).sum::<usize>();
                (union_lcs(&reference, &prediction), n_tokens(&reference), n_tokens(&prediction))
            }
            RougeKind::Lcs => {
                let (reference, prediction) = (self.tokens(reference), self.tokens(prediction));
                let (reference, prediction) = (vocabulary.ids(&reference), vocabulary.ids(&prediction));
                (lcs_len(&reference, &prediction), reference.len(), prediction.len())
            }
            RougeKind::Ngrams(order) => {
                let order = order.clamp(1, MAX_ORDER);
                let mut ngrams = Ngrams::new();
                let mut tally = |text: &str| ngrams.tally(&vocabulary.ids(&self.tokens(text)), order);
                let (reference, prediction) = (tally(reference), tally(prediction));
                let matches = reference.matches::<MAX_ORDER>(&prediction, &ngrams);
                let total = |totals: [f64; MAX_ORDER]| totals[order - 1] as usize;
                let (reference, prediction) = (reference.totals(&ngrams), prediction.totals(&ngrams));
                (matches[order - 1] as usize, total(reference), total(prediction))
            }
        };
        let precision = share(hits as f64, of_prediction as f64);
        let recall = share(hits as f64, of_reference as f64);
        [precision, recall, share(2.0 * precision * recall, precision + recall)]
    }
}

/// Words of rouge_score's `DefaultTokenizer`.
fn usual_words(text: &str, stems: bool) -> Vec<String> {
    let small = text.to_lowercase();
    let words = small.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit())).filter(|word| !word.is_empty());
    words.map(|word| if stems && word.len() > 3 { porter_stem(word) } else { word.to_owned() }).collect()
}

/// Tokens of the reference's lines in the longest common subsequence with any line of the prediction; none more often
/// than either text has it.
fn union_lcs(reference: &[Vec<u32>], prediction: &[Vec<u32>]) -> usize {
    let n_tokens = reference.iter().chain(prediction).flatten().max().map_or(0, |last| *last as usize + 1);
    let count = |lines: &[Vec<u32>]| {
        let mut counts = vec![0_usize; n_tokens];
        lines.iter().flatten().for_each(|token| counts[*token as usize] += 1);
        counts
    };
    let (mut of_reference, mut of_prediction) = (count(reference), count(prediction));
    let mut hits = 0;
    for line in reference {
        let mut is_common = vec![false; line.len()];
        for other in prediction {
            lcs_places(line, other).into_iter().for_each(|place| is_common[place] = true);
        }
        for (token, _) in line.iter().zip(is_common).filter(|(_, is_common)| *is_common) {
            let counts = (&mut of_reference[*token as usize], &mut of_prediction[*token as usize]);
            if *counts.0 > 0 && *counts.1 > 0 {
                (*counts.0, *counts.1, hits) = (*counts.0 - 1, *counts.1 - 1, hits + 1);
            }
        }
    }
    hits
}

impl TextMetric for Rouge {
    fn statistics(&self, rows: &[TextRow]) -> Vec<Vec<f64>> {
        rows.par_iter()
            .map(|row| {
                let scores = references(row).into_iter().map(|reference| self.score(reference, &row.prediction));
                let best = scores.reduce(|best, other| if other[2] > best[2] { other } else { best });
                [best.unwrap_or_default().as_slice(), &[1.0]].concat()
            })
            .collect()
    }

    fn figure(&self, sum: &[f64]) -> f64 {
        let part = match self.part {
            RougePart::Precision => 0,
            RougePart::Recall => 1,
            RougePart::F => 2,
        };
        share(at(sum, part), at(sum, 3))
    }

    fn signature(&self) -> Option<String> {
        let words = match self.words {
            Words::Usual if self.stems => "a-z0-9, Porter's stems",
            Words::Usual => "a-z0-9",
            Words::Spaces => "none",
            Words::Characters => "char",
        };
        let part = match self.part {
            RougePart::Precision => "precision",
            RougePart::Recall => "recall",
            RougePart::F => "F",
        };
        Some(format!("rouge_score 0.1.2|{part}|tok:{words}"))
    }
}
