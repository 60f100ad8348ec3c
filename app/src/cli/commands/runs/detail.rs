//! One run, as it is shown.

use std::sync::mpsc::Receiver;

use serde_json::json;

use crate::cli::support::error::CliError;
use crate::cli::support::json::named;
use crate::cli::support::out;
use crate::cli::support::progress::{duration, grouped};
use crate::cli::support::session::{ask_store, find_run};
use crate::store::{Answer, Cursor, Request, RunDetail, Store};
use crate::workspace::date_and_time;

pub(super) fn show(store: &(Store, Receiver<Answer>), asked: &str, json: bool) -> Result<(), CliError> {
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
    if !row.tags.is_empty() {
        out::result(format_args!("tags        {}", out::one_line(row.tags.join(", "))));
    }
    for (name, figure) in row.figures.iter() {
        out::result(format_args!("  {}  {figure:.4}", out::one_line(name)));
    }
    if !detail.notes.is_empty() {
        out::result(&detail.notes);
    }
}
