//! Several references of a source: kept together, learned each for itself or one of them in an epoch.
//!
//! The rows of a source stand one behind another. The first has all texts in a column of its own, so that what is written
//! from the source can be scored by all of them.

use std::ops::Range;

use serde_json::Value;

use super::flat::{Flat, Piece, REFERENCES, TARGET};
use crate::config::{DataConfig, References, Task};
use crate::data::columns::Roles;
use crate::data::encode::{Encoder, Example};
use crate::data::prompts::Prompts;
use crate::data::table::{Layout, Row, Table};
use crate::data::template::{Fields, Templates};
use crate::error::Result;

/// Column of one of several references.
const REFERENCE: &str = "reference";

/// The table with a row for each reference, or one row for each source, as the configuration says. A list that a template
/// reads is left to it.
///
/// # Errors
/// [`EngineError::Malformed`](crate::error::EngineError::Malformed) when the table has no room for another column.
pub(in crate::data) fn by_reference(
    table: Table,
    roles: Roles,
    config: &DataConfig,
    prompts: &Prompts,
    task: Task,
) -> Result<(Table, Roles)> {
    if config.references == References::First || !task.writes() {
        return Ok((one_per_source(table), roles));
    }
    let name = table.columns[roles.target].clone();
    let is_list = |row: &Row| row.cell(roles.target).as_array().is_some_and(|list| list.len() > 1);
    let is_read = reads_as_list(&prompts.templates, &name);
    if table.references.is_some() || is_read || !table.rows.iter().any(is_list) {
        return Ok((table, roles));
    }
    unfolded(table, roles, &name)
}

/// Whether a template reads a column by its own name.
fn reads_as_list(templates: &Templates, name: &str) -> bool {
    templates.reads(name) && !["source", "target"].contains(&name)
}

/// A row for each entry of the lists in the target's column, under a name of its own.
fn unfolded(table: Table, roles: Roles, name: &str) -> Result<(Table, Roles)> {
    let taken = table.column(REFERENCE).is_some();
    let reference = if taken { format!("{name}: one") } else { REFERENCE.to_owned() };
    let source: Vec<String> = roles.source.iter().map(|&column| table.columns[column].clone()).collect();
    let known = (table.earlier.clone(), table.second);
    let columns = table.columns.clone();
    let (mut flat, objects) = Flat::of(table);
    // Columns keep their places, whatever the first row has.
    columns.iter().try_for_each(|name| flat.name(name))?;
    for (number, mut object) in objects {
        let list = object.get(name).and_then(Value::as_array);
        let texts: Option<Vec<Value>> = list.map(|list| list.iter().filter(|entry| is_said(entry)).cloned().collect());
        match texts.filter(|texts| !texts.is_empty()) {
            Some(texts) => {
                let all = object.remove(name).unwrap_or_default();
                let several = texts.len() > 1;
                for (index, text) in texts.into_iter().enumerate() {
                    let mut row = object.clone();
                    row.insert(reference.clone(), text);
                    if index == 0 && several {
                        row.insert(name.to_owned(), all.clone());
                    }
                    flat.push(number, Piece::row(row))?;
                }
            }
            None => {
                let text = object.get(name).cloned().filter(|value| !value.is_array());
                text.into_iter().for_each(|text| drop(object.insert(reference.clone(), text)));
                flat.push(number, Piece::row(object))?;
            }
        }
    }
    let mut table = flat.table();
    (table.earlier, table.second) = known;
    table.references = table.column(name);
    let names = source.join(super::JOINT);
    let roles = Roles::resolve(&table, Some(&names), Some(&reference))?;
    Ok((table, roles))
}

fn is_said(entry: &Value) -> bool {
    match entry {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        _ => true,
    }
}

/// The table with the first row of each source alone; it has all references.
pub(in crate::data) fn one_per_source(mut table: Table) -> Table {
    let Some(column) = table.references else { return table };
    let mut left = 0;
    table.rows.retain(|row| match row.cell(column).as_array().map(Vec::len) {
        Some(n) => {
            left = n.saturating_sub(1);
            true
        }
        None if left > 0 => {
            left -= 1;
            false
        }
        None => true,
    });
    table
}

/// Lines of a source and a target, of which those of one source stand together.
pub(super) fn of_pairs(table: Table) -> Table {
    let is_pairs = table.layout == Layout::Pairs;
    let (Some(source), Some(target)) = (table.column("source"), table.column(TARGET)) else { return table };
    if !is_pairs {
        return table;
    }
    let mut table = table;
    let column = table.columns.len();
    let mut begin = 0;
    let mut found = false;
    while begin < table.rows.len() {
        let same = |row: &Row| row.cell(source) == table.rows[begin].cell(source);
        let n = table.rows[begin..].iter().take_while(|row| same(row)).count();
        if n > 1 {
            let texts: Vec<Value> = table.rows[begin..begin + n].iter().map(|row| row.cell(target).clone()).collect();
            let row = &table.rows[begin];
            let cells = row.cells().iter().cloned().chain([(column, texts.into())]).collect();
            table.rows[begin] = Row::new(row.number, cells);
            found = true;
        }
        begin += n.max(1);
    }
    if found {
        table.columns.push(REFERENCES.to_owned());
        table.references = Some(column);
    }
    table
}

impl Encoder<'_> {
    /// The references of a row as the target's template writes them, where there are several.
    pub(in crate::data) fn references(&self, row: &Row, fields: &Fields) -> Vec<String> {
        let column = self.table.references.unwrap_or(self.roles.target);
        let Some(list) = row.cell(column).as_array() else { return Vec::new() };
        let written = |text: &str| {
            let fields = fields.with_target(text);
            let written = self.prompts.templates.target(&fields).unwrap_or_else(|_| text.to_owned());
            if self.prompts.has_chat() { written.trim().to_owned() } else { written }
        };
        list.iter().filter_map(Value::as_str).filter(|text| !text.trim().is_empty()).map(written).collect()
    }
}

/// The rows of each source, where several are references of one; otherwise each for itself. A first row has the
/// references, the others follow it and have its prompt. The windows of a text belong together too.
pub(in crate::data) fn groups(rows: &[Example]) -> Vec<Range<usize>> {
    let mut groups = Vec::with_capacity(rows.len());
    let mut begin = 0;
    while let Some(first) = rows.get(begin) {
        let is_other =
            |row: &&Example| row.references.is_empty() && row.dataset == first.dataset && row.prompt == first.prompt;
        let is_window = |row: &&Example| !row.spans.is_empty() && row.dataset == first.dataset && row.row == first.row;
        let (most, others) = (first.references.len().saturating_sub(1), rows[begin + 1..].iter());
        let n = 1 + match first.spans.is_empty() {
            true => others.take(most).take_while(is_other).count(),
            false => others.take_while(is_window).count(),
        };
        groups.push(begin..begin + n);
        begin += n;
    }
    groups
}
