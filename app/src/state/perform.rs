//! The one dispatcher: what a user asked for goes to the screen whose it is.

use super::State;
use super::outbox::Effect;
use crate::action::{Action, Screen};

impl State {
    /// Does what a user asked for: the state changes, and what has to be sent waits in the outbox.
    pub fn perform(&mut self, action: Action) {
        match action {
            Action::Show(Screen::Explorer) => self.show_explorer(),
            Action::Show(screen) => self.show(screen),
            Action::Open(run, screen) => self.open(run, screen),
            Action::Browse(pick) => self.outbox.push(Effect::Browse(pick)),
            Action::Picture { path, picture } => self.outbox.push(Effect::Picture { path, picture }),
            Action::OpenPaths(paths) => self.outbox.push(Effect::Open(paths)),
            Action::Write { path, text } => self.outbox.push(Effect::Write { path, text }),
            Action::Report { runs, to } => self.outbox.push(Effect::Report { runs, to }),
            Action::Run(action) => self.perform_run(action),
            Action::Experiment(action) => self.perform_experiment(action),
            Action::NewRun(action) => self.perform_new_run(action),
            Action::Compare(action) => self.perform_compare(action),
            Action::Evaluate(action) => self.perform_evaluate(action),
            Action::Explorer(action) => self.perform_explorer(action),
            Action::Library(action) => self.perform_library(action),
            Action::Incoming(action) => self.perform_incoming(action),
            Action::Settings(action) => self.perform_settings(action),
            Action::Frame(action) => self.perform_frame(action),
        }
        self.note_place();
    }
}
