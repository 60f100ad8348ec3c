//! A job, and the messages to and from it while it runs.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, RecvError, TryRecvError};

use crate::adapters::AdapterState;
use crate::config::RunConfig;
use crate::error::{EngineError, Result};
use crate::loaded_model::LoadedModel;
use crate::protocol::{Ask, Command, Event, JobId, Outcome, Phase, Report};
use crate::session::Session;
use crate::training::inputs::Preparation;

/// Where commands come from, with those that were looked at and are still to be obeyed.
pub(crate) struct Inbox {
    commands: Receiver<Command>,
    waiting: RefCell<VecDeque<Command>>,
}

impl Inbox {
    pub(crate) fn new(commands: Receiver<Command>) -> Self {
        Self { commands, waiting: RefCell::default() }
    }

    /// The next command; without one, waits for it if `idle`. `Err`: the app is gone.
    pub(crate) fn next(&self, idle: bool) -> std::result::Result<Option<Command>, RecvError> {
        if let Some(command) = self.waiting.borrow_mut().pop_front() {
            return Ok(Some(command));
        }
        if idle {
            return self.commands.recv().map(Some);
        }
        match self.commands.try_recv() {
            Ok(command) => Ok(Some(command)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(RecvError),
        }
    }

    /// Whether a job is to stop once the present step is done.
    fn has_stop(&self, job: JobId) -> bool {
        let mut waiting = self.waiting.borrow_mut();
        waiting.extend(self.commands.try_iter());
        waiting.iter().any(|command| command.job == job && command.ask == Ask::Stop)
    }
}

/// Where a job tells what it does; its events carry its name.
pub(crate) struct Outbox {
    job: JobId,
    send: Rc<dyn Fn(Event)>,
    inbox: Rc<Inbox>,
}

impl Outbox {
    /// The outbox of a job, which hears in `inbox` that it is to stop while it loads a model.
    pub(crate) fn new(job: JobId, send: Rc<dyn Fn(Event)>, inbox: Rc<Inbox>) -> Self {
        Self { job, send, inbox }
    }

    /// Tells.
    pub(crate) fn send(&self, what: Report) {
        (self.send)(Event { job: self.job, what });
    }

    /// Tells what the files of an adapter say that nothing here reads.
    pub(crate) fn unread(&self, adapter: &AdapterState) {
        for text in &adapter.notices {
            self.send(Report::Notice { text: text.clone() });
        }
    }

    /// The model of a run whose settings make sense.
    ///
    /// # Errors
    /// A setting is outside of what makes sense, the model cannot be loaded, or the job is to stop.
    pub(crate) fn load(&self, config: &RunConfig, session: &mut Session) -> Result<Rc<LoadedModel>> {
        config.check()?;
        let mut loading = self.loading();
        loading(0.0)?;
        session.model(&config.model, (config.device, config.numbers()), &mut loading)
    }

    /// Tells what is being made ready for a run.
    pub(crate) fn preparing(&self) -> impl Fn(Preparation) + '_ {
        move |what| {
            self.send(Report::Phase(match what {
                Preparation::Rows => Phase::PreparingData,
                Preparation::InitialValues => Phase::Initializing,
            }));
        }
    }

    /// Tells how much of a job's model is loaded, and ends the loading when the job is to stop: it is the one step that
    /// can take long.
    pub(crate) fn loading(&self) -> impl FnMut(f32) -> Result<()> + '_ {
        move |share| {
            self.send(Report::Phase(Phase::LoadingModel { share }));
            if self.inbox.has_stop(self.job) { Err(EngineError::Stopped) } else { Ok(()) }
        }
    }
}

/// Whether a job has more to do.
pub(crate) enum Progress {
    /// Step it again.
    More,
    /// It is done.
    Done(Outcome),
}

/// Work that advances in bounded steps: one optimizer step, one token, one block of an analysis.
pub(crate) trait Job {
    /// Does a bounded piece of work.
    ///
    /// # Errors
    /// Ends the job; the worker tells.
    fn step(&mut self, session: &mut Session, out: &Outbox) -> Result<Progress>;

    /// Asks the job to come to an end; `false` if it can simply be dropped.
    fn request_stop(&mut self) -> bool {
        false
    }

    /// Asks for a checkpoint before the next step.
    fn checkpoint(&mut self) {}

    /// Whether only one of its kind runs at a time.
    fn is_training(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn a_job_told_to_stop_ends_its_loading_and_the_command_is_still_obeyed() {
        let (commands, inbox) = sync_channel(8);
        let inbox = Rc::new(Inbox::new(inbox));
        let (job, other) = (JobId(1), JobId(2));
        let outbox = |job| Outbox::new(job, Rc::new(|_| ()), Rc::clone(&inbox));
        assert!(outbox(job).loading()(0.1).is_ok());
        let (pause, stop) = (Command { job: other, ask: Ask::Pause }, Command { job, ask: Ask::Stop });
        commands.send(pause.clone()).unwrap();
        commands.send(stop.clone()).unwrap();
        assert!(matches!(outbox(job).loading()(0.2), Err(EngineError::Stopped)));
        assert!(outbox(other).loading()(0.2).is_ok());
        assert_eq!(inbox.next(true), Ok(Some(pause)));
        assert_eq!(inbox.next(false), Ok(Some(stop)));
        assert_eq!(inbox.next(false), Ok(None));
    }
}
