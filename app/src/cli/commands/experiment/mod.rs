//! `experiment`: many runs of one question, from a file or one that comes with the program; how they stand, and their table.

mod asked;
mod begin;
mod hand_over;
mod overview;
mod table;

use std::sync::mpsc::Receiver;

use clap::{Args, Subcommand};

use self::asked::AskedArgs;
pub(crate) use self::asked::require_files;
use self::begin::PaceArgs;
pub(in crate::cli) use self::begin::sit;
use self::table::TableArgs;
use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::out;
use crate::cli::support::session::{list_runs, open_store};
use crate::experiments::Plan;
use crate::store::{Answer, RunRow, Store};
use crate::workspace::Workspace;

/// Train many runs that answer one question. A file has a base run, what varies and which of the runs are trained
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct ExperimentArgs {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    asked: AskedArgs,
    #[command(flatten)]
    pace: PaceArgs,
    /// Name of the experiment, and of the group of its runs
    #[arg(long)]
    name: Option<String>,
    /// Go on with the experiment that this file has begun; begin where there is none
    #[arg(long)]
    resume: bool,
    /// Without the question before more than twenty runs
    #[arg(long)]
    yes: bool,
    /// Say which runs there would be and what each trains, and end
    #[arg(long)]
    dry_run: bool,
    /// List the experiments that come with the program, and end
    #[arg(long)]
    list_ready: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// All experiments, newest first, and how they stand
    List,
    /// How an experiment stands, run by run
    Status {
        /// Its id, the beginning or end of it, or its name; without it the newest
        experiment: Option<String>,
    },
    /// End what was handed over with --via; what runs writes a checkpoint first
    Cancel {
        /// Its id, the beginning or end of it, or its name; without it the newest
        experiment: Option<String>,
    },
    /// The runs of an experiment with what differs and their figures
    Table(TableArgs),
    /// Go on with an experiment where it was stopped, or where the program ended
    Resume {
        /// Its id, the beginning or end of it, or its name; without it the newest
        experiment: Option<String>,
        #[command(flatten)]
        pace: PaceArgs,
    },
}

pub(in crate::cli) fn run(args: ExperimentArgs, global: &Global) -> Result<(), CliError> {
    match args.action {
        None if args.list_ready => overview::list_ready(global),
        None => begin::begin(args, global),
        Some(Action::List) => overview::list(global),
        Some(Action::Status { experiment }) => overview::status(experiment.as_deref(), global),
        Some(Action::Cancel { experiment }) => {
            let workspace = global.workspace()?;
            hand_over::cancel(&find(&workspace, experiment.as_deref())?, &workspace, global)
        }
        Some(Action::Table(table)) => table::run(&table, global),
        Some(Action::Resume { experiment, pace }) => {
            global.refuse_set()?;
            if global.precision.is_some() || global.quantization.is_some() {
                return Err(CliError::usage(
                    "--precision and --quantization mean nothing here: the runs have theirs since the experiment began",
                    "Leave it out, or begin another experiment",
                ));
            }
            let workspace = global.workspace()?;
            let plan = find(&workspace, experiment.as_deref())?;
            begin::go_on(&plan, &workspace, &pace, global)
        }
    }
}

/// The experiment that is meant: by id, by the beginning or end of its id, by name; the newest where none is named.
fn find(workspace: &Workspace, asked: Option<&str>) -> Result<Plan, CliError> {
    let (plans, unread) = Plan::list(workspace);
    for folder in unread {
        out::note(format_args!("Note: this experiment cannot be read: {}", folder.display()));
    }
    choose(plans, asked)
}

fn choose(mut plans: Vec<Plan>, asked: Option<&str>) -> Result<Plan, CliError> {
    let Some(asked) = asked else {
        return (!plans.is_empty()).then(|| plans.swap_remove(0)).ok_or_else(|| {
            CliError::usage(
                "there are no experiments yet",
                "prefix-workbench experiment --list-ready lists those to begin",
            )
        });
    };
    let matches = |plan: &Plan| {
        let id = &plan.id.0;
        !asked.is_empty() && (plan.experiment.name == asked || id.starts_with(asked) || id.ends_with(asked))
    };
    if let Some(index) = plans.iter().position(|plan| plan.id.0 == asked) {
        return Ok(plans.swap_remove(index));
    }
    plans.retain(matches);
    match plans.len() {
        1 => Ok(plans.swap_remove(0)),
        0 => Err(CliError::usage(
            format!("there is no experiment {asked:?}"),
            "prefix-workbench experiment list lists those there are",
        )),
        n => Err(CliError::usage(format!("{n} experiments are called {asked:?}"), "Name one by its id")),
    }
}

/// The rows of all runs, from a store that is opened for the question.
fn rows(workspace: &Workspace) -> Result<Vec<RunRow>, CliError> {
    let store: (Store, Receiver<Answer>) = open_store(workspace)?;
    let rows = list_runs(&store);
    store.0.close();
    rows
}

#[cfg(test)]
mod tests {
    use engine::experiment::{Experiment, Strategy};

    use super::*;
    use crate::experiments::ExperimentId;

    #[test]
    fn an_experiment_is_named_by_id_by_part_of_it_by_name_or_is_the_newest() {
        let plan = |id: &str, name: &str| {
            let (base, axes) = (serde_json::json!({}), Vec::new());
            let (name, strategy, first) = (name.to_owned(), Strategy::Grid, None);
            let experiment = Experiment { name, base, axes, strategy, first };
            Plan { id: ExperimentId(id.to_owned()), experiment, runs: Vec::new() }
        };
        let plans = || vec![plan("20261122-8b00", "twin"), plan("20261121-7f3a", "twin"), plan("x", "Aurora")];
        let found = |asked: Option<&str>| choose(plans(), asked).map(|plan| plan.id.0);
        assert_eq!(found(None).unwrap(), "20261122-8b00");
        assert_eq!(found(Some("7f3a")).unwrap(), "20261121-7f3a");
        assert_eq!(found(Some("Aurora")).unwrap(), "x");
        assert!(found(Some("twin")).unwrap_err().to_string().starts_with("2 experiments are called"));
        assert!(matches!(found(Some("nothing")), Err(CliError::Usage(_))));
        assert!(matches!(choose(Vec::new(), None), Err(CliError::Usage(_))));
    }
}
