//! A text in an adapter's place: before every row, as words before every prompt stand.

use super::ROOM;
use crate::analysis::subject::Subject;
use crate::data::{Example, TokenBatch, put_before};
use crate::error::Result;

/// Stands between the text and the row.
const BETWEEN: &str = "\n";

/// Some of the rows as the base model reads them, behind a text; of a text without room its beginning.
///
/// # Errors
/// The vocabulary cannot express the text.
pub(super) fn behind(text: &str, rows: &[usize], subject: &Subject) -> Result<TokenBatch> {
    let tokenizer = &subject.model.tokenizer;
    let mut words = tokenizer.encode(&format!("{text}{BETWEEN}"))?;
    let longest = |row: &Example| if row.source.is_empty() { row.tokens.len() } else { row.source.len() };
    let longest = subject.bare.iter().map(longest).max().unwrap_or(0);
    words.truncate(ROOM.min(subject.model.model.shape().n_positions.saturating_sub(longest)));
    let begin = tokenizer.begins_texts();
    let placed = |&row: &usize| {
        let mut row = subject.bare[row].clone();
        if row.source.is_empty() {
            put_before(&mut row.tokens, &words, begin);
            row.n_prompt += words.len();
        } else {
            put_before(&mut row.source, &words, begin);
        }
        row
    };
    let placed: Vec<Example> = rows.iter().map(placed).collect();
    let all: Vec<usize> = (0..placed.len()).collect();
    Ok(TokenBatch::new(&placed, &all, tokenizer.pad(), subject.task))
}
