//! Experiments on disk: a folder `experiments/<id>/` that says which runs there are, and what is to be done next. Where a run
//! stands is read from the run; a program that is closed or crashes loses nothing.

mod complete;
mod due;
mod file;
mod first;
mod folder;
mod opened;
mod ready;

use std::fmt;

use engine::config::RunConfig;
use engine::experiment::{Experiment, Strategy};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::complete::{TrainedParameters, check, complete, members, trained_parameters};
pub use self::due::Stand;
pub use self::file::ExperimentFile;
pub use self::folder::Held;
pub use self::opened::OpenedExperiment;
pub use self::ready::{ReadyMade, ready_made};
use crate::workspace::RunId;

/// Name of an experiment's folder.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ExperimentId(pub String);

impl fmt::Display for ExperimentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An experiment with its runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Name of its folder.
    pub id: ExperimentId,
    /// What was asked.
    pub experiment: Experiment,
    /// In the order in which they are trained.
    pub runs: Vec<PlannedRun>,
}

/// A run of an experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedRun {
    /// Its folder's name; the folder is made when the run is registered.
    pub run: RunId,
    /// What differs.
    pub name: String,
    /// What varies, with this run's values.
    pub values: Vec<(String, Value)>,
    /// All settings.
    pub config: Box<RunConfig>,
}

/// What is to be trained next of an experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Index into [`Plan::runs`].
    pub index: usize,
    /// From its last checkpoint.
    pub resume: bool,
    /// Stop after this step, where runs are held against each other; `None` is the end.
    pub until: Option<usize>,
}

/// How an experiment stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Runs in all.
    pub runs: usize,
    /// Trained to their end, or left behind by others.
    pub done: usize,
    /// Left behind by others before their end.
    pub dropped: usize,
    /// Ended with an error.
    pub failed: usize,
    /// Being computed.
    pub running: usize,
}

impl Plan {
    /// How its runs are chosen.
    pub fn strategy(&self) -> &Strategy {
        &self.experiment.strategy
    }
}
