//! The thread that owns the device: commands in, events out, work that advances in bounded steps.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

use crate::device::Trials;
use crate::error::{EngineError, Failure, IoAction, Result};
use crate::jobs::{self, Inbox, Job, Outbox, Progress};
use crate::protocol::{Command, Event, JobId, Outcome};
use crate::session::Session;
use crate::{Sentence, sentence};

/// Commands that may wait.
const INBOX: usize = 64;

/// A handle to the engine thread. Dropping it ends the thread after the present step, and waits for that.
pub struct Engine {
    commands: Option<SyncSender<Command>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// A command could not be handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// Too many commands wait.
    Full,
    /// The thread is gone.
    Gone,
}

impl SendError {
    /// One sentence on what happened.
    pub fn sentence(self) -> Sentence {
        match self {
            Self::Full => sentence!("the engine is busy: {n} requests are waiting", n = INBOX),
            Self::Gone => sentence!("the engine has ended"),
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sentence().fmt(f)
    }
}

impl std::error::Error for SendError {}

impl Engine {
    /// Starts the thread. `cache` is where what is computed once per model is kept; with `trials`, GPUs are tried before
    /// their first use; `outbox` is called on the thread for each event and must not block.
    ///
    /// # Errors
    /// The system cannot start a thread.
    pub fn spawn(
        cache: impl Into<PathBuf>,
        trials: Option<Trials>,
        outbox: impl Fn(Event) + Send + 'static,
    ) -> Result<Self> {
        let (commands, inbox) = sync_channel(INBOX);
        let cache = cache.into();
        let thread = std::thread::Builder::new()
            .name("engine".to_owned())
            .spawn(move || {
                let inbox = Rc::new(Inbox::new(inbox));
                let outbox = Outbox::new(outbox, Rc::clone(&inbox));
                run(Worker::new(Session::new(cache, trials), outbox), &inbox);
            })
            .map_err(EngineError::io(IoAction::Start, "the engine thread"))?;
        Ok(Self { commands: Some(commands), thread: Some(thread) })
    }

    /// Hands a command over.
    ///
    /// # Errors
    /// Too many wait, or the thread is gone.
    pub fn send(&self, command: Command) -> std::result::Result<(), SendError> {
        let commands = self.commands.as_ref().ok_or(SendError::Gone)?;
        commands.try_send(command).map_err(|error| match error {
            TrySendError::Full(_) => SendError::Full,
            TrySendError::Disconnected(_) => SendError::Gone,
        })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the engine thread ended with a panic");
        }
    }
}

/// A job with its name and whether it waits.
struct Active {
    id: JobId,
    job: Box<dyn Job>,
    paused: bool,
}

struct Worker {
    session: Session,
    out: Outbox,
    jobs: Vec<Active>,
    /// The job after the one stepped last comes next, so that none starves.
    turn: usize,
}

fn run(mut worker: Worker, inbox: &Inbox) {
    // Busy: look for a command and go on. Idle: wait for one. `Err`: the app is gone.
    while let Ok(command) = inbox.next(worker.next_job().is_none()) {
        match command {
            Some(command) => worker.obey(command),
            None => worker.step(),
        }
    }
}

impl Worker {
    fn new(session: Session, out: Outbox) -> Self {
        Self { session, out, jobs: Vec::new(), turn: 0 }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Pause { job } => self.set_paused(job, true),
            Command::Continue { job } => self.set_paused(job, false),
            Command::Stop { job } => self.stop(job),
            Command::Checkpoint { job } => self.with(job, |active| active.job.checkpoint()),
            Command::Unload => self.session.unload(),
            other => {
                let (id, job) = jobs::from_command(other);
                self.jobs.push(Active { id, job, paused: false });
            }
        }
    }

    fn with(&mut self, id: JobId, change: impl FnOnce(&mut Active)) {
        if let Some(active) = self.jobs.iter_mut().find(|active| active.id == id) {
            change(active);
        }
    }

    fn set_paused(&mut self, id: JobId, paused: bool) {
        let mut found = false;
        self.with(id, |active| {
            active.paused = paused;
            found = true;
        });
        if found {
            self.out.send(Event::Paused { job: id, paused });
        }
    }

    fn stop(&mut self, id: JobId) {
        let mut drop_it = false;
        self.with(id, |active| {
            active.paused = false;
            drop_it = !active.job.wind_down();
        });
        if drop_it {
            self.jobs.retain(|active| active.id != id);
            self.out.send(Event::Finished { job: id, outcome: Outcome::Stopped });
        }
    }

    /// The next job in turn that may be stepped: not paused, and of the training jobs only the first.
    fn next_job(&self) -> Option<usize> {
        let first_training = self.jobs.iter().position(|active| active.job.is_training());
        let may = |&i: &usize| {
            let active = &self.jobs[i];
            !active.paused && (!active.job.is_training() || Some(i) == first_training)
        };
        let n = self.jobs.len();
        (0..n).map(|i| (self.turn + i) % n).find(may)
    }

    fn step(&mut self) {
        let Some(index) = self.next_job() else { return };
        let Active { id, job, .. } = &mut self.jobs[index];
        let id = *id;
        let (session, out) = (&mut self.session, &self.out);
        // A driver or a kernel may panic; that ends the job, not the engine.
        let result = catch_unwind(AssertUnwindSafe(|| job.step(session, out)))
            .unwrap_or_else(|panic| Err(EngineError::Computation(panic_text(panic.as_ref()))));
        self.turn = index + 1;
        for text in session.take_unsaid() {
            out.send(Event::Notice { job: id, text });
        }
        match result {
            // The command to stop is next, and ends the job as its kind ends.
            Ok(Progress::More) | Err(EngineError::Stopped) => return,
            Ok(Progress::Done(outcome)) => self.out.send(Event::Finished { job: id, outcome }),
            Err(error) => {
                tracing::warn!(job = id.0, %error, "a job failed");
                self.out.send(Event::Failed { job: id, failure: Failure::from(&error) });
            }
        }
        self.jobs.remove(index);
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> Sentence {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.map_or(sentence!("it gave no reason"), Sentence::verbatim)
}
