//! The values of a column by row: each different one is kept once, so that those of a large file take little.

use std::collections::HashMap;
use std::path::Path;

use super::large::{Holding, tables};
use crate::error::{EngineError, Result};
use crate::sentence;

/// Values of a column.
#[derive(Clone, Debug, Default)]
pub struct ColumnValues {
    names: Vec<String>,
    /// Number of a row, from 1, and of its value, in the order of the file.
    rows: Vec<(u32, u32)>,
}

impl ColumnValues {
    /// Reads a column of a file of rows.
    ///
    /// # Errors
    /// Those of [`read_table`](super::read_table); [`EngineError::Setting`] for a column that no row has.
    pub fn read(path: &Path, column: &str) -> Result<Self> {
        let (mut values, mut known, mut columns) = (Self::default(), HashMap::new(), Vec::new());
        tables(path, &Holding::default(), &mut |table| {
            columns.clone_from(&table.columns);
            let Some(at) = table.column(column) else { return Ok(()) };
            for row in &table.rows {
                let text = row.text(at).into_owned();
                let next = values.names.len();
                let value = *known.entry(text).or_insert_with_key(|text| {
                    values.names.push(text.clone());
                    next
                });
                values.rows.push((u32::try_from(row.number).unwrap_or(u32::MAX), value as u32));
            }
            Ok(())
        })?;
        match columns.iter().any(|name| name == column) {
            true => Ok(values),
            false => {
                let columns = columns.join(", ");
                let reason = sentence!("there is no column {column}; the columns are: {columns}", column, columns);
                Err(EngineError::Setting { field: "by", reason })
            }
        }
    }

    /// The value of a row, empty where it has none.
    pub fn of(&self, row: usize) -> &str {
        let found = self.rows.binary_search_by_key(&row, |(number, _)| *number as usize);
        found.ok().and_then(|at| self.names.get(self.rows[at].1 as usize)).map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_has_its_value_and_a_column_that_is_none_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.jsonl");
        std::fs::write(&path, "{\"a\": 1, \"kind\": \"x\"}\n{\"a\": 2}\n{\n{\"a\": 3, \"kind\": \"x\"}\n").unwrap();
        let values = ColumnValues::read(&path, "kind").unwrap();
        assert_eq!([1, 2, 3, 4, 9].map(|row| values.of(row)), ["x", "", "", "x", ""]);
        assert_eq!(values.names, ["x", ""]);
        let error = ColumnValues::read(&path, "sort").unwrap_err().to_string();
        assert!(error.contains("sort") && error.contains("a, kind"), "{error}");
    }
}
