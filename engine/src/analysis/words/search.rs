//! A text prompt that imitates an adapter: grown word by word, each time by the word that brings the model with the text
//! nearest to the model with the adapter. A greedy search; what it does not find may still be there.

use std::collections::VecDeque;

use super::Sizes;
use super::pool::joined;
use super::report::SearchStep;
use super::text_prompt::behind;
use crate::analysis::at_labels::AtLabels;
use crate::analysis::subject::Subject;
use crate::error::Result;
use crate::models::Conditioning;

/// Words that are tried as the next one: the best of those that were tried alone.
const SHORTLIST: usize = 12;
/// Nats by which a longer text must be nearer.
const LEAST_GAIN: f64 = 1e-3;

/// The work: one text a step.
pub(super) struct Search {
    sizes: Sizes,
    words: Vec<String>,
    rows: Vec<usize>,
    /// The rows with the adapter.
    with: AtLabels,
    /// Indices of the words so far.
    text: Vec<usize>,
    /// KL of the text so far.
    best: f64,
    /// Words to be tried as the next one.
    waiting: VecDeque<usize>,
    /// Those that were, with their KL.
    tried: Vec<(f64, usize)>,
    shortlist: Vec<usize>,
    passes: usize,
    steps: Vec<SearchStep>,
}

impl Search {
    pub(super) fn new(words: Vec<String>, rows: &[usize], sizes: Sizes, subject: &Subject) -> Result<Self> {
        let device = &subject.model.device;
        let with = AtLabels::read(subject.tuned_model(), &subject.conditioning, &subject.batch(rows), device)?;
        let base = AtLabels::read(&subject.model.model, &Conditioning::default(), &subject.bare_batch(rows), device)?;
        let best = mean_kl(&with, &base)?;
        let waiting = if sizes.longest == 0 { VecDeque::new() } else { (0..words.len()).collect() };
        Ok(Self {
            sizes,
            words,
            rows: rows.to_vec(),
            with,
            text: Vec::new(),
            best,
            waiting,
            tried: Vec::new(),
            shortlist: Vec::new(),
            passes: 0,
            steps: Vec::new(),
        })
    }

    /// Whether no longer text is nearer, or the passes are spent.
    pub(super) fn step(&mut self, subject: &Subject) -> Result<bool> {
        if let Some(word) = self.waiting.pop_front().filter(|_| self.passes < self.sizes.passes) {
            let text = self.joined_with(word);
            let batch = behind(&text, &self.rows, subject)?;
            let read = AtLabels::read(&subject.model.model, &Conditioning::default(), &batch, &subject.model.device)?;
            self.tried.push((mean_kl(&self.with, &read)?, word));
            self.passes += 1;
            return Ok(false);
        }
        Ok(self.grow())
    }

    /// Takes the best word that was tried, if the text is nearer with it; whether that is the end.
    fn grow(&mut self) -> bool {
        let mut tried = std::mem::take(&mut self.tried);
        tried.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let Some(&(kl, word)) = tried.first() else { return true };
        // A KL that is no number is not less.
        if kl.is_nan() || kl > self.best - LEAST_GAIN {
            return true;
        }
        if self.text.is_empty() {
            self.shortlist = tried.iter().take(SHORTLIST).map(|(_, word)| *word).collect();
        }
        self.steps.push(SearchStep { text: self.joined_with(word), kl });
        self.text.push(word);
        self.best = kl;
        if self.text.len() >= self.sizes.longest || self.passes >= self.sizes.passes {
            return true;
        }
        self.waiting = self.shortlist.iter().copied().filter(|next| *next != word).collect();
        false
    }

    fn joined_with(&self, word: usize) -> String {
        let words: Vec<&str> = self.text.iter().chain([&word]).map(|&word| self.words[word].as_str()).collect();
        joined(&words)
    }

    pub(super) fn share(&self) -> f32 {
        let alone = self.words.len();
        let all = (alone + SHORTLIST * self.sizes.longest.saturating_sub(1)).min(self.sizes.passes).max(1);
        (self.passes as f32 / all as f32).min(1.0)
    }

    pub(super) fn passes(&self) -> usize {
        self.passes
    }

    pub(super) fn steps(self) -> Vec<SearchStep> {
        self.steps
    }
}

/// Mean over labels of KL(first ‖ second).
fn mean_kl(first: &AtLabels, second: &AtLabels) -> Result<f64> {
    let scores = first.beside(second)?;
    Ok(scores.iter().map(|score| score.kl).sum::<f64>() / scores.len().max(1) as f64)
}
