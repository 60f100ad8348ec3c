//! DART: triples with texts of several annotators. Nan et al. 2021, "DART: Open-Domain Structured Data Record to Text
//! Generation". Relations are lower-cased, as XiangLi1999/PrefixTuning does.

use serde_json::{Map, Value};

use super::flat::{Piece, TARGET, each};
use super::triples::{Triple, linear, listed, triple};
use super::{Asked, Form, Found, has};
use crate::data::table::Table;
use crate::error::Result;
use crate::{Sentence, sentence};

pub(super) const FORM: Form = Form { name: "DART", is, read };

fn is(table: &Table) -> bool {
    has(table, &["tripleset", "annotations"])
}

fn read(table: Table, _: &Asked) -> Result<Found> {
    let n_entries = table.rows.len();
    let table = each(table, rows)?;
    let n_texts = table.rows.len();
    let what = sentence!("{n_texts} texts of {n_entries} entries", n_texts, n_entries);
    Ok(Found::new(table, what, &["source"], TARGET))
}

fn rows(number: usize, mut entry: Map<String, Value>) -> Result<Vec<Piece>, Sentence> {
    let list = entry.remove("tripleset").and_then(|list| list.as_array().cloned()).unwrap_or_default();
    let triples: Option<Vec<Triple>> = list.iter().map(triple).collect();
    let triples = triples.filter(|triples| !triples.is_empty());
    let triples = triples.ok_or_else(|| sentence!("its triples cannot be read"))?;
    let annotations = entry.remove("annotations").unwrap_or_default();
    let texts = texts(&annotations).ok_or_else(|| sentence!("its texts cannot be read"))?;
    if texts.is_empty() {
        return Err(sentence!("it has no text"));
    }
    let lowered = |[subject, relation, object]: &Triple| [subject.clone(), relation.to_lowercase(), object.clone()];
    let linear = linear(&triples.iter().map(lowered).collect::<Vec<_>>());
    let made = [("source".to_owned(), linear.into()), ("triples".to_owned(), listed(&triples))];
    Ok(vec![Piece::of(number, made.into_iter().chain(entry).collect(), texts)])
}

/// A list of annotations, or the hub's object of lists.
fn texts(annotations: &Value) -> Option<Vec<String>> {
    let said: Vec<&Value> = match annotations {
        Value::Array(list) => list.iter().map(|entry| entry.get("text").unwrap_or(&Value::Null)).collect(),
        Value::Object(lists) => lists.get("text")?.as_array()?.iter().collect(),
        _ => return None,
    };
    let texts: Option<Vec<String>> = said.into_iter().map(|text| text.as_str().map(str::to_owned)).collect();
    texts.map(|texts| texts.into_iter().filter(|text| !text.trim().is_empty()).collect())
}
