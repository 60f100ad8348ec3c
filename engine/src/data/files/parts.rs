//! Several files as one table, one after another.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::features::Classes;
use super::{Found, RowStream, json_lines, open_file};
use crate::data::reader::{check_file, read_whole};
use crate::data::table::Table;
use crate::error::Result;
use crate::{Sentence, sentence};

/// Notes of single files that are kept: a thousand shards say the same.
const MAX_NOTES: usize = 8;
/// Columns that a note names.
const NAMED: usize = 8;
/// Columns of a file that are compared with the others'.
const MAX_COMPARED: usize = 4096;

/// Files in their order.
pub(super) struct Parts {
    waiting: VecDeque<PathBuf>,
    classes: Classes,
    notes: Vec<Sentence>,
    now: Option<Part>,
    /// The columns of the first file, and those that not all files have.
    first: Option<BTreeSet<String>>,
    partial: BTreeSet<String>,
}

struct Part {
    rows: Box<dyn RowStream>,
    columns: BTreeSet<String>,
}

impl Parts {
    pub(super) fn new(found: Found) -> Self {
        let Found { files, classes, notes, .. } = found;
        Self { waiting: files.into(), classes, notes, now: None, first: None, partial: BTreeSet::new() }
    }

    fn end(&mut self, part: Part) {
        for note in part.rows.notes() {
            if self.notes.len() < MAX_NOTES && !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
        // A file without rows has no say in what the columns are.
        match &self.first {
            _ if part.columns.is_empty() => {}
            None => self.first = Some(part.columns),
            Some(first) => self.partial.extend(first.symmetric_difference(&part.columns).cloned()),
        }
    }
}

impl RowStream for Parts {
    fn next_row(&mut self) -> Result<Option<std::result::Result<Map<String, Value>, Sentence>>> {
        loop {
            if let Some(part) = &mut self.now {
                if let Some(row) = part.rows.next_row()? {
                    if let Ok(row) = &row {
                        part.add_columns(row);
                    }
                    return Ok(Some(row));
                }
                if let Some(part) = self.now.take() {
                    self.end(part);
                }
            }
            let Some(path) = self.waiting.pop_front() else { return Ok(None) };
            self.now = Some(Part { rows: rows_of(&path, &self.classes)?, columns: BTreeSet::new() });
        }
    }

    fn notes(&self) -> Vec<Sentence> {
        let mut notes = self.notes.clone();
        if !self.partial.is_empty() {
            let mut names: Vec<&str> = self.partial.iter().take(NAMED).map(String::as_str).collect();
            if self.partial.len() > NAMED {
                names.push("…");
            }
            notes.push(sentence!(
                "Not every file has the columns {names}; rows of the others have nothing there",
                names = names.join(", ")
            ));
        }
        notes
    }
}

impl Part {
    fn add_columns(&mut self, row: &Map<String, Value>) {
        for name in row.keys() {
            if self.columns.len() < MAX_COMPARED && !self.columns.contains(name) {
                self.columns.insert(name.clone());
            }
        }
    }
}

fn rows_of(path: &Path, classes: &Classes) -> Result<Box<dyn RowStream>> {
    check_file(path)?;
    if let Some(rows) = open_file(path, classes)? {
        return Ok(rows);
    }
    if let Some(rows) = json_lines::open_plain(path)? {
        return Ok(rows);
    }
    Ok(Box::new(WholeRows::new(read_whole(path)?)))
}

/// The rows of a file that was read whole, with those that cannot be read where they were.
struct WholeRows {
    table: Table,
    next: usize,
    problem: usize,
}

impl WholeRows {
    fn new(mut table: Table) -> Self {
        // From the last to the first, to be taken from the end.
        table.rows.reverse();
        Self { table, next: 1, problem: 0 }
    }
}

impl RowStream for WholeRows {
    fn next_row(&mut self) -> Result<Option<std::result::Result<Map<String, Value>, Sentence>>> {
        let Self { table, next, problem } = self;
        let number = *next;
        *next += 1;
        if let Some(found) = table.problems.get(*problem).filter(|found| found.row <= number) {
            *problem += 1;
            return Ok(Some(Err(found.reason.clone())));
        }
        if let Some(row) = table.rows.pop_if(|row| row.number <= number || *problem >= table.problems.len()) {
            let named =
                row.cells().iter().filter_map(|(at, value)| Some((table.columns.get(*at)?.clone(), value.clone())));
            return Ok(Some(Ok(named.collect())));
        }
        if *problem < table.n_problems {
            *problem += 1;
            return Ok(Some(Err(sentence!("it cannot be read, as others before it"))));
        }
        Ok(None)
    }

    fn notes(&self) -> Vec<Sentence> {
        self.table.notes.clone()
    }
}
