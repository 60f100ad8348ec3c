//! `runs`: the list of runs, one run, what people say of it, its end and its return.

mod deleted;
mod detail;
mod list;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;

use clap::{Args, Subcommand};

use self::list::ListArgs;
use super::export_runs::{self, ExportRunsArgs};
use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::json::named;
use crate::cli::support::out;
use crate::cli::support::paths::path;
use crate::cli::support::session::{find_run, list_runs, open_store};
use crate::store::{Answer, Request, RunRow, Store};
use crate::workspace::{Workspace, run_folders};

/// List, show, rename, tag or delete runs.
#[derive(Debug, Args)]
pub(in crate::cli) struct RunsArgs {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Runs, newest first (the default)
    List(ListArgs),
    /// One run: settings, figures, log
    Show {
        /// The run's id, the beginning or end of it, or its name
        run: String,
    },
    /// Write figures, settings and curves for other programs: CSV, JSON, TensorBoard, SVG, PNG
    Export(ExportRunsArgs),
    /// Take runs into the list that are elsewhere, such as those of train --into; they stay where they are
    Adopt {
        /// The folder of a run, or one with such folders in it
        #[arg(required = true, value_name = "DIR", value_parser = path())]
        folders: Vec<PathBuf>,
    },
    /// Give a run another name
    Rename {
        /// The run's id, the beginning or end of it, or its name
        run: String,
        /// The new name
        name: String,
    },
    /// Give a run tags beside those that it has
    Tag {
        /// The run's id, the beginning or end of it, or its name
        run: String,
        /// The tags
        #[arg(required = true)]
        tags: Vec<String>,
        /// Take these tags away
        #[arg(long)]
        remove: bool,
    },
    /// Write what there is to say about a run, in place of what was written before
    Note {
        /// The run's id, the beginning or end of it, or its name
        run: String,
        /// The text; empty takes it away
        text: String,
    },
    /// Mark a run
    Star {
        /// The run's id, the beginning or end of it, or its name
        run: String,
        /// Take the mark away
        #[arg(long)]
        off: bool,
    },
    /// Put a run away, so that it is not listed
    Archive {
        /// The run's id, the beginning or end of it, or its name
        run: String,
        /// Take it out again
        #[arg(long)]
        off: bool,
    },
    /// Delete a run with its files; for seven days it can be brought back
    Delete {
        /// The run's id, the beginning or end of it, or its name
        run: String,
        /// Without the question
        #[arg(long)]
        yes: bool,
    },
    /// Bring a deleted run back; without a run, list those that can be
    Undelete {
        /// The run's id, the beginning or end of it, or its name
        run: Option<String>,
    },
    /// Remove all deleted runs for good
    EmptyTrash {
        /// Without the question
        #[arg(long)]
        yes: bool,
    },
}

pub(in crate::cli) fn run(args: RunsArgs, global: &Global) -> Result<(), CliError> {
    global.refuse_set()?;
    let workspace = global.workspace()?;
    let store = open_store(&workspace)?;
    let result = match args.action.unwrap_or(Action::List(ListArgs::default())) {
        Action::Adopt { folders } => adopt(&store, &workspace, &folders, global),
        action => act(&store, action, global),
    };
    store.0.close();
    result
}

fn adopt(
    store: &(Store, Receiver<Answer>),
    workspace: &Workspace,
    folders: &[PathBuf],
    global: &Global,
) -> Result<(), CliError> {
    let mut adopted = Vec::new();
    for folder in folders {
        for run in run_folders(folder)? {
            adopted.push(workspace.adopt(&run)?);
        }
    }
    store.0.send(Request::Rescan);
    let rows = list_runs(store)?;
    for run in adopted {
        // Another program may write the list, and has it in a moment.
        let Some(row) = rows.iter().find(|row| row.id == run) else {
            out::note(format_args!("{run} comes into the list of the program that has this workspace open"));
            continue;
        };
        if global.json {
            out::result(named("run", row));
        } else {
            out::note(format_args!("{} ({run}) is in the list: {}", row.name, list::state(row)));
        }
    }
    Ok(())
}

fn act(store: &(Store, Receiver<Answer>), action: Action, global: &Global) -> Result<(), CliError> {
    let said = |asked: &str, request: &dyn Fn(&RunRow) -> Request, words: &dyn Fn(&RunRow) -> String| {
        let run = find_run(store, asked)?;
        store.0.send(request(&run));
        let row = find_run(store, &run.id.0)?;
        if global.json {
            out::result(named("run", &row));
        } else {
            out::note(words(&row));
        }
        Ok(())
    };
    let called = |row: &RunRow| format!("{} ({})", row.name, row.id);
    match action {
        // [`run`] has taken it.
        Action::Adopt { .. } => Ok(()),
        Action::List(args) => list::list(store, &args, global),
        Action::Show { run } => detail::show(store, &run, global.json),
        Action::Export(args) => export_runs::run(store, &args, global),
        Action::Rename { run, name } => {
            said(&run, &|row| Request::Rename { run: row.id.clone(), name: name.clone() }, &|row| {
                format!("{} is now called {}", row.id, row.name)
            })
        }
        Action::Tag { run, tags, remove } => {
            said(&run, &|row| Request::Tags { run: row.id.clone(), tags: changed(&row.tags, &tags, remove) }, &|row| {
                format!("{} has the tags: {}", called(row), row.tags.join(", "))
            })
        }
        Action::Note { run, text } => {
            said(&run, &|row| Request::Notes { run: row.id.clone(), text: text.clone() }, &|row| {
                format!("Written about {}", called(row))
            })
        }
        Action::Star { run, off } => said(&run, &|row| Request::Star { run: row.id.clone(), starred: !off }, &|row| {
            format!("{} {}", called(row), if row.starred { "is marked" } else { "is not marked any more" })
        }),
        Action::Archive { run, off } => {
            said(&run, &|row| Request::Archive { run: row.id.clone(), archived: !off }, &|row| {
                format!("{} {}", called(row), if row.archived { "is put away" } else { "is in the list again" })
            })
        }
        Action::Delete { run, yes } => deleted::delete(store, &run, yes, global),
        Action::Undelete { run } => deleted::undelete(store, run.as_deref(), global),
        Action::EmptyTrash { yes } => deleted::empty_trash(store, yes, global.json),
    }
}

/// A run's tags with some more, or without them.
fn changed(tags: &[String], asked: &[String], remove: bool) -> Vec<String> {
    let asked: BTreeSet<&str> = asked.iter().map(|tag| tag.trim()).collect();
    let kept = tags.iter().map(String::as_str).filter(|tag| !asked.contains(tag));
    let more = asked.iter().copied().filter(|_| !remove);
    kept.chain(more).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_come_beside_others_and_go_alone() {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        assert_eq!(changed(&words(&["a", "b"]), &words(&["c", " a "]), false), ["b", "a", "c"]);
        assert_eq!(changed(&words(&["a", "b"]), &words(&["a", "x"]), true), ["b"]);
    }
}
