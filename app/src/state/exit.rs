//! The end of the program while runs go on.

use super::State;
use crate::store::Request;
use crate::workspace::RunId;

/// The way to the end of the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExitState {
    /// It does not.
    #[default]
    No,
    /// The window asks, since a run goes on.
    Asking,
    /// Out of sight until all runs are done, then it ends.
    WhenDone,
    /// Runs are being stopped with a checkpoint; then it ends.
    WhenStopped,
    /// Now.
    Now,
}

impl State {
    pub(crate) fn leave(&mut self, leaving: ExitState) {
        self.leaving = leaving;
        if leaving == ExitState::WhenStopped {
            self.end_experiments();
            while let Some(queued) = self.live.queue.pop_front() {
                // Of a run of an experiment the store has not heard yet.
                if queued.experiment.is_none() {
                    self.outbox.store(Request::Withdraw(queued.run));
                }
            }
            let runs: Vec<RunId> = self.live.running.values().map(|live| live.run.clone()).collect();
            runs.iter().for_each(|run| self.stop(run));
        }
        self.end_if_idle();
    }

    /// Nothing is computed any more: the end, if it waited for the last run.
    pub(super) fn end_if_idle(&mut self) {
        if self.live.running.is_empty() && self.is_idle() {
            self.clear_seats();
        }
        if self.is_idle() && matches!(self.leaving, ExitState::WhenDone | ExitState::WhenStopped) {
            self.leaving = ExitState::Now;
        }
    }
}
