//! Files as papers and benchmarks hand them out. A form is known by its columns and by what is in them, never by a file's
//! name; rows of it become rows whose columns are texts, lists of texts and classes, and a note says so.

mod conll_columns;
mod dart;
mod e2e;
mod flat;
mod glue;
mod labels;
mod lama;
mod pairs;
mod plain_text;
mod reading;
mod references;
mod relations;
mod squad;
mod summaries;
mod super_glue;
mod triples;
mod web_nlg;
mod xml;

pub(super) use self::conll_columns::FIELDS;
pub(super) use self::pairs::read as read_pair;
pub(super) use self::plain_text::chunked;
pub(super) use self::references::{by_reference, groups, one_per_source};
pub(super) use self::web_nlg::unwrapped;
pub(super) use self::xml::read as read_xml;

use serde_json::Value;

use super::columns::Roles;
use super::table::{Row, Table};
use crate::config::{DataConfig, FormRecognition, Task};
use crate::error::Result;
use crate::{Sentence, sentence};

/// Rows by which a form is known.
const PROBE: usize = 20;
/// Between the names of columns that make up the source together.
const JOINT: &str = " + ";

/// A form of rows.
struct Form {
    name: &'static str,
    is: fn(&Table) -> bool,
    read: fn(Table, &Asked) -> Result<Found>,
}

/// What the rows are for.
struct Asked<'a> {
    task: Task,
    /// The column that the configuration names as what is learned.
    target: Option<&'a str>,
}

/// A table of a known form.
struct Found {
    table: Table,
    /// Description of the rows, for a note.
    what: Sentence,
    /// Columns that make up the source; of a pair that is classified, the two texts.
    source: Vec<&'static str>,
    target: &'static str,
    /// The column of the question that several rows answer.
    question: Option<&'static str>,
}

impl Found {
    fn new(table: Table, what: Sentence, source: &[&'static str], target: &'static str) -> Self {
        Self { table, what, source: source.to_vec(), target, question: None }
    }
}

/// The forms, those with the surest marks first.
const FORMS: &[Form] = &[
    squad::FORM,
    web_nlg::FORM,
    dart::FORM,
    e2e::FORM,
    reading::MULTI_RC,
    reading::RECORD,
    super_glue::WIC,
    super_glue::WSC,
    super_glue::COPA,
    lama::FORM,
    relations::ENTITIES,
    conll_columns::FORM,
    labels::FORM,
    glue::COLA,
    glue::PAIRS,
    glue::SENTENCES,
    summaries::FORM,
];

/// The table with the rows of its form, if it has one that is known. Columns that the configuration names play the part
/// that it gives them.
///
/// # Errors
/// [`EngineError::ColumnMissing`](crate::error::EngineError::ColumnMissing) for a named column that no row has.
pub fn recognized(table: Table, config: &DataConfig, task: Task) -> Result<Table> {
    if config.form == FormRecognition::None {
        return Ok(conll_columns::without_fields(table));
    }
    let table = plain_text::by_unit(table, config.text_unit);
    let table = references::of_pairs(table);
    let Some(form) = FORMS.iter().find(|form| (form.is)(&table)) else {
        return Ok(conll_columns::without_fields(table));
    };
    let asked = Asked { task, target: config.target_column.as_deref() };
    settled((form.read)(table, &asked)?, form.name, config.source_column.as_deref(), &asked)
}

/// The table with its parts given out.
fn settled(found: Found, form: &str, source: Option<&str>, asked: &Asked) -> Result<Table> {
    let Found { mut table, what, source: usual, target: learned, question } = found;
    table.question = question.and_then(|name| table.column(name));
    table.notes.push(sentence!("Read as {form}: {what}", form, what));
    if table.column(learned).is_none() || !usual.iter().all(|name| table.column(name).is_some()) {
        return Ok(table);
    }
    let (first, second) = match usual.as_slice() {
        [first, second] if asked.task.has_classes() || asked.task.is_of_texts() => (vec![*first], table.column(second)),
        all => (all.to_vec(), None),
    };
    let joint = first.join(JOINT);
    let roles = Roles::resolve(&table, Some(source.unwrap_or(&joint)), Some(asked.target.unwrap_or(learned)))?;
    table.second = second.filter(|_| source.is_none());
    table.roles = Some(roles);
    Ok(table)
}

/// Whether a table has all columns of these names.
fn has(table: &Table, names: &[&str]) -> bool {
    names.iter().all(|name| table.column(name).is_some())
}

/// The first of these names that is a column.
fn first_of(table: &Table, names: &[&'static str]) -> Option<&'static str> {
    names.iter().copied().find(|name| table.column(name).is_some())
}

/// Whether the first cells of a column that hold something are all of a kind, and there is one.
fn all(table: &Table, column: &str, is: impl Fn(&Value) -> bool) -> bool {
    let Some(column) = table.column(column) else { return false };
    let mut cells = filled(table, column).take(PROBE).peekable();
    cells.peek().is_some() && cells.all(is)
}

/// The cells of a column that hold something.
fn filled(table: &Table, column: usize) -> impl Iterator<Item = &Value> {
    table.rows.iter().filter(move |row: &&Row| row.is_filled(column)).map(move |row| row.cell(column))
}

/// The texts of a list of texts, or the one text.
fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(values) => values.iter().map(|value| value.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// A text or a number as text.
fn plain(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
