//! What differs between runs: figures, then the settings that are not equal, a column for each run.

use serde_json::Value;

use super::facts::{Facts, LOSS};
use super::scale::words;
use crate::format::{compact, figure};
use crate::screens::saving::sheet::{Sheet, number};
use crate::store::RunRow;
use crate::study::{Cell, NameKind, cell, less_is_better};
use crate::t;

/// A line of the table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    /// The whole name, as files have it.
    pub(super) name: String,
    /// The name that is shown.
    pub(super) shown: String,
    /// A cell for each run.
    pub(super) cells: Vec<String>,
    /// The runs that are the best of a figure.
    pub(super) best: Vec<usize>,
    /// A figure, not a setting.
    pub(super) is_figure: bool,
}

/// Figures that any run has, then settings that differ.
pub(super) fn lines(rows: &[&RunRow], facts: &Facts) -> Vec<Line> {
    let of_evaluations = facts.names.iter().filter(|name| name.kind == NameKind::Figure).map(|name| name.full.as_str());
    let figures = std::iter::once(LOSS).chain(of_evaluations);
    let figures = figures.map(|name| figure_line(rows, facts, name));
    let settings = facts.differences.iter().map(|(name, values)| Line {
        name: name.clone(),
        shown: facts.shown(name),
        cells: values.iter().map(|value| value.as_ref().map_or_else(|| "–".to_owned(), value_words)).collect(),
        best: Vec::new(),
        is_figure: false,
    });
    figures.chain(settings).collect()
}

fn figure_line(rows: &[&RunRow], facts: &Facts, name: &str) -> Line {
    let cells: Vec<Option<Cell>> = rows.iter().map(|row| cell(row, name)).collect();
    let value = |cell: &Option<Cell>| match cell {
        Some(Cell::Number(value)) if value.is_finite() => Some(*value),
        _ => None,
    };
    let shown = |cell: &Option<Cell>| match cell {
        Some(Cell::Number(value)) => figure(*value),
        Some(other) => words(other),
        None => "–".to_owned(),
    };
    let values: Vec<Option<f64>> = cells.iter().map(value).collect();
    Line {
        name: name.to_owned(),
        shown: facts.shown(name),
        cells: cells.iter().map(shown).collect(),
        best: best(&values, less_is_better(name)),
        is_figure: true,
    }
}

/// The runs with the best value, where it is not all of them.
fn best(values: &[Option<f64>], less: bool) -> Vec<usize> {
    let known = || values.iter().flatten().copied();
    let best = if less { known().fold(f64::INFINITY, f64::min) } else { known().fold(f64::NEG_INFINITY, f64::max) };
    let found: Vec<usize> = (0..values.len()).filter(|run| values[*run] == Some(best)).collect();
    if found.len() < known().count() { found } else { Vec::new() }
}

/// A setting's value as people write it.
pub(super) fn value_words(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::Bool(true) => t!("views.yes").to_owned(),
        Value::Bool(false) => t!("views.no").to_owned(),
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), plain),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(value_words).collect::<Vec<_>>().join(", "),
        Value::Object(_) => value.to_string(),
    }
}

/// A setting's number: whole where it is a count that somebody typed.
fn plain(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e9 { value.to_string() } else { compact(value) }
}

/// The table, to be copied or written. Numbers are as files have them.
pub(super) fn sheet(rows: &[&RunRow], facts: &Facts) -> Sheet {
    let mut sheet = Sheet::new(std::iter::once(String::new()).chain(rows.iter().map(|row| row.name.clone())));
    for line in lines(rows, facts) {
        let cells = match facts.differences.iter().find(|(name, _)| !line.is_figure && *name == line.name) {
            Some((_, values)) => values.iter().map(raw).collect(),
            None => rows.iter().map(|row| raw_figure(row, &line.name)).collect::<Vec<_>>(),
        };
        sheet.rows.push(std::iter::once(line.name).chain(cells).collect());
    }
    sheet
}

fn raw_figure(row: &RunRow, name: &str) -> String {
    match cell(row, name) {
        Some(Cell::Number(value)) => number(value),
        Some(cell) => words(&cell),
        None => String::new(),
    }
}

fn raw(value: &Option<Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_read_as_people_write_them() {
        let said = [json!(5e-3), json!(20), json!(20_000), json!("adamw"), json!(true), json!([1, 2]), json!(null)]
            .map(|value| value_words(&value));
        assert_eq!(said, ["5e-3", "20", "20000", "adamw", "yes", "1, 2", "–"]);
    }

    #[test]
    fn the_best_is_marked_unless_all_are_alike() {
        let values = [Some(1.0), None, Some(3.0), Some(1.0)];
        assert_eq!(best(&values, true), [0, 3]);
        assert_eq!(best(&values, false), [2]);
        assert!(best(&[Some(1.0), Some(1.0)], true).is_empty());
        assert!(best(&[None, None], true).is_empty());
        assert!(best(&[Some(1.0), None], true).is_empty(), "there is nothing to be better than");
    }
}
