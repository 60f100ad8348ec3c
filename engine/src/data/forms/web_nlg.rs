//! WebNLG: entries of triples with texts, by category. Gardent et al. 2017, "The WebNLG Challenge"; its xml and json of
//! 2017 and 2020, and the hub's columns. Only texts with the comment "good" are learned, as the papers say.

use serde_json::{Map, Value, json};

use super::flat::{Piece, TARGET, each};
use super::triples::{Triple, linear, listed, of_line, triple};
use super::{Asked, Form, Found, all, has};
use crate::data::table::Table;
use crate::error::Result;
use crate::{Sentence, sentence};

pub(super) const FORM: Form = Form { name: "WebNLG", is, read };

/// Categories of the training set of 2017; those of other sets are unseen.
const SEEN: [&str; 10] = [
    "Airport",
    "Astronaut",
    "Building",
    "City",
    "ComicsCharacter",
    "Food",
    "Monument",
    "SportsTeam",
    "University",
    "WrittenWork",
];

/// The rows of a document whose entries each stand under their number, as its json has them; others as they are.
pub(in crate::data) fn unwrapped(values: Vec<Value>) -> Vec<Value> {
    let is_entry = |value: &Value| {
        let inner = value.as_object().filter(|entry| entry.len() == 1).and_then(|entry| entry.values().next());
        inner.is_some_and(|entry| entry.get("modifiedtripleset").is_some() || entry.get("lexicalisations").is_some())
    };
    if !values.first().is_some_and(is_entry) {
        return values;
    }
    let inner = |value: Value| match value {
        Value::Object(entry) if entry.len() == 1 => entry.into_iter().next().map_or(Value::Null, |(_, inner)| inner),
        other => other,
    };
    values.into_iter().map(inner).collect()
}

fn is(table: &Table) -> bool {
    (has(table, &["modifiedtripleset"]) && has(table, &["lexicalisations"]))
        || (has(table, &["modified_triple_sets"]) && all(table, "lex", Value::is_object))
}

fn read(table: Table, _: &Asked) -> Result<Found> {
    let several = several_languages(&table);
    let (mut n_entries, mut n_texts, mut n_other) = (0_usize, 0_usize, 0_usize);
    let table = each(table, |number, entry| {
        let (pieces, texts, other) = pieces(number, entry, several)?;
        n_entries += 1;
        n_texts += texts;
        n_other += other;
        Ok(pieces)
    })?;
    let what = match n_other {
        0 => sentence!("{n_texts} texts of {n_entries} entries", n_texts, n_entries),
        _ => sentence!(
            "{n_texts} texts of {n_entries} entries; {n_other} texts whose comment is not \"good\" are left out",
            n_texts,
            n_entries,
            n_other
        ),
    };
    Ok(Found::new(table, what, &["source"], TARGET))
}

/// One text of an entry.
struct Lex {
    text: String,
    comment: String,
    language: String,
}

/// The rows of an entry, the number of texts in them, and that of texts which are left out.
fn pieces(number: usize, mut entry: Map<String, Value>, several: bool) -> Result<(Vec<Piece>, usize, usize), Sentence> {
    let triples = triples(&entry).filter(|triples| !triples.is_empty());
    let triples = triples.ok_or_else(|| sentence!("its triples cannot be read"))?;
    let texts = texts(&entry).ok_or_else(|| sentence!("its texts cannot be read"))?;
    let n = texts.len();
    let good: Vec<Lex> = texts.into_iter().filter(Lex::is_good).collect();
    if good.is_empty() {
        return Err(match n {
            0 => sentence!("it has no text"),
            _ => sentence!("none of its texts has the comment \"good\""),
        });
    }
    for used in [
        "modifiedtripleset",
        "lexicalisations",
        "modified_triple_sets",
        "lex",
        "originaltripleset",
        "original_triple_sets",
    ] {
        entry.remove(used);
    }
    let clean: Vec<Triple> = triples.iter().map(|triple| triple.clone().map(|part| readable(&part))).collect();
    let category = entry.get("category").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut fields = json!({"source": linear(&clean), "triples": listed(&triples)});
    let fields = fields.as_object_mut().map(std::mem::take).unwrap_or_default();
    let mut fields: Map<String, Value> = fields.into_iter().chain(entry).collect();
    if !category.is_empty() {
        let seen = if SEEN.contains(&category.as_str()) { "seen" } else { "unseen" };
        fields.insert("seen".to_owned(), seen.into());
    }
    let (n_good, mut pieces) = (good.len(), Vec::new());
    for (language, texts) in by_language(good, several) {
        let mut fields = fields.clone();
        if several {
            fields.insert("lang".to_owned(), language.into());
        }
        pieces.push(Piece::of(number, fields, texts));
    }
    Ok((pieces, n_good, n - n_good))
}

impl Lex {
    fn is_good(&self) -> bool {
        ["", "good"].contains(&self.comment.as_str()) && !self.text.trim().is_empty()
    }
}

fn by_language(texts: Vec<Lex>, several: bool) -> Vec<(String, Vec<String>)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for Lex { text, language, .. } in texts {
        match found.iter_mut().find(|(known, _)| !several || *known == language) {
            Some((_, texts)) => texts.push(text),
            None => found.push((language, vec![text])),
        }
    }
    found
}

/// Whether the first entries have texts in several languages, as those of 2020 do.
fn several_languages(table: &Table) -> bool {
    let mut known: Option<String> = None;
    let names = &table.columns;
    for row in table.rows.iter().take(1000) {
        let entry = row.cells().iter().map(|(column, cell)| (names[*column].clone(), cell.clone())).collect();
        for lex in texts(&entry).unwrap_or_default() {
            if known.get_or_insert_with(|| lex.language.clone()) != &lex.language {
                return true;
            }
        }
    }
    false
}

fn texts(entry: &Map<String, Value>) -> Option<Vec<Lex>> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(list) = entry.get("lexicalisations").and_then(Value::as_array) {
        let lex = |value: &Value| {
            let said = value.get("lex").or_else(|| value.get("text"))?.as_str()?;
            Some(Lex { text: said.to_owned(), comment: text(value.get("comment")), language: text(value.get("lang")) })
        };
        return list.iter().map(lex).collect();
    }
    let lex = entry.get("lex")?.as_object()?;
    let column = |name: &str| lex.get(name).and_then(Value::as_array);
    let said = column("text")?;
    let at = |name: &str, index: usize| text(column(name).and_then(|list| list.get(index)));
    let lex = |(index, value): (usize, &Value)| {
        let said = value.as_str()?.to_owned();
        Some(Lex { text: said, comment: at("comment", index), language: at("lang", index) })
    };
    said.iter().enumerate().map(lex).collect()
}

fn triples(entry: &Map<String, Value>) -> Option<Vec<Triple>> {
    if let Some(list) = entry.get("modifiedtripleset").and_then(Value::as_array) {
        return list.iter().map(triple).collect();
    }
    let sets = entry.get("modified_triple_sets")?.get("mtriple_set")?.as_array()?;
    let lines = sets.first()?.as_array()?;
    lines.iter().map(|line| of_line(line.as_str()?)).collect()
}

/// A name of DBpedia as people write it.
fn readable(name: &str) -> String {
    name.replace('_', " ").trim_matches('"').to_owned()
}
