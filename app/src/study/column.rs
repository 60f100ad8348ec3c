//! What every run has beside settings and figures.

use super::Cell;
use crate::store::RunRow;

/// A column of every run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    /// Other words for it.
    also: &'static [&'static str],
    /// Offered where names are listed; the others are settings under another name, or seldom asked for.
    pub(super) listed: bool,
    pub(super) read: fn(&RunRow) -> Option<Cell>,
}

const fn column(name: &'static str, also: &'static [&'static str], read: fn(&RunRow) -> Option<Cell>) -> Column {
    Column { name, also, listed: true, read }
}

const fn unlisted(of: Column) -> Column {
    Column { listed: false, ..of }
}

/// In the order in which they are offered.
#[rustfmt::skip]
pub(super) const COLUMNS: [Column; 25] = [
    column("name", &["run", "run_name"], |row| text(&row.name)),
    column("state", &["status"], |row| text(row.state.name())),
    column("method", &[], |row| text(&row.method)),
    column("model", &[], |row| text(&row.model)),
    column("data", &["dataset"], |row| text(&row.dataset)),
    column("experiment", &["group", "sweep"], |row| row.experiment.as_deref().and_then(text)),
    column("tag", &["tags"], |row| text(&row.tags.join(", "))),
    column("seed", &[], |row| row.settings.get("seed").and_then(Cell::of)),
    column("loss", &["val", "best_loss", "validation_loss", "eval_loss"], |row| figure(row.best_loss)),
    column("last", &["last_loss", "train_loss"], |row| figure(row.last_loss)),
    column("step", &[], |row| count(Some(row.step))),
    column("steps", &["total_steps"], |row| count(Some(row.total_steps).filter(|steps| *steps > 0))),
    column("best_step", &[], |row| count(row.best_step)),
    column("minutes", &["min"], |row| Some(Cell::Number(row.duration_secs / 60.0))),
    column("duration", &["secs", "seconds", "duration_secs"], |row| Some(Cell::Number(row.duration_secs))),
    column("trained", &["trained_parameters", "trainable"], |row| count(row.trained_parameters)),
    column("stored", &["stored_parameters"], |row| count(row.stored_parameters)),
    column("started", &[], |row| time(row.started)),
    column("ended", &[], |row| time(row.ended)),
    column("created", &[], |row| time(Some(row.created))),
    column("notes", &["note"], |row| text(&row.notes)),
    column("starred", &["star"], |row| Some(Cell::Flag(row.starred))),
    column("archived", &["archive"], |row| Some(Cell::Flag(row.archived))),
    unlisted(column("id", &[], |row| text(&row.id.0))),
    unlisted(column("prefix", &["p"], |row| Some(Cell::Number(row.n_virtual as f64)))),
];

impl Column {
    /// The column of that name.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        static ALL: [Column; 25] = COLUMNS;
        ALL.iter().find(|column| column.name == name || column.also.contains(&name))
    }

    /// Whether it holds a time, as seconds since 1970.
    pub(super) fn is_time(&self) -> bool {
        ["started", "ended", "created"].contains(&self.name)
    }
}

fn text(text: &str) -> Option<Cell> {
    Some(Cell::Text(text.to_owned())).filter(|_| !text.is_empty())
}

fn figure(value: Option<f64>) -> Option<Cell> {
    value.map(Cell::Number)
}

fn count(value: Option<u64>) -> Option<Cell> {
    value.map(|value| Cell::Number(value as f64))
}

fn time(seconds: Option<i64>) -> Option<Cell> {
    seconds.map(|seconds| Cell::Number(seconds as f64))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_word_stands_for_two_columns() {
        let words: Vec<&str> =
            COLUMNS.iter().flat_map(|column| column.also.iter().copied().chain([column.name])).collect();
        assert_eq!(words.iter().collect::<BTreeSet<_>>().len(), words.len());
        for word in words {
            assert!(Column::find(word).is_some_and(|column| column.name == word || column.also.contains(&word)));
        }
        assert!(Column::find("rank").is_none());
    }
}
