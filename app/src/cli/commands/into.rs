//! `train --into` and `resume --into`: a run in a folder of its own, for jobs that share a disk. There is no list of runs and
//! no database; a list takes the folder in with `runs adopt`, or because it is the folder of one of its runs.

use std::path::Path;

use engine::config::RunConfig;
use engine::files::{self, Kind};
use engine::protocol::Outcome;
use engine::training::RunFacts;
use engine::{Sentence, sentence};

use crate::cli::Global;
use crate::cli::commands::resume::{changed, refuse_nothing, steps_done};
use crate::cli::commands::train::{Start, watch};
use crate::cli::support::error::CliError;
use crate::cli::support::out;
use crate::cli::support::progress::Progress;
use crate::cli::support::session::open_store;
use crate::store::{Request, RunState, kept_state};
use crate::workspace::{RunId, Workspace};

/// Begins a run in a folder. What is there already is gone on with if `resume` says so.
pub(in crate::cli) fn train(
    folder: &Path,
    config: RunConfig,
    experiment: Option<String>,
    (resume, progress): (bool, Progress),
    global: &Global,
) -> Result<(), CliError> {
    let (workspace, run) = Workspace::around(folder, global.workspace.as_deref())?;
    if has_run(&workspace, &run) {
        let next = global.next_command(&format!("resume --into {}", folder.display()));
        return match resume {
            true => go_on(&workspace, &run, (Start::Again, progress), global),
            false => Err(CliError::usage(
                format!("there is a run in {} already", folder.display()),
                format!("Name another folder, add --resume, or go on with: {next}"),
            )),
        };
    }
    workspace.make_run_folder(&run)?;
    let store = open_store(&workspace)?;
    store.0.send(Request::Register { run: run.clone(), config: Box::new(config.clone()), experiment });
    watch(&workspace, store, &run, config, (Start::Anew, progress), global).and_then(ended)
}

/// Goes on with the run in a folder, from its last checkpoint.
pub(in crate::cli) fn resume(folder: &Path, start: Start, global: &Global) -> Result<(), CliError> {
    let (workspace, run) = Workspace::around(folder, global.workspace.as_deref())?;
    if !has_run(&workspace, &run) {
        return Err(CliError::usage(
            format!("there is no run in {}", folder.display()),
            "Check the path; train --into begins a run in a folder",
        ));
    }
    let place = workspace.run_folder(&run);
    if kept_state(&place) == Some(RunState::Finished) {
        let config = changed(&stored(&place)?, global)?;
        let facts = files::read_json::<RunFacts>(&place.join("facts.json"), Kind::RunRecord, Sentence::default());
        let total = facts.map_or(0, |facts| facts.total_steps as u64);
        refuse_nothing(steps_done(&place)?, &config, (RunState::Finished, total), global)?;
        return begin(&workspace, &run, config, (start, Progress::new(global.json)), global);
    }
    go_on(&workspace, &run, (start, Progress::new(global.json)), global)
}

fn has_run(workspace: &Workspace, run: &RunId) -> bool {
    !workspace.misses_files(run)
}

fn stored(folder: &Path) -> Result<RunConfig, CliError> {
    Ok(files::read_json(&folder.join("config.json"), Kind::RunRecord, sentence!("the run's config.json"))?)
}

/// As a job that is begun again does: a run that is finished is no error.
fn go_on(workspace: &Workspace, run: &RunId, how: (Start, Progress), global: &Global) -> Result<(), CliError> {
    let place = workspace.run_folder(run);
    if kept_state(&place) == Some(RunState::Finished) {
        out::note(format_args!("The run is finished: {}", place.display()));
        return Ok(());
    }
    let config = changed(&stored(&place)?, global)?;
    begin(workspace, run, config, how, global)
}

fn begin(
    workspace: &Workspace,
    run: &RunId,
    config: RunConfig,
    how: (Start, Progress),
    global: &Global,
) -> Result<(), CliError> {
    let store = open_store(workspace)?;
    if kept_state(&workspace.run_folder(run)).is_none() {
        // It was killed between its first two files.
        store.0.send(Request::Register { run: run.clone(), config: Box::new(config.clone()), experiment: None });
    }
    watch(workspace, store, run, config, how, global).and_then(ended)
}

/// A job that was asked to end is told apart from one that is done: its scheduler begins it again.
fn ended(outcome: Outcome) -> Result<(), CliError> {
    match outcome {
        Outcome::Completed | Outcome::StoppedEarly => Ok(()),
        Outcome::Stopped => Err(CliError::GoOn),
    }
}
