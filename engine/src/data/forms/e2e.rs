//! E2E: a meaning representation and a text on each row, several texts of one. Novikova et al. 2017, "The E2E Dataset".
//! `name[X], eatType[pub]` becomes `name : X | Type : pub`, as Li & Liang 2021 write it.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::flat::{Flat, Piece, TARGET};
use super::{Asked, Form, Found, PROBE, filled, first_of, texts};
use crate::data::table::Table;
use crate::error::Result;
use crate::sentence;

pub(super) const FORM: Form = Form { name: "E2E", is, read };

const MEANINGS: [&str; 3] = ["mr", "MR", "meaning_representation"];
const TEXTS: [&str; 5] = ["references", "ref", "human_reference", "target", "text"];
const MEANING: &str = "meaning_representation";

fn is(table: &Table) -> bool {
    let Some(meaning) = first_of(table, &MEANINGS) else { return false };
    let is_meaning = |cell: &Value| cell.as_str().is_some_and(|text| linear(text).is_some());
    let cells = table.column(meaning).map(|column| filled(table, column).take(PROBE).collect::<Vec<_>>());
    let cells = cells.unwrap_or_default();
    // One that is broken is named later.
    let is_usual = cells.iter().filter(|cell| is_meaning(cell)).count() * 2 > cells.len();
    first_of(table, &TEXTS).is_some() && table.column("source").is_none() && is_usual
}

fn read(table: Table, _: &Asked) -> Result<Found> {
    let (Some(meaning), Some(text)) = (first_of(&table, &MEANINGS), first_of(&table, &TEXTS)) else {
        return Ok(Found::new(table, crate::Sentence::default(), &[], TARGET));
    };
    let (mut flat, objects) = Flat::of(table);
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut found: Vec<Piece> = Vec::new();
    for (number, mut row) in objects {
        let said = row.remove(meaning).and_then(|cell| cell.as_str().map(str::to_owned)).unwrap_or_default();
        let Some(linear) = linear(&said) else {
            flat.problem(number, sentence!("its meaning representation cannot be read"));
            continue;
        };
        let written = row.remove(text).as_ref().and_then(texts).unwrap_or_default();
        let written: Vec<String> = written.into_iter().filter(|text| !text.trim().is_empty()).collect();
        if written.is_empty() {
            flat.problem(number, sentence!("the target is empty"));
            continue;
        }
        // A list of all references has its first one beside it.
        if text == TEXTS[0] {
            row.remove(TARGET);
        }
        let numbered = written.into_iter().map(|text| (number, text));
        match places.get(&said) {
            Some(&at) => found[at].texts.extend(numbered),
            None => {
                places.insert(said.clone(), found.len());
                let made = [("source".to_owned(), linear.into()), (MEANING.to_owned(), said.into())];
                let fields: Map<String, Value> = made.into_iter().chain(row).collect();
                found.push(Piece { fields, texts: numbered.collect() });
            }
        }
    }
    let n_sources = found.len();
    for piece in found {
        flat.push(piece.texts.first().map_or(1, |(number, _)| *number), piece)?;
    }
    let table = flat.table();
    let n_texts = table.rows.len();
    let what = sentence!("{n_texts} texts of {n_sources} meaning representations", n_texts, n_sources);
    Ok(Found::new(table, what, &["source"], TARGET))
}

/// `name[X], eatType[pub]` as `name : X | Type : pub`; nothing for another text.
fn linear(text: &str) -> Option<String> {
    let mut rest = text.trim();
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('[')?;
        let (value, after) = after.split_once(']')?;
        let name = match name.trim().trim_start_matches(',').trim() {
            "" => return None,
            name if name.contains([',', ']']) => return None,
            "eatType" => "Type",
            "priceRange" => "price",
            "familyFriendly" => "family friendly",
            name => name,
        };
        parts.push(format!("{name} : {}", value.trim()));
        rest = after.trim_start();
    }
    (!parts.is_empty()).then(|| parts.join(" | "))
}
