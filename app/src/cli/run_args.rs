//! The settings of a run on the command line: a file, a preset, flags and `--set`.

use std::path::{Path, PathBuf};

use clap::Args;
use engine::config::RunConfig;

use super::download::require_model;
use super::error::CliError;
use super::{Global, presets, run_file, settings};
use crate::workspace::default_name;

/// What decides a run.
#[derive(Debug, Default, Args)]
pub(super) struct RunArgs {
    /// Settings as TOML; relative paths in it are relative to the file
    #[arg(value_name = "RUN.toml")]
    file: Option<PathBuf>,
    /// Folder of the base model, or the id of one that was downloaded
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Training rows: .jsonl, .json, .csv or .tsv
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Validation rows
    #[arg(long, value_name = "FILE")]
    validation: Option<PathBuf>,
    /// Optimizer steps
    #[arg(long)]
    steps: Option<usize>,
    /// Prefix length (virtual tokens)
    #[arg(long, value_name = "N")]
    prefix: Option<usize>,
    /// Train as a paper does; what is set beside it wins. The command presets lists them
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
}

impl RunArgs {
    /// For a command whose steps are not those of the run.
    pub(super) fn take_steps(&mut self) -> Option<usize> {
        self.steps.take()
    }

    /// Preset, then file, then flags, then `--set`: the later one wins.
    pub(super) fn config(&self, name: Option<&str>, global: &Global) -> Result<RunConfig, CliError> {
        let mut tree = run_file::read_tree(self.file.as_deref())?;
        let here = std::env::current_dir().unwrap_or_default();
        let path = |path: &Option<PathBuf>| path.as_deref().map(|path| as_text(path, &here)).transpose();
        let flags = [
            ("model", path(&self.model)?.map(Into::into)),
            ("data.train", path(&self.data)?.map(Into::into)),
            ("data.validation", path(&self.validation)?.map(Into::into)),
            ("training.steps", self.steps.map(Into::into)),
            ("method.n_virtual", self.prefix.map(Into::into)),
            ("name", name.map(Into::into)),
            ("device", global.device.map(|device| device.to_string().into())),
            ("precision", global.precision.map(|precision| precision.name().into())),
        ];
        for (key, value) in flags {
            if let Some(value) = value {
                settings::put(&mut tree, key, value);
            }
        }
        for assignment in &global.set {
            settings::assign(&mut tree, assignment)?;
        }
        run_file::make_absolute(&mut tree, &here);
        let recipe = self.preset.as_deref().map(presets::find).transpose()?;
        let mut config = run_file::complete(tree, recipe, &global.assets())?;
        require_model(&config.model, &here)?;
        if config.name.trim().is_empty() {
            config.name = default_name(&config);
        }
        Ok(config)
    }
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
