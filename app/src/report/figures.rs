//! Figures of runs beside each other: with means and intervals over seeds where there are several, and those of whole files
//! with the intervals of the bootstrap.

use std::collections::BTreeSet;

use engine::metrics::Metric;

use super::table::{Cell, Head, Table};
use super::{Report, RunRecord};
use crate::format;
use crate::i18n::{self, as_sentence};
use crate::study::{self, Group};
use crate::t;

/// The figure that every trained run has.
pub(super) const LOSS: &str = "loss";

/// A figure of each group of runs.
pub(super) struct Compared {
    /// Its name.
    pub(super) figure: String,
    /// Value of each group, with half the width of its interval.
    pub(super) values: Vec<Option<(f64, Option<f64>)>>,
    /// Index of the best group.
    pub(super) best: Option<usize>,
}

/// Runs that differ in nothing but their seed, and their figures.
pub(super) struct Comparison {
    /// In the order of their first run.
    pub(super) groups: Vec<Group>,
    /// The validation loss first.
    pub(super) figures: Vec<Compared>,
}

impl Report {
    /// Figures that some run has, the validation loss first; those of files behind those of evaluations.
    fn figure_names(&self) -> Vec<String> {
        let names: BTreeSet<(bool, &String)> =
            self.runs.iter().flat_map(|run| run.row.figures.keys()).map(|name| (name.contains('/'), name)).collect();
        let others = names.into_iter().map(|(_, name)| name.clone()).filter(|name| name != LOSS);
        std::iter::once(LOSS.to_owned()).chain(others).collect()
    }

    /// Runs beside each other; one alone has nothing beside it.
    pub(super) fn comparison(&self) -> Comparison {
        let rows = self.rows();
        if let [row] = rows.as_slice() {
            let group = Group { runs: vec![0], label: row.name.clone(), mean: row.best_loss, half_width: None };
            let value = |name: &String| match name.as_str() {
                LOSS => row.best_loss,
                name => row.figures.get(name).copied(),
            };
            let of = |name: String| Compared {
                values: vec![value(&name).filter(|value| value.is_finite()).map(|value| (value, None))],
                figure: name,
                best: None,
            };
            let figures = self.figure_names().into_iter().map(of).collect();
            return Comparison { groups: vec![group], figures };
        }
        let groups = study::over_seeds(&rows, LOSS);
        let of = |figure: String| {
            let values: Vec<Option<(f64, Option<f64>)>> = study::over_seeds(&rows, &figure)
                .into_iter()
                .map(|group| group.mean.filter(|mean| mean.is_finite()).map(|mean| (mean, group.half_width)))
                .collect();
            Compared { best: best(&values, study::less_is_better(&figure)), values, figure }
        };
        let figures = self.figure_names().into_iter().map(of).filter(|of| of.values.iter().any(Option::is_some));
        Comparison { figures: figures.collect(), groups }
    }

    /// The table of results.
    pub(super) fn results(&self, comparison: &Comparison) -> Table {
        let several = comparison.groups.iter().any(|group| group.runs.len() > 1);
        let mut head = vec![Head::words(t!("report.run"))];
        if several {
            head.push(Head::numbers(t!("report.seeds")));
        }
        head.extend(comparison.figures.iter().map(|of| Head::numbers(label(&of.figure))));
        head.extend([t!("report.trained"), t!("report.stored"), t!("report.time")].map(Head::numbers));
        let row = |(at, group): (usize, &Group)| {
            let runs: Vec<&RunRecord> = group.runs.iter().filter_map(|run| self.runs.get(*run)).collect();
            let mut row: Vec<Cell> = vec![self.label(group).into()];
            if several {
                row.push(runs.len().to_string().into());
            }
            row.extend(comparison.figures.iter().map(|of| {
                Cell {
                    text: of
                        .values
                        .get(at)
                        .copied()
                        .flatten()
                        .map_or("–".to_owned(), |value| with_interval(value, digits(&of.figure))),
                    is_best: of.best == Some(at),
                }
            }));
            let count = |pick: fn(&RunRecord) -> Option<u64>| {
                let count = runs.first().and_then(|run| pick(run)).and_then(|count| usize::try_from(count).ok());
                count.map_or("–".to_owned(), format::count)
            };
            row.push(count(|run| run.row.trained_parameters).into());
            row.push(count(|run| run.row.stored_parameters).into());
            let secs: f64 = runs.iter().map(|run| run.row.duration_secs).sum();
            row.push(format::duration(secs / runs.len().max(1) as f64).into());
            row
        };
        let rows = comparison.groups.iter().enumerate().map(row).collect();
        Table { caption: t!("report.results").to_owned(), head, rows }
    }

    /// Name of a group: what it has and another has not; that of its only run where nothing differs.
    pub(super) fn label(&self, group: &Group) -> String {
        match (group.label.is_empty(), group.runs.first().and_then(|run| self.runs.get(*run))) {
            (true, Some(run)) => run.row.name.clone(),
            _ => group.label.clone(),
        }
    }

    /// Figures of whole files, with the intervals of the bootstrap.
    pub(super) fn evaluations(&self) -> Option<Table> {
        let names: BTreeSet<&str> = self
            .runs
            .iter()
            .flat_map(|run| &run.kept)
            .flat_map(|kept| kept.record.figures.iter().map(|figure| figure.name.as_str()))
            .collect();
        let mut rows = Vec::new();
        for run in &self.runs {
            for kept in run.kept.iter().filter(|kept| !kept.record.figures.is_empty()) {
                let record = &kept.record;
                let data = record.settings.data.as_ref().map(super::sources::file_name_of_rows).unwrap_or_default();
                let adapter = if record.adapter.is_some() { run.row.name.as_str() } else { t!("report.base") };
                let mut row: Vec<Cell> = vec![adapter.into(), data.into(), record.rows.to_string().into()];
                row.extend(names.iter().map(|name| {
                    let of = record.figures.iter().find(|figure| figure.name == *name);
                    Cell::from(of.map_or("–".to_owned(), |of| {
                        let scale = digits(name);
                        match of.low.is_finite() && of.high.is_finite() && of.low < of.high {
                            true => {
                                format!("{} [{}, {}]", one(of.figure, scale), one(of.low, scale), one(of.high, scale))
                            }
                            false => one(of.figure, scale),
                        }
                    }))
                }));
                rows.push(row);
            }
        }
        let mut head =
            vec![Head::words(t!("report.run")), Head::words(t!("report.rows_of")), Head::numbers(t!("report.rows"))];
        head.extend(names.iter().map(|name| Head::numbers(label(name))));
        (!rows.is_empty()).then(|| Table { caption: t!("report.files").to_owned(), head, rows })
    }

    /// Settings that are not the same in all runs.
    pub(super) fn differences(&self) -> Option<Table> {
        if self.runs.len() < 2 {
            return None;
        }
        let differences = study::differences(&self.rows());
        if differences.is_empty() {
            return None;
        }
        let value = |value: &Option<serde_json::Value>| -> Cell {
            match value {
                None | Some(serde_json::Value::Null) => "–".into(),
                Some(serde_json::Value::String(text)) => super::sources::at_home(text).into(),
                Some(serde_json::Value::Number(number)) => {
                    number.as_f64().map_or_else(|| number.to_string(), format::scientific).into()
                }
                Some(other) => super::sources::at_home(&other.to_string()).into(),
            }
        };
        let caption = t!("report.differences").to_owned();
        let names: Vec<String> = self.runs.iter().map(|run| run.row.name.clone()).collect();
        // Few runs stand beside each other, many below each other.
        let (head, rows) = if self.runs.len() <= 4 {
            let head = std::iter::once(Head::words(t!("report.setting"))).chain(names.into_iter().map(Head::words));
            let row = |(key, values): &(String, Vec<_>)| {
                std::iter::once(Cell::from(key.as_str())).chain(values.iter().map(value)).collect()
            };
            (head.collect(), differences.iter().map(row).collect())
        } else {
            let head = std::iter::once(Head::words(t!("report.run")));
            let head = head.chain(differences.iter().map(|(key, _)| Head::words(key.as_str())));
            let row = |(at, name): (usize, String)| {
                let cell = |(_, values): &(String, Vec<_>)| values.get(at).map_or("–".into(), value);
                std::iter::once(Cell::from(name)).chain(differences.iter().map(cell)).collect()
            };
            (head.collect(), names.into_iter().enumerate().map(row).collect())
        };
        Some(Table { caption, head, rows })
    }
}

fn best(values: &[Option<(f64, Option<f64>)>], less: bool) -> Option<usize> {
    let known = values.iter().enumerate().filter_map(|(at, value)| Some((at, value.as_ref()?.0)));
    let known: Vec<(usize, f64)> = known.collect();
    let better = |a: &&(usize, f64), b: &&(usize, f64)| if less { a.1.total_cmp(&b.1) } else { b.1.total_cmp(&a.1) };
    known.iter().min_by(better).filter(|_| known.len() > 1).map(|(at, _)| *at)
}

/// Name of a figure for people: the metric's, with the file it is of.
pub(super) fn label(figure: &str) -> String {
    if figure == LOSS {
        return t!("report.loss").to_owned();
    }
    let (file, name) = figure.split_once('/').map_or(("", figure), |(file, name)| (file, name));
    let name = Metric::named(name).map_or_else(|_| name.to_owned(), |metric| i18n::tell(&metric.label_sentence()));
    let name = as_sentence(&name);
    if file.is_empty() { name } else { format!("{name} ({file})") }
}

/// How many digits behind the point tell figures apart.
pub(super) fn digits(figure: &str) -> usize {
    let name = figure.split_once('/').map_or(figure, |(_, name)| name);
    match Metric::named(name).map(|metric| metric.scale) {
        Ok(engine::metrics::Scale::Hundred | engine::metrics::Scale::OpenPercent) => 2,
        _ => 4,
    }
}

/// A figure, and ± half its interval.
fn with_interval((value, half): (f64, Option<f64>), digits: usize) -> String {
    match half.filter(|half| half.is_finite()) {
        Some(half) => format!("{} ± {}", one(value, digits), one(half, digits)),
        None => one(value, digits),
    }
}

pub(super) fn one(value: f64, digits: usize) -> String {
    if value.is_finite() { format!("{value:.digits$}") } else { "–".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_is_the_least_loss_or_the_greatest_score() {
        let values = [Some((2.0, None)), None, Some((1.0, Some(0.1)))];
        assert_eq!((best(&values, true), best(&values, false)), (Some(2), Some(0)));
        assert_eq!(best(&values[..2], true), None, "one alone is not the best");
    }

    #[test]
    fn figures_have_their_interval_beside_them() {
        assert_eq!(with_interval((1.0 / 3.0, Some(0.01)), 4), "0.3333 ± 0.0100");
        assert_eq!(with_interval((1.5, Some(f64::NAN)), 2), "1.50");
        assert_eq!(with_interval((f64::NAN, None), 2), "–");
        assert_eq!(label("test/bleu"), format!("{} (test)", label("bleu")));
    }
}
