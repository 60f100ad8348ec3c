//! All runs as the store tells them, and details of those that were looked at.

use std::collections::BTreeMap;
use std::path::PathBuf;

use engine::config::RunConfig;
use engine::training::Beginning;

use super::request::Request;
use crate::screens::training::state::RunView;
use crate::store::{CheckpointRow, RunRow};
use crate::workspace::RunId;

/// The runs as the window knows them.
#[derive(Debug, Default)]
pub struct Runs {
    /// All runs, newest first; `None` until the store has answered.
    pub list: Option<Vec<RunRow>>,
    /// The run that *Training* shows, and *Explorer* unless it shows another instead.
    pub view: Option<RunView>,
    /// Checkpoints of the runs that were looked at.
    pub checkpoints: BTreeMap<RunId, Vec<CheckpointRow>>,
    /// Settings of the runs that were looked at.
    pub configs: BTreeMap<RunId, Box<RunConfig>>,
    /// Tasks of the runs whose prompt serves several.
    pub tasks: BTreeMap<RunId, Request<Vec<String>>>,
    /// Adapters that are being written for others.
    pub exports: Vec<Request<PathBuf>>,
    /// What waits for the settings of the run on screen.
    pub(crate) after_detail: Option<(RunId, AfterDetail)>,
}

impl Runs {
    /// All of them, newest first; none until the store has answered.
    pub fn rows(&self) -> impl Iterator<Item = &RunRow> {
        self.list.iter().flatten()
    }

    /// The settings of the run on screen, if it is this one.
    pub(crate) fn viewed_config(&self, run: &RunId) -> Option<Box<RunConfig>> {
        self.view.as_ref().filter(|view| view.id == *run)?.config.clone()
    }

    /// The tasks of a run's prompt; none until they are known.
    pub fn tasks_of(&self, run: &RunId) -> &[String] {
        self.tasks.get(run).and_then(|tasks| tasks.answer.as_deref()).unwrap_or_default()
    }
}

/// What waits for a run's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterDetail {
    Resume(Beginning),
    Duplicate,
}
