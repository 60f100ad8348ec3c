//! Each text as a prompt of its own: its loss on rows beside that of the untouched model and of the adapter, and random texts
//! of the same length, which say nothing.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::report::{Candidate, CandidateSource, InWords, RandomTexts};
use super::said::is_word;
use super::text_prompt::behind;
use crate::analysis::at_labels::AtLabels;
use crate::analysis::subject::Subject;
use crate::error::Result;
use crate::models::Conditioning;

/// Rows in one forward pass.
const BATCH: usize = 8;
/// Random texts.
const RANDOM: usize = 8;
/// Tokens of a random text where nothing was searched for.
const RANDOM_TOKENS: usize = 8;

/// The work: a batch of rows with the adapter and without, then with one text after the other.
pub(super) struct Scoring {
    /// Texts, of which the last are random.
    texts: Vec<(String, Option<CandidateSource>)>,
    batches: Vec<Vec<usize>>,
    /// The batches with the adapter.
    with: Vec<AtLabels>,
    /// Sums over labels: with the adapter, without anything, KL.
    sums: [f64; 3],
    tokens: usize,
    /// Sums over labels of each text: loss and KL.
    of_texts: Vec<[f64; 2]>,
    next: usize,
}

impl Scoring {
    pub(super) fn new(texts: Vec<(String, CandidateSource)>, rows: &[usize], subject: &Subject) -> Result<Self> {
        let random = random_texts(texts.first().filter(|(_, source)| *source == CandidateSource::Searched), subject)?;
        let texts = texts.into_iter().map(|(text, source)| (text, Some(source)));
        let texts: Vec<_> = texts.chain(random.into_iter().map(|text| (text, None))).collect();
        let batches = rows.chunks(BATCH).map(<[usize]>::to_vec).collect();
        let of_texts = vec![[0.0; 2]; texts.len()];
        Ok(Self { texts, batches, with: Vec::new(), sums: [0.0; 3], tokens: 0, of_texts, next: 0 })
    }

    /// Whether every text is scored.
    pub(super) fn step(&mut self, subject: &Subject) -> Result<bool> {
        let (base, nothing, device) = (&subject.model.model, Conditioning::default(), &subject.model.device);
        if let Some(rows) = self.batches.get(self.with.len()) {
            let with = AtLabels::read(subject.tuned_model(), &subject.conditioning, &subject.batch(rows), device)?;
            let without = AtLabels::read(base, &nothing, &subject.bare_batch(rows), device)?;
            for score in with.beside(&without)? {
                self.sums[0] += score.first;
                self.sums[1] += score.second;
                self.sums[2] += score.kl;
                self.tokens += 1;
            }
            self.with.push(with);
            return Ok(false);
        }
        let (text, batch) = (self.next / self.batches.len().max(1), self.next % self.batches.len().max(1));
        let Some((words, _)) = self.texts.get(text) else { return Ok(true) };
        let read = AtLabels::read(base, &nothing, &behind(words, &self.batches[batch], subject)?, device)?;
        for score in self.with[batch].beside(&read)? {
            self.of_texts[text][0] += score.second;
            self.of_texts[text][1] += score.kl;
        }
        self.next += 1;
        Ok(false)
    }

    pub(super) fn share(&self) -> f32 {
        let all = self.batches.len() * (1 + self.texts.len());
        (self.with.len() + self.next) as f32 / all.max(1) as f32
    }

    /// Puts the figures into the report, the best text first.
    pub(super) fn finish(self, report: &mut InWords) {
        let n = self.tokens.max(1) as f64;
        let [with, without, kl] = self.sums.map(|sum| sum / n);
        (report.loss_with, report.loss_without, report.kl_without) = (with, without, kl);
        report.tokens = self.tokens;
        let mut random = Vec::new();
        for ((text, source), [loss, kl]) in self.texts.into_iter().zip(self.of_texts) {
            let loss = loss / n;
            match source {
                Some(source) => {
                    let share = report.share_of(loss);
                    report.candidates.push(Candidate { text, source, loss, share, kl: kl / n });
                }
                None => random.push(loss),
            }
        }
        report.candidates.sort_by(|a, b| a.loss.total_cmp(&b.loss));
        let k = random.len() as f64;
        if k > 0.0 {
            let loss = random.iter().sum::<f64>() / k;
            let variance = random.iter().map(|x| (x - loss).powi(2)).sum::<f64>() / (k - 1.0).max(1.0);
            report.random =
                RandomTexts { n: random.len(), loss, loss_sd: variance.sqrt(), share: report.share_of(loss) };
        }
    }
}

/// Texts of tokens drawn at random, as many as the searched text has.
fn random_texts(searched: Option<&(String, CandidateSource)>, subject: &Subject) -> Result<Vec<String>> {
    let tokenizer = &subject.model.tokenizer;
    let n = match searched {
        Some((text, _)) => tokenizer.encode(text)?.len().max(1),
        None => RANDOM_TOKENS,
    };
    let last = tokenizer.vocab_size().min(subject.model.model.shape().vocab_size) as u32;
    let words: Vec<u32> = (0..last).filter(|&token| is_word(token, tokenizer)).collect();
    if words.is_empty() {
        return Ok(Vec::new());
    }
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut text = || {
        let tokens: Vec<u32> = (0..n).map(|_| words[random.random_range(0..words.len())]).collect();
        tokenizer.decode(&tokens)
    };
    (0..RANDOM).map(|_| text()).collect()
}
