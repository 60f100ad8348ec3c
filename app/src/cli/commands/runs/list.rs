//! The list of runs: filtered, sorted, with chosen columns, as a table or for other programs.

use std::sync::mpsc::Receiver;

use clap::Args;
use serde_json::{Map, Value};

use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::json::named;
use crate::cli::support::out;
use crate::cli::support::progress::duration;
use crate::cli::support::session::list_runs;
use crate::store::{Answer, RunRow, Store};
use crate::study::filter::{Filter, parse, passes, trouble};
use crate::study::{Cell, Key, csv, in_order, names, unknown};
use crate::workspace::date_and_time;

/// Choice and form of the list.
#[derive(Debug, Default, Args)]
pub(super) struct ListArgs {
    /// Only runs that pass, as in "method:prefix n_virtual>10 tag:paper loss<2.5 -state:failed"
    #[arg(long, value_name = "LINE", allow_hyphen_values = true)]
    filter: Option<String>,
    /// Columns in this order: id, name, loss and others, any setting, any figure, as in name,n_virtual,loss
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    columns: Vec<String>,
    /// Least first by any of these names; with a minus in front greatest first, as in -accuracy
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    sort: Option<String>,
    /// Runs that were put away too
    #[arg(long)]
    all: bool,
    /// Comma-separated values; without --columns every name under which some run has a value
    #[arg(long)]
    csv: bool,
}

/// Columns of the table where none are named, and their heads.
const USUAL: [(&str, &str); 8] = [
    ("id", "ID"),
    ("state", "STATE"),
    ("name", "NAME"),
    ("method", "METHOD"),
    ("model", "MODEL"),
    ("step", "STEP"),
    ("loss", "BEST LOSS"),
    ("last", "LAST LOSS"),
];

pub(super) fn list(store: &(Store, Receiver<Answer>), args: &ListArgs, global: &Global) -> Result<(), CliError> {
    let all = list_runs(store)?;
    let (rows, hidden) = chosen(&all, args)?;
    if global.json {
        rows.iter().for_each(|row| out::result(line(row, &args.columns)));
    } else if args.csv {
        out::piece(csv(&rows, &columns(&all, args).iter().map(String::as_str).collect::<Vec<_>>()));
    } else if all.is_empty() {
        out::note(format_args!("There are no runs yet. Start one with: {}", global.next_command("train")));
    } else {
        out::piece(table(&rows, &args.columns));
    }
    if hidden > 0 {
        out::note(format_args!("Put away and not shown: {hidden}; --all shows them"));
    }
    Ok(())
}

/// The rows that are asked for, in their order, and how many are not shown because they were put away.
fn chosen<'a>(all: &'a [RunRow], args: &ListArgs) -> Result<(Vec<&'a RunRow>, usize), CliError> {
    let known = names(&all.iter().collect::<Vec<_>>());
    let sort = args.sort.as_deref().map(|name| name.strip_prefix('-').map_or((name, false), |name| (name, true)));
    let filter = args.filter.as_deref().map(parse).unwrap_or_default();
    let asked = args.columns.iter().map(String::as_str).chain(sort.map(|(name, _)| name));
    // Without a run there is no figure either, and nothing can be said of a name.
    let wrong = asked.filter(|_| !all.is_empty()).find_map(|name| unknown(name, &known));
    if let Some(sentence) = wrong.or_else(|| trouble(&filter, &known).filter(|_| !all.is_empty())) {
        return Err(CliError::usage(sentence, "prefix-workbench runs list --csv has every name in its first line"));
    }
    let mut rows: Vec<&RunRow> = all.iter().filter(|row| passes(row, &filter)).collect();
    let passing = rows.len();
    rows.retain(|row| !row.archived || shows_archived(args, &filter));
    let hidden = passing - rows.len();
    if let Some((name, descending)) = sort {
        let key = Key::of(name);
        let mut cells: Vec<(Option<Cell>, &RunRow)> = rows.into_iter().map(|row| (key.cell(row), row)).collect();
        cells.sort_by(|(a, _), (b, _)| in_order(a.as_ref(), b.as_ref(), descending));
        rows = cells.into_iter().map(|(_, row)| row).collect();
    }
    Ok((rows, hidden))
}

fn shows_archived(args: &ListArgs, filter: &Filter) -> bool {
    args.all || filter.asks_for("archived")
}

/// The columns that are asked for, or all that there are.
fn columns(all: &[RunRow], args: &ListArgs) -> Vec<String> {
    if !args.columns.is_empty() {
        return args.columns.clone();
    }
    let known = names(&all.iter().collect::<Vec<_>>());
    std::iter::once("id".to_owned()).chain(known.into_iter().map(|name| name.full)).collect()
}

/// A run as a line for machines: all of it, or what is asked for.
fn line(row: &RunRow, columns: &[String]) -> Value {
    if columns.is_empty() {
        return named("run", row);
    }
    let value = |name: &String| match Key::of(name).cell(row) {
        Some(Cell::Number(number)) => number.into(),
        Some(Cell::Text(text)) => text.into(),
        Some(Cell::Flag(flag)) => flag.into(),
        None => Value::Null,
    };
    named("run", &columns.iter().map(|name| (name.clone(), value(name))).collect::<Map<String, Value>>())
}

/// Columns as wide as their widest cell.
fn table(runs: &[&RunRow], asked: &[String]) -> String {
    let columns: Vec<(String, Key)> = match asked {
        [] => USUAL.iter().map(|(name, head)| ((*head).to_owned(), Key::of(name))).collect(),
        asked => asked.iter().map(|name| (name.to_uppercase(), Key::of(name))).collect(),
    };
    let head = columns.iter().map(|(head, _)| head.clone()).collect();
    let body = runs.iter().map(|run| columns.iter().map(|(_, key)| shown(key, run)).collect());
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(body).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| {
            let padding = width.saturating_sub(cell.chars().count());
            format!("{cell}{}", " ".repeat(padding))
        });
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// Where a run stands, and on which host where that is not here.
pub(super) fn state(run: &RunRow) -> String {
    let host = run.host.as_ref().map(|host| format!(" on {}", out::one_line(host)));
    format!("{}{}", run.state.name(), host.unwrap_or_default())
}

/// A cell for people: few digits, times as dates.
fn shown(key: &Key, run: &RunRow) -> String {
    match (key.full(), key.cell(run)) {
        (_, None) => "–".to_owned(),
        ("state", Some(_)) => state(run),
        ("step", Some(_)) => format!("{}/{}", run.step, run.total_steps),
        ("duration", Some(Cell::Number(secs))) => duration(secs),
        (_, Some(Cell::Number(secs))) if key.is_time() => date_and_time(secs as i64),
        (_, Some(Cell::Number(number))) if number.fract() != 0.0 && number.abs() >= 0.01 => format!("{number:.4}"),
        ("loss" | "last", Some(Cell::Number(number))) => format!("{number:.4}"),
        (_, Some(cell)) => out::one_line(cell),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::support::session::tests::row;

    #[test]
    fn the_table_lines_up_with_wide_names() {
        let text = table(&[&row("a", "café · records"), &row("bb", "x")], &[]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[1], "a   finished  café · records  prefix 20  tiny   100/100  1.2500     1.5000");
        assert_eq!(lines[2], "bb  finished  x               prefix 20  tiny   100/100  1.2500     1.5000");
    }

    fn ids(all: &[RunRow], args: ListArgs) -> Vec<String> {
        chosen(all, &args).unwrap().0.iter().map(|row| row.id.0.clone()).collect()
    }

    #[test]
    fn rows_are_filtered_sorted_and_put_away() {
        let with = |id: &str, loss: Option<f64>, archived| RunRow { best_loss: loss, archived, ..row(id, id) };
        let all = [
            with("a", Some(2.0), false),
            with("b", None, false),
            with("c", Some(1.0), true),
            with("d", Some(0.5), false),
        ];
        let args = |filter: &str, sort: &str, all| ListArgs {
            filter: Some(filter.to_owned()),
            sort: Some(sort.to_owned()).filter(|sort| !sort.is_empty()),
            all,
            ..ListArgs::default()
        };
        assert_eq!(ids(&all, args("", "", false)), ["a", "b", "d"]);
        assert_eq!(ids(&all, args("", "loss", true)), ["d", "c", "a", "b"]);
        assert_eq!(ids(&all, args("", "-loss", true)), ["a", "c", "d", "b"]);
        assert_eq!(ids(&all, args("-loss<0.7", "", true)), ["a", "b", "c"]);
        assert_eq!(ids(&all, args("archived:yes", "", false)), ["c"]);
        assert_eq!(chosen(&all, &args("loss<3", "", false)).unwrap().1, 1, "one is not shown");
        for wrong in [args("acuracy>1", "", true), args("", "lsos", true), args("loss<x", "", true)] {
            assert!(matches!(chosen(&all, &wrong), Err(CliError::Usage(_))), "{wrong:?}");
        }
        assert!(chosen(&[], &args("accuracy>1", "accuracy", true)).is_ok());
    }

    #[test]
    fn chosen_columns_are_shown_with_few_digits_and_told_whole() {
        let run = RunRow { best_loss: Some(1.0 / 3.0), started: None, ..row("a", "x\ny") };
        let asked = ["name", "loss", "duration", "started", "stored"].map(str::to_owned);
        let text = table(&[&run], &asked);
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            ["NAME      LOSS    DURATION  STARTED  STORED", "x\\u000ay  0.3333  61 s      –        184320",]
        );
        let line = line(&run, &asked[..2]);
        assert_eq!(line.to_string(), r#"{"event":"run","name":"x\ny","loss":0.3333333333333333}"#);
    }
}
