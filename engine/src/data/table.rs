//! Rows as a file holds them: named columns, cells as JSON values, and the rows that could not be read.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::columns::Roles;
use super::conversation::Earlier;
use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

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
    /// Number of rows that could not be read.
    pub n_problems: usize,
    /// Notes on how the file was read, a sentence each.
    pub notes: Vec<Sentence>,
    /// The columns that play a part, where the form of the rows settles that.
    pub(super) roles: Option<Roles>,
    /// Where the turns before a row's source are.
    pub(super) earlier: Earlier,
    /// The second text of a pair that is classified, where the form of the rows settles that.
    pub(super) second: Option<usize>,
    /// The column of all texts of a source, in the first of its rows, where there are several.
    pub(super) references: Option<usize>,
    /// The column of the question that several rows answer, where the form of the rows has one.
    pub(super) question: Option<usize>,
    /// The way in which the file holds its rows.
    pub(super) layout: Layout,
    /// Rows of the file that are not here, but count before those that are added.
    pub(super) n_elsewhere: usize,
}

/// Ways in which a file holds rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Layout {
    /// Each by itself.
    #[default]
    Rows,
    /// A line of text each; the numbers, from 0, of those that an empty line stands before.
    Lines(Vec<usize>),
    /// A source and a target each, those of a source one behind the other.
    Pairs,
}

/// One readable row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// From 1, as people count: a header and empty lines are no rows, a row that cannot be read is one.
    pub number: usize,
    /// Column index and value, for the columns this row has, by index.
    cells: Vec<(usize, Value)>,
}

/// A row that cannot be read, or not be trained on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// As [`Row::number`].
    pub row: usize,
    /// Description of the problem, without the row's number.
    pub reason: Sentence,
}

impl Table {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            columns: Vec::new(),
            rows: Vec::new(),
            problems: Vec::new(),
            n_problems: 0,
            notes: Vec::new(),
            roles: None,
            earlier: Earlier::default(),
            second: None,
            references: None,
            question: None,
            layout: Layout::Rows,
            n_elsewhere: 0,
        }
    }

    /// Index of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c == name)
    }

    /// Rows of the file, readable or not.
    pub fn total_rows(&self) -> usize {
        self.n_elsewhere + self.rows.len() + self.n_problems
    }

    /// Adds a row behind those there are.
    pub(super) fn push_row(&mut self, cells: Vec<(usize, Value)>) {
        self.rows.push(Row::new(self.total_rows() + 1, cells));
    }

    /// Adds a row that cannot be read and begins on this line of the file.
    pub(super) fn push_problem(&mut self, line: usize, reason: Sentence) {
        let row = self.total_rows() + 1;
        self.name_problem(row, if line == row { reason } else { sentence!("{reason} (line {line})", reason, line) });
    }

    /// Names what is wrong with the row of this number.
    pub(super) fn name_problem(&mut self, row: usize, reason: Sentence) {
        self.n_problems += 1;
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Problem { row, reason });
        }
    }

    /// Refuses a table without a readable row.
    pub(super) fn check_readable(self) -> Result<Self> {
        if !self.rows.is_empty() {
            return Ok(self);
        }
        Err(match self.problems.into_iter().next() {
            Some(Problem { row, reason }) => EngineError::BadRow { row, path: self.path, reason },
            None => EngineError::Malformed {
                what: sentence!("the dataset"),
                path: self.path,
                reason: sentence!("it has no rows"),
            },
        })
    }
}

impl Row {
    pub(super) fn new(number: usize, mut cells: Vec<(usize, Value)>) -> Self {
        cells.sort_by_key(|(column, _)| *column);
        Self { number, cells }
    }

    /// The columns it has, with their values.
    pub(super) fn cells(&self) -> &[(usize, Value)] {
        &self.cells
    }

    /// The same to keep.
    pub(super) fn into_cells(self) -> Vec<(usize, Value)> {
        self.cells
    }

    /// Whether it has something in a column.
    pub(super) fn is_filled(&self, column: usize) -> bool {
        match self.cell(column) {
            Value::Null => false,
            Value::String(text) => !text.trim().is_empty(),
            Value::Array(values) => !values.is_empty(),
            _ => true,
        }
    }

    /// Whether it has a column at all.
    pub fn has(&self, column: usize) -> bool {
        self.cells.iter().any(|(c, _)| *c == column)
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

    /// Behind the rows of a table, with its columns.
    pub(super) fn behind(table: Table) -> Self {
        let index = table.columns.iter().cloned().zip(0..).collect();
        Self { table, index }
    }

    /// Adds what begins on this line of the file.
    ///
    /// # Errors
    /// [`EngineError::Malformed`] when the rows name more columns than a table can have.
    pub(super) fn push(&mut self, line: usize, value: Value) -> Result<()> {
        let Value::Object(object) = value else {
            self.table.push_problem(line, sentence!("it is not a JSON object with named fields"));
            return Ok(());
        };
        let cells = self.cells(object)?;
        if cells.is_empty() {
            self.table.push_problem(line, sentence!("the object has no fields"));
        } else {
            self.table.push_row(cells);
        }
        Ok(())
    }

    /// The cells of an object, whose names become columns.
    ///
    /// # Errors
    /// As [`ObjectRows::push`].
    pub(super) fn cells(&mut self, object: Map<String, Value>) -> Result<Vec<(usize, Value)>> {
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
                what: sentence!("the dataset"),
                path: self.table.path.clone(),
                reason: sentence!("its rows name more than {max_columns} different fields", max_columns = MAX_COLUMNS),
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
    fn rows_may_name_their_columns_in_any_order() {
        let mut rows = ObjectRows::new(Path::new("x.jsonl"));
        for (line, row) in [json!({"b": "1", "a": "2"}), json!({"a": "4", "c": "5", "b": "3"})].into_iter().enumerate()
        {
            rows.push(line, row).unwrap();
        }
        rows.table.push_row(vec![(2, json!("8")), (0, json!("6")), (1, json!("7"))]);
        let of = |row: &Row, name: &str| row.text(rows.table.column(name).unwrap()).into_owned();
        let texts = |name: &str| rows.table.rows.iter().map(|row| of(row, name)).collect::<Vec<_>>();
        assert_eq!(texts("b")[..2], ["1", "3"]);
        assert_eq!(texts("a")[..2], ["2", "4"]);
        assert_eq!(texts("c")[..2], ["", "5"]);
        assert_eq!((0..3).map(|c| rows.table.rows[2].text(c).into_owned()).collect::<Vec<_>>(), ["6", "7", "8"]);
    }

    #[test]
    fn a_table_of_endless_columns_is_refused() {
        let mut rows = ObjectRows::new(Path::new("x.jsonl"));
        let result = (0..5000).try_for_each(|i| rows.push(i, json!({format!("column {i}"): 1})));
        assert!(result.unwrap_err().to_string().contains("4096"));
    }
}
