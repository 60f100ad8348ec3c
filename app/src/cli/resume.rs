//! `resume`: goes on with a run from its last checkpoint.

use clap::Args;
use engine::config::RunConfig;
use engine::training::run_folder::read_checkpoints;

use super::error::CliError;
use super::progress::Progress;
use super::session::{find_run, open_store};
use super::train::watch;
use super::{Global, run_file, settings};
use crate::store::{Request, RunRow};

/// Go on with a run from its last checkpoint.
#[derive(Debug, Args)]
pub(super) struct ResumeArgs {
    /// The run: its id, the beginning or end of it, or its name
    run: String,
}

pub(super) fn run(args: &ResumeArgs, global: &Global) -> Result<(), CliError> {
    let workspace = global.workspace()?;
    let store = open_store(&workspace)?;
    let row = find_run(&store, &args.run)?;
    if row.state.is_live() {
        return Err(CliError::failed(format!("the run {} is {}", row.name, row.state.name()), "Stop it first"));
    }
    let file = row.folder.join("config.json");
    let text = std::fs::read_to_string(&file).map_err(|error| CliError::io("read", &file, &error))?;
    let stored: RunConfig = serde_json::from_str(&text)
        .map_err(|error| CliError::failed(format!("the run's config.json is damaged: {error}"), "Start a new run"))?;
    let config = changed(&stored, global)?;
    let done = read_checkpoints(&row.folder)?.last.and_then(|name| name.rsplit('-').next()?.parse().ok());
    refuse_nothing(done, &config, &row, global)?;
    store.0.send(Request::Register { run: row.id.clone(), config: Box::new(config.clone()), experiment: None });
    watch(&workspace, store, &row.id, config, (true, Progress::new(global.json)), global)
}

/// A run that has all its steps behind it needs more of them.
fn refuse_nothing(done: Option<u64>, config: &RunConfig, row: &RunRow, global: &Global) -> Result<(), CliError> {
    let steps = u64::try_from(config.training.steps).unwrap_or(u64::MAX);
    let total = match steps {
        0 if global.set.iter().any(|set| set.starts_with("training.epochs")) => return Ok(()),
        0 => row.total_steps,
        steps => steps,
    };
    match done {
        Some(done) if total > 0 && done >= total => Err(CliError::usage(
            format!("the run has done {done} of {total} steps, so there is nothing to go on with"),
            "Give it more: --set training.steps=N",
        )),
        _ => Ok(()),
    }
}

/// What the run was, with what the command line says on top.
fn changed(stored: &RunConfig, global: &Global) -> Result<RunConfig, CliError> {
    let mut tree = serde_json::to_value(stored).unwrap_or_default();
    if let Some(device) = global.device {
        settings::put(&mut tree, "device", device.to_string().into());
    }
    if let Some(precision) = global.precision {
        settings::put(&mut tree, "precision", precision.name().into());
    }
    global.set.iter().try_for_each(|assignment| settings::assign(&mut tree, assignment))?;
    run_file::make_absolute(&mut tree, &std::env::current_dir().unwrap_or_default());
    settings::normalise(&mut tree)?;
    let config = settings::to_config(&tree)?;
    config.check()?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{config, global};
    use super::*;

    #[test]
    fn only_what_is_set_changes() {
        let mut stored = config();
        stored.training.clip_norm = None;
        assert_eq!(changed(&stored, &global(&[])).unwrap(), stored);
        let longer = changed(&stored, &global(&["training.steps=900"])).unwrap();
        assert_eq!((longer.training.steps, longer.training.clip_norm), (900, None));
        assert!(changed(&stored, &global(&["training.batch_size=0"])).is_err());
        let moved = changed(&stored, &global(&["data.train=~/rows.csv"])).unwrap();
        assert_eq!(moved.data.train, crate::home::typed("~/rows.csv"));
    }
}
