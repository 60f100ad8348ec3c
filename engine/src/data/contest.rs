//! Batches that keep the candidates of a row together.

use std::sync::Arc;

use super::batch::TokenBatch;
use super::candidates::{Answer, CandidateReading, Candidates};
use super::encode::Example;
use crate::config::{CandidateScore, Task};

/// The candidates in a batch, of which one is right for each row.
#[derive(Clone, Debug, PartialEq)]
pub enum Contest {
    /// Rows of the batch: those of a contest one behind the other.
    Rows {
        /// Number of candidates of each.
        sizes: Vec<usize>,
        /// Number of the right one of each.
        right: Vec<usize>,
        /// Factor of the summed log-probability of each row of the batch.
        factors: Vec<f32>,
    },
    /// Tokens at the labeled place of each row, the same for all.
    Tokens {
        /// The tokens.
        options: Vec<i32>,
        /// Number of the right one of each row.
        right: Vec<usize>,
    },
}

impl Contest {
    /// Number of contests: what is learned is counted by them.
    pub fn len(&self) -> usize {
        let (Self::Rows { right, .. } | Self::Tokens { right, .. }) = self;
        right.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl TokenBatch {
    /// The rows with all of their candidates: each a row of the batch, or, where every row has the same single tokens at its
    /// mask, the tokens. Of rows without candidates, or with a whole vocabulary, it is the plain batch.
    pub fn with_candidates(examples: &[Example], rows: &[usize], reading: &CandidateReading) -> Self {
        let plain = || Self::new(examples, rows, reading.pad, reading.task);
        let all: Option<Vec<&Arc<Candidates>>> = rows.iter().map(|&row| examples[row].candidates.as_ref()).collect();
        let Some(all) = all.filter(|all| all.iter().all(|candidates| candidates.count() > 0)) else { return plain() };
        let right: Vec<usize> = rows.iter().map(|&row| examples[row].right.first().copied().unwrap_or(0)).collect();
        if let Some(options) = single_tokens(&all, reading) {
            return Self { contest: Some(Contest::Tokens { options, right }), ..plain() };
        }
        let (mut texts, mut factors) = (Vec::new(), Vec::new());
        for (&row, candidates) in rows.iter().zip(&all) {
            for index in 0..candidates.count() {
                texts.push(examples[row].with_candidate(index, reading));
                let answer = candidates.answers().get(index);
                factors.push(answer.map_or(1.0, |answer| answer.factor(reading.score)) as f32);
            }
        }
        let sizes = all.iter().map(|candidates| candidates.count()).collect();
        let every: Vec<usize> = (0..texts.len()).collect();
        let batch = Self::new(&texts, &every, reading.pad, reading.task);
        Self { rows: rows.to_vec(), contest: Some(Contest::Rows { sizes, right, factors }), ..batch }
    }
}

impl Answer {
    /// Factor of its summed log-probability.
    pub(crate) fn factor(&self, score: CandidateScore) -> f64 {
        score.factor(self.tokens.len(), self.n_bytes)
    }
}

/// The tokens of candidates that are the same for all rows and one token each, where they are compared as they are.
fn single_tokens(all: &[&Arc<Candidates>], reading: &CandidateReading) -> Option<Vec<i32>> {
    let (first, others) = all.split_first()?;
    let is_plain = reading.task == Task::MaskedFill && reading.score != CandidateScore::Byte;
    if !is_plain || !others.iter().all(|other| Arc::ptr_eq(first, other)) {
        return None;
    }
    let single = |answer: &Answer| match *answer.tokens.as_slice() {
        [token] => Some(token.cast_signed()),
        _ => None,
    };
    first.answers().iter().map(single).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(task: Task) -> CandidateReading {
        CandidateReading { task, pad: 0, mask: 9, score: CandidateScore::Token }
    }

    fn answers(tokens: &[&[u32]]) -> Arc<Candidates> {
        let answer = |tokens: &&[u32]| Answer { tokens: tokens.to_vec(), n_bytes: 1, ..Answer::default() };
        Arc::new(Candidates::Answers(tokens.iter().map(answer).collect()))
    }

    #[test]
    fn the_candidates_of_a_row_stand_together() {
        let row = |prompt: u32, candidates: &Arc<Candidates>, right: usize| Example {
            tokens: vec![prompt, 7],
            n_prompt: 1,
            candidates: Some(Arc::clone(candidates)),
            right: vec![right],
            ..Example::default()
        };
        let (two, three) = (answers(&[&[7], &[8, 8]]), answers(&[&[1], &[2], &[3]]));
        let examples = [row(4, &two, 1), row(5, &three, 2)];
        let batch = TokenBatch::with_candidates(&examples, &[1, 0], &reading(Task::Causal));
        assert_eq!((batch.batch, batch.seq, batch.n_labels()), (5, 3, 2));
        assert_eq!(batch.tokens, [5, 1, 0, 5, 2, 0, 5, 3, 0, 4, 7, 0, 4, 8, 8]);
        let Some(Contest::Rows { sizes, right, factors }) = batch.contest else { panic!("{batch:?}") };
        assert_eq!((sizes, right, factors), (vec![3, 2], vec![2, 1], vec![1.0, 1.0, 1.0, 1.0, 0.5]));
    }

    #[test]
    fn words_of_one_token_share_one_pass() {
        let words = answers(&[&[7], &[8]]);
        let row = |right: usize| Example {
            tokens: vec![1, 9],
            n_prompt: 2,
            labels: vec![(1, 7 + right as i32)],
            candidates: Some(Arc::clone(&words)),
            right: vec![right],
            ..Example::default()
        };
        let batch = TokenBatch::with_candidates(&[row(0), row(1)], &[0, 1], &reading(Task::MaskedFill));
        assert_eq!((batch.batch, batch.n_labels()), (2, 2));
        assert_eq!(batch.contest, Some(Contest::Tokens { options: vec![7, 8], right: vec![0, 1] }));
    }
}
