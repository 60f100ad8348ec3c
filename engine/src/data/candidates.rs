//! Candidates of a row: the answers among which the right one is to be found, as tokens behind its prompt or in place of its
//! mask, or as whole texts of which a head scores each.

use std::sync::Arc;

use super::encode::Example;
use super::tokenizer::Tokenizer;
use crate::config::{CandidateScore, DataConfig, Task};

/// Among what the answer of a row is looked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Candidates {
    /// Texts that go on with the prompt, or stand at the mask.
    Answers(Vec<Answer>),
    /// Whole texts: the prompt with each choice.
    Rows(Vec<Example>),
    /// Every token of the model's vocabulary.
    Vocabulary,
}

/// A text that may be the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Tokens that are scored, with the end token where targets have one.
    pub tokens: Vec<u32>,
    /// Bytes of the text.
    pub n_bytes: usize,
    /// The text as the row has it, where the answers of a row are its own.
    pub text: String,
}

/// Reading of rows with candidates: the task, tokens of the model, and how candidates are compared.
#[derive(Clone, Copy, Debug)]
pub struct CandidateReading {
    /// The task of the adapter.
    pub task: Task,
    /// Fills up a batch.
    pub pad: u32,
    /// Hides a token; of a model without one anything.
    pub mask: u32,
    /// Comparison of candidates of different length.
    pub score: CandidateScore,
}

impl CandidateReading {
    /// Of a run's rows.
    pub fn of(tokenizer: &Tokenizer, task: Task, config: &DataConfig) -> Self {
        let mask = tokenizer.mask().unwrap_or_default();
        Self { task, pad: tokenizer.pad(), mask, score: config.candidate_score }
    }
}

impl Candidates {
    /// The texts, where they are no whole rows.
    pub fn answers(&self) -> &[Answer] {
        match self {
            Self::Answers(answers) => answers,
            Self::Rows(_) | Self::Vocabulary => &[],
        }
    }

    /// A candidate in words; nothing where all rows have the same ones.
    pub fn text(&self, index: usize) -> Option<&str> {
        let text = match self {
            Self::Answers(answers) => &answers.get(index)?.text,
            Self::Rows(rows) => &rows.get(index)?.reference,
            Self::Vocabulary => return None,
        };
        Some(text.as_str()).filter(|text| !text.is_empty())
    }

    /// How many there are; of a vocabulary nobody knows here.
    pub fn count(&self) -> usize {
        match self {
            Self::Answers(answers) => answers.len(),
            Self::Rows(rows) => rows.len(),
            Self::Vocabulary => 0,
        }
    }
}

impl Example {
    /// Changes each of the whole texts that are its candidates.
    pub(super) fn each_choice(&mut self, change: impl Fn(&mut Self)) {
        let Some(candidates) = self.candidates.as_mut().filter(|all| matches!(***all, Candidates::Rows(_))) else {
            return;
        };
        if let Candidates::Rows(rows) = Arc::make_mut(candidates) {
            rows.iter_mut().for_each(change);
        }
    }

    /// The row with one of its candidates as its answer.
    pub fn with_candidate(&self, index: usize, reading: &CandidateReading) -> Self {
        match self.candidates.as_deref() {
            Some(Candidates::Rows(rows)) => rows[index].clone(),
            Some(Candidates::Answers(answers)) => self.with_answer(&answers[index].tokens, reading),
            Some(Candidates::Vocabulary) => self.with_answer(&[index as u32], reading),
            None => self.clone(),
        }
    }

    /// The row with these tokens as its answer: behind its prompt, or as many masks with a label each.
    pub fn with_answer(&self, answer: &[u32], reading: &CandidateReading) -> Self {
        let mut row = Self { candidates: None, right: Vec::new(), ..self.clone() };
        if reading.task != Task::MaskedFill {
            row.tokens.truncate(self.n_prompt);
            row.tokens.extend(answer);
            return row;
        }
        let Some(&(place, _)) = self.labels.first() else { return row };
        let masked = place..place + self.labels.len();
        row.tokens.splice(masked.clone(), answer.iter().map(|_| reading.mask));
        row.n_prompt = row.tokens.len();
        if let Some(&kind) = self.types.get(place) {
            row.types.splice(masked, answer.iter().map(|_| kind));
        }
        row.labels = answer.iter().enumerate().map(|(at, token)| (place + at, token.cast_signed())).collect();
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READING: CandidateReading =
        CandidateReading { task: Task::MaskedFill, pad: 0, mask: 9, score: CandidateScore::Sum };

    #[test]
    fn an_answer_of_several_tokens_takes_as_many_masks() {
        let row = Example {
            tokens: vec![1, 9, 2],
            n_prompt: 3,
            types: vec![0, 1, 1],
            labels: vec![(1, 5)],
            ..Example::default()
        };
        let two = row.with_answer(&[6, 7], &READING);
        assert_eq!((two.tokens.as_slice(), two.labels.as_slice()), (&[1, 9, 9, 2][..], &[(1, 6), (2, 7)][..]));
        assert_eq!((two.types.as_slice(), two.n_prompt), (&[0, 1, 1, 1][..], 4));
        assert_eq!(two.with_answer(&[5], &READING), row, "and back again");
    }

    #[test]
    fn an_answer_stands_behind_the_prompt() {
        let reading = CandidateReading { task: Task::Causal, ..READING };
        let row = Example { tokens: vec![1, 2, 3], n_prompt: 2, ..Example::default() };
        assert_eq!(row.with_answer(&[7, 8], &reading).tokens, [1, 2, 7, 8]);
    }
}
