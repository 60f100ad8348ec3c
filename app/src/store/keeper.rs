//! The store's thread: takes requests in order, writes what came together in one transaction, answers, looks around.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use engine::error::Failure;
use engine::message::JobId;
use rusqlite::Connection;

use super::record::Live;
use super::{Access, Answer, Request, StoreError, adopt, schema};
use crate::workspace::{RunId, Workspace, last_name};

/// Between two looks at the run folders, for runs that another program computes.
const LOOK_AROUND: Duration = Duration::from_secs(3);
/// Between two answers that something has changed.
const CHANGES: Duration = Duration::from_millis(100);
/// Requests in one transaction.
const BATCH: usize = 10_000;

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    #[error(transparent)]
    Files(#[from] io::Error),
    /// What happened and what to do, in words.
    #[error("{0}")]
    No(String, &'static str),
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Database(error) => Self {
                what: format!("the database could not be used: {error}"),
                advice: "Check that the disk is not full; the run folders still have everything".to_owned(),
            },
            Trouble::Files(error) => Self {
                what: format!("a file of the run could not be used: {error}"),
                advice: "Check that the workspace folder can be written and that the disk is not full".to_owned(),
            },
            Trouble::No(what, advice) => Self { what, advice: advice.to_owned() },
        }
    }
}

/// What the thread owns.
pub(super) struct Keeper {
    pub(super) workspace: Workspace,
    pub(super) db: Connection,
    /// Held while this instance writes the database.
    pub(super) writes: Option<WriterLock>,
    /// Jobs of the engine that are runs.
    pub(super) jobs: BTreeMap<JobId, RunId>,
    /// Runs that this program computes or will compute.
    pub(super) live: BTreeMap<RunId, Live>,
    /// How far the files of runs that others compute were read.
    pub(super) followed: BTreeMap<RunId, adopt::Followed>,
    pub(super) changed: BTreeSet<RunId>,
    outbox: Sender<Answer>,
    wake: Box<dyn Fn() + Send>,
    in_transaction: bool,
    /// The database failed and the user was told.
    told: bool,
}

/// The lock of the database; `None` where the file system knows no locks.
pub(super) struct WriterLock {
    pub(super) _file: Option<File>,
}

impl Keeper {
    pub(super) fn new(
        workspace: Workspace,
        db: Connection,
        writes: Option<WriterLock>,
        outbox: Sender<Answer>,
        wake: Box<dyn Fn() + Send>,
    ) -> Self {
        Self {
            workspace,
            db,
            writes,
            jobs: BTreeMap::new(),
            live: BTreeMap::new(),
            followed: BTreeMap::new(),
            changed: BTreeSet::new(),
            outbox,
            wake,
            in_transaction: false,
            told: false,
        }
    }

    /// Until [`Request::Close`], or until nobody can ask any more.
    pub(super) fn run(mut self, inbox: &Receiver<Request>) {
        let mut looked = Instant::now();
        let mut told = Instant::now();
        loop {
            let wait = if self.changed.is_empty() { LOOK_AROUND } else { CHANGES };
            let closing = match inbox.recv_timeout(wait) {
                Ok(first) => self.batch(first, inbox),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return self.close(),
            };
            if let Some(done) = closing {
                self.close();
                drop(self);
                return drop(done);
            }
            if looked.elapsed() >= LOOK_AROUND {
                self.look_around();
                looked = Instant::now();
            }
            if !self.changed.is_empty() && told.elapsed() >= CHANGES {
                let changed = std::mem::take(&mut self.changed).into_iter().collect();
                self.answer(Answer::Changed(changed));
                told = Instant::now();
            }
        }
    }

    /// Does what waits; answers with the one to tell when the thread is to end.
    fn batch(&mut self, first: Request, inbox: &Receiver<Request>) -> Option<Sender<()>> {
        let mut closing = None;
        let waiting = std::iter::once(first).chain(inbox.try_iter().take(BATCH));
        for request in waiting {
            if let Request::Close(done) = request {
                closing = Some(done);
                break;
            }
            self.obey(request);
        }
        self.commit();
        closing
    }

    fn obey(&mut self, request: Request) {
        if !matches!(request, Request::Record(_)) {
            self.commit();
        }
        let result = match request {
            Request::Register { run, config, experiment } => self.register(run, &config, experiment),
            Request::Begin { job, run } => self.begin(job, run),
            Request::Record(event) => self.record(&event),
            Request::Withdraw(run) => self.withdraw(&run),
            Request::Imported(run) => self.imported(&run),
            Request::EngineGone => self.engine_gone(),
            Request::ListRuns => self.list_runs(),
            Request::Detail { run, since } => self.detail(&run, since),
            Request::Rename { run, name } => self.rename(&run, &name),
            Request::Delete(run) => self.delete(&run),
            Request::Star { run, starred } => self.star(&run, starred),
            Request::Tags { run, tags } => self.tags(&run, &tags),
            Request::Notes { run, text } => self.notes(&run, &text),
            Request::Experiment { run, name } => self.experiment(&run, name),
            Request::ListLibrary => self.list_library(),
            Request::RememberModel(model) => self.remember_model(&model),
            Request::RememberDataset { train, validation } => self.remember_dataset(&train, validation.as_deref()),
            Request::ForgetModel(folder) => self.forget_model(&folder),
            Request::ForgetDataset(train) => self.forget_dataset(&train),
            Request::Rescan => self.scan().map(drop),
            Request::Flush(done) | Request::Close(done) => {
                drop(done);
                Ok(())
            }
        };
        if let Err(trouble) = result {
            self.trouble(trouble);
        }
    }

    /// Everything until the next [`Self::commit`] is written together, or not at all.
    pub(super) fn begin_transaction(&mut self) -> Result<(), Trouble> {
        if !self.in_transaction {
            self.db.execute_batch("BEGIN IMMEDIATE")?;
            self.in_transaction = true;
        }
        Ok(())
    }

    pub(super) fn commit(&mut self) {
        if !self.in_transaction {
            return;
        }
        self.in_transaction = false;
        match self.write_summaries().and_then(|()| Ok(self.db.execute_batch("COMMIT")?)) {
            Ok(()) => self.told = false,
            Err(trouble) => self.fall_behind(trouble),
        }
    }

    /// The database could not be written: the runs in question are read from their folders when they have ended.
    fn fall_behind(&mut self, trouble: Trouble) {
        self.live.values_mut().for_each(Live::lose_row);
        if !self.db.is_autocommit()
            && let Err(error) = self.db.execute_batch("ROLLBACK")
        {
            tracing::warn!("{error}");
        }
        if !self.told {
            self.answer(Answer::Refused(trouble.into()));
            self.told = true;
        }
    }

    fn trouble(&mut self, trouble: Trouble) {
        tracing::debug!("{trouble:?}");
        if self.in_transaction {
            self.in_transaction = false;
            self.fall_behind(trouble);
        } else {
            self.answer(Answer::Refused(trouble.into()));
        }
    }

    /// Runs that other programs compute, runs that came by another way, and whether we may write now.
    fn look_around(&mut self) {
        if self.writes.is_none() {
            self.try_to_write();
        }
        if self.writes.is_some()
            && let Err(trouble) = self.scan()
        {
            tracing::warn!("the run folders could not be read: {trouble}");
        }
    }

    /// The instance that wrote may be gone.
    fn try_to_write(&mut self) {
        let Ok(Some(lock)) = super::writer_lock(&self.workspace) else { return };
        match schema::open(&self.workspace.database()) {
            Ok(schema::Opened::Ready { connection, .. }) => {
                self.db = connection;
                self.writes = Some(lock);
                self.answer(Answer::Access(Access::ReadWrite));
            }
            Ok(schema::Opened::Broken) | Err(_) => drop(lock),
        }
    }

    /// The first thing the thread does: a sound database that knows all folders.
    pub(super) fn recover(&mut self, fresh: bool) -> Result<(), StoreError> {
        if self.writes.is_none() {
            return Ok(());
        }
        let path = self.workspace.database();
        if !fresh && !schema::is_sound(&self.db) {
            self.db = Connection::open_in_memory().map_err(|error| schema::unusable(&path, &error))?;
            let aside = schema::set_aside(&path, "broken")?;
            self.db = fresh_database(&path)?;
            self.answer(Answer::Notice(set_aside_notice(&aside)));
        }
        match self.scan() {
            Ok(interrupted) if interrupted > 0 => {
                self.answer(Answer::Interrupted(interrupted));
            }
            Ok(_) => {}
            Err(trouble) => self.answer(Answer::Refused(trouble.into())),
        }
        Ok(())
    }

    pub(super) fn answer(&self, answer: Answer) {
        // Nobody listens any more: the program is ending.
        if self.outbox.send(answer).is_ok() {
            (self.wake)();
        }
    }

    fn close(&mut self) {
        if let Err(trouble) = self.interrupt_all("The program was closed") {
            tracing::warn!("{trouble}");
        }
        self.commit();
    }
}

/// A database that has just been made.
pub(super) fn fresh_database(path: &Path) -> Result<Connection, StoreError> {
    match schema::open(path)? {
        schema::Opened::Ready { connection, .. } => Ok(connection),
        schema::Opened::Broken => {
            Err(StoreError::Unusable { reason: "a new database cannot be read back".to_owned(), path: path.to_owned() })
        }
    }
}

pub(super) fn set_aside_notice(aside: &Path) -> String {
    format!("The database was damaged; it is kept as {} and was made again from the run folders", last_name(aside))
}
