//! The outbox: commands, requests and what only the system can do.

use std::path::PathBuf;

use engine::config::RunConfig;
use engine::device::DeviceChoice;
use engine::hub::HubCommand;
use engine::protocol::{Ask, Command, JobId};

use crate::action::Pick;
use crate::charts::Picture;
use crate::experiments::{Due, Plan};
use crate::machines::How;
use crate::screens::experiment::action::NewExperiment;
use crate::store::Request as StoreRequest;
use crate::workspace::RunId;

/// Something for the window to ship, which decides nothing.
#[derive(Clone, Debug)]
pub enum Effect {
    /// To the engine.
    Engine(Command),
    /// To the engine of a seat.
    Seat {
        /// Its number.
        seat: usize,
        /// All devices that runs are computed on at the same time: they share the processor.
        seats: Vec<DeviceChoice>,
        /// What it is told.
        command: Command,
    },
    /// To the store.
    Store(StoreRequest),
    /// To the hub's thread.
    Hub(HubCommand),
    /// An id and a folder for a run: [`State::on_new_run`](super::State::on_new_run) takes them.
    NewRun(NewRun),
    /// All experiments of the workspace: [`State::on_experiments`](super::State::on_experiments) takes them.
    ListExperiments,
    /// A folder for an experiment: [`State::on_experiment_made`](super::State::on_experiment_made) takes it.
    NewExperiment(Box<NewExperiment>),
    /// Runs of an experiment for other machines: [`State::on_handed_over`](super::State::on_handed_over) takes what came of it.
    HandOver {
        /// The experiment.
        plan: Box<Plan>,
        /// Those of its runs.
        due: Vec<Due>,
        /// To whom.
        how: Box<How>,
    },
    /// A dialog for a path.
    Browse(Pick),
    /// A look at what lies at these paths, whatever it is.
    Open(Vec<PathBuf>),
    /// A picture as a file, SVG or PNG by its name.
    Picture {
        /// The file.
        path: PathBuf,
        /// Its content.
        picture: Box<Picture>,
    },
    /// A text file.
    Write {
        /// The file.
        path: PathBuf,
        /// The text.
        text: String,
    },
    /// A page on runs: it is gathered and written on a thread of its own.
    Report {
        /// In their order.
        runs: Vec<RunId>,
        /// The file.
        to: PathBuf,
    },
    /// A change of the form *New run*, of which the screen keeps what is typed.
    Fill(Fill),
}

/// The origin of a run.
#[derive(Clone, Debug)]
pub enum NewRun {
    /// Settings: it is trained.
    Trained(Box<RunConfig>),
    /// The adapter that was sent.
    Imported {
        /// On a base model of other weights than the sender's.
        other_base: bool,
    },
}

/// A change of the form *New run*.
#[derive(Clone, Debug)]
pub enum Fill {
    /// All settings.
    Run(Box<RunConfig>),
    /// A model folder.
    Model(PathBuf),
    /// What a recipe of that name decides.
    Recipe(&'static str),
    /// Training rows, and validation rows if they come along.
    Dataset(PathBuf, Option<PathBuf>),
}

/// Effects in the order in which they were asked for.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Not sent yet.
    pub effects: Vec<Effect>,
    last_job: u64,
}

impl Outbox {
    /// Asks the engine for a job.
    pub fn ask(&mut self, ask: Ask) -> JobId {
        let job = self.reserve();
        self.tell(job, ask);
        job
    }

    /// A number that no job has yet.
    pub fn reserve(&mut self) -> JobId {
        self.last_job += 1;
        JobId(self.last_job)
    }

    /// Tells the engine something about a job that it has.
    pub fn tell(&mut self, job: JobId, ask: Ask) {
        self.effects.push(Effect::Engine(Command { job, ask }));
    }

    /// Tells the engine of a seat something.
    pub(super) fn tell_seat(&mut self, seat: usize, seats: &[DeviceChoice], job: JobId, ask: Ask) {
        self.effects.push(Effect::Seat { seat, seats: seats.to_vec(), command: Command { job, ask } });
    }

    /// Asks the store.
    pub fn store(&mut self, request: StoreRequest) {
        self.effects.push(Effect::Store(request));
    }

    /// Asks the hub's thread.
    pub fn hub(&mut self, command: HubCommand) {
        self.effects.push(Effect::Hub(command));
    }

    /// Asks for something that only the system can do.
    pub fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }
}
