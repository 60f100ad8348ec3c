//! An experiment file that was opened: its runs, before somebody says that they are trained.

use std::path::{Path, PathBuf};

use engine::config::RunConfig;
use engine::experiment::{Experiment, Member};

use super::{ExperimentFile, trained_parameters};
use crate::cli::{CliError, require_files};
use crate::workspace::Assets;

/// An experiment with its runs, as a file says it.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenedExperiment {
    /// The file.
    pub path: PathBuf,
    /// What it answers, a sentence; empty where the file says none.
    pub about: String,
    /// Numbers that the least and the most of its runs train; `None` where a model does not say.
    pub trained: Option<(usize, usize)>,
    /// What is asked.
    pub experiment: Experiment,
    /// Its runs in the order in which they are trained.
    pub runs: Vec<(Member, RunConfig)>,
    /// The file's text.
    pub source: String,
}

impl OpenedExperiment {
    /// Reads a file, and looks for the models and rows of its runs.
    ///
    /// # Errors
    /// What it says cannot be, or its files are not there.
    pub fn read(file: &Path, assets: &Assets) -> Result<Self, CliError> {
        let read = ExperimentFile::read(file)?;
        let (name, about, source) = (read.name.clone(), read.about.clone(), read.text.clone());
        let (experiment, runs) = read.finish(&name, assets)?;
        let here = file.parent().unwrap_or_else(|| Path::new(""));
        runs.iter().try_for_each(|(_, config)| require_files(config, here))?;
        let counts = runs.iter().map(|(_, config)| trained_parameters(config).map(|trained| trained.count).ok());
        let counts: Option<Vec<usize>> = counts.collect();
        let trained = counts.and_then(|counts| Some((*counts.iter().min()?, *counts.iter().max()?)));
        Ok(Self { path: file.to_owned(), about, trained, experiment, runs, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_its_runs_and_what_they_train_or_what_is_missing() {
        let assets = Assets::at(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets"));
        let opened = OpenedExperiment::read(&assets.root().join("experiments/prefix-length.toml"), &assets).unwrap();
        assert_eq!((opened.experiment.name.as_str(), opened.runs.len()), ("prefix-length", 15));
        assert!(opened.about.contains("prefix") && opened.source.contains("[vary]"));
        assert!(opened.trained.is_some_and(|(fewest, most)| fewest < most));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mine.toml");
        std::fs::write(&file, "run.data.train = \"none.jsonl\"\n[vary]\nseed = [1, 2]\n").unwrap();
        let refused = OpenedExperiment::read(&file, &assets).unwrap_err().to_string();
        assert!(refused.contains("none.jsonl"), "{refused}");
    }
}
