//! The experiment that a line asks for: a file, or one that comes with the program, with settings of every run on top.

use std::path::{Path, PathBuf};

use clap::Args;
use engine::config::RunConfig;
use engine::experiment::{Experiment, Member, typed};
use serde_json::{Map, Value};

use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::models::{require_model, require_rows};
use crate::cli::support::out;
use crate::cli::support::paths::path;
use crate::cli::support::run_file;
use crate::cli::support::settings;
use crate::experiments::{ExperimentFile, ready_made};

/// What every run has.
#[derive(Debug, Args)]
pub(super) struct AskedArgs {
    /// A file with [run], [vary] and [strategy], or the name of an experiment that comes with the program
    #[arg(value_name = "FILE|NAME", value_parser = path())]
    what: Option<PathBuf>,
    /// Folder of the base model of every run, or the id of one that was downloaded
    #[arg(long, value_name = "DIR", value_parser = path())]
    model: Option<PathBuf>,
    /// Training rows of every run
    #[arg(long, value_name = "FILE", value_parser = path())]
    data: Option<PathBuf>,
    /// Validation rows of every run
    #[arg(long, value_name = "FILE", value_parser = path())]
    validation: Option<PathBuf>,
    /// Optimizer steps of every run
    #[arg(long)]
    steps: Option<usize>,
    /// Let a setting vary, as in seed=1,2,3 or "training.learning_rate=1e-4 .. 1e-2 / 5 log"; may be repeated
    #[arg(long, value_name = "KEY=VALUES")]
    vary: Vec<String>,
}

/// An experiment with its runs, before it has a folder.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) experiment: Experiment,
    pub(super) members: Vec<(Member, RunConfig)>,
    /// The file's text.
    pub(super) text: String,
}

impl AskedArgs {
    /// Reads the file, says over it what the line says, and makes its runs.
    pub(super) fn read(&self, name: Option<&str>, global: &Global) -> Result<Asked, CliError> {
        let Some(what) = &self.what else {
            return Err(CliError::usage(
                "an experiment needs a file, or the name of one that comes with the program",
                "prefix-workbench experiment --list-ready lists those",
            ));
        };
        let assets = global.assets();
        let mut file = ExperimentFile::read(&self.found(what, global)?)?;
        let here = std::env::current_dir().unwrap_or_default();
        let text = |path: &Option<PathBuf>| path.as_ref().map(|path| Value::from(path.to_string_lossy()));
        let flags = [
            ("model", text(&self.model)),
            ("data.train", text(&self.data)),
            ("data.validation", text(&self.validation)),
            // Rows of one's own are not validated on those of the starter.
            ("data.validation", (self.data.is_some() && self.validation.is_none()).then(|| "none".into())),
            ("training.steps", self.steps.map(Value::from)),
            ("device", global.device.map(|device| device.to_string().into())),
            ("precision", global.precision.map(|precision| precision.name().into())),
            ("quantization", global.quantization.map(|quantization| quantization.name().into())),
        ];
        let mut said = Value::Object(Map::new());
        for (key, value) in flags {
            if let Some(value) = value {
                settings::say(&mut said, key, value, file.names())?;
            }
        }
        settings::assign(&mut said, &global.set, file.names())?;
        run_file::make_absolute(&mut said, &here);
        file.say(&said)?;
        for assignment in &self.vary {
            let Some((key, values)) = assignment.split_once('=') else {
                return Err(CliError::usage(format!("{assignment:?} varies nothing"), "Write --vary seed=1,2,3"));
            };
            let Some(axis) = typed(key.trim(), values.trim())? else {
                return Err(CliError::usage(
                    format!("--vary {assignment} has a single value"),
                    format!("Write --set {assignment}, or several values with commas between them"),
                ));
            };
            file.vary(axis, &here)?;
        }
        let text = file.text.clone();
        let name = name.map_or_else(|| file.name.clone(), str::to_owned);
        let (experiment, members) = file.finish(&name, &assets)?;
        if let Some(sentence) = experiment.combined()?.sentence() {
            out::note(format_args!("Note: {sentence}"));
        }
        members.iter().try_for_each(|(_, config)| require_files(config, &here))?;
        Ok(Asked { experiment, members, text })
    }

    /// The file, or that of the experiment of this name.
    fn found(&self, what: &Path, global: &Global) -> Result<PathBuf, CliError> {
        if what.is_file() {
            return Ok(what.to_owned());
        }
        let ready = ready_made(&global.assets());
        let name = what.to_string_lossy();
        let names: Vec<&str> = ready.iter().map(|ready| ready.name.as_str()).collect();
        let missing = || {
            let what = format!("there is no file {name}, and no experiment of that name comes with the program");
            CliError::usage(what, format!("There are: {}", names.join(", ")))
        };
        ready.iter().find(|ready| ready.name == name).map(|ready| ready.file.clone()).ok_or_else(missing)
    }
}

/// What is not there is a slip of the hand, and not a run that failed.
pub(crate) fn require_files(config: &RunConfig, here: &Path) -> Result<(), CliError> {
    require_model(&config.model, here)?;
    let data = &config.data;
    let more = data.more.iter().flat_map(|more| [Some(&more.train), more.validation.as_ref()]);
    let mut files = [Some(&data.train), data.validation.as_ref()].into_iter().chain(more).flatten();
    files.try_for_each(|path| {
        require_rows(path)?;
        match path.exists() || engine::data::is_pattern(path) {
            true => Ok(()),
            false => Err(CliError::failed(
                format!("there is no file {}", path.display()),
                "Check the path; one in an experiment file is relative to that file",
            )),
        }
    })
}
