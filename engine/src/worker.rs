//! The thread that owns the device: commands in, events out, work that advances in bounded steps.

use std::fmt;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

use crate::device::Trials;
use crate::error::{EngineError, Failure, IoAction, Result};
use crate::jobs::{self, Inbox, Job, Outbox, Progress};
use crate::protocol::{Ask, Command, Event, JobId, Outcome, Report};
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
        Self::spawn_sharing(cache, trials, None, outbox)
    }

    /// As [`spawn`](Self::spawn), of several that compute at the same time: on the CPU with so many threads of its own, in
    /// place of those that all of the process share.
    ///
    /// # Errors
    /// The system cannot start a thread.
    pub fn spawn_sharing(
        cache: impl Into<PathBuf>,
        trials: Option<Trials>,
        threads: Option<NonZeroUsize>,
        outbox: impl Fn(Event) + Send + 'static,
    ) -> Result<Self> {
        let (commands, inbox) = sync_channel(INBOX);
        let cache = cache.into();
        let thread = std::thread::Builder::new()
            .name("engine".to_owned())
            .spawn(move || {
                let _share = threads.and_then(share);
                Worker::new(Session::new(cache, trials), Rc::new(outbox), Rc::new(Inbox::new(inbox))).run();
            })
            .map_err(EngineError::io(IoAction::Start, "the engine thread"))?;
        Ok(Self { commands: Some(commands), thread: Some(thread) })
    }

    /// Whether the thread is gone: all that it had to tell was told.
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(std::thread::JoinHandle::is_finished)
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

/// Makes the calling thread one of so many that compute what it asks for.
fn share(threads: NonZeroUsize) -> Option<rayon::ThreadPool> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.get()).use_current_thread();
    let made = pool.thread_name(|i| format!("engine-{i}")).build();
    made.inspect_err(|error| tracing::warn!(%error, "the engine computes with the threads of all")).ok()
}

/// A job with its name and whether it waits.
struct RunningJob {
    id: JobId,
    job: Box<dyn Job>,
    out: Outbox,
    paused: bool,
}

struct Worker {
    session: Session,
    send: Rc<dyn Fn(Event)>,
    inbox: Rc<Inbox>,
    jobs: Vec<RunningJob>,
    /// The job after the one stepped last comes next, so that none starves.
    turn: usize,
}

impl Worker {
    fn new(session: Session, send: Rc<dyn Fn(Event)>, inbox: Rc<Inbox>) -> Self {
        Self { session, send, inbox, jobs: Vec::new(), turn: 0 }
    }

    fn run(mut self) {
        // Busy: look for a command and go on. Idle: wait for one. `Err`: the app is gone.
        while let Ok(command) = self.inbox.next(self.next_job().is_none()) {
            match command {
                Some(command) => self.handle(command),
                None => self.step(),
            }
        }
    }

    fn handle(&mut self, Command { job: id, ask }: Command) {
        match ask {
            Ask::Pause => self.set_paused(id, true),
            Ask::Continue => self.set_paused(id, false),
            Ask::Stop => self.stop(id),
            Ask::Checkpoint => self.with(id, |running| running.job.checkpoint()),
            Ask::Unload => self.session.unload(),
            other => {
                if let Some(job) = jobs::from_ask(other) {
                    let out = Outbox::new(id, Rc::clone(&self.send), Rc::clone(&self.inbox));
                    self.jobs.push(RunningJob { id, job, out, paused: false });
                }
            }
        }
    }

    fn with(&mut self, id: JobId, change: impl FnOnce(&mut RunningJob)) {
        if let Some(running) = self.jobs.iter_mut().find(|running| running.id == id) {
            change(running);
        }
    }

    fn set_paused(&mut self, id: JobId, paused: bool) {
        self.with(id, |running| {
            running.paused = paused;
            running.out.send(Report::Paused { paused });
        });
    }

    fn stop(&mut self, id: JobId) {
        let Some(index) = self.jobs.iter().position(|running| running.id == id) else { return };
        let running = &mut self.jobs[index];
        running.paused = false;
        if !running.job.request_stop() {
            running.out.send(Report::Finished { outcome: Outcome::Stopped });
            self.jobs.remove(index);
        }
    }

    /// The next job in turn that may be stepped: not paused, and of the training jobs only the first.
    fn next_job(&self) -> Option<usize> {
        let first_training = self.jobs.iter().position(|running| running.job.is_training());
        let may = |&i: &usize| {
            let running = &self.jobs[i];
            !running.paused && (!running.job.is_training() || Some(i) == first_training)
        };
        let n = self.jobs.len();
        (0..n).map(|i| (self.turn + i) % n).find(may)
    }

    fn step(&mut self) {
        let Some(index) = self.next_job() else { return };
        let RunningJob { id, job, out, .. } = &mut self.jobs[index];
        let session = &mut self.session;
        // A driver or a kernel may panic; that ends the job, not the engine.
        let result = catch_unwind(AssertUnwindSafe(|| job.step(session, out)))
            .unwrap_or_else(|panic| Err(EngineError::Computation(panic_text(panic.as_ref()))));
        self.turn = index + 1;
        for text in session.take_unsaid() {
            out.send(Report::Notice { text });
        }
        match result {
            // The command to stop is next, and ends the job as its kind ends.
            Ok(Progress::More) | Err(EngineError::Stopped) => return,
            Ok(Progress::Done(outcome)) => out.send(Report::Finished { outcome }),
            Err(error) => {
                tracing::warn!(job = id.0, %error, "a job failed");
                out.send(Report::Failed(Failure::from(&error)));
            }
        }
        self.jobs.remove(index);
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> Sentence {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.map_or(sentence!("it gave no reason"), Sentence::verbatim)
}
