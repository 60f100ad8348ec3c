//! What a job is, and what it hears and tells while it runs.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, RecvError, TryRecvError};

use crate::adapters::FoldedAdapter;
use crate::config::RunConfig;
use crate::error::{EngineError, Result};
use crate::loaded_model::LoadedModel;
use crate::protocol::{Command, Event, JobId, Outcome, Phase};
use crate::session::Session;
use crate::training::prepare::Preparation;

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
        waiting.iter().any(|command| matches!(command, Command::Stop { job: asked } if *asked == job))
    }
}

/// Where events go.
pub(crate) struct Outbox {
    send: Box<dyn Fn(Event) + Send>,
    inbox: Rc<Inbox>,
}

impl Outbox {
    /// An outbox whose jobs hear that they are to stop while they load a model.
    pub(crate) fn new(send: impl Fn(Event) + Send + 'static, inbox: Rc<Inbox>) -> Self {
        Self { send: Box::new(send), inbox }
    }

    /// Tells.
    pub(crate) fn send(&self, event: Event) {
        (self.send)(event);
    }

    /// Tells what the files of an adapter say that nothing here reads.
    pub(crate) fn unread(&self, job: JobId, adapter: &FoldedAdapter) {
        for text in &adapter.notices {
            self.send(Event::Notice { job, text: text.clone() });
        }
    }

    /// The model of a run whose settings make sense.
    ///
    /// # Errors
    /// A setting is outside of what makes sense, the model cannot be loaded, or the job is to stop.
    pub(crate) fn load(&self, job: JobId, config: &RunConfig, session: &mut Session) -> Result<Rc<LoadedModel>> {
        config.check()?;
        let mut loading = self.loading(job);
        loading(0.0)?;
        session.model(&config.model, (config.device, config.precision), &mut loading)
    }

    /// Tells what is being made ready for a run.
    pub(crate) fn preparing(&self, job: JobId) -> impl Fn(Preparation) + '_ {
        move |what| {
            let phase = match what {
                Preparation::Rows => Phase::PreparingData,
                Preparation::InitialValues => Phase::Initialising,
            };
            self.send(Event::Phase { job, phase });
        }
    }

    /// Tells how much of a job's model is loaded, and ends the loading when the job is to stop: it is the one step that
    /// can take long.
    pub(crate) fn loading(&self, job: JobId) -> impl FnMut(f32) -> Result<()> + '_ {
        move |share| {
            self.send(Event::Phase { job, phase: Phase::LoadingModel { share } });
            if self.inbox.has_stop(job) { Err(EngineError::Stopped) } else { Ok(()) }
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
    fn wind_down(&mut self) -> bool {
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
        let out = Outbox::new(|_| (), Rc::clone(&inbox));
        let (job, other) = (JobId(1), JobId(2));
        assert!(out.loading(job)(0.1).is_ok());
        commands.send(Command::Pause { job: other }).unwrap();
        commands.send(Command::Stop { job }).unwrap();
        assert!(matches!(out.loading(job)(0.2), Err(EngineError::Stopped)));
        assert!(out.loading(other)(0.2).is_ok());
        assert!(matches!(inbox.next(true), Ok(Some(Command::Pause { job: paused })) if paused == other));
        assert!(matches!(inbox.next(false), Ok(Some(Command::Stop { job: stopped })) if stopped == job));
        assert!(matches!(inbox.next(false), Ok(None)));
    }
}
