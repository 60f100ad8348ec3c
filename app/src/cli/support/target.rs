//! The model and the adapters that a command means: the base, runs, adapter folders.

use std::path::{Path, PathBuf};

use clap::Args;
use engine::adapters::no_adapter;
use engine::config::RunConfig;
use engine::files::{self, Kind};
use engine::nn::MatrixNumbers;
use engine::sentence;

use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::models::found_model;
use crate::cli::support::paths::path;
use crate::cli::support::session::{find_run, open_store};
use crate::store::{adapter_folder, initial_folder};
use crate::workspace::{Workspace, last_name};

/// Model and adapters, as several commands take them.
#[derive(Debug, Default, Args)]
pub(in crate::cli) struct TargetArgs {
    /// Folder of the base model, or the id of one that was downloaded; without it that of the run, or the starter model
    #[arg(long, value_name = "DIR", value_parser = path())]
    model: Option<PathBuf>,
    /// A run: its id, the beginning or end of it, or its name; may be repeated
    #[arg(long, value_name = "RUN")]
    run: Vec<String>,
    /// A checkpoint of the runs, as in step-000120; without it the best one
    #[arg(long, value_name = "NAME")]
    checkpoint: Option<String>,
    /// A folder with adapter_config.json; may be repeated
    #[arg(long, value_name = "DIR", value_parser = path())]
    adapter: Vec<PathBuf>,
    /// The base model itself
    #[arg(long)]
    base: bool,
}

/// One model, and what is put before it.
#[derive(Debug)]
pub(in crate::cli) struct Target {
    pub(in crate::cli) model: PathBuf,
    pub(in crate::cli) columns: Vec<Column>,
    /// Configuration of the first run.
    pub(in crate::cli) config: Option<RunConfig>,
}

/// The base, or an adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Column {
    pub(in crate::cli) name: String,
    pub(in crate::cli) adapter: Option<PathBuf>,
    pub(in crate::cli) initial: Option<PathBuf>,
    /// Folder of the run that it is of.
    pub(in crate::cli) run: Option<PathBuf>,
}

impl TargetArgs {
    /// Without anything asked for, the base alone.
    pub(in crate::cli) fn resolve(&self, workspace: &Workspace, global: &Global) -> Result<Target, CliError> {
        let mut columns = Vec::new();
        if self.base || (self.run.is_empty() && self.adapter.is_empty()) {
            columns.push(Column { name: "base".to_owned(), adapter: None, initial: None, run: None });
        }
        let (mut model, mut config) = (self.model.clone(), None);
        if !self.run.is_empty() {
            let store = open_store(workspace)?;
            for asked in &self.run {
                let row = find_run(&store, asked)?;
                columns.push(self.column(row.name, &row.folder)?);
                match &model {
                    Some(model) if self.model.is_none() && *model != row.model_folder => {
                        return Err(CliError::usage(
                            format!("the runs have different base models: {} and {}", model.display(), row.model),
                            "Ask for them one by one",
                        ));
                    }
                    Some(_) => {}
                    None => model = Some(row.model_folder),
                }
                let read = || {
                    files::read_json(&row.folder.join("config.json"), Kind::RunRecord, sentence!("config.json")).ok()
                };
                config = config.or_else(read);
            }
            store.0.close();
        }
        for folder in &self.adapter {
            columns.push(self.column(last_name(folder), folder)?);
        }
        let model = match model {
            Some(model) => found_model(&model)?,
            None => global.assets().model()?,
        };
        Ok(Target { model, columns, config })
    }

    fn column(&self, name: String, folder: &Path) -> Result<Column, CliError> {
        let adapter = match &self.checkpoint {
            Some(checkpoint) => Some(folder.join("checkpoints").join(checkpoint)).filter(|folder| folder.is_dir()),
            None => adapter_folder(folder),
        };
        match adapter {
            Some(adapter) => {
                let run = Some(folder.to_owned()).filter(|folder| folder.join("run.json").is_file());
                Ok(Column { name, adapter: Some(adapter), initial: initial_folder(folder), run })
            }
            // A run has one after its first checkpoint; what else a folder is, the engine knows.
            None if folder.join("run.json").is_file() => Err(CliError::failed(
                format!("there is no adapter in {}", folder.display()),
                "A run has one after its first checkpoint",
            )),
            None => Err(CliError::from(no_adapter(folder))),
        }
    }
}

impl Target {
    /// In what the matrices are kept and multiplied: in f32 unless it is said, and in the blocks that the run had.
    pub(in crate::cli) fn numbers(&self, global: &Global) -> MatrixNumbers {
        let of_run = self.config.as_ref().map(|config| config.quantization);
        MatrixNumbers {
            precision: global.precision.unwrap_or_default(),
            quantization: global.quantization.or(of_run).unwrap_or_default(),
        }
    }

    /// The one adapter of a command that takes one.
    pub(in crate::cli) fn only(self) -> Result<(PathBuf, Column, Option<RunConfig>), CliError> {
        let Self { model, mut columns, config } = self;
        match (columns.pop(), columns.is_empty()) {
            (Some(column), true) => Ok((model, column, config)),
            _ => Err(CliError::usage("this command takes one run or adapter", "Ask for them one by one")),
        }
    }
}
