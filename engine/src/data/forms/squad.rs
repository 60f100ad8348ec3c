//! SQuAD 1.1 and 2.0: paragraphs with questions, each with spans of the paragraph as answers. Rajpurkar et al. 2016, 2018.
//! Rows have the columns of the hub: `id`, `title`, `context`, `question`, `answers` with `text` and `answer_start`. A model
//! that writes learns the answers as texts, and `unanswerable` where there is none.

use serde_json::{Map, Value, json};

use super::flat::{Piece, TARGET, each};
use super::{Asked, Form, Found, all, has, plain};
use crate::data::table::Table;
use crate::error::Result;
use crate::{Sentence, sentence};

pub(super) const FORM: Form = Form { name: "SQuAD", is, read };

/// Written where a question has no answer.
const NO_ANSWER: &str = "unanswerable";

fn is(table: &Table) -> bool {
    is_nested(table) || is_flat(table)
}

fn is_nested(table: &Table) -> bool {
    let paragraph = |value: &Value| value.get("qas").is_some() && value.get("context").is_some();
    all(table, "paragraphs", |value| value.as_array().is_some_and(|list| list.first().is_none_or(paragraph)))
        || (has(table, &["context"]) && all(table, "qas", Value::is_array))
}

fn is_flat(table: &Table) -> bool {
    let spans = |value: &Value| value.get("text").is_some() && value.get("answer_start").is_some();
    has(table, &["context", "question"]) && all(table, "answers", spans)
}

fn read(table: Table, asked: &Asked) -> Result<Found> {
    let nested = is_nested(&table);
    let writes = asked.task.writes() && asked.target.is_none();
    let mut n_questions = 0_usize;
    let mut n_impossible = 0_usize;
    let table = each(table, |number, row| {
        let rows = if nested { questions(row)? } else { vec![row] };
        n_questions += rows.len();
        n_impossible += rows.iter().filter(|row| answers(row).is_empty()).count();
        let piece = |row: Map<String, Value>| match writes {
            true => {
                let texts = answers(&row);
                let texts = if texts.is_empty() { vec![NO_ANSWER.to_owned()] } else { texts };
                Piece::of(number, row, texts)
            }
            false => Piece::row(row),
        };
        Ok(rows.into_iter().map(piece).collect())
    })?;
    let what = match n_impossible {
        0 => sentence!("{n_questions} questions with their answers", n_questions),
        _ => sentence!("{n_questions} questions, {n_impossible} of them without an answer", n_questions, n_impossible),
    };
    Ok(Found::new(table, what, &["question", "context"], if writes { TARGET } else { "" }))
}

/// The different texts of the answers.
fn answers(row: &Map<String, Value>) -> Vec<String> {
    let list = row.get("answers").and_then(|answers| answers.get("text")).and_then(super::texts).unwrap_or_default();
    let mut seen = std::collections::HashSet::new();
    list.into_iter().filter(|text| !text.trim().is_empty() && seen.insert(text.clone())).collect()
}

/// The questions of an article or of a paragraph.
fn questions(mut row: Map<String, Value>) -> Result<Vec<Map<String, Value>>, Sentence> {
    let title = row.get("title").cloned().unwrap_or(Value::Null);
    let paragraphs = match row.remove("paragraphs") {
        Some(Value::Array(paragraphs)) => paragraphs,
        Some(_) => return Err(sentence!("its paragraphs are no list")),
        None => vec![Value::Object(row)],
    };
    let unread = || sentence!("a paragraph, a question or an answer of it cannot be read");
    let mut rows = Vec::new();
    for paragraph in paragraphs {
        let context = paragraph.get("context").and_then(Value::as_str).ok_or_else(unread)?;
        for asked in paragraph.get("qas").and_then(Value::as_array).ok_or_else(unread)? {
            let question = asked.get("question").and_then(Value::as_str).ok_or_else(unread)?;
            let mut fields = json!({
                "id": plain(asked.get("id")).unwrap_or_default(),
                "title": title,
                "context": context,
                "question": question.trim(),
                "answers": spans(asked.get("answers")).ok_or_else(unread)?,
            });
            if let Some(is_impossible) = asked.get("is_impossible") {
                fields["is_impossible"] = is_impossible.clone();
            }
            rows.push(fields.as_object_mut().map(std::mem::take).unwrap_or_default());
        }
    }
    Ok(rows)
}

/// A list of answers as the hub has it, a list for each of their fields.
fn spans(answers: Option<&Value>) -> Option<Value> {
    let list = match answers {
        None | Some(Value::Null) => return Some(json!({"text": [], "answer_start": []})),
        Some(Value::Object(_)) => return answers.cloned(),
        Some(value) => value.as_array()?,
    };
    let texts: Option<Vec<&str>> = list.iter().map(|answer| answer.get("text")?.as_str()).collect();
    let starts: Option<Vec<i64>> = list.iter().map(|answer| answer.get("answer_start")?.as_i64()).collect();
    Some(json!({"text": texts?, "answer_start": starts?}))
}
