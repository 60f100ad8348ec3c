//! `resume`: goes on with a run from its last checkpoint.

use std::path::{Path, PathBuf};

use clap::Args;
use engine::config::RunConfig;
use engine::config::schema::Names;
use engine::files::{self, Kind};
use engine::sentence;
use engine::training::run_folder::{read_checkpoints, step_of};

use crate::cli::Global;
use crate::cli::commands::into;
use crate::cli::commands::train::{Start, watch};
use crate::cli::support::error::CliError;
use crate::cli::support::paths::path;
use crate::cli::support::progress::Progress;
use crate::cli::support::run_file;
use crate::cli::support::session::{find_run, open_store};
use crate::cli::support::settings;
use crate::store::RunState;

/// Go on with a run from its last checkpoint.
#[derive(Debug, Args)]
pub(in crate::cli) struct ResumeArgs {
    /// The run: its id, the beginning or end of it, or its name
    #[arg(required_unless_present = "into", conflicts_with = "into")]
    run: Option<String>,
    /// Go on with the run in this folder, which train --into began
    #[arg(long, value_name = "FOLDER", value_parser = path())]
    into: Option<PathBuf>,
    /// Go on although rows, split, tokenizer or order are not those that the run began with
    #[arg(long)]
    changed_data: bool,
}

pub(in crate::cli) fn run(args: &ResumeArgs, global: &Global) -> Result<(), CliError> {
    let start = if args.changed_data { Start::OnOthers } else { Start::Again };
    if let Some(folder) = &args.into {
        return into::resume(folder, start, global);
    }
    let workspace = global.workspace()?;
    let store = open_store(&workspace)?;
    let row = find_run(&store, args.run.as_deref().unwrap_or_default())?;
    if row.state.is_live() {
        return Err(CliError::failed(format!("the run {} is {}", row.name, row.state.name()), "Stop it first"));
    }
    let stored: RunConfig =
        files::read_json(&row.folder.join("config.json"), Kind::RunRecord, sentence!("the run's config.json"))?;
    let config = changed(&stored, global)?;
    refuse_nothing(steps_done(&row.folder)?, &config, (row.state, row.total_steps), global)?;
    watch(&workspace, store, &row.id, config, (start, Progress::new(global.json)), global).map(drop)
}

/// The steps that the last checkpoint of a run has behind it.
pub(super) fn steps_done(folder: &Path) -> Result<Option<u64>, CliError> {
    Ok(read_checkpoints(folder)?.last.and_then(|name| step_of(&name)).map(|step| step as u64))
}

/// A run that is finished needs more steps. One that was stopped behind its last step still lacks its last evaluation or its
/// adapter, and goes on to its end.
pub(super) fn refuse_nothing(
    done: Option<u64>,
    config: &RunConfig,
    (state, total_steps): (RunState, u64),
    global: &Global,
) -> Result<(), CliError> {
    if state != RunState::Finished {
        return Ok(());
    }
    let steps = u64::try_from(config.training.steps).unwrap_or(u64::MAX);
    let total = match steps {
        0 if settings::says(&global.set, "training.epochs") => return Ok(()),
        0 => total_steps,
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

/// The run's settings, with those of the command line on top.
pub(super) fn changed(stored: &RunConfig, global: &Global) -> Result<RunConfig, CliError> {
    let mut tree = serde_json::to_value(stored).unwrap_or_default();
    if let Some(device) = global.device {
        settings::put(&mut tree, "device", device.to_string().into());
    }
    if let Some(precision) = global.precision {
        settings::put(&mut tree, "precision", precision.name().into());
    }
    if let Some(quantization) = global.quantization {
        settings::put(&mut tree, "quantization", quantization.name().into());
    }
    let method = settings::method_of(&global.set).unwrap_or_else(|| stored.method.name().to_owned());
    let mut names = Names::of_method(&method);
    settings::assign(&mut tree, &global.set, &mut names)?;
    run_file::make_absolute(&mut tree, &std::env::current_dir().unwrap_or_default());
    settings::normalize(&mut tree)?;
    names.finish(&mut tree)?;
    let config = settings::to_config(&tree)?;
    config.check()?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::support::tests_support::{config, global};

    #[test]
    fn only_what_is_set_changes() {
        let mut stored = config();
        stored.training.max_grad_norm = None;
        assert_eq!(changed(&stored, &global(&[])).unwrap(), stored);
        let longer = changed(&stored, &global(&["training.steps=900"])).unwrap();
        assert_eq!((longer.training.steps, longer.training.max_grad_norm), (900, None));
        assert!(changed(&stored, &global(&["training.batch_size=0"])).is_err());
        let moved = changed(&stored, &global(&["data.train=~/rows.csv"])).unwrap();
        assert_eq!(moved.data.train, crate::home::typed("~/rows.csv"));
    }

    #[test]
    fn only_a_finished_run_has_nothing_to_go_on_with() {
        let mut config = config();
        config.training.steps = 100;
        let refused = |done, state| refuse_nothing(done, &config, (state, 100), &global(&[])).is_err();
        assert!(refused(Some(100), RunState::Finished));
        assert!(!refused(Some(90), RunState::Finished));
        for state in [RunState::Stopped, RunState::Interrupted, RunState::Failed] {
            assert!(!refused(Some(100), state), "its last evaluation or its adapter may be missing");
        }
    }
}
