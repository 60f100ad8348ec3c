//! Rows made of rows: what a form makes of each, with the numbers that they have in the file.

use serde_json::{Map, Value};

use crate::data::table::{ObjectRows, Row, Table};
use crate::error::Result;
use crate::{Sentence, sentence};

/// The column of the text to be learned, where a form makes one.
pub(super) const TARGET: &str = "target";
/// The column of all texts of a source, in the first of its rows.
pub(super) const REFERENCES: &str = "references";
/// Most bytes that the texts of several rows are copied for, in a whole table.
const MAX_COPIED: usize = 4 << 30;

/// Rows that have all but the text to be learned in common.
pub(super) struct Piece {
    pub(super) fields: Map<String, Value>,
    /// The texts, each with the number of its row; none for a row as it is.
    pub(super) texts: Vec<(usize, String)>,
}

impl Piece {
    /// A row as it is.
    pub(super) fn row(fields: Map<String, Value>) -> Self {
        Self { fields, texts: Vec::new() }
    }

    /// Several texts of one row.
    pub(super) fn of(number: usize, fields: Map<String, Value>, texts: Vec<String>) -> Self {
        Self { fields, texts: texts.into_iter().map(|text| (number, text)).collect() }
    }
}

/// A table that is made anew of the rows of another.
pub(super) struct Flat {
    rows: ObjectRows,
    copied: usize,
}

impl Flat {
    /// The table without its rows and columns, and its rows as objects.
    pub(super) fn of(table: Table) -> (Self, impl Iterator<Item = (usize, Map<String, Value>)>) {
        let Table { path, columns, rows, problems, n_problems, notes, .. } = table;
        let mut flat = ObjectRows::new(&path);
        (flat.table.problems, flat.table.n_problems, flat.table.notes) = (problems, n_problems, notes);
        let named = move |(column, cell): (usize, Value)| (columns[column].clone(), cell);
        let objects =
            rows.into_iter().map(move |row: Row| (row.number, row.into_cells().into_iter().map(&named).collect()));
        (Self { rows: flat, copied: 0 }, objects)
    }

    /// Adds the rows of a piece, or names the row that it is of.
    pub(super) fn push(&mut self, number: usize, piece: Piece) -> Result<()> {
        let Piece { fields, texts } = piece;
        if texts.is_empty() {
            return self.add(number, fields);
        }
        let copied = (texts.len() - 1).saturating_mul(fields.iter().map(|(_, value)| size(value)).sum());
        if self.copied.saturating_add(copied) > MAX_COPIED {
            let n = texts.len();
            self.problem(number, sentence!("its {n} texts of one long source make more rows than fit", n));
            return Ok(());
        }
        self.copied += copied;
        let references = (texts.len() > 1).then(|| texts.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>());
        for (index, (number, text)) in texts.into_iter().enumerate() {
            let mut row = fields.clone();
            row.insert(TARGET.to_owned(), text.into());
            if let Some(references) = references.as_ref().filter(|_| index == 0) {
                row.insert(REFERENCES.to_owned(), references.clone().into());
            }
            self.add(number, row)?;
        }
        Ok(())
    }

    /// Gives a column the next place.
    pub(super) fn name(&mut self, column: &str) -> Result<()> {
        self.rows.cells([(column.to_owned(), Value::Null)].into_iter().collect()).map(drop)
    }

    /// Names why a row of the file becomes none.
    pub(super) fn problem(&mut self, number: usize, reason: Sentence) {
        self.rows.table.name_problem(number, reason);
    }

    /// The table, which knows the column of its references.
    pub(super) fn table(self) -> Table {
        let mut table = self.rows.table;
        table.references = table.column(REFERENCES);
        table
    }

    fn add(&mut self, number: usize, fields: Map<String, Value>) -> Result<()> {
        let cells = self.rows.cells(fields)?;
        self.rows.table.rows.push(Row::new(number, cells));
        Ok(())
    }
}

/// The table with what `rows` makes of each row.
pub(super) fn each(
    table: Table,
    mut rows: impl FnMut(usize, Map<String, Value>) -> Result<Vec<Piece>, Sentence>,
) -> Result<Table> {
    let (mut flat, objects) = Flat::of(table);
    for (number, object) in objects {
        match rows(number, object) {
            Ok(pieces) => pieces.into_iter().try_for_each(|piece| flat.push(number, piece))?,
            Err(reason) => flat.problem(number, reason),
        }
    }
    Ok(flat.table())
}

/// About the bytes of a value.
fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(size).sum::<usize>() + 8 * values.len(),
        Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + size(value)).sum(),
        _ => 8,
    }
}
