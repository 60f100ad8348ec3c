//! The state of the window. No egui, no files, no threads: events and answers come in (`events.rs`), actions are done
//! (`perform.rs`), and what has to be sent is put into the [`Outbox`].

pub mod environment;
mod events;
pub mod exit;
pub mod experiments;
pub mod frame_times;
pub mod history;
pub mod hub;
pub mod library;
pub mod live;
mod navigation;
pub mod notices;
pub mod outbox;
mod perform;
mod queue;
pub mod request;
pub mod runs;
mod seats;

use std::path::{Path, PathBuf};

use engine::Sentence;
use engine::config::RunConfig;
use engine::device::{DeviceChoice, DeviceInfo};
use engine::error::Failure;
use engine::models::ModelSummary;
use engine::nn::Precision;
use engine::protocol::{Ask, JobId};

use self::environment::Environment;
use self::exit::ExitState;
use self::experiments::Experiments;
use self::history::History;
use self::hub::HubState;
use self::library::Library;
use self::live::{Live, LiveRuns};
use self::notices::Notices;
use self::outbox::{Effect, Outbox};
use self::runs::Runs;
use crate::action::Screen;
use crate::screens::compare::state::Comparison;
use crate::screens::evaluate::state::Evaluation;
use crate::screens::explorer::state::Exploration;
use crate::screens::incoming::state::Incoming;
use crate::screens::new_run::state::NewRunState;
use crate::screens::training::state::RunView;
use crate::settings::Settings;
use crate::store::{Access, Request as StoreRequest, RunRow};
use crate::workspace::RunId;

/// The state of the window: facts that several screens read, then one state for each screen that has one.
#[derive(Debug)]
pub struct State {
    /// The screen that is shown.
    pub screen: Screen,
    /// Screens and runs that were shown before.
    pub history: History,
    /// The person's choices.
    pub settings: Settings,
    /// Folder, rights, devices, time.
    pub env: Environment,
    /// All runs, and details of those that were looked at.
    pub runs: Runs,
    /// Runs that this program computes, and those that wait.
    pub live: LiveRuns,
    /// Experiments, and those of them that are under way.
    pub experiments: Experiments,
    /// Models and datasets that were used.
    pub library: Library,
    /// Models of the hub.
    pub hub: HubState,
    /// The list behind the bell, and the banner.
    pub notices: Notices,
    /// The way to the end of the program.
    pub leaving: ExitState,
    /// Effects to be shipped.
    pub outbox: Outbox,
    /// The screen *New run*.
    pub new_run: NewRunState,
    /// The screen *Compare*.
    pub comparison: Comparison,
    /// The screen *Evaluate*.
    pub evaluation: Evaluation,
    /// The screen *Explorer*.
    pub exploration: Exploration,
    /// An adapter that was dropped or opened, and what is held over the window.
    pub incoming: Incoming,
}

impl State {
    /// A window that has just been opened: it asks for devices, runs and library.
    pub fn new(workspace: PathBuf, settings: Settings, access: Access, starter: Option<Box<RunConfig>>) -> Self {
        let mut state = Self {
            screen: Screen::Runs,
            history: History::default(),
            settings,
            env: Environment::new(workspace, access, starter),
            runs: Runs::default(),
            live: LiveRuns::default(),
            experiments: Experiments::default(),
            library: Library::default(),
            hub: HubState::default(),
            notices: Notices::default(),
            leaving: ExitState::No,
            outbox: Outbox::default(),
            new_run: NewRunState::default(),
            comparison: Comparison::default(),
            evaluation: Evaluation::default(),
            exploration: Exploration::default(),
            incoming: Incoming::default(),
        };
        state.outbox.store(StoreRequest::ListRuns);
        state.outbox.store(StoreRequest::ListLibrary);
        state.outbox.push(Effect::ListExperiments);
        state.list_devices();
        state.describe_hub();
        state.begin_history();
        state
    }

    pub(crate) fn list_devices(&mut self) {
        self.env.devices.renew(self.outbox.ask(Ask::ListDevices));
    }

    /// The row of a run.
    pub fn row(&self, run: &RunId) -> Option<&RunRow> {
        self.runs.rows().find(|row| row.id == *run)
    }

    /// The live job of a run.
    pub fn live_of(&self, run: &RunId) -> Option<(JobId, &Live)> {
        self.live.running.iter().find(|(_, live)| live.run == *run).map(|(job, live)| (*job, live))
    }

    /// A model's facts, if they are known.
    pub fn model(&self, folder: &Path) -> Option<&ModelSummary> {
        self.library.lookups.get(folder)?.answer.as_deref()
    }

    /// Why a model cannot be used, if it cannot.
    pub fn model_failure(&self, folder: &Path) -> Option<&Failure> {
        self.library.lookups.get(folder)?.failure.as_ref()
    }

    /// The folder of a model that somebody asks for: a folder, or the id of a model in the hub's cache where there is no
    /// such folder.
    pub fn model_folder(&self, asked: &str) -> PathBuf {
        self.library.folder_of(asked, &self.hub)
    }

    /// The facts of a model that somebody asks for, if they are known.
    pub fn model_asked(&self, asked: &str) -> Option<&ModelSummary> {
        self.model(&self.model_folder(asked))
    }

    /// The devices, CPU last; none until the engine has answered.
    pub fn devices(&self) -> &[DeviceInfo] {
        self.env.devices.answer.as_deref().unwrap_or_default()
    }

    /// The device that a choice stands for, if it is known.
    pub fn device(&self, choice: DeviceChoice) -> Option<&DeviceInfo> {
        let mut devices = self.devices().iter();
        match choice {
            DeviceChoice::Auto => {
                let gpu = |d: &&DeviceInfo| d.choice != DeviceChoice::Cpu && !d.software && d.trouble.is_none();
                devices.clone().find(gpu).or_else(|| devices.find(|d| d.choice == DeviceChoice::Cpu))
            }
            DeviceChoice::Wgpu(None) => devices.find(|d| d.choice != DeviceChoice::Cpu),
            exact => devices.find(|d| d.choice == exact),
        }
    }

    /// Why the device that a choice stands for does not compute in a precision, as far as that is known.
    pub fn refusal(&self, choice: DeviceChoice, precision: Precision) -> Option<&Sentence> {
        self.device(choice)?.refuses.get(&precision)
    }

    /// The adapter folder of a run: its best checkpoint, or what lies in its own folder.
    pub fn adapter_of(&self, run: &RunId) -> Option<PathBuf> {
        let checkpoints = self.runs.checkpoints.get(run).map_or(&[][..], Vec::as_slice);
        let best = checkpoints.iter().rev().find(|c| c.best).or_else(|| checkpoints.last());
        best.map(|c| c.folder.clone()).or_else(|| self.row(run).map(|row| row.folder.clone()))
    }

    /// The run that is looked into.
    pub fn explored(&self) -> Option<&RunView> {
        self.exploration.instead.as_ref().or(self.runs.view.as_ref())
    }
}

#[cfg(test)]
mod tests;
