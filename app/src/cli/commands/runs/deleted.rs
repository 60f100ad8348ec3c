//! Deleting runs, bringing them back, and removing them for good.

use std::io::{BufRead, IsTerminal};
use std::sync::mpsc::Receiver;

use serde_json::json;

use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::json::named;
use crate::cli::support::out;
use crate::cli::support::session::{ask_store, find_run};
use crate::store::{Answer, Request, Store, TrashedRun, trashed_runs};
use crate::workspace::date_and_time;

pub(super) fn delete(
    store: &(Store, Receiver<Answer>),
    asked: &str,
    yes: bool,
    global: &Global,
) -> Result<(), CliError> {
    let run = find_run(store, asked)?;
    let called = format!("{} ({})", out::one_line(&run.name), out::one_line(&run.id));
    if !yes && !confirmed(&format!("Delete {called} with all its files? [y/N] "), "deleting a run needs a yes")? {
        out::note("Nothing was deleted");
        return Ok(());
    }
    let left = ask_store(store, Request::Delete(run.id.clone()), |answer| match answer {
        Answer::Deleted { left, .. } => Some(left),
        _ => None,
    })?;
    if global.json {
        out::result(named("deleted", &json!({"run": run.id, "left": left})));
    }
    out::note(format_args!("Deleted {called}"));
    match left {
        None => {
            let back = global.next_command(&format!("runs undelete {}", run.id));
            out::note(format_args!("Within seven days it can be brought back with: {back}"));
        }
        Some(why) => out::note(why),
    }
    Ok(())
}

/// Whether a person says yes.
fn confirmed(question: &str, needs: &str) -> Result<bool, CliError> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(CliError::usage(needs, "Add --yes"));
    }
    out::ask(question);
    let mut answer = String::new();
    input.lock().read_line(&mut answer).map_err(|error| CliError::failed(error.to_string(), "Add --yes"))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

pub(super) fn undelete(
    store: &(Store, Receiver<Answer>),
    asked: Option<&str>,
    global: &Global,
) -> Result<(), CliError> {
    let trashed = trashed_runs(&global.workspace()?);
    let Some(asked) = asked else {
        list(&trashed, global.json);
        return Ok(());
    };
    let run = choose(&trashed, asked)?;
    store.0.send(Request::Undelete(run.id.clone()));
    let row = find_run(store, &run.id.0)?;
    if global.json {
        out::result(named("run", &row));
    } else {
        out::note(format_args!("Brought back {} ({})", row.name, row.id));
    }
    Ok(())
}

fn list(trashed: &[TrashedRun], json: bool) {
    if json {
        trashed.iter().for_each(|run| out::result(named("deleted_run", run)));
    } else if trashed.is_empty() {
        out::note("No deleted run is kept");
    }
    for run in trashed.iter().filter(|_| !json) {
        out::result(format_args!(
            "{}  deleted {}  {}",
            out::one_line(&run.id),
            date_and_time(run.deleted),
            out::one_line(&run.name)
        ));
    }
}

/// The run that is meant: by id, by the beginning or end of its id, by name.
fn choose<'a>(trashed: &'a [TrashedRun], asked: &str) -> Result<&'a TrashedRun, CliError> {
    if let Some(run) = trashed.iter().find(|run| run.id.0 == asked) {
        return Ok(run);
    }
    let is_meant = |run: &&TrashedRun| run.name == asked || run.id.0.starts_with(asked) || run.id.0.ends_with(asked);
    let found: Vec<&TrashedRun> = trashed.iter().filter(|run| !asked.is_empty() && is_meant(run)).collect();
    match found.as_slice() {
        [run] => Ok(run),
        [] => Err(CliError::usage(
            format!("no deleted run {asked:?} is kept"),
            "prefix-workbench runs undelete lists those that are",
        )),
        several => {
            Err(CliError::usage(format!("{} deleted runs are called {asked:?}", several.len()), "Name one by its id"))
        }
    }
}

pub(super) fn empty_trash(store: &(Store, Receiver<Answer>), yes: bool, json: bool) -> Result<(), CliError> {
    if !yes && !confirmed("Remove all deleted runs for good? [y/N] ", "removing runs for good needs a yes")? {
        out::note("Nothing was removed");
        return Ok(());
    }
    let (runs, left) = ask_store(store, Request::EmptyTrash, |answer| match answer {
        Answer::TrashEmptied { runs, left } => Some((runs, left)),
        _ => None,
    })?;
    if json {
        out::result(named("trash_emptied", &json!({"runs": runs, "left": left})));
    }
    out::note(format_args!("Removed for good: {runs}"));
    left.map_or(Ok(()), |left| Err(CliError::failed(left, "Remove the folder by hand")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::RunId;

    #[test]
    fn a_deleted_run_is_named_as_any_other() {
        let run = |id: &str, name: &str| TrashedRun { id: RunId(id.into()), name: name.into(), deleted: 0 };
        let all = [run("20261121-031502-7f3a", "twin"), run("20261122-031502-8b00", "twin"), run("x", "Aurora")];
        assert_eq!(choose(&all, "8b00").unwrap().id.0, "20261122-031502-8b00");
        assert_eq!(choose(&all, "Aurora").unwrap().id.0, "x");
        for none in ["twin", "nothing", ""] {
            assert!(matches!(choose(&all, none), Err(CliError::Usage(_))), "{none}");
        }
    }
}
