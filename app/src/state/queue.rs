//! Runs that wait for their turn: one is computed at a time.

use std::path::PathBuf;

use engine::config::RunConfig;
use engine::protocol::Ask;
use engine::training::Beginning;

use super::State;
use super::exit::ExitState;
use super::live::{Live, QueuedRun};
use super::notices::{Level, Offer};
use crate::action::Screen;
use crate::store::Request;
use crate::t;
use crate::workspace::{RunId, default_name};

impl State {
    /// Puts a run into the queue; it begins at once if nothing else is computed. One that has to wait leaves the screen as
    /// it is, so that several can be set up in a row.
    pub(crate) fn enqueue(&mut self, run: RunId, folder: PathBuf, config: Box<RunConfig>, beginning: Beginning) {
        self.live.changed.take_if(|(changed, _)| *changed == run);
        if beginning == Beginning::Fresh {
            self.outbox.store(Request::Register { run: run.clone(), config: config.clone(), experiment: None });
        }
        let name = config.name.clone();
        self.live.queue.push_back(QueuedRun { run: run.clone(), folder, config, beginning });
        self.outbox.store(Request::ListRuns);
        if self.live.running.is_empty() {
            self.start_next();
            self.view_run(run, false);
            return self.show(Screen::Training);
        }
        let sentence = t!("notice.queued", name = name, n = self.live.queue.len());
        self.notices.offer(Level::Info, sentence, Offer::Open(run), self.env.now);
    }

    /// The name of a new run: one that nobody typed is numbered where another run has it.
    pub(super) fn name_apart(&self, config: &mut RunConfig) {
        let is_taken = |name: &str| self.runs.rows().any(|row| row.name == name);
        let of_method = default_name(config);
        if config.name == of_method && is_taken(&of_method) {
            let numbered = (2..).map(|n| format!("{of_method} #{n}"));
            config.name = numbered.into_iter().find(|name| !is_taken(name)).unwrap_or(of_method);
        }
    }

    pub(super) fn start_next(&mut self) {
        if self.leaving == ExitState::WhenStopped {
            return;
        }
        if let Some(QueuedRun { run, folder, config, beginning }) = self.live.queue.pop_front() {
            let ask = match beginning {
                Beginning::Fresh => Ask::Train { folder, config, resume: false, until: None },
                Beginning::Resumed => Ask::Train { folder, config, resume: true, until: None },
                Beginning::ResumedOnOthers => Ask::ResumeOnOthers { folder, config },
            };
            let job = self.outbox.reserve();
            self.live.running.insert(job, Live::new(run.clone()));
            // The store learns whose job it is before the job tells anything.
            self.outbox.store(Request::Begin { job, run });
            self.outbox.tell(job, ask);
        }
    }

    /// Takes a run out of the queue.
    pub(crate) fn withdraw(&mut self, run: &RunId) {
        self.live.queue.retain(|queued| queued.run != *run);
        self.outbox.store(Request::Withdraw(run.clone()));
        self.outbox.store(Request::ListRuns);
    }
}
