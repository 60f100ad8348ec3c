//! The task of a row, where one prompt serves several: a column names it, or the dataset that the row is of.

use std::collections::{BTreeMap, BTreeSet};

use super::encode::Encoded;
use super::table::{Problem, Table};
use crate::config::DataConfig;
use crate::error::{EngineError, Result};
use crate::sentence;

/// More tasks than this are no tasks: the column holds something else.
const MAX_TASKS: usize = 1000;

/// Names of the tasks of a dataset: those of the column, sorted, or its own name.
///
/// # Errors
/// [`EngineError::Setting`] when the column has too many.
pub(super) fn tasks_of(table: &Table, column: Option<usize>, config: &DataConfig) -> Result<Vec<String>> {
    let Some(column) = column else { return Ok(vec![config.name_of_rows()]) };
    let mut names = BTreeSet::new();
    add_names(table, column, &mut names);
    tasks_named(names, table, column)
}

/// Adds the names of the tasks of some rows; of far too many not all.
pub(super) fn add_names(table: &Table, column: usize, names: &mut BTreeSet<String>) {
    for row in &table.rows {
        if names.len() > 100 * MAX_TASKS {
            return;
        }
        names.insert(row.text(column).trim().to_owned());
    }
}

/// The tasks of these names.
///
/// # Errors
/// As [`tasks_of`].
pub(super) fn tasks_named(names: BTreeSet<String>, table: &Table, column: usize) -> Result<Vec<String>> {
    let names: Vec<String> = names.into_iter().filter(|name| !name.is_empty()).collect();
    if names.is_empty() || names.len() > MAX_TASKS {
        let reason = match names.len() {
            0 => sentence!("the column {column:?} names no task", column = table.columns[column]),
            n => sentence!(
                "the column {column:?} names {n_names} tasks, more than {max_tasks}",
                column = table.columns[column],
                n_names = n,
                max_tasks = MAX_TASKS
            ),
        };
        return Err(EngineError::Setting { field: "data.task_column", reason });
    }
    Ok(names)
}

/// Gives each row the number of its task; a row of another one is left out. Where the only known task is another than the
/// dataset's name, the rows are taken to be of it.
pub(super) fn assign(
    encoded: &mut Encoded,
    table: &Table,
    column: Option<usize>,
    config: &DataConfig,
    known: &[String],
) {
    let number = |name: &str| known.iter().position(|known| known == name);
    let names: BTreeMap<usize, String> = match column {
        Some(column) => table.rows.iter().map(|row| (row.number, row.text(column).trim().to_owned())).collect(),
        None => BTreeMap::new(),
    };
    let whole = (known.len() == 1).then_some(0).or_else(|| number(&config.name_of_rows()));
    let (mut kept, mut lengths) = (Vec::new(), Vec::new());
    for (mut example, length) in encoded.examples.drain(..).zip(encoded.lengths.drain(..)) {
        let task = if column.is_none() { whole } else { names.get(&example.row).and_then(|name| number(name)) };
        match task {
            Some(task) => {
                example.task = task;
                kept.push(example);
                lengths.push(length);
            }
            None => {
                let name = names.get(&example.row).cloned().unwrap_or_else(|| config.name_of_rows());
                let reason = sentence!("there is no task {name:?}; there are {known}", name, known = known.join(", "));
                encoded.n_skipped += 1;
                encoded.skipped.push(Problem { row: example.row, reason });
            }
        }
    }
    encoded.skipped.sort_by_key(|problem| problem.row);
    (encoded.examples, encoded.lengths) = (kept, lengths);
}
