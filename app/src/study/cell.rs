//! A value of a run, whatever it is of.

use std::cmp::Ordering;
use std::fmt;

use serde_json::Value;

use super::Key;
use crate::store::RunRow;

/// A value of a run under a name, as it is compared and shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Settings, sizes, figures, seconds.
    Number(f64),
    /// Words, paths, methods.
    Text(String),
    /// Switches.
    Flag(bool),
}

/// The value of a run under a name: a column (`loss`, `state`, `minutes`, `trained`), a setting by its path or the end of
/// it (`method.n_virtual`, `n_virtual`), or a figure (`accuracy`, `test/bleu`). `None` where the run has none.
///
/// Who asks many runs makes a [`Key`] of the name first.
pub fn cell(row: &RunRow, name: &str) -> Option<Cell> {
    Key::of(name).cell(row)
}

impl Cell {
    /// The cell of a value of a configuration; nothing and empty lists have none.
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Null => None,
            Value::Bool(flag) => Some(Self::Flag(*flag)),
            Value::Number(number) => number.as_f64().map(Self::Number),
            Value::String(text) => Some(Self::Text(text.clone())),
            Value::Array(items) if items.is_empty() => None,
            Value::Array(items) => Some(Self::Text(items.iter().map(plain).collect::<Vec<_>>().join(", "))),
            Value::Object(entries) if entries.is_empty() => None,
            Value::Object(_) => Some(Self::Text(value.to_string())),
        }
    }

    /// Its number, if it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(_) | Self::Flag(_) => None,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Number(number) if number.is_nan() => 3,
            Self::Number(_) => 0,
            Self::Flag(_) => 1,
            Self::Text(_) => 2,
        }
    }

    /// The order in which cells are sorted: numbers, then switches, then texts whatever their case; what is no number last.
    pub fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) if !a.is_nan() && !b.is_nan() => a.total_cmp(b),
            (Self::Flag(a), Self::Flag(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.to_lowercase().cmp(&b.to_lowercase()).then_with(|| a.cmp(b)),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

/// The order of two cells of a column; runs without one stand last in either direction.
pub fn in_order(a: Option<&Cell>, b: Option<&Cell>, descending: bool) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) if descending => b.order(a),
        (Some(a), Some(b)) => a.order(b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

/// As one would type it: `0.001`, `1e-8`, `prefix`, `true`.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) if *number != 0.0 && !(1e-4..1e15).contains(&number.abs()) => write!(f, "{number:e}"),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
            Self::Flag(flag) => flag.fmt(f),
        }
    }
}

/// A value of a configuration as one would type it.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        other => Cell::of(other).map_or_else(String::new, |cell| cell.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_shown_as_they_are_typed() {
        let shown = |value: Value| Cell::of(&value).map(|cell| cell.to_string());
        assert_eq!(shown(json!(0.001)).as_deref(), Some("0.001"));
        assert_eq!(shown(json!(1e-8)).as_deref(), Some("1e-8"));
        assert_eq!(shown(json!(0)).as_deref(), Some("0"));
        assert_eq!(shown(json!(20)).as_deref(), Some("20"));
        assert_eq!(shown(json!(true)).as_deref(), Some("true"));
        assert_eq!(shown(json!([0, 1, "a"])).as_deref(), Some("0, 1, a"));
        assert_eq!(shown(json!({"c_attn": 4})).as_deref(), Some("{\"c_attn\":4}"));
        assert!([json!(null), json!([]), json!({})].into_iter().all(|nothing| shown(nothing).is_none()));
    }

    #[test]
    fn columns_are_sorted_with_nothing_last() {
        let number = |value: f64| Some(Cell::Number(value));
        let text = |text: &str| Some(Cell::Text(text.to_owned()));
        let mut cells =
            vec![None, text("b"), number(f64::NAN), number(2.0), text("A"), Some(Cell::Flag(true)), number(-1.0)];
        cells.sort_by(|a, b| in_order(a.as_ref(), b.as_ref(), false));
        let shown = |cells: &[Option<Cell>]| -> Vec<String> {
            cells.iter().map(|cell| cell.as_ref().map_or("–".to_owned(), Cell::to_string)).collect()
        };
        assert_eq!(shown(&cells), ["-1", "2", "true", "A", "b", "NaN", "–"]);
        cells.sort_by(|a, b| in_order(a.as_ref(), b.as_ref(), true));
        assert_eq!(shown(&cells), ["NaN", "b", "A", "true", "2", "-1", "–"]);
    }
}
