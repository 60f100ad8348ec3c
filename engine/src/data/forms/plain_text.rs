//! Plain text in other units than lines: paragraphs, between empty lines, and pieces of as many tokens as a row may have.

use serde_json::Value;

use crate::config::{DataConfig, TextUnit};
use crate::data::table::{Layout, Row, Table};
use crate::data::tokenizer::Tokenizer;
use crate::error::Result;
use crate::sentence;

/// Bytes of a token that are looked at, at most, to find where a long line is cut.
const BYTES_A_TOKEN: usize = 16;

/// The table with a row for each paragraph, where the unit is that and its rows are lines.
pub(super) fn by_unit(mut table: Table, unit: TextUnit) -> Table {
    let Layout::Lines(gaps) = &table.layout else { return table };
    if unit != TextUnit::Paragraph {
        return table;
    }
    let texts: Vec<String> = table.rows.iter().map(|row| row.text(0).into_owned()).collect();
    let mut begins: Vec<usize> = gaps.iter().copied().filter(|&at| at > 0 && at < texts.len()).collect();
    begins.insert(0, 0);
    begins.dedup();
    let ends = begins.iter().skip(1).copied().chain([texts.len()]);
    let paragraphs: Vec<String> = begins.iter().zip(ends).map(|(&begin, end)| texts[begin..end].join("\n")).collect();
    let n = paragraphs.len();
    replace(&mut table, paragraphs);
    table.notes.push(sentence!("Each of {n} paragraphs is a text to be learned as a whole", n));
    table
}

/// The table with a row for each piece of at most `max_tokens` tokens, where the unit is that and its rows are lines.
///
/// # Errors
/// [`EngineError::Tokenizer`](crate::error::EngineError::Tokenizer) when the vocabulary cannot express the text.
pub(in crate::data) fn chunked(
    mut table: Table,
    config: &DataConfig,
    tokenizer: &Tokenizer,
    max_tokens: usize,
) -> Result<Table> {
    let Layout::Lines(gaps) = &table.layout else { return Ok(table) };
    if config.text_unit != TextUnit::Chunk {
        return Ok(table);
    }
    // What begins a text, what a template writes before it or stands between it and that, and what ends it.
    let frame = tokenizer.begins_texts().len() + tokenizer.closes_prompts().len();
    let around = frame.max(1) + 1 + usize::from(config.append_end_token);
    let limit = max_tokens.saturating_sub(around).max(1);
    let mut lines: Vec<String> = table.rows.iter().map(|row| format!("{}\n", row.text(0))).collect();
    for &gap in gaps {
        if let Some(before) = gap.checked_sub(1).and_then(|at| lines.get_mut(at)) {
            before.push('\n');
        }
    }
    let pieces = pieces(&lines, limit, &|text| Ok(tokenizer.encode(text)?.len()))?;
    let n = pieces.len();
    replace(&mut table, pieces);
    table.notes.push(sentence!("The text is learned in {n} pieces of at most {limit} tokens", n, limit));
    Ok(table)
}

/// Lines put together to pieces of at most `limit` tokens; a longer line is cut, at a space where there is one.
fn pieces(lines: &[String], limit: usize, count: &dyn Fn(&str) -> Result<usize>) -> Result<Vec<String>> {
    let mut pieces = Vec::new();
    let (mut piece, mut n_piece) = (String::new(), 0);
    for line in lines {
        let mut rest = line.as_str();
        while !rest.is_empty() {
            let taken = fitting(rest, limit, count)?;
            let n = count(&rest[..taken])?;
            if n_piece > 0 && n_piece + n > limit {
                pieces.push(std::mem::take(&mut piece));
                n_piece = 0;
            }
            piece.push_str(&rest[..taken]);
            n_piece += n;
            rest = &rest[taken..];
        }
    }
    pieces.push(piece);
    let whole = pieces.into_iter().map(|piece| piece.trim_end_matches('\n').to_owned());
    Ok(whole.filter(|piece| !piece.trim().is_empty()).collect())
}

/// Bytes of the longest beginning of a text that has at most `limit` tokens, of those that were tried; at least one
/// character.
fn fitting(text: &str, limit: usize, count: &dyn Fn(&str) -> Result<usize>) -> Result<usize> {
    let window = floor(text, limit.saturating_mul(BYTES_A_TOKEN).min(text.len()));
    let first = text.chars().next().map_or(1, char::len_utf8);
    if window > 0 && count(&text[..window])? <= limit {
        return Ok(if window == text.len() { window } else { at_space(text, window, first) });
    }
    let (mut fits, mut fails) = (first, window.max(first));
    while fits < fails {
        let middle = ceil(text, fits + (fails - fits).div_ceil(2));
        match count(&text[..middle])? <= limit {
            true => fits = middle,
            false => fails = floor(text, middle - 1),
        }
    }
    Ok(at_space(text, fits, first))
}

/// The end of the last word before a place, if that is in the later half.
fn at_space(text: &str, end: usize, least: usize) -> usize {
    match text[..end].rfind(char::is_whitespace) {
        Some(at) if at >= (end / 2).max(least) => at,
        _ => end,
    }
}

/// The first boundary of characters at or behind a place.
fn ceil(text: &str, at: usize) -> usize {
    (at..=text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len())
}

/// The last boundary of characters at or before a place.
fn floor(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// Puts texts in place of the rows, and takes the note on the lines away.
fn replace(table: &mut Table, texts: Vec<String>) {
    let row = |(index, text): (usize, String)| Row::new(index + 1, vec![(0, Value::String(text))]);
    table.rows = texts.into_iter().enumerate().map(row).collect();
    table.notes.pop();
    table.layout = Layout::Rows;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_to_the_limit_and_long_ones_are_cut_at_spaces() {
        let count = |text: &str| Ok(text.chars().count());
        let of = |lines: &[&str], limit: usize| {
            let lines: Vec<String> = lines.iter().map(|line| format!("{line}\n")).collect();
            pieces(&lines, limit, &count).unwrap()
        };
        assert_eq!(of(&["ab", "cd", "efgh"], 6), ["ab\ncd", "efgh"]);
        assert_eq!(of(&["one two three four"], 10), ["one two", " three", " four"]);
        assert_eq!(of(&["山高月小水落石出"], 3), ["山高月", "小水落", "石出"]);
        assert!(of(&["ab"], 1).iter().all(|piece| piece.len() == 1));
    }
}
