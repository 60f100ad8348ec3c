//! The settings of a run on the command line: a file, a preset, flags and `--set`.

use std::path::{Path, PathBuf};

use clap::Args;
use engine::config::RunConfig;
use engine::config::schema::{self, Names};
use engine::recipes::{RECIPES, Recipe};
use serde_json::{Map, Value};

use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::models::{require_model, require_rows};
use crate::cli::support::paths::path;
use crate::cli::support::run_file;
use crate::cli::support::settings;
use crate::workspace::default_name;

/// Arguments that decide a run.
#[derive(Debug, Default, Args)]
pub(in crate::cli) struct RunArgs {
    /// Settings as TOML; relative paths in it are relative to the file
    #[arg(value_name = "RUN.toml", value_parser = path())]
    file: Option<PathBuf>,
    /// Folder of the base model, or the id of one that was downloaded
    #[arg(long, aliases = ["model_name_or_path", "model-name-or-path"], value_name = "DIR", value_parser = path())]
    model: Option<PathBuf>,
    /// Training rows: .jsonl, .json, .csv, .tsv, .conll, .txt, .parquet, .arrow, a folder, or a pattern such as shards/*.parquet
    #[arg(long, aliases = ["train_file", "train-file"], value_name = "FILE", value_parser = path())]
    data: Option<PathBuf>,
    /// Validation rows
    #[arg(long, aliases = ["validation_file", "validation-file"], value_name = "FILE", value_parser = path())]
    validation: Option<PathBuf>,
    /// Optimizer steps
    #[arg(long, aliases = ["max_steps", "max-steps"])]
    steps: Option<usize>,
    /// Method: prefix, prompt, lora, full or few_shot
    #[arg(long, value_name = "TYPE")]
    method: Option<String>,
    /// Peak learning rate
    #[arg(long, visible_alias = "rate", alias = "learning_rate", value_name = "RATE")]
    learning_rate: Option<f64>,
    /// Rows in one forward pass
    #[arg(long, visible_alias = "batch", aliases = ["per_device_train_batch_size", "per-device-train-batch-size"], value_name = "N")]
    batch_size: Option<usize>,
    /// Prefix length (virtual tokens)
    #[arg(long, aliases = ["num_virtual_tokens", "num-virtual-tokens"], value_name = "N")]
    prefix: Option<usize>,
    /// Train as a paper does; what is set beside it wins. The command presets lists them
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
}

impl RunArgs {
    /// For a command whose steps are not those of the run.
    pub(in crate::cli) fn take_steps(&mut self) -> Option<usize> {
        self.steps.take()
    }

    /// For a command that has methods and rates of its own.
    pub(in crate::cli) fn refuse_method(&self) -> Result<(), CliError> {
        match self.method.is_some() || self.learning_rate.is_some() {
            false => Ok(()),
            true => Err(CliError::usage(
                "every method is trained here, each with rates of its own",
                "Leave out --method and --learning-rate, or use train",
            )),
        }
    }

    /// Preset, then file, then flags, then `--set`: the later one wins.
    pub(in crate::cli) fn config(&self, name: Option<&str>, global: &Global) -> Result<RunConfig, CliError> {
        let recipe = self.preset.as_deref().map(preset).transpose()?;
        let said = self.file.as_deref().map(run_file::parse).transpose()?;
        let method = settings::method_of(&global.set)
            .or_else(|| self.method.clone())
            .or_else(|| said.as_ref().and_then(schema::method_of))
            .or_else(|| recipe.and_then(|recipe| schema::method_of(&recipe.settings())));
        let mut names = method.map_or_else(Names::default, |method| Names::of_method(&method));
        let mut tree = match (said, &self.file) {
            (Some(said), Some(file)) => run_file::settle(said, file, &mut names)?,
            _ => Value::Object(Map::new()),
        };
        names.next_source();
        let here = std::env::current_dir().unwrap_or_default();
        let path = |path: &Option<PathBuf>| path.as_deref().map(|path| as_text(path, &here)).transpose();
        let flags = [
            ("model", path(&self.model)?.map(Into::into)),
            ("data.train", path(&self.data)?.map(Into::into)),
            ("data.validation", path(&self.validation)?.map(Into::into)),
            ("method.type", self.method.clone().map(Into::into)),
            ("training.steps", self.steps.map(Into::into)),
            ("training.learning_rate", self.learning_rate.map(Into::into)),
            ("training.batch_size", self.batch_size.map(Into::into)),
            ("method.n_virtual", self.prefix.map(Into::into)),
            ("name", name.map(Into::into)),
            ("device", global.device.map(|device| device.to_string().into())),
            ("precision", global.precision.map(|precision| precision.name().into())),
            ("quantization", global.quantization.map(|quantization| quantization.name().into())),
        ];
        for (key, value) in flags {
            if let Some(value) = value {
                settings::say(&mut tree, key, value, &mut names)?;
            }
        }
        settings::assign(&mut tree, &global.set, &mut names)?;
        run_file::make_absolute(&mut tree, &here);
        let mut config = run_file::complete(tree, recipe, &names, &global.assets())?;
        require_model(&config.model, &here)?;
        let more = config.data.more.iter().flat_map(|more| [Some(&more.train), more.validation.as_ref()]);
        for rows in [Some(&config.data.train), config.data.validation.as_ref()].into_iter().chain(more).flatten() {
            require_rows(rows)?;
        }
        if config.name.trim().is_empty() {
            config.name = default_name(&config);
        }
        Ok(config)
    }
}

/// The preset of that name.
fn preset(name: &str) -> Result<&'static Recipe, CliError> {
    Recipe::named(name).ok_or_else(|| {
        let names: Vec<&str> = RECIPES.iter().map(|recipe| recipe.name).collect();
        CliError::usage(format!("there is no preset {name:?}"), format!("There are: {}", names.join(", ")))
    })
}

/// A run keeps its paths as text, which not every path is.
fn as_text(path: &Path, here: &Path) -> Result<String, CliError> {
    path.to_str().filter(|_| here.join(path).to_str().is_some()).map(str::to_owned).ok_or_else(|| {
        let path = here.join(path).display().to_string();
        CliError::usage(
            format!("the path {path:?} is not UTF-8, and a run keeps its paths as text"),
            "Give it another name, or name a link to it",
        )
    })
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn a_path_that_is_no_text_is_named_and_not_said_to_be_missing() {
        let odd = Path::new(std::ffi::OsStr::from_bytes(b"rows-\xff.jsonl"));
        let error = as_text(odd, Path::new("/home")).unwrap_err();
        assert!(error.to_string().contains("is not UTF-8"), "{error}");
        assert!(as_text(Path::new("rows.jsonl"), &Path::new("/").join(odd)).is_err());
        assert_eq!(as_text(Path::new("行.jsonl"), Path::new("/home")).unwrap(), "行.jsonl");
    }
}
