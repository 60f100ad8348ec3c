//! GLUE, and those tasks of SuperGLUE that tell a pair of texts: columns by the names of the releases and of the hub.
//! Wang et al. 2018, "GLUE"; Wang et al. 2019, "SuperGLUE".

use serde_json::{Map, Value};

use super::flat::{Piece, each};
use super::{Asked, Form, Found, all, first_of, has};
use crate::data::table::{Row, Table};
use crate::error::Result;
use crate::{Sentence, sentence};

/// Pairs of texts, told as a class or, in STS-B, as a measure.
pub(super) const PAIRS: Form = Form { name: "GLUE, SuperGLUE", is: |table| pair(table).is_some(), read: read_pairs };
/// One sentence: SST-2, CoLA.
pub(super) const SENTENCES: Form = Form { name: "GLUE", is: is_sentences, read: read_sentences };
/// The file of CoLA without a header.
pub(super) const COLA: Form = Form { name: "CoLA", is: is_cola, read: read_cola };

const GOLD: &str = "gold_label";
/// First text, second text, and names of what they are told as.
type Pair = (&'static str, &'static str, &'static [&'static str]);
const ALL_PAIRS: [Pair; 6] = [
    ("premise", "hypothesis", &[GOLD, "label"]),
    ("#1 String", "#2 String", &["Quality"]),
    ("question1", "question2", &["is_duplicate", "label"]),
    ("question", "sentence", &["label"]),
    ("passage", "question", &["label", "answer"]),
    ("sentence1", "sentence2", &[GOLD, "label", "score", "similarity_score"]),
];

fn pair(table: &Table) -> Option<(&'static str, &'static str, &'static str)> {
    let is_text = |column: &str| all(table, column, Value::is_string);
    let (first, second, told) = ALL_PAIRS.into_iter().find(|(first, second, _)| is_text(first) && is_text(second))?;
    let told = first_of(table, told)?;
    // A passage with a question has an answer in words elsewhere.
    let is_yes_or_no = first != "passage" || (told == "label" && table.column("answer").is_none()) || {
        let is =
            |value: &Value| value.is_boolean() || matches!(value.as_str(), Some("true" | "false" | "True" | "False"));
        all(table, told, is) && table.column("label").is_none()
    };
    is_yes_or_no.then_some((first, second, told))
}

fn read_pairs(table: Table, _: &Asked) -> Result<Found> {
    let Some((first, second, told)) = pair(&table) else { return Ok(Found::new(table, Sentence::default(), &[], "")) };
    let table = if told == GOLD { each(table, with_gold)? } else { table };
    let what = match told {
        "score" | "similarity_score" => {
            sentence!(
                "{first} and {second} have a measured {told}, which is a number and no class: task = regression learns it",
                first,
                second,
                told
            )
        }
        _ => sentence!("{first} and {second} are told as {told}", first, second, told),
    };
    Ok(Found::new(table, what, &[first, second], told))
}

/// Where annotators did not agree there is no label.
fn with_gold(_: usize, row: Map<String, Value>) -> Result<Vec<Piece>, Sentence> {
    match row.get(GOLD).and_then(Value::as_str) {
        Some("-") => Err(sentence!("its annotators agreed on no label")),
        _ => Ok(vec![Piece::row(row)]),
    }
}

fn is_sentences(table: &Table) -> bool {
    all(table, "sentence", Value::is_string) && has(table, &["label"]) && table.columns.len() <= 4
}

fn read_sentences(table: Table, _: &Asked) -> Result<Found> {
    let what = sentence!("{source} is told as {told}", source = "sentence", told = "label");
    Ok(Found::new(table, what, &["sentence"], "label"))
}

/// Four columns, of which the second is 0 or 1 and the third a star or nothing, from the first line on.
fn is_cola(table: &Table) -> bool {
    let [_, label, star, sentence] = table.columns.as_slice() else { return false };
    let is_label = |text: &str| ["0", "1"].contains(&text.trim_end_matches(" again"));
    let is_star = |text: &str| ["", "*"].contains(&text);
    is_label(label)
        && (star == "column 3" || is_star(star))
        && sentence.contains(' ')
        && table.rows.iter().take(super::PROBE).all(|row| is_label(&row.text(1)) && is_star(&row.text(2)))
}

fn read_cola(mut table: Table, _: &Asked) -> Result<Found> {
    let names = ["origin", "label", "star", "sentence"].map(str::to_owned).to_vec();
    let mut first = std::mem::replace(&mut table.columns, names);
    first[2] = first[2].replace("column 3", "");
    let cells = first.into_iter().enumerate().map(|(column, text)| (column, Value::String(text))).collect();
    // The first line was taken for names.
    let moved = |row: Row| Row::new(row.number + 1, row.into_cells());
    table.rows = [Row::new(1, cells)].into_iter().chain(table.rows.into_iter().map(moved)).collect();
    table.problems.iter_mut().for_each(|problem| problem.row += 1);
    let what = sentence!("a file without names of columns, whose fourth is told as the second");
    Ok(Found::new(table, what, &["sentence"], "label"))
}
