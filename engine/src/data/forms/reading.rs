//! Questions about a passage with several answers: MultiRC and ReCoRD, nested as SuperGLUE releases them and flat as the
//! hub has them. Wang et al. 2019, "SuperGLUE".

use serde_json::{Map, Value, json};

use super::flat::{Piece, each};
use super::{Asked, Form, Found, all, has, plain};
use crate::data::table::Table;
use crate::error::Result;
use crate::{Sentence, sentence};

/// Each answer is a row, told as right or wrong; those of one question have the same `idx`.
pub(super) const MULTI_RC: Form = Form { name: "MultiRC", is: is_multi_rc, read: read_multi_rc };
/// Each query is a row, with the entities that could stand at its placeholder, and those that are right.
pub(super) const RECORD: Form = Form { name: "ReCoRD", is: is_record, read: read_record };

/// Stands before each summary of a passage.
const HIGHLIGHT: &str = "\n@highlight\n";

fn is_multi_rc(table: &Table) -> bool {
    let nested = |value: &Value| value.get("questions").is_some_and(Value::is_array);
    let numbered = |value: &Value| value.get("question").is_some() && value.get("answer").is_some();
    all(table, "passage", nested)
        || (has(table, &["paragraph", "question", "answer", "label"]) && all(table, "idx", numbered))
}

fn read_multi_rc(table: Table, _: &Asked) -> Result<Found> {
    let table = each(table, |number, row| match row.contains_key("paragraph") {
        true => flat_answer(row),
        false => answers(number, row),
    })?;
    let n = table.rows.len();
    let what = sentence!("{n} answers, each told for itself; those of a question have the same idx", n);
    let found = Found::new(table, what, &["passage", "question", "answer"], "label");
    Ok(Found { question: Some("idx"), ..found })
}

/// The group of a question: its passage, and it in there.
fn group(passage: Option<String>, question: Option<String>, at: (usize, usize)) -> String {
    let or = |number: Option<String>, index: usize| number.unwrap_or_else(|| index.to_string());
    format!("{}-{}", or(passage, at.0), or(question, at.1))
}

fn answers(number: usize, row: Map<String, Value>) -> Result<Vec<Piece>, Sentence> {
    let unread = || sentence!("its passage, questions or answers cannot be read");
    let passage = row.get("passage").ok_or_else(unread)?;
    let text = passage.get("text").and_then(Value::as_str).ok_or_else(unread)?;
    let questions = passage.get("questions").and_then(Value::as_array).ok_or_else(unread)?;
    let mut pieces = Vec::new();
    for (at, question) in questions.iter().enumerate() {
        let asked = question.get("question").and_then(Value::as_str).ok_or_else(unread)?;
        let idx = group(plain(row.get("idx")), plain(question.get("idx")), (number, at));
        for answer in question.get("answers").and_then(Value::as_array).ok_or_else(unread)? {
            let said = plain(answer.get("text")).ok_or_else(unread)?;
            let mut fields = json!({"passage": text, "question": asked, "answer": said, "idx": idx});
            if let Some(label) = answer.get("label") {
                fields["label"] = label.clone();
            }
            pieces.push(Piece::row(fields.as_object_mut().map(std::mem::take).unwrap_or_default()));
        }
    }
    Ok(pieces)
}

fn flat_answer(mut row: Map<String, Value>) -> Result<Vec<Piece>, Sentence> {
    let idx = row.remove("idx").unwrap_or_default();
    let text = row.remove("paragraph").unwrap_or_default();
    let mut fields: Map<String, Value> = [("passage".to_owned(), text)].into_iter().chain(row).collect();
    fields.insert("idx".to_owned(), group(plain(idx.get("paragraph")), plain(idx.get("question")), (0, 0)).into());
    Ok(vec![Piece::row(fields)])
}

fn is_record(table: &Table) -> bool {
    let nested = |value: &Value| value.get("entities").is_some_and(Value::is_array);
    (has(table, &["qas"]) && all(table, "passage", nested))
        || (has(table, &["passage", "query"]) && all(table, "entities", Value::is_array) && has(table, &["answers"]))
}

fn read_record(table: Table, _: &Asked) -> Result<Found> {
    let table = each(table, |_, row| if row.contains_key("qas") { queries(row) } else { flat_query(row) })?;
    let n = table.rows.len();
    let what = sentence!("{n} queries, each with the entities of its passage", n);
    Ok(Found::new(table, what, &["passage", "query"], "answers"))
}

fn queries(row: Map<String, Value>) -> Result<Vec<Piece>, Sentence> {
    let unread = || sentence!("its passage, entities or queries cannot be read");
    let passage = row.get("passage").ok_or_else(unread)?;
    let text = passage.get("text").and_then(Value::as_str).ok_or_else(unread)?;
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let mut entities: Vec<&str> = Vec::new();
    for entity in passage.get("entities").and_then(Value::as_array).ok_or_else(unread)? {
        let place = |name: &str| entity.get(name).and_then(Value::as_u64).and_then(|at| usize::try_from(at).ok());
        let (begin, end) = place("start").zip(place("end")).ok_or_else(unread)?;
        // The end is that of the last character.
        let span = places.get(begin).zip(places.get(end.saturating_add(1)));
        let said = span.and_then(|(&from, &to)| text.get(from..to));
        let said = said.ok_or_else(|| sentence!("an entity stands outside of its passage"))?;
        if !entities.contains(&said) {
            entities.push(said);
        }
    }
    let read = clean(text);
    let mut pieces = Vec::new();
    for question in row.get("qas").and_then(Value::as_array).ok_or_else(unread)? {
        let query = question.get("query").and_then(Value::as_str).ok_or_else(unread)?;
        let mut fields = json!({"passage": read, "query": query, "entities": entities});
        if let Some(answers) = question.get("answers").and_then(Value::as_array) {
            let said: Option<Vec<String>> = answers.iter().map(|answer| plain(answer.get("text"))).collect();
            fields["answers"] = distinct(said.ok_or_else(unread)?).into();
        }
        if let Some(idx) = question.get("idx").or_else(|| question.get("id")) {
            fields["idx"] = idx.clone();
        }
        pieces.push(Piece::row(fields.as_object_mut().map(std::mem::take).unwrap_or_default()));
    }
    Ok(pieces)
}

fn flat_query(mut row: Map<String, Value>) -> Result<Vec<Piece>, Sentence> {
    if let Some(Value::String(text)) = row.get("passage") {
        let read = clean(text);
        row.insert("passage".to_owned(), read.into());
    }
    for name in ["entities", "answers"] {
        if let Some(said) = row.get(name).and_then(super::texts) {
            row.insert(name.to_owned(), distinct(said).into());
        }
    }
    Ok(vec![Piece::row(row)])
}

/// The passage with its summaries as sentences behind it, as T5 reads it.
fn clean(passage: &str) -> String {
    let mut parts = passage.split(HIGHLIGHT);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_ended = text.ends_with(['.', '?', '!', '"', '\'']);
        text.push_str(if is_ended { " " } else { ". " });
        text.push_str(part);
    }
    text
}

fn distinct(texts: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    texts.into_iter().filter(|text| seen.insert(text.clone())).collect()
}
