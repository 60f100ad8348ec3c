//! Entities with the relations between them, as json: `tokens`, `entities` from `start` to before `end`, `relations`.
//! CoNLL-2004 (Roth & Yih 2004) in the form of lavis-nlp/spert: the entities become labels of words.

use serde_json::{Map, Value};

use super::flat::{Piece, each};
use super::{Asked, Form, Found, all, has, texts};
use crate::data::table::Table;
use crate::error::Result;
use crate::{Sentence, sentence};

pub(super) const ENTITIES: Form = Form { name: "CoNLL-2004", is, read };

fn is(table: &Table) -> bool {
    let span = |value: &Value| ["type", "start", "end"].iter().all(|name| value.get(name).is_some());
    let spans = |value: &Value| value.as_array().is_some_and(|list| list.first().is_none_or(span));
    has(table, &["tokens", "relations"]) && table.column("labels").is_none() && all(table, "entities", spans)
}

fn read(table: Table, _: &Asked) -> Result<Found> {
    let table = each(table, |_, row| labeled(row))?;
    let what = sentence!("the entities are labels of words; relations are not read");
    Ok(Found::new(table, what, &["tokens"], "labels"))
}

fn labeled(mut row: Map<String, Value>) -> Result<Vec<Piece>, Sentence> {
    let unread = || sentence!("its words or entities cannot be read");
    let tokens = row.get("tokens").filter(|tokens| tokens.is_array()).and_then(texts).ok_or_else(unread)?;
    let mut labels = vec!["O".to_owned(); tokens.len()];
    for entity in row.get("entities").and_then(Value::as_array).into_iter().flatten() {
        let place = |name: &str| entity.get(name).and_then(Value::as_u64).and_then(|at| usize::try_from(at).ok());
        let kind = entity.get("type").and_then(Value::as_str).ok_or_else(unread)?;
        let (begin, end) = place("start").zip(place("end")).ok_or_else(unread)?;
        let span = labels.get_mut(begin..end).filter(|span| !span.is_empty());
        let span = span.ok_or_else(|| sentence!("an entity stands outside of its words"))?;
        if span.iter().any(|label| label != "O") {
            return Err(sentence!("two of its entities have a word in common"));
        }
        for (index, label) in span.iter_mut().enumerate() {
            *label = format!("{}-{kind}", if index == 0 { "B" } else { "I" });
        }
    }
    row.insert("labels".to_owned(), labels.into());
    Ok(vec![Piece::row(row)])
}
