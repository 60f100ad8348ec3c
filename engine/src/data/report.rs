//! Report of what happened to the rows on their way into a dataset, in numbers and in sentences.

use super::columns::listed;
use super::encode::Example;
use super::table::Problem;
use super::tokenizer::Tokenizer;
use crate::config::Truncate;
use crate::{Sentence, sentence};

/// Numbers and notes of what happened to the rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataReport {
    /// Columns of the training file, in order.
    pub columns: Vec<String>,
    /// The columns that `source` stands for: one, several as `instruction + input`, or none.
    pub source_column: String,
    /// The column `target` stands for.
    pub target_column: String,
    /// Columns that hold something and that nothing reads.
    pub unread_columns: Vec<String>,
    /// Notes on how the files were read, a sentence each.
    pub notes: Vec<Sentence>,
    /// Rows are written as turns of the model's chat template.
    pub chat: bool,
    /// A prompt is a text of its own, which a cut shortens at its end.
    pub has_sources: bool,
    /// Rows of the training file, usable or not.
    pub total_rows: usize,
    /// Training rows used.
    pub train_rows: usize,
    /// Training rows that are left aside, because fewer were asked for.
    pub unused_rows: usize,
    /// Validation rows used.
    pub validation_rows: usize,
    /// Rows used that were cut to the length limit.
    pub truncated_rows: usize,
    /// Those of them whose prompt lost something.
    pub cut_prompts: usize,
    /// Those of them that lost their instruction: nothing is left of the row's own text in the prompt.
    pub bare_prompts: usize,
    /// Tokens of the rows used that stand for what the vocabulary cannot express.
    pub unknown_tokens: usize,
    /// Rows with such a token.
    pub unknown_rows: usize,
    /// The first rows left out; those of a validation file say so and come last.
    pub skipped: Vec<Problem>,
    /// Rows left out in all.
    pub skipped_rows: usize,
    /// Validation rows that equal a training row, token by token: they measure memory.
    pub duplicate_rows: usize,
    /// Tokens of every usable row of the training file, before the limit.
    pub lengths: Vec<u32>,
    /// The limit in force, in tokens.
    pub max_tokens: usize,
    /// The rule by which longer rows were cut.
    pub truncate: Truncate,
}

impl DataReport {
    /// Counts what became of a row that is used; `unknown` is the token of what cannot be expressed.
    pub(super) fn count(&mut self, row: &Example, unknown: Option<u32>) {
        self.truncated_rows += usize::from(row.truncated);
        self.cut_prompts += usize::from(row.cut_prompt > 0);
        self.bare_prompts += usize::from(row.bare_prompt);
        let n_unknown = unknown.map_or(0, |token| row.n_of(token));
        self.unknown_tokens += n_unknown;
        self.unknown_rows += usize::from(n_unknown > 0);
    }

    /// Adds what was counted of other rows.
    pub(super) fn add_counts(&mut self, other: &Self) {
        self.truncated_rows += other.truncated_rows;
        self.cut_prompts += other.cut_prompts;
        self.bare_prompts += other.bare_prompts;
        self.unknown_tokens += other.unknown_tokens;
        self.unknown_rows += other.unknown_rows;
    }

    /// Adds what happened to the rows of another dataset.
    pub(super) fn add(&mut self, other: Self, name: &str) {
        self.total_rows += other.total_rows;
        self.train_rows += other.train_rows;
        self.unused_rows += other.unused_rows;
        self.validation_rows += other.validation_rows;
        self.add_counts(&other);
        self.skipped_rows += other.skipped_rows;
        self.duplicate_rows += other.duplicate_rows;
        let notes = other.notes.iter().cloned().chain(other.unread());
        self.notes.extend(notes.map(|note| sentence!("{name}: {note}", name, note)));
        self.lengths.extend(other.lengths);
        let named = other
            .skipped
            .into_iter()
            .map(|p| Problem { row: p.row, reason: sentence!("{name}: {reason}", name, reason = p.reason) });
        self.skipped.extend(named);
    }

    pub(super) fn add_skipped_validation(&mut self, skipped: &[Problem], n_skipped: usize) {
        self.skipped_rows += n_skipped;
        let named = skipped
            .iter()
            .map(|p| Problem { row: p.row, reason: sentence!("validation: {reason}", reason = p.reason) });
        self.skipped.extend(named);
    }

    /// Oddities of the rows, a sentence each.
    pub fn notices(&self) -> Vec<Sentence> {
        let mut sentences = Vec::new();
        if self.truncated_rows > 0 {
            let (n, limit) = (self.truncated_rows, self.max_tokens);
            sentences.push(sentence!("{n} {n:row was|rows were} cut to {limit} tokens", n, limit));
        }
        if self.skipped_rows > 0 {
            let named = |p: &Problem| sentence!("row {row}: {reason}", row = p.row, reason = p.reason);
            let first = Sentence::clauses(self.skipped.iter().take(3).map(named)).unwrap_or_default();
            let n = self.skipped_rows;
            sentences.push(sentence!("{n} {n:row was|rows were} left out, first of all {first}", n, first));
        }
        sentences.extend(self.oddities());
        sentences
    }

    /// The same without the counts of rows that were cut or left out.
    pub fn oddities(&self) -> Vec<Sentence> {
        let mut sentences = self.notes.clone();
        sentences.extend(self.unread());
        if self.unused_rows > 0 {
            let (n, used) = (self.unused_rows, self.train_rows);
            sentences.push(sentence!(
                "{n} training {n:row is|rows are} left aside, because {used} {used:was|were} asked for",
                n,
                used
            ));
        }
        let (cut, bare) = (self.cut_prompts, self.bare_prompts);
        if cut > 0 && self.has_sources {
            sentences.push(sentence!("Of the rows that were cut, {cut} lost the end of their source", cut));
        } else if cut > 0 && self.truncate != Truncate::PromptStart {
            sentences.push(sentence!(
                "Of the rows that were cut, {cut} lost a part of their prompt, and {bare} all that they ask",
                cut,
                bare
            ));
        } else if cut > 0 {
            sentences.push(sentence!(
                "Of the rows that were cut, {cut} lost the beginning of their prompt, and {bare} {bare:keeps|keep} one token of it",
                cut,
                bare
            ));
        }
        if self.unknown_tokens > 0 {
            let (tokens, rows) = (self.unknown_tokens, self.unknown_rows);
            sentences.push(sentence!(
                "{tokens} tokens in {rows} {rows:row|rows} stand for what the tokenizer does not know",
                tokens,
                rows
            ));
        }
        if self.duplicate_rows > 0 {
            let n = self.duplicate_rows;
            sentences.push(sentence!("{n} validation {n:row is a training row|rows are training rows} too", n));
        }
        sentences
    }

    /// The columns that nothing reads, beside those that are read.
    fn unread(&self) -> Option<Sentence> {
        if self.unread_columns.is_empty() {
            return None;
        }
        let (unread, target) = (listed(&self.unread_columns), &self.target_column);
        Some(match self.source_column.as_str() {
            "" => sentence!("Columns that are not read: {unread} (learned is {target})", unread, target),
            source => sentence!(
                "Columns that are not read: {unread} (learned is {target} from {source})",
                unread,
                target,
                source
            ),
        })
    }
}

/// The token of what the vocabulary cannot express, where it has a token for nothing else.
pub(super) fn unknown_token(tokenizer: &Tokenizer) -> Option<u32> {
    let other = [tokenizer.bos(), tokenizer.eos(), tokenizer.pad()];
    tokenizer.unk().filter(|unknown| !other.contains(unknown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_lost_their_beginning_are_counted_apart_from_those_that_were_cut() {
        let row = |cut_prompt, n_prompt, bare_prompt| Example {
            row: 1,
            tokens: vec![7, 8, 9, 9],
            n_prompt,
            truncated: true,
            cut_prompt,
            bare_prompt,
            ..Example::default()
        };
        let mut report = DataReport { max_tokens: 4, ..DataReport::default() };
        [row(0, 2, false), row(3, 2, false), row(5, 1, true)].iter().for_each(|row| report.count(row, Some(9)));
        let sentences = [
            "3 rows were cut to 4 tokens",
            "Of the rows that were cut, 2 lost the beginning of their prompt, and 1 keeps one token of it",
            "6 tokens in 3 rows stand for what the tokenizer does not know",
        ];
        assert_eq!(report.notices(), sentences);
        assert_eq!(report.oddities(), sentences[1..]);
        let report = DataReport { truncate: Truncate::LongestFirst, ..report };
        let sentence = "Of the rows that were cut, 2 lost a part of their prompt, and 1 all that they ask";
        assert_eq!(report.oddities()[0], sentence);
    }
}
