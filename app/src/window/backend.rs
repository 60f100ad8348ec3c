//! The other ends that the window talks to: the engine, the store, dialogs, files. A test puts its own behind it.

use std::path::PathBuf;

use engine::Sentence;
use engine::device::DeviceChoice;
use engine::error::Failure;
use engine::hub::{HubCommand, HubEvent};
use engine::protocol::{Command, Event};

use crate::action::Pick;
use crate::charts::Picture;
use crate::experiments::{Due, Plan};
use crate::machines::{How, Submission};
use crate::opening::{Opened, PathKind};
use crate::screens::experiment::action::NewExperiment;
use crate::settings::Settings;
use crate::store::{Access, Answer, Request};
use crate::workspace::RunId;

/// An event that comes in.
#[derive(Debug)]
pub enum BackendEvent {
    /// From the engine.
    Event(Event),
    /// From the store.
    Answer(Answer),
    /// From the hub's thread.
    Hub(HubEvent),
    /// The engine's thread is gone.
    EngineGone,
    /// That of a seat is.
    SeatGone(usize),
    /// A path was chosen.
    Picked(Pick, PathBuf),
    /// The system offers no dialog.
    NoDialog,
    /// Something that somebody dropped or named was opened.
    Opened(Opened),
    /// The paths that somebody holds over the window were looked at.
    Hovered(Vec<PathBuf>, Vec<PathKind>),
    /// All experiments of the workspace, and folders that cannot be read.
    Experiments(Vec<Plan>, Vec<PathBuf>),
    /// An experiment has its folder, or it cannot be made.
    ExperimentMade(Result<Box<Plan>, Failure>),
    /// Runs of the experiment of this name were handed over, or not.
    HandedOver(String, Result<Option<Submission>, Failure>),
    /// A file was written.
    Written(PathBuf),
    /// A file could not be written.
    NotWritten(Failure),
}

/// The other end of everything. Nothing here waits.
pub trait Backend {
    /// The next thing that happened.
    fn next(&mut self) -> Option<BackendEvent>;
    /// Hands a command to the engine.
    ///
    /// # Errors
    /// A sentence on why it was not taken.
    fn command(&mut self, command: Command) -> Result<(), Sentence>;
    /// Hands a command to the engine of a seat; `seats` are the devices of all of them.
    ///
    /// # Errors
    /// A sentence on why it was not taken.
    fn seat(&mut self, seat: usize, seats: &[DeviceChoice], command: Command) -> Result<(), Sentence>;
    /// Hands a command to the hub's thread.
    fn hub(&mut self, command: HubCommand);
    /// Hands a request to the store.
    fn request(&mut self, request: Request);
    /// Makes an id and a folder for a run.
    ///
    /// # Errors
    /// The folder cannot be made.
    fn new_run(&mut self) -> Result<(RunId, PathBuf), Failure>;
    /// Reads the experiments of the workspace; the answer comes as an event.
    fn list_experiments(&mut self);
    /// Makes the folder of an experiment; the answer comes as an event.
    fn new_experiment(&mut self, new: NewExperiment);
    /// Hands runs of an experiment to other machines; the answer comes as an event.
    fn hand_over(&mut self, plan: Plan, due: Vec<Due>, how: How);
    /// Opens a dialog; the answer comes as an event.
    fn browse(&mut self, pick: Pick);
    /// Opens what lies at these paths, whatever it is; the answer comes as an event.
    fn open_paths(&mut self, paths: Vec<PathBuf>);
    /// Draws a picture into a file, SVG or PNG by its name; the answer comes as an event.
    fn draw(&mut self, path: PathBuf, picture: Box<Picture>);
    /// Looks at what is held over the window; the answer comes as an event.
    fn look_at(&mut self, paths: Vec<PathBuf>);
    /// Writes a file; the answer comes as an event.
    fn write(&mut self, path: PathBuf, text: String);
    /// Writes a page on runs in the language spoken here; the answer comes as an event.
    fn report(&mut self, runs: Vec<RunId>, to: PathBuf);
    /// Remembers the person's choices.
    fn keep_settings(&mut self, settings: &Settings);
    /// Remembers what lies on the desk.
    fn keep_desk(&mut self, text: String);
    /// The workspace folder.
    fn workspace(&self) -> PathBuf;
    /// Who may write the database.
    fn access(&self) -> Access;
    /// Seconds since 1970.
    fn now(&self) -> f64;
    /// The end.
    fn finish(&mut self);
}
