//! Rows as a file holds them: named columns, cells as JSON values, and the rows that could not be read.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::error::{EngineError, Result};

/// More columns than this is not a table.
pub(super) const MAX_COLUMNS: usize = 4096;
/// Unreadable rows kept with their reason; the rest are only counted.
const MAX_PROBLEMS: usize = 1000;

/// The rows of one file.
#[derive(Clone, Debug)]
pub struct Table {
    /// The file.
    pub path: PathBuf,
    /// Every column that a row has, in the order of first appearance.
    pub columns: Vec<String>,
    /// The rows that could be read, in the file's order.
    pub rows: Vec<Row>,
    /// The first rows that could not be read.
    pub problems: Vec<Problem>,
    /// How many could not be read.
    pub n_problems: usize,
}

/// One readable row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// From 1, as the file counts: the line on which the row begins, in a JSON array the number of the element.
    pub number: usize,
    /// Column index and value, for the columns this row has, by index.
    cells: Vec<(usize, Value)>,
}

/// A row that cannot be read, or not be trained on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// As [`Row::number`].
    pub row: usize,
    /// What is wrong, without the row's number.
    pub reason: String,
}

impl Table {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), columns: Vec::new(), rows: Vec::new(), problems: Vec::new(), n_problems: 0 }
    }

    /// Index of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c == name)
    }

    /// Rows of the file, readable or not.
    pub fn total_rows(&self) -> usize {
        self.rows.len() + self.n_problems
    }

    pub(super) fn push_problem(&mut self, row: usize, reason: impl Into<String>) {
        self.n_problems += 1;
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Problem { row, reason: reason.into() });
        }
    }

    /// Refuses a table without a readable row.
    pub(super) fn check_readable(self) -> Result<Self> {
        if !self.rows.is_empty() {
            return Ok(self);
        }
        Err(match self.problems.into_iter().next() {
            Some(Problem { row, reason }) => EngineError::BadRow { row, path: self.path, reason },
            None => {
                EngineError::Malformed { what: "the dataset", path: self.path, reason: "it has no rows".to_owned() }
            }
        })
    }
}

impl Row {
    pub(super) fn new(number: usize, mut cells: Vec<(usize, Value)>) -> Self {
        cells.sort_by_key(|(column, _)| *column);
        Self { number, cells }
    }

    /// The value in a column; null where the row has none.
    pub fn cell(&self, column: usize) -> &Value {
        let found = self.cells.binary_search_by_key(&column, |(c, _)| *c);
        found.map_or(&Value::Null, |at| &self.cells[at].1)
    }

    /// The value as text: strings as they are, nothing for null, everything else as JSON.
    pub fn text(&self, column: usize) -> Cow<'_, str> {
        value_text(self.cell(column))
    }

    /// As [`Row::text`], but of a list only the first entry: one target out of several references.
    pub fn first_text(&self, column: usize) -> Cow<'_, str> {
        match self.cell(column) {
            Value::Array(values) => values.first().map_or(Cow::Borrowed(""), value_text),
            value => value_text(value),
        }
    }
}

fn value_text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text),
        value => Cow::Owned(value.to_string()),
    }
}

/// Gathers JSON objects into a table; columns appear as rows name them.
pub(super) struct ObjectRows {
    pub(super) table: Table,
    index: HashMap<String, usize>,
}

impl ObjectRows {
    pub(super) fn new(path: &Path) -> Self {
        Self { table: Table::new(path), index: HashMap::new() }
    }

    /// # Errors
    /// [`EngineError::Malformed`] when the rows name more columns than a table can have.
    pub(super) fn push(&mut self, number: usize, value: Value) -> Result<()> {
        let Value::Object(object) = value else {
            self.table.push_problem(number, "it is not a JSON object with named fields");
            return Ok(());
        };
        let cells = self.cells(object)?;
        if cells.is_empty() {
            self.table.push_problem(number, "the object has no fields");
        } else {
            self.table.rows.push(Row::new(number, cells));
        }
        Ok(())
    }

    fn cells(&mut self, object: Map<String, Value>) -> Result<Vec<(usize, Value)>> {
        let mut cells = Vec::with_capacity(object.len());
        for (name, value) in object {
            let column = match self.index.get(&name) {
                Some(&column) => column,
                None => self.add_column(name)?,
            };
            cells.push((column, value));
        }
        Ok(cells)
    }

    fn add_column(&mut self, name: String) -> Result<usize> {
        let column = self.table.columns.len();
        if column == MAX_COLUMNS {
            return Err(EngineError::Malformed {
                what: "the dataset",
                path: self.table.path.clone(),
                reason: format!("its rows name more than {MAX_COLUMNS} different fields"),
            });
        }
        self.table.columns.push(name.clone());
        self.index.insert(name, column);
        Ok(column)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_become_text_and_a_list_gives_its_first_reference() {
        let mut rows = ObjectRows::new(Path::new("x.jsonl"));
        rows.push(1, json!({"a": "x", "b": 2.50, "c": true, "d": null, "e": ["p", "q"], "f": []})).unwrap();
        let table = rows.table;
        let row = &table.rows[0];
        let texts: Vec<_> = (0..7).map(|c| row.text(c)).collect();
        assert_eq!(texts, ["x", "2.5", "true", "", "[\"p\",\"q\"]", "[]", ""]);
        assert_eq!((row.first_text(4), row.first_text(5), row.first_text(0)), ("p".into(), "".into(), "x".into()));
    }

    #[test]
    fn a_table_of_endless_columns_is_refused() {
        let mut rows = ObjectRows::new(Path::new("x.jsonl"));
        let result = (0..5000).try_for_each(|i| rows.push(i, json!({format!("column {i}"): 1})));
        assert!(result.unwrap_err().to_string().contains("4096"));
    }
}
