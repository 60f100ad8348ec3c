//! Columns of the table: those of every run, and any setting or figure by its name. Which there are, in which order and
//! how wide, is kept from one start to the next.

use serde::{Deserialize, Serialize};

use crate::format;
use crate::store::RunRow;
use crate::study::Cell;
use crate::t;

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    Star,
    State,
    Name,
    /// The figure by which a run's best evaluation is chosen.
    #[serde(alias = "best_loss")]
    Best,
    LastLoss,
    Curve,
    Steps,
    Started,
    Method,
    Model,
    Data,
    Experiment,
    Tags,
    Notes,
    Duration,
    Trained,
    Stored,
    /// A setting by its path, a figure, or another column that the filter knows.
    Value(String),
}

/// Columns that stay at the left while the others move.
pub(super) const STICKY: [Column; 3] = [Column::Star, Column::State, Column::Name];

/// Columns of every run that can be chosen and left out, in the order of the chooser.
pub(super) const PLAIN: [Column; 14] = [
    Column::Best,
    Column::LastLoss,
    Column::Steps,
    Column::Started,
    Column::Duration,
    Column::Curve,
    Column::Method,
    Column::Model,
    Column::Data,
    Column::Experiment,
    Column::Tags,
    Column::Notes,
    Column::Trained,
    Column::Stored,
];

/// Names of the filter for what a plain column shows already.
pub(super) const SHOWN_BY_PLAIN: [&str; 14] = [
    "name",
    "state",
    "method",
    "model",
    "data",
    "experiment",
    "tag",
    "last",
    "duration",
    "trained",
    "stored",
    "started",
    "notes",
    "starred",
];

/// A column that is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Shown {
    /// The column.
    pub(super) column: Column,
    /// Its width, where somebody has drawn it.
    #[serde(default)]
    pub(super) width: Option<f32>,
}

/// The columns of somebody who has chosen none: what has to be seen in a narrow window comes first.
pub(super) fn default_columns() -> Vec<Shown> {
    [
        Column::Best,
        Column::Steps,
        Column::Started,
        Column::Curve,
        Column::Method,
        Column::Duration,
        Column::Tags,
        Column::LastLoss,
        Column::Model,
    ]
    .map(|column| Shown { column, width: None })
    .to_vec()
}

impl Column {
    /// Width while nobody has drawn it.
    pub(super) fn width(&self) -> f32 {
        match self {
            Self::Star => 34.0,
            Self::State => 100.0,
            Self::Name => NAME_WIDTH,
            Self::Best => 118.0,
            Self::LastLoss => 90.0,
            Self::Curve => 96.0,
            Self::Steps => 108.0,
            Self::Started | Self::Trained | Self::Stored => 92.0,
            Self::Method => 150.0,
            Self::Model | Self::Data | Self::Duration => 96.0,
            Self::Experiment | Self::Tags => 130.0,
            Self::Notes => 180.0,
            Self::Value(_) => 110.0,
        }
    }

    /// Title above it, where there are these columns beside it.
    pub(super) fn title(&self, beside: &[Shown]) -> String {
        let title = match self {
            Self::Star => t!("column.star"),
            Self::State => t!("column.state"),
            Self::Name => t!("column.name"),
            Self::Best => t!("column.best"),
            Self::LastLoss => t!("column.last"),
            Self::Curve => t!("column.curve"),
            Self::Steps => t!("column.steps"),
            Self::Started => t!("column.started"),
            Self::Method => t!("column.method"),
            Self::Model => t!("column.model"),
            Self::Data => t!("column.data"),
            Self::Experiment => t!("column.experiment"),
            Self::Tags => t!("column.tags"),
            Self::Notes => t!("column.notes"),
            Self::Duration => t!("column.duration"),
            Self::Trained => t!("column.trained"),
            Self::Stored => t!("column.stored"),
            Self::Value(name) => return short_of(name, beside),
        };
        title.to_owned()
    }

    /// What rows are sorted and grouped by; `None` comes last whichever way they are sorted.
    pub(super) fn value(&self, row: &RunRow) -> Option<Cell> {
        let text = |text: &str| (!text.is_empty()).then(|| Cell::Text(text.to_owned()));
        let number = |number: u64| Cell::Number(number as f64);
        match self {
            Self::Star => Some(Cell::Number(if row.starred { 0.0 } else { 1.0 })),
            // In the order of a run's life.
            Self::State => Some(Cell::Number(f64::from(row.state as u8))),
            Self::Name => text(&row.name),
            Self::Best => best_of(row).1.map(Cell::Number),
            Self::LastLoss => row.last_loss.map(Cell::Number),
            Self::Curve => row.sparkline.last().map(|last| Cell::Number(f64::from(*last))),
            Self::Steps => Some(number(row.step)),
            Self::Started => Some(Cell::Number(row.started.unwrap_or(row.created) as f64)),
            Self::Method => text(&row.method),
            Self::Model => text(&row.model),
            Self::Data => text(&row.dataset),
            Self::Experiment => row.experiment.clone().map(Cell::Text),
            Self::Tags => text(&row.tags.join(", ")),
            Self::Notes => text(&row.notes),
            Self::Duration => Some(Cell::Number(row.duration_secs)),
            Self::Trained => row.trained_parameters.map(number),
            Self::Stored => row.stored_parameters.map(number),
            Self::Value(name) => crate::study::cell(row, name),
        }
    }
}

/// Least width of the name, where nobody has drawn it.
pub(super) const NAME_WIDTH: f32 = 190.0;

/// The last part of a path; more of it where another column ends in the same.
fn short_of(name: &str, beside: &[Shown]) -> String {
    let ends = |path: &str, end: &str| path == end || path.ends_with(&format!(".{end}"));
    let others = || {
        beside.iter().filter_map(|shown| match &shown.column {
            Column::Value(other) if other != name => Some(other.as_str()),
            _ => None,
        })
    };
    let starts = name.rmatch_indices('.').map(|(at, _)| at + 1).chain([0]);
    let short = starts.map(|at| &name[at..]).find(|end| !others().any(|other| ends(other, end)));
    short.unwrap_or(name).to_owned()
}

/// The figure by which a run's best evaluation is chosen, and its value there.
pub(super) fn best_of(row: &RunRow) -> (&str, Option<f64>) {
    let metric = engine::config::schema::at(&row.settings, "training.best_metric").and_then(serde_json::Value::as_str);
    let metric = metric.map_or("loss", |name| name.strip_prefix("eval_").unwrap_or(name));
    match metric {
        "loss" => ("loss", row.best_loss),
        name => (name, row.figures.get(name).copied()),
    }
}

/// A value of a setting or a figure as it stands in a cell.
pub(super) fn text_of(cell: &Cell, is_figure: bool) -> String {
    match cell {
        Cell::Number(number) if is_figure => format::figure(*number),
        Cell::Number(number) => number_text(*number),
        Cell::Text(text) => text.clone(),
        Cell::Flag(true) => t!("runs.yes").to_owned(),
        Cell::Flag(false) => t!("runs.no").to_owned(),
    }
}

/// Counts whole, small numbers as people write them, measured ones with the digits that say something.
fn number_text(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        return format!("{number:.0}");
    }
    if number.abs() >= 0.01 {
        let text = format!("{number:.4}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    format::scientific(number)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn shown(name: &str) -> Shown {
        Shown { column: Column::Value(name.into()), width: None }
    }

    #[test]
    fn a_title_is_as_short_as_is_clear() {
        let beside = ["method.dropout", "lora.dropout", "training.seed", "test/bleu"].map(shown);
        let titles: Vec<String> = beside.iter().map(|shown| shown.column.title(&beside)).collect();
        assert_eq!(titles, ["method.dropout", "lora.dropout", "seed", "test/bleu"]);
    }

    #[test]
    fn the_best_of_a_run_is_of_its_own_metric() {
        let mut row = RunRow::example();
        assert_eq!(best_of(&row), ("loss", Some(2.25)));
        row.settings = Arc::new(serde_json::json!({"training": {"best_metric": "eval_accuracy"}}));
        assert_eq!(best_of(&row), ("accuracy", None));
        row.figures = Arc::new([("accuracy".to_owned(), 0.875)].into());
        assert_eq!(best_of(&row), ("accuracy", Some(0.875)));
        assert_eq!(Column::Best.value(&row), Some(Cell::Number(0.875)));
    }

    #[test]
    fn numbers_read_as_they_were_set() {
        let texts = [20.0, 0.001, 5e-5, 0.05, 1.0, 123_456.0, 12.345_678].map(number_text);
        assert_eq!(texts, ["20", "1e-3", "5e-5", "0.05", "1", "123456", "12.3457"]);
        assert_eq!(text_of(&Cell::Number(0.5), true), "0.5000");
    }

    #[test]
    fn columns_of_earlier_versions_are_known() {
        let read: Vec<Column> =
            serde_json::from_str(r#"["best_loss", "started", {"value": "training.seed"}]"#).unwrap();
        assert_eq!(read, [Column::Best, Column::Started, Column::Value("training.seed".into())]);
    }
}
