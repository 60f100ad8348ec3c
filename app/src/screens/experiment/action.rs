//! Actions on experiments, in the table of runs, in the queue and in the form *New run*.

use engine::config::RunConfig;
use engine::experiment::{Experiment, Member};

use crate::experiments::ExperimentId;
use crate::state::State;
use crate::workspace::RunId;

/// An experiment that is to be made, with its runs.
#[derive(Clone, Debug, PartialEq)]
pub struct NewExperiment {
    /// What is asked.
    pub experiment: Experiment,
    /// Its runs in the order in which they are trained.
    pub runs: Vec<(Member, RunConfig)>,
    /// The file that says it; empty where there is none.
    pub source: String,
}

/// Something to be done about an experiment, or about all that waits.
#[derive(Clone, Debug)]
pub enum ExperimentAction {
    /// Make it and begin with its first run.
    Start(Box<NewExperiment>),
    /// Wait once the run under way is done.
    Pause(ExperimentId),
    /// Go on: after a pause, a stop, or the end of the program.
    GoOn(ExperimentId),
    /// Train those of its runs again that failed, from their last checkpoints.
    Again(ExperimentId),
    /// Leave the queue once the run under way is done.
    StopAfter(ExperimentId),
    /// Stop now, the run under way with a checkpoint.
    Stop(ExperimentId),
    /// Let nothing new begin, or let the queue go on.
    Hold(bool),
    /// Move what waits to another place.
    Move(RunId, usize),
}

impl State {
    pub(crate) fn perform_experiment(&mut self, action: ExperimentAction) {
        match action {
            ExperimentAction::Start(new) => self.make_experiment(*new),
            ExperimentAction::Pause(id) => self.pause_experiment(&id),
            ExperimentAction::GoOn(id) => self.go_on_with_experiment(&id, false),
            ExperimentAction::Again(id) => self.go_on_with_experiment(&id, true),
            ExperimentAction::StopAfter(id) => self.end_experiment(&id, false),
            ExperimentAction::Stop(id) => self.end_experiment(&id, true),
            ExperimentAction::Hold(held) => self.hold_queue(held),
            ExperimentAction::Move(run, place) => self.move_in_queue(&run, place),
        }
    }
}
