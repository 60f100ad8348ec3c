//! The greedy continuation of the first prompt, token by token and without a cache, so that hooks see every pass whole.

use super::left_out::Without;
use super::subject::Subject;
use super::to_host;
use crate::data::{Example, TokenBatch};
use crate::error::Result;
use crate::models::Hooks;
use crate::nn::head_logits;

/// Tokens at most.
const MOST: usize = 24;

/// A text in the making.
#[derive(Debug, Default)]
pub(super) struct Continuation {
    written: Vec<u32>,
    is_over: bool,
}

impl Continuation {
    /// Whether it has its last token.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Writes one more token.
    ///
    /// # Errors
    /// The model writes nothing, or the device failed.
    pub(super) fn step(&mut self, subject: &Subject, without: &Without) -> Result<()> {
        let row = without.variant.rows(subject).first().filter(|_| self.written.len() < MOST);
        match row.map(|row| self.next(subject, without, row)).transpose()?.flatten() {
            Some(token) => self.written.push(token),
            None => self.is_over = true,
        }
        Ok(())
    }

    /// The text so far.
    ///
    /// # Errors
    /// The vocabulary does not have its tokens.
    pub(super) fn text(&self, subject: &Subject) -> Result<String> {
        subject.model.tokenizer.decode(&self.written)
    }

    /// The most probable token; `None` where it ends the text, or nothing stands before it, or no position is left.
    fn next(&self, subject: &Subject, without: &Without, row: &Example) -> Result<Option<u32>> {
        let variant = &without.variant;
        let model = variant.model(subject);
        // A text of one's own has no answer: it is gone on with as a whole.
        let n_prompt = if row.reference.is_empty() { row.tokens.len() } else { row.n_prompt.min(row.tokens.len()) };
        let pad = subject.model.tokenizer.pad();
        // The token that is to come, which none before it sees, says where an answer begins.
        let tokens: Vec<u32> = row.tokens[..n_prompt].iter().chain(&self.written).copied().chain([pad]).collect();
        let n = tokens.len();
        if n < 2 || n + subject.adapter.n_before() > model.shape().n_positions {
            return Ok(None);
        }
        let row = Example { row: 1, source: row.source.clone(), tokens, n_prompt, ..Example::default() };
        let batch = TokenBatch::new(&[row], &[0], pad, subject.task);
        let mut cut = without.hooks(subject, &batch);
        let hidden = variant.hidden(subject, &batch, Some(&mut cut as &mut dyn Hooks))?; // [1, n, width]
        let [_, _, width] = hidden.dims();
        let last = hidden.slice([0..1, n - 2..n - 1, 0..width]).reshape([1, width]);
        let logits = to_host(head_logits(last, model.head()?))?;
        let generation = &subject.model.generation;
        let is_possible = |token: &usize| !generation.suppress_tokens.contains(&(*token as u32));
        let best = (0..logits.len()).filter(is_possible).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
        let is_end = |token: &u32| *token == subject.model.tokenizer.eos() || generation.end_tokens.contains(token);
        Ok(best.map(|token| token as u32).filter(|token| !is_end(token)))
    }
}
