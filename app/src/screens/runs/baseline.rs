//! The run that others are held against: it stays on top, and their figures say by how much they are better or worse.

use super::columns::{Column, best_of};
use super::sheet::FIGURES;
use crate::store::RunRow;
use crate::study::{Cell, less_is_better};

/// A figure against that of the baseline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Delta {
    /// This run's less the baseline's.
    pub(super) by: f64,
    /// Whether that is better; `None` where both are the same.
    pub(super) better: Option<bool>,
}

impl Delta {
    /// With its sign and a digit or two that say something.
    pub(super) fn text(self) -> String {
        let size = self.by.abs();
        let sign = if self.by < 0.0 { '−' } else { '+' };
        match size {
            _ if size == 0.0 => "±0".to_owned(),
            1e-3..1e4 => {
                let decimals = if size < 1.0 { 3 } else { 2 };
                format!("{sign}{size:.decimals$}")
            }
            _ => format!("{sign}{}", crate::format::scientific(size)),
        }
    }
}

/// A column's figure of a run against the baseline's; `None` of what is no figure, or where one has none.
pub(super) fn delta(column: &Column, row: &RunRow, baseline: &RunRow) -> Option<Delta> {
    if row.id == baseline.id {
        return None;
    }
    match column {
        Column::Best => {
            let ((name, value), (other, against)) = (best_of(row), best_of(baseline));
            (name == other).then(|| of(name, value?, against?)).flatten()
        }
        Column::LastLoss => of("loss", row.last_loss?, baseline.last_loss?),
        Column::Value(name) if row.figures.contains_key(name) => {
            of(name, *row.figures.get(name)?, *baseline.figures.get(name)?)
        }
        // A setting is neither better nor worse.
        Column::Value(name) if FIGURES.contains(&name.as_str()) => {
            match (crate::study::cell(row, name)?, crate::study::cell(baseline, name)?) {
                (Cell::Number(value), Cell::Number(against)) => of(name, value, against),
                _ => None,
            }
        }
        _ => None,
    }
}

fn of(figure: &str, value: f64, against: f64) -> Option<Delta> {
    let by = value - against;
    let better = (by != 0.0).then(|| (by < 0.0) == less_is_better(figure));
    by.is_finite().then_some(Delta { by, better })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::workspace::RunId;

    fn row(id: &str, loss: f64, accuracy: f64) -> RunRow {
        let figures = Arc::new([("accuracy".to_owned(), accuracy)].into());
        RunRow { id: RunId(id.into()), best_loss: Some(loss), figures, ..RunRow::example() }
    }

    #[test]
    fn less_loss_and_more_accuracy_are_better() {
        let (base, other) = (row("a", 2.0, 0.5), row("b", 1.5, 0.25));
        let of = |column| delta(&column, &other, &base).unwrap();
        assert_eq!(of(Column::Best), Delta { by: -0.5, better: Some(true) });
        assert_eq!(of(Column::Value("accuracy".into())), Delta { by: -0.25, better: Some(false) });
        assert_eq!(of(Column::Best).text(), "−0.500");
        assert_eq!(delta(&Column::Best, &base, &base), None, "the baseline itself");
        assert_eq!(delta(&Column::Method, &other, &base), None, "no figure");
        let mut by_accuracy = row("c", 1.0, 0.75);
        by_accuracy.settings = Arc::new(serde_json::json!({"training": {"best_metric": "accuracy"}}));
        assert_eq!(delta(&Column::Best, &by_accuracy, &base), None, "figures of two kinds");
    }

    #[test]
    fn the_same_figure_is_neither() {
        let (base, other) = (row("a", 2.0, 0.5), row("b", 2.0, 0.5));
        let same = delta(&Column::Best, &other, &base).unwrap();
        assert_eq!((same.better, same.text().as_str()), (None, "±0"));
    }
}
