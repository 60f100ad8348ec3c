//! Why there is no workspace, or no starter set.

use std::fmt;
use std::io;
use std::path::PathBuf;

use engine::error::Failure;
use engine::{Sentence, sentence};

use super::assets::ASSETS_VARIABLE;

/// Why there is no workspace.
#[derive(Debug)]
pub enum WorkspaceError {
    /// The platform names no folder for a user's data.
    NoDataFolder,
    /// The folder cannot be made or written.
    Unwritable {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// There is no run's folder where one is to be taken into the list.
    NoRun(PathBuf),
    /// The starter model is not where it should be.
    ModelMissing(PathBuf),
    /// A dataset of the starter set is not where it should be.
    DatasetMissing(PathBuf),
}

impl WorkspaceError {
    /// One sentence on what happened, the path last.
    pub fn sentence(&self) -> Sentence {
        match self {
            Self::NoDataFolder => sentence!("the system names no data folder for you; name one with --workspace DIR"),
            Self::Unwritable { path, source } => {
                let reason = engine::error::io_reason(source);
                sentence!("the workspace folder cannot be written ({reason}): {path}", reason, path)
            }
            Self::NoRun(path) => sentence!("there is no run in this folder: {path}", path),
            Self::ModelMissing(path) => sentence!(
                "the starter model is missing; set {variable} to the folder that has it: {path}",
                variable = ASSETS_VARIABLE,
                path
            ),
            Self::DatasetMissing(path) => sentence!(
                "the starter dataset is missing; set {variable} to the folder that has it: {path}",
                variable = ASSETS_VARIABLE,
                path
            ),
        }
    }

    /// One sentence on what to do about it.
    pub fn advice(&self) -> Sentence {
        match self {
            Self::NoDataFolder | Self::Unwritable { .. } => {
                sentence!("Choose a folder that you may write with --workspace DIR")
            }
            Self::NoRun(_) => sentence!("Name the folder of a run, or one with such folders in it"),
            Self::ModelMissing(_) | Self::DatasetMissing(_) => {
                sentence!("Keep the assets folder beside the program, or choose a model and a dataset")
            }
        }
    }
}

/// In English, as on the command line.
impl fmt::Display for WorkspaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sentence().fmt(f)
    }
}

impl std::error::Error for WorkspaceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unwritable { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<&WorkspaceError> for Failure {
    fn from(error: &WorkspaceError) -> Self {
        Self { what: error.sentence(), advice: error.advice() }
    }
}
