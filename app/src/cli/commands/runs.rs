//! `runs`: the list of runs, one run, another name, an end.

use std::io::{BufRead, IsTerminal};
use std::sync::mpsc::Receiver;

use clap::{Args, Subcommand};
use serde_json::json;

use super::export_runs::{self, ExportRunsArgs};
use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::json::named;
use crate::cli::support::out;
use crate::cli::support::progress::{duration, grouped};
use crate::cli::support::session::{ask_store, find_run, list_runs, open_store};
use crate::store::{Answer, Cursor, Request, RunDetail, RunRow, Store};
use crate::workspace::date_and_time;

/// List, show, rename or delete runs.
#[derive(Debug, Args)]
pub(in crate::cli) struct RunsArgs {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// All runs, newest first (the default)
    List,
    /// One run: settings, figures, log
    Show {
        /// The run's id, the beginning or end of it, or its name
        run: String,
    },
    /// Write figures, settings and curves for other programs: CSV, JSON, TensorBoard, SVG, PNG
    Export(ExportRunsArgs),
    /// Delete a run with its files
    Delete {
        /// The run's id, the beginning or end of it, or its name
        run: String,
        /// Without the question
        #[arg(long)]
        yes: bool,
    },
    /// Give a run another name
    Rename {
        /// The run's id, the beginning or end of it, or its name
        run: String,
        /// The new name
        name: String,
    },
}

pub(in crate::cli) fn run(args: RunsArgs, global: &Global) -> Result<(), CliError> {
    global.refuse_set()?;
    let store = open_store(&global.workspace()?)?;
    let result = match args.action.unwrap_or(Action::List) {
        Action::List => list(&store, global),
        Action::Show { run } => show(&store, &run, global.json),
        Action::Export(args) => export_runs::run(&store, &args, global),
        Action::Delete { run, yes } => delete(&store, &run, yes, global.json),
        Action::Rename { run, name } => rename(&store, &run, name, global.json),
    };
    store.0.close();
    result
}

fn list(store: &(Store, Receiver<Answer>), global: &Global) -> Result<(), CliError> {
    let runs = list_runs(store)?;
    if global.json {
        runs.iter().for_each(|run| out::result(named("run", run)));
    } else if runs.is_empty() {
        out::note(format_args!("There are no runs yet. Start one with: {}", global.next_command("train")));
    } else {
        out::piece(table(&runs));
    }
    Ok(())
}

/// Columns as wide as their widest cell.
fn table(runs: &[RunRow]) -> String {
    let head = ["ID", "STATE", "NAME", "METHOD", "MODEL", "STEP", "BEST LOSS", "LAST LOSS"].map(str::to_owned);
    let number = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.4}"));
    let rows: Vec<[String; 8]> = std::iter::once(head)
        .chain(runs.iter().map(|run| {
            [
                out::one_line(&run.id),
                run.state.name().to_owned(),
                out::one_line(&run.name),
                out::one_line(&run.method),
                out::one_line(&run.model),
                format!("{}/{}", run.step, run.total_steps),
                number(run.best_loss),
                number(run.last_loss),
            ]
        }))
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 8] = std::array::from_fn(width);
    let line = |row: &[String; 8]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| {
            let padding = width.saturating_sub(cell.chars().count());
            format!("{cell}{}", " ".repeat(padding))
        });
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

fn show(store: &(Store, Receiver<Answer>), asked: &str, json: bool) -> Result<(), CliError> {
    let run = find_run(store, asked)?;
    let request = Request::Detail { run: run.id, since: Cursor::default() };
    let detail = ask_store(store, request, |answer| match answer {
        Answer::Detail(detail) => Some(*detail),
        _ => None,
    })?;
    if json {
        let whole = json!({
            "run": detail.row, "config": detail.config, "facts": detail.facts, "evaluations": detail.evaluations,
            "samples": detail.samples, "checkpoints": detail.checkpoints, "log": detail.log, "notes": detail.notes,
        });
        out::result(named("detail", &whole));
    } else {
        print_detail(&detail);
    }
    Ok(())
}

fn print_detail(detail: &RunDetail) {
    let row = &detail.row;
    let parameters = |count: Option<u64>| count.and_then(|n| usize::try_from(n).ok()).map_or("–".to_owned(), grouped);
    out::result(format_args!("{} ({})", out::one_line(&row.name), out::one_line(&row.id)));
    out::result(format_args!("state       {}, step {} of {}", row.state.name(), row.step, row.total_steps));
    let folder = out::one_line(row.model_folder.display());
    out::result(format_args!("model       {} ({folder})", out::one_line(&row.model)));
    out::result(format_args!("dataset     {}", out::one_line(&row.dataset)));
    out::result(format_args!("method      {}", out::one_line(&row.method)));
    out::result(format_args!(
        "parameters  trains {}, keeps {}",
        parameters(row.trained_parameters),
        parameters(row.stored_parameters)
    ));
    if let (Some(loss), Some(0), 1..) = (row.best_loss, row.best_step, row.step) {
        out::result(format_args!("best        validation loss {loss:.4} of the untouched start: no step was better"));
    } else if let (Some(loss), Some(step)) = (row.best_loss, row.best_step) {
        out::result(format_args!("best        validation loss {loss:.4} at step {step}"));
    }
    out::result(format_args!(
        "created     {} UTC, computed for {}",
        date_and_time(row.created),
        duration(row.duration_secs)
    ));
    out::result(format_args!("folder      {}", row.folder.display()));
    for evaluation in &detail.evaluations {
        out::result(format_args!("  step {:6}  validation loss {:.4}", evaluation.step, evaluation.loss));
    }
    for line in &detail.log {
        out::result(format_args!("  {}  {}", date_and_time(line.at), out::one_line(&line.text)));
    }
    if let Some(failure) = &row.failure {
        out::result(format_args!("failed      {}. {}", failure.what, failure.advice));
    }
    if !detail.notes.is_empty() {
        out::result(&detail.notes);
    }
}

fn delete(store: &(Store, Receiver<Answer>), asked: &str, yes: bool, json: bool) -> Result<(), CliError> {
    let run = find_run(store, asked)?;
    if !yes && !confirmed(&run)? {
        out::note("Nothing was deleted");
        return Ok(());
    }
    let left = ask_store(store, Request::Delete(run.id.clone()), |answer| match answer {
        Answer::Deleted { left, .. } => Some(left),
        _ => None,
    })?;
    if json {
        out::result(named("deleted", &json!({"run": run.id, "left": left})));
    }
    out::note(format_args!("Deleted {} ({})", run.name, run.id));
    match left {
        None => Ok(()),
        Some(left) => Err(CliError::failed(left, "Remove the folder by hand")),
    }
}

fn confirmed(run: &RunRow) -> Result<bool, CliError> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(CliError::usage("deleting a run needs a yes", "Add --yes"));
    }
    out::ask(format_args!(
        "Delete {} ({}) with all its files? [y/N] ",
        out::one_line(&run.name),
        out::one_line(&run.id)
    ));
    let mut answer = String::new();
    input.lock().read_line(&mut answer).map_err(|error| CliError::failed(error.to_string(), "Add --yes"))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn rename(store: &(Store, Receiver<Answer>), asked: &str, name: String, json: bool) -> Result<(), CliError> {
    let run = find_run(store, asked)?;
    store.0.send(Request::Rename { run: run.id.clone(), name });
    let row = find_run(store, &run.id.0)?;
    if json {
        out::result(named("run", &row));
    } else {
        out::note(format_args!("{} is now called {}", row.id, row.name));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::support::session::tests::row;

    #[test]
    fn the_table_lines_up_with_wide_names() {
        let text = table(&[row("a", "café · records"), row("bb", "x")]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[1], "a   finished  café · records  prefix 20  tiny   100/100  1.2500     1.5000");
        assert_eq!(lines[2], "bb  finished  x               prefix 20  tiny   100/100  1.2500     1.5000");
    }
}
