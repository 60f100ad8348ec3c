//! Labels of words, each after its entity's first or not: IOB1 and BIOES become IOB2, the form that scores are counted by.
//! Tjong Kim Sang & Veenstra 1999, "Representing Text Chunks"; chakki-works/seqeval: seqeval/scheme.py.

use serde_json::Value;

use super::{Asked, Form, Found, all, filled, first_of};
use crate::data::table::{Row, Table};
use crate::error::Result;
use crate::{Sentence, sentence};

pub(super) const FORM: Form = Form { name: "CoNLL", is, read };

const TOKENS: [&str; 2] = ["tokens", "words"];
const LABELS: [&str; 3] = ["labels", "tags", "ner_tags"];

/// Ways in which the labels of a file say where an entity begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    /// `B-` begins every entity.
    Iob2,
    /// `B-` stands only between two entities of a kind.
    Iob1,
    /// `S-` or `U-` is an entity of one word, `E-` or `L-` ends one.
    Bioes,
}

fn columns(table: &Table) -> Option<(&'static str, &'static str)> {
    let (tokens, labels) = (first_of(table, &TOKENS)?, first_of(table, &LABELS)?);
    let is_list = |value: &Value| value.as_array().is_some_and(|list| list.first().is_some_and(Value::is_string));
    (all(table, tokens, is_list) && all(table, labels, is_list)).then_some((tokens, labels))
}

fn is(table: &Table) -> bool {
    columns(table).is_some_and(|(_, labels)| scheme(table, labels) != Scheme::Iob2)
}

fn read(mut table: Table, _: &Asked) -> Result<Found> {
    let Some((tokens, labels)) = columns(&table) else { return Ok(Found::new(table, Sentence::default(), &[], "")) };
    let what = mended(&mut table, labels).unwrap_or_default();
    Ok(Found::new(table, what, &[tokens], labels))
}

/// Turns the labels of a column into IOB2; what they were, if they were another.
pub(super) fn mended(table: &mut Table, column: &str) -> Option<Sentence> {
    let scheme = scheme(table, column);
    let at = table.column(column)?;
    let what = match scheme {
        Scheme::Iob2 => return None,
        Scheme::Iob1 => sentence!("the labels are IOB1 and are read as IOB2"),
        Scheme::Bioes => sentence!("the labels are BIOES and are read as IOB2"),
    };
    for row in &mut table.rows {
        let Some(labels) = row.cell(at).as_array() else { continue };
        let labels: Vec<Value> = of_row(labels, scheme);
        let cells = row.cells().iter().filter(|(column, _)| *column != at).cloned();
        *row = Row::new(row.number, cells.chain([(at, labels.into())]).collect());
    }
    Some(what)
}

/// The labels of a row in IOB2.
fn of_row(labels: &[Value], scheme: Scheme) -> Vec<Value> {
    let mut before = ("", "");
    let mut made = Vec::with_capacity(labels.len());
    for label in labels {
        let (mark, kind) = split(label.as_str().unwrap_or_default());
        let mark = match (scheme, mark) {
            (Scheme::Bioes, "S" | "U") => "B",
            (Scheme::Bioes, "E" | "L") => "I",
            (Scheme::Iob1, "I") if before.0.is_empty() || before.1 != kind => "B",
            (_, mark) => mark,
        };
        made.push(if mark.is_empty() { label.clone() } else { format!("{mark}-{kind}").into() });
        before = (mark, kind);
    }
    made
}

fn scheme(table: &Table, column: &str) -> Scheme {
    let Some(column) = table.column(column) else { return Scheme::Iob2 };
    let lists = || filled(table, column).filter_map(Value::as_array);
    let (mut begins_inside, mut begins, mut ends, mut others) = (0_usize, 0_usize, 0_usize, 0_usize);
    for list in lists() {
        let mut before = ("", "");
        for label in list {
            let (mark, kind) = split(label.as_str().unwrap_or_default());
            let goes_on = !before.0.is_empty() && before.1 == kind;
            match mark {
                "I" if !goes_on => begins_inside += 1,
                "B" if !goes_on => begins += 1,
                "S" | "U" | "E" | "L" => ends += 1,
                "" if !["O", "o", ""].contains(&label.as_str().unwrap_or_default()) => others += 1,
                _ => {}
            }
            before = (mark, kind);
        }
    }
    match (ends > 0, begins_inside > 0) {
        _ if others > 0 => Scheme::Iob2,
        (true, _) => Scheme::Bioes,
        // A B that no entity of its kind stands before is IOB2, whatever else is there.
        (false, true) if begins == 0 => Scheme::Iob1,
        _ => Scheme::Iob2,
    }
}

/// The mark of a label and the kind of entity: `B` and `LOC`; nothing of both for `O` and other labels.
fn split(label: &str) -> (&str, &str) {
    match label.split_once('-') {
        Some((mark @ ("B" | "I" | "E" | "S" | "L" | "U"), kind)) => (mark, kind),
        _ => ("", ""),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::data::table::ObjectRows;

    fn read(rows: &[&str]) -> (Vec<String>, Option<String>) {
        let mut objects = ObjectRows::new(std::path::Path::new("x.conll"));
        for row in rows {
            objects.push(1, json!({"labels": row.split(' ').collect::<Vec<_>>()})).unwrap();
        }
        let mut table = objects.table;
        let what = mended(&mut table, "labels").map(|what| what.to_string());
        let list = |row: &Row| super::super::texts(row.cell(0)).unwrap().join(" ");
        (table.rows.iter().map(list).collect(), what)
    }

    #[test]
    fn an_entity_begins_with_b_in_every_scheme() {
        let (rows, what) = read(&["I-PER I-PER O I-LOC B-LOC I-LOC I-ORG", "O"]);
        assert_eq!(rows, ["B-PER I-PER O B-LOC B-LOC I-LOC B-ORG", "O"]);
        assert!(what.unwrap().contains("IOB1"));
        let (rows, what) = read(&["S-PER B-LOC I-LOC E-LOC O", "U-PER B-X L-X"]);
        assert_eq!(rows, ["B-PER B-LOC I-LOC I-LOC O", "B-PER B-X I-X"]);
        assert!(what.unwrap().contains("BIOES"));
    }

    #[test]
    fn what_is_iob2_or_no_scheme_stays_as_it_is() {
        for row in ["B-PER I-PER O I-LOC", "O O", "NN VB", "PER O", "S-BAR N"] {
            assert_eq!(read(&[row]), (vec![row.to_owned()], None));
        }
    }
}
