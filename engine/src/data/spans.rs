//! Questions about a text, answered by a place in it: a text that is too long is read in windows that overlap.
//! Windows and labels as in huggingface/transformers: examples/pytorch/question-answering/run_qa.py.

use std::ops::Range;

use serde_json::Value;

use super::encode::{Encoder, Example, Skip, skip};
use super::table::Row;
use super::tokenizer::Encoded;
use crate::error::EngineError;
use crate::sentence;

/// Tokens by which windows overlap where nothing is said, or a third of a window if that is less.
const STRIDE: usize = 128;

/// An answer: a part of the text, and the byte at which it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    text: String,
    begin: usize,
}

impl Encoder<'_> {
    /// The windows of a question's text, each with the first and the last token of the answer: of a window without it both
    /// are the first token, as of a question that has no answer.
    pub(super) fn span_row(&self, row: &Row) -> Result<Vec<(Example, u32)>, Skip> {
        let column = self.second.ok_or_else(|| skip(sentence!("it has no column \"context\"")))?;
        let (question, context) = (self.roles.source_text(row), row.text(column).into_owned());
        if question.trim().is_empty() || context.trim().is_empty() {
            return Err(skip(sentence!("the question or its text is empty")));
        }
        let answers = answers(row.cell(self.roles.target), &context)?;
        // Spaces before a question say nothing, and some are long.
        let question = question.trim_start();
        let framed = self.tokenizer.encode_pair(question, &context).map_err(|e: EngineError| skip(e.sentence()))?;
        let shown = format!("{question}\n{context}");
        let first_byte = question.len() + 1;
        let text = text_tokens(&framed);
        if text.is_empty() {
            return Err(skip(sentence!("the text has no token in this vocabulary")));
        }
        let n_beside = framed.ids.len() - text.len();
        let room = self.max_tokens.saturating_sub(n_beside);
        let stride = self.stride.unwrap_or(STRIDE.min(room / 3));
        if room <= stride {
            return Err(skip(sentence!(
                "its question leaves {room} tokens for the text, not more than windows overlap by ({stride})",
                room,
                stride
            )));
        }
        let length = u32::try_from(framed.ids.len()).unwrap_or(u32::MAX);
        let windows = windows(text.len(), room, stride);
        let n_windows = windows.len();
        let window = |part: Range<usize>| {
            let kept = text.start + part.start..text.start + part.end;
            let is_kept = |at: &usize| !text.contains(at) || kept.contains(at);
            let places: Vec<usize> = (0..framed.ids.len()).filter(is_kept).collect();
            let bytes = |at: &usize| {
                let (begin, end) = framed.offsets[*at];
                let of_text = kept.contains(at).then(|| (place(first_byte + begin), place(first_byte + end)));
                of_text.unwrap_or_default()
            };
            let spans: Vec<(u32, u32)> = places.iter().map(bytes).collect();
            let ends = answers.first().and_then(|answer| ends(answer, first_byte, &spans)).unwrap_or((0, 0));
            let has_types = framed.type_ids.iter().any(|&kind| kind != 0);
            let example = Example {
                row: row.number,
                tokens: places.iter().map(|&at| framed.ids[at]).collect(),
                types: places.iter().filter(|_| has_types).map(|&at| framed.type_ids[at]).collect(),
                n_prompt: places.len(),
                prompt: shown.clone(),
                reference: answers.first().map_or_else(String::new, |answer| answer.text.clone()),
                references: answers.iter().map(|answer| answer.text.clone()).collect(),
                labels: vec![(0, ends.0), (1, ends.1)],
                spans,
                ..Example::default()
            };
            (example, length / u32::try_from(n_windows).unwrap_or(1).max(1))
        };
        Ok(windows.into_iter().map(window).collect())
    }
}

impl Example {
    /// Moves what points at tokens behind `n` more of them: the ends of an answer, and the bytes that each token stands for.
    pub(super) fn shift_spans(&mut self, n: usize) {
        self.labels.iter_mut().for_each(|(_, end)| *end += n as i32);
        self.spans.splice(0..0, vec![(0, 0); n]);
    }

    /// The reverse, when `n` soft tokens before the row are taken away.
    pub(super) fn unshift_spans(&mut self, n: usize) {
        let n = n.min(self.spans.len());
        self.labels.iter_mut().for_each(|(_, end)| *end = (*end - n as i32).max(0));
        self.spans.drain(..n);
    }
}

fn place(byte: usize) -> u32 {
    u32::try_from(byte).unwrap_or(u32::MAX)
}

/// The positions of the text's tokens, the second of a pair.
fn text_tokens(framed: &Encoded) -> Range<usize> {
    let is_text = |&at: &usize| framed.texts[at] == 1 && framed.words[at].is_some();
    let places: Vec<usize> = (0..framed.ids.len()).filter(is_text).collect();
    match places.as_slice() {
        [] => 0..0,
        [first, .., last] => *first..last + 1,
        [only] => *only..only + 1,
    }
}

/// Parts of `n` tokens with room for `room` each; one begins `stride` before the end of the one before.
fn windows(n: usize, room: usize, stride: usize) -> Vec<Range<usize>> {
    let mut windows = Vec::new();
    for begin in (0..n).step_by(room - stride) {
        let end = (begin + room).min(n);
        windows.push(begin..end);
        if end == n {
            break;
        }
    }
    windows
}

/// Positions of the first and the last token of an answer; `None` when the window does not hold all of it.
fn ends(answer: &Answer, first_byte: usize, spans: &[(u32, u32)]) -> Option<(i32, i32)> {
    let (begin, end) = (place(first_byte + answer.begin), place(first_byte + answer.begin + answer.text.len()));
    let of_text = || spans.iter().enumerate().filter(|(_, span)| **span != (0, 0));
    let ((_, first), (_, last)) = (of_text().next()?, of_text().next_back()?);
    if first.0 > begin || last.1 < end {
        return None;
    }
    let begins = of_text().rfind(|(_, span)| span.0 <= begin)?;
    let ends = of_text().find(|(_, span)| span.1 >= end)?;
    Some((i32::try_from(begins.0).ok()?, i32::try_from(ends.0).ok()?))
}

/// The answers of a cell: SQuAD's `{"text": […], "answer_start": […]}`, a list of `{"text", "answer_start"}`, or texts, each
/// where it first stands. None is a question without an answer.
fn answers(cell: &Value, context: &str) -> Result<Vec<Answer>, Skip> {
    let begins = |value: Option<&Value>| value.and_then(Value::as_u64);
    let one = |text: &Value, begin: Option<u64>| {
        let text = text.as_str().ok_or_else(|| skip(sentence!("an answer is no text")))?;
        let byte = match begin {
            // SQuAD counts characters.
            Some(begin) => {
                context.char_indices().nth(usize::try_from(begin).unwrap_or(usize::MAX)).map(|(byte, _)| byte)
            }
            None => context.find(text),
        };
        let found = byte.filter(|&byte| context[byte..].starts_with(text) && !text.is_empty());
        // Some files count otherwise: the place nearest to the one that is said.
        let near = || {
            let said = byte.unwrap_or_default();
            let places = context.match_indices(text).map(|(at, _)| at).filter(|_| !text.is_empty());
            places.min_by_key(|at| at.abs_diff(said))
        };
        let begin = found.or_else(near);
        begin
            .map(|begin| Answer { text: text.to_owned(), begin })
            .ok_or_else(|| skip(sentence!("the answer {text:?} does not stand in its text", text)))
    };
    let columns = |answers: &Value| {
        let texts = answers.get("text").and_then(Value::as_array).cloned().unwrap_or_default();
        let starts = answers.get("answer_start").and_then(Value::as_array).cloned().unwrap_or_default();
        texts.iter().enumerate().map(|(at, text)| one(text, begins(starts.get(at)))).collect()
    };
    match cell {
        Value::Null => Ok(Vec::new()),
        Value::String(text) if text.is_empty() => Ok(Vec::new()),
        Value::String(_) => one(cell, None).map(|answer| vec![answer]),
        Value::Object(_) if cell.get("text").is_some_and(Value::is_string) => {
            one(&cell["text"], begins(cell.get("answer_start"))).map(|answer| vec![answer])
        }
        Value::Object(_) => columns(cell),
        Value::Array(list) => list
            .iter()
            .map(|answer| match answer {
                Value::Object(fields) => {
                    one(fields.get("text").unwrap_or(&Value::Null), begins(fields.get("answer_start")))
                }
                text => one(text, None),
            })
            .collect(),
        _ => Err(skip(sentence!("its answers are no texts"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn windows_overlap_and_end_with_the_text() {
        assert_eq!(windows(10, 20, 3), vec![0..10; 1]);
        assert_eq!(windows(10, 5, 2), [0..5, 3..8, 6..10]);
        assert_eq!(windows(11, 5, 2), [0..5, 3..8, 6..11], "the last one is full, and there is no further one");
        assert_eq!(windows(6, 3, 0), [0..3, 3..6]);
    }

    #[test]
    fn answers_are_found_where_they_are_said_to_be() {
        let context = "é on the mat, the mat";
        let found = |cell: Value| answers(&cell, context).map_err(|skip| skip.reason.to_string());
        let at = |begin| vec![Answer { text: "the mat".to_owned(), begin }];
        assert_eq!(found(json!({"text": ["the mat"], "answer_start": [14]})), Ok(at(15)), "characters, not bytes");
        assert_eq!(found(json!({"text": ["the mat"], "answer_start": [4]})), Ok(at(6)), "the nearest place");
        assert_eq!(found(json!([{"text": "the mat", "answer_start": 14}])), Ok(at(15)));
        assert_eq!(found(json!("the mat")), Ok(at(6)));
        assert_eq!(found(json!(["the mat"])), Ok(at(6)));
        for none in [json!({"text": [], "answer_start": []}), json!([]), json!(null), json!("")] {
            assert_eq!(found(none), Ok(Vec::new()));
        }
        assert!(found(json!("a cat")).unwrap_err().contains("does not stand"), "it is said, and the row left out");
        assert!(found(json!(3)).is_err() && found(json!([3])).is_err());
    }

    #[test]
    fn a_window_without_all_of_the_answer_has_no_ends() {
        let answer = Answer { text: "cd".to_owned(), begin: 2 };
        let spans = [(0, 0), (10, 11), (11, 12), (12, 13), (13, 14), (14, 15), (0, 0)];
        assert_eq!(ends(&answer, 10, &spans), Some((3, 4)));
        assert_eq!(ends(&answer, 10, &spans[..4]), None);
        assert_eq!(ends(&answer, 10, &spans[4..]), None);
        let wide = [(0, 0), (10, 13), (13, 15)];
        assert_eq!(ends(&answer, 10, &wide), Some((1, 2)), "an answer inside of a token takes it whole");
    }
}
