//! The table of an experiment: a line for each run with what differs and its figures, and means over seeds.

use std::collections::BTreeSet;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::{find, rows};
use crate::cli::Global;
use crate::cli::support::columns::{aligned, csv};
use crate::cli::support::error::CliError;
use crate::cli::support::json::named;
use crate::cli::support::out;
use crate::cli::support::progress::{duration, grouped};
use crate::experiments::Plan;
use crate::store::RunRow;
use crate::study::{self, Cell, Group};
use crate::workspace::last_name;

/// The runs of an experiment with what differs and their figures.
#[derive(Debug, Args)]
pub(super) struct TableArgs {
    /// Its id, the beginning or end of it, or its name; without it the newest
    experiment: Option<String>,
    /// Sort by a figure, a setting or a column, the best first, as in loss, accuracy or minutes
    #[arg(long, value_name = "FIGURE")]
    by: Option<String>,
    /// Only means over what runs have in common but for this
    #[arg(long, value_enum)]
    over: Option<Over>,
    /// Comma-separated values
    #[arg(long)]
    csv: bool,
}

/// What runs are put together over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Over {
    /// Means over runs that differ in nothing but their seed, with 95 % intervals
    Seeds,
}

pub(super) fn run(args: &TableArgs, global: &Global) -> Result<(), CliError> {
    global.refuse_set()?;
    let workspace = global.workspace()?;
    let plan = find(&workspace, args.experiment.as_deref())?;
    let rows = rows(&workspace)?;
    let mut table = Table::of(&plan, &rows);
    if let Some(by) = &args.by {
        table.sort(by)?;
    }
    table.print(args, global);
    Ok(())
}

/// The table at the end of an experiment.
pub(super) fn print(plan: &Plan, rows: &[RunRow], global: &Global) -> Result<(), CliError> {
    let args = TableArgs { experiment: None, by: None, over: None, csv: false };
    Table::of(plan, rows).print(&args, global);
    Ok(())
}

/// A run with its row, if it was begun.
struct Line<'a> {
    plan: &'a Plan,
    index: usize,
    row: Option<&'a RunRow>,
    dropped: bool,
}

struct Table<'a> {
    lines: Vec<Line<'a>>,
    /// Settings that vary, by their paths.
    keys: Vec<String>,
    /// The one that evaluations are held against each other by, then others that some run has.
    figures: Vec<String>,
}

impl<'a> Table<'a> {
    fn of(plan: &'a Plan, rows: &'a [RunRow]) -> Self {
        let stands = plan.stands(&rows.iter().collect::<Vec<_>>());
        let line = |(index, dropped): (usize, bool)| {
            let row = rows.iter().find(|row| row.id == plan.runs[index].run);
            Line { plan, index, row, dropped }
        };
        let lines: Vec<Line<'_>> = plan.left_behind(&stands).into_iter().enumerate().map(line).collect();
        let mut keys: Vec<String> = Vec::new();
        for (key, _) in plan.runs.iter().flat_map(|run| &run.values) {
            if !keys.contains(key) {
                keys.push(key.clone());
            }
        }
        let best = plan.runs.first().map(|run| run.config.training.best_metric.clone());
        let best = best.map(|name| name.strip_prefix("eval_").unwrap_or(&name).to_owned());
        let mut figures = vec!["loss".to_owned()];
        figures.extend(best.filter(|name| name != "loss"));
        figures.reverse();
        let others: BTreeSet<&String> =
            lines.iter().filter_map(|line| line.row).flat_map(|row| row.figures.keys()).collect();
        let others: Vec<String> = others.into_iter().filter(|name| !figures.contains(name)).cloned().collect();
        figures.extend(others);
        Self { lines, keys, figures }
    }

    /// The best first, runs without a value last.
    fn sort(&mut self, by: &str) -> Result<(), CliError> {
        let cells: Vec<Option<Cell>> =
            self.lines.iter().map(|line| line.row.and_then(|row| study::cell(row, by))).collect();
        if cells.iter().all(Option::is_none) {
            let rows: Vec<&RunRow> = self.lines.iter().filter_map(|line| line.row).collect();
            let names: Vec<String> = study::names(&rows).into_iter().map(|name| name.short).collect();
            return Err(CliError::usage(
                format!("no run of this experiment has {by:?}"),
                format!("There are: {}", names.join(", ")),
            ));
        }
        let sign = if study::less_is_better(by) { 1.0 } else { -1.0 };
        // Settings go up, figures from the best on.
        let is_setting = self.keys.iter().any(|key| key == by || last(key) == by);
        let sign = if is_setting { 1.0 } else { sign };
        let order = |cell: &Option<Cell>| match cell {
            Some(Cell::Number(number)) if !number.is_nan() => (sign * number, String::new()),
            Some(Cell::Text(text)) => (0.0, text.clone()),
            Some(Cell::Flag(flag)) => (f64::from(u8::from(*flag)), String::new()),
            _ => (f64::INFINITY, String::new()),
        };
        let mut keyed: Vec<_> = cells.iter().map(order).zip(std::mem::take(&mut self.lines)).collect();
        keyed.sort_by(|(a, _), (b, _)| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
        self.lines = keyed.into_iter().map(|(_, line)| line).collect();
        Ok(())
    }

    fn print(&self, args: &TableArgs, global: &Global) {
        let rows: Vec<&RunRow> = self.lines.iter().filter_map(|line| line.row).collect();
        let figure = self.figures.first().map_or("loss", String::as_str);
        let has_seeds = self.keys.iter().any(|key| last(key).ends_with("seed"));
        let groups = match args.over.is_some() || has_seeds {
            true => study::over_seeds(&rows, figure),
            false => Vec::new(),
        };
        if global.json {
            if args.over.is_none() {
                self.lines.iter().for_each(|line| out::result(named("run", &self.object(line))));
            }
            groups.iter().for_each(|group| out::result(named("over_seeds", &object_of(group, figure, &rows))));
            return;
        }
        let whole = if args.csv { csv } else { aligned };
        if args.over.is_none() {
            let head = self.head(args.csv);
            let lines = self.lines.iter().map(|line| if args.csv { self.exact(line) } else { self.cells(line) });
            out::piece(whole(&std::iter::once(head).chain(lines).collect::<Vec<_>>()));
        }
        // A file of comma-separated values has one table.
        if !groups.is_empty() && (args.over.is_some() || !args.csv) {
            if args.over.is_none() {
                out::result(format_args!("\nOver seeds, with 95 % intervals of the mean of {figure}:"));
            }
            let head = ["runs", "n", figure, "±"].map(str::to_owned).to_vec();
            let lines = groups.iter().map(|group| of_group(group, args.csv));
            out::piece(whole(&std::iter::once(head).chain(lines).collect::<Vec<_>>()));
        }
    }

    fn head(&self, exact: bool) -> Vec<String> {
        let short = |key: &String| {
            let is_clear = self.keys.iter().filter(|other| last(other) == last(key)).count() == 1;
            if is_clear && !exact { last(key).to_owned() } else { key.clone() }
        };
        let before = exact.then(|| "run".to_owned());
        let after = if exact { ["state", "step", "trained", "seconds"] } else { ["state", "step", "trained", "time"] };
        let keys = self.keys.iter().map(short);
        before.into_iter().chain(keys).chain(self.figures.iter().cloned()).chain(after.map(str::to_owned)).collect()
    }

    fn value<'b>(&self, line: &Line<'b>, key: &str) -> Option<&'b Value> {
        line.plan.runs[line.index].values.iter().find(|(other, _)| other == key).map(|(_, value)| value)
    }

    fn figure(&self, line: &Line<'_>, name: &str) -> Option<f64> {
        let row = line.row?;
        if name == "loss" { row.best_loss } else { row.figures.get(name).copied() }
    }

    /// For people.
    fn cells(&self, line: &Line<'_>) -> Vec<String> {
        let none = || "–".to_owned();
        let values = self.keys.iter().map(|key| self.value(line, key).map_or_else(none, |value| shown(key, value)));
        let figure = |name: &String| self.figure(line, name).map_or_else(none, |figure| format!("{figure:.4}"));
        let figures = self.figures.iter().map(figure);
        let row = line.row;
        let count = row.and_then(|row| row.trained_parameters).and_then(|n| usize::try_from(n).ok());
        let after = [
            state(line).to_owned(),
            row.map_or_else(none, |row| format!("{}/{}", row.step, row.total_steps)),
            count.map_or_else(none, grouped),
            row.map_or_else(none, |row| duration(row.duration_secs)),
        ];
        values.chain(figures).chain(after).collect()
    }

    /// For other programs.
    fn exact(&self, line: &Line<'_>) -> Vec<String> {
        let text = |value: Option<&Value>| match value {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        let run = &line.plan.runs[line.index];
        let values = self.keys.iter().map(|key| text(self.value(line, key)));
        let figures =
            self.figures.iter().map(|name| self.figure(line, name).map_or_else(String::new, |f| f.to_string()));
        let row = line.row;
        let after = [
            state(line).to_owned(),
            row.map_or_else(String::new, |row| row.step.to_string()),
            row.and_then(|row| row.trained_parameters).map_or_else(String::new, |n| n.to_string()),
            row.map_or_else(String::new, |row| row.duration_secs.to_string()),
        ];
        std::iter::once(run.run.0.clone()).chain(values).chain(figures).chain(after).collect()
    }

    fn object(&self, line: &Line<'_>) -> Value {
        let planned = &line.plan.runs[line.index];
        let values: Map<String, Value> = planned.values.iter().cloned().collect();
        let figures: Map<String, Value> =
            self.figures.iter().filter_map(|name| Some((name.clone(), self.figure(line, name)?.into()))).collect();
        let row = line.row;
        json!({
            "run": planned.run, "name": planned.name, "values": values, "figures": figures, "state": state(line),
            "step": row.map(|row| row.step), "total_steps": row.map(|row| row.total_steps),
            "trained": row.and_then(|row| row.trained_parameters), "stored": row.and_then(|row| row.stored_parameters),
            "secs": row.map(|row| row.duration_secs), "failure": row.and_then(|row| row.failure.clone()),
        })
    }
}

fn state(line: &Line<'_>) -> &'static str {
    match line.row {
        _ if line.dropped => "left behind",
        None => "to come",
        Some(row) => row.state.name(),
    }
}

/// A value in a cell: of a path its last part.
fn shown(key: &str, value: &Value) -> String {
    let is_path = engine::config::schema::Setting::find(key)
        .is_some_and(|setting| setting.kind == engine::config::schema::Kind::Path);
    match value {
        Value::Null => "none".to_owned(),
        Value::String(path) if is_path => out::one_line(short_path(path)),
        Value::String(text) => out::one_line(text),
        Value::Number(number) if number.is_f64() => number.as_f64().map_or_else(String::new, short_number),
        Value::Object(table) => out::one_line(words(table)),
        other => out::one_line(other),
    }
}

/// A table of settings in a few words, its type first: `prefix infix, reparameterization (width 64)`.
fn words(table: &Map<String, Value>) -> String {
    let kind = table.get("type").and_then(Value::as_str).map(str::to_owned);
    let others = table.iter().filter(|(name, _)| *name != "type").map(|(name, value)| match value {
        Value::Bool(true) => name.clone(),
        Value::Bool(false) | Value::Null => format!("no {name}"),
        Value::Object(table) if table.is_empty() => name.clone(),
        Value::Object(table) => format!("{name} ({})", words(table)),
        Value::String(text) => format!("{name} {text}"),
        other => format!("{name} {other}"),
    });
    let others = others.collect::<Vec<_>>().join(", ");
    let parts = [kind, Some(others).filter(|others| !others.is_empty())];
    let text = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
    if text.is_empty() { "as usual".to_owned() } else { text }
}

fn short_path(path: &str) -> String {
    let path = std::path::Path::new(path);
    match path.file_stem().is_some_and(|stem| stem == "train") {
        true => path.parent().map(last_name).unwrap_or_default(),
        false => last_name(path),
    }
}

fn short_number(number: f64) -> String {
    if number != 0.0 && !(1e-2..1e5).contains(&number.abs()) { format!("{number:e}") } else { number.to_string() }
}

fn of_group(group: &Group, exact: bool) -> Vec<String> {
    let number = |number: Option<f64>| match (number, exact) {
        (Some(number), true) => number.to_string(),
        (Some(number), false) => format!("{number:.4}"),
        (None, true) => String::new(),
        (None, false) => "–".to_owned(),
    };
    vec![out::one_line(&group.label), group.runs.len().to_string(), number(group.mean), number(group.half_width)]
}

fn object_of(group: &Group, figure: &str, rows: &[&RunRow]) -> Value {
    let runs: Vec<&str> = group.runs.iter().filter_map(|&index| rows.get(index)).map(|row| row.id.0.as_str()).collect();
    json!({
        "label": group.label, "figure": figure, "runs": runs, "mean": group.mean, "half_width": group.half_width,
    })
}

/// The last part of a path of settings.
fn last(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use engine::config::{DataConfig, RunConfig};
    use engine::experiment::{Experiment, Strategy};

    use super::*;
    use crate::cli::support::session::tests::row;
    use crate::experiments::{ExperimentId, PlannedRun};
    use crate::workspace::RunId;

    fn plan() -> Plan {
        let planned = |(index, rate): (usize, f64)| {
            let values = vec![
                ("model".to_owned(), json!("/models/a, b")),
                ("training.learning_rate".to_owned(), json!(rate)),
                ("method.init".to_owned(), json!({ "type": "zero" })),
            ];
            let config = Box::new(RunConfig::new("/models/a, b", DataConfig::new("/d.jsonl")));
            PlannedRun { run: RunId(format!("e-{index}")), name: format!("rate {rate}"), values, config }
        };
        let (name, base, axes) = ("e".to_owned(), json!({}), Vec::new());
        Plan {
            id: ExperimentId("e".to_owned()),
            experiment: Experiment { name, base, axes, strategy: Strategy::Grid, first: None },
            runs: [1e-3, 0.05, 1.0].into_iter().enumerate().map(planned).collect(),
        }
    }

    fn rows() -> Vec<RunRow> {
        vec![
            RunRow { best_loss: Some(0.5), ..row("e-1", "rate 0.05") },
            RunRow { best_loss: Some(0.25), ..row("e-0", "rate 0.001") },
        ]
    }

    #[test]
    fn a_line_has_what_differs_its_figures_and_where_it_stands() {
        let (plan, rows) = (plan(), rows());
        let table = Table::of(&plan, &rows);
        assert_eq!(table.head(false), ["model", "learning_rate", "init", "loss", "state", "step", "trained", "time"]);
        let cells: Vec<Vec<String>> = table.lines.iter().map(|line| table.cells(line)).collect();
        let init = "zero";
        assert_eq!(cells[0], ["a, b", "1e-3", init, "0.2500", "finished", "100/100", "9,857,024", "61 s"]);
        assert_eq!(cells[1][1..4], ["0.05", init, "0.5000"]);
        assert_eq!(cells[2][1..], ["1", init, "–", "to come", "–", "–", "–"]);
        let exact = table.exact(&table.lines[0]);
        assert_eq!(exact[..3], ["e-0", "/models/a, b", "0.001"]);
        assert_eq!(table.head(true)[..3], ["run", "model", "training.learning_rate"]);
        assert_eq!(table.object(&table.lines[1])["figures"], json!({ "loss": 0.5 }));
    }

    #[test]
    fn a_table_of_settings_is_told_in_a_few_words() {
        let said = |value: Value| shown("method", &value);
        assert_eq!(
            said(json!({ "reparameterization": {}, "infix": true, "type": "prefix" })),
            "prefix reparameterization, infix"
        );
        assert_eq!(
            said(json!({ "type": "prompt", "encoder": { "type": "mlp", "width": 8 } })),
            "prompt encoder (mlp width 8)"
        );
        assert_eq!((said(json!({})), said(Value::Null)), ("as usual".to_owned(), "none".to_owned()));
    }

    #[test]
    fn lines_are_sorted_the_best_first_and_those_without_a_value_last() {
        let (plan, mut rows) = (plan(), rows());
        (rows[0].best_loss, rows[1].best_loss) = (Some(0.1), Some(0.2));
        let mut table = Table::of(&plan, &rows);
        table.sort("loss").unwrap();
        assert_eq!(table.lines.iter().map(|line| line.index).collect::<Vec<_>>(), [1, 0, 2]);
        let refused = table.sort("no_such_figure").unwrap_err();
        assert!(matches!(refused, CliError::Usage(_)) && refused.to_string().contains("loss"), "{refused}");
    }
}
