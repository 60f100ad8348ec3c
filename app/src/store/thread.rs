//! The store's thread: takes requests in order, writes what came together in one transaction, answers, looks around.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use engine::error::{EngineError, Failure, io_reason};
use engine::protocol::JobId;
use engine::{Sentence, sentence};

use super::index::{Index, Right, damage_notice, made_again, memory_notice};
use super::record::Live;
use super::shared::Shared;
use super::{Answer, Request, StoreError, adopt, heartbeat, salvage, schema, trash};
use crate::workspace::{RunId, Workspace};

/// Between two looks at the run folders, for runs that another program computes.
const LOOK_AROUND: Duration = Duration::from_secs(3);
/// Between two answers that something has changed.
const CHANGES: Duration = Duration::from_millis(100);
/// Requests in one transaction.
const BATCH: usize = 10_000;

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreFailure {
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    #[error(transparent)]
    Files(#[from] io::Error),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Index(#[from] StoreError),
    /// A refusal in words: what happened, and what to do.
    #[error("{0}")]
    No(Sentence, Sentence),
}

impl From<StoreFailure> for Failure {
    fn from(failure: StoreFailure) -> Self {
        match failure {
            StoreFailure::Database(error) => Self {
                what: sentence!("the database could not be used: {reason}", reason = schema::in_words(&error)),
                advice: sentence!("Check that the disk is not full; the run folders still have everything"),
            },
            StoreFailure::Files(error) => Self {
                what: sentence!("a file of the run could not be used: {reason}", reason = io_reason(&error)),
                advice: sentence!("Check that the workspace folder can be written and that the disk is not full"),
            },
            StoreFailure::Engine(error) => Self::from(&error),
            StoreFailure::Index(error) => Self { what: error.sentence(), advice: error.advice() },
            StoreFailure::No(what, advice) => Self { what, advice },
        }
    }
}

/// The store's thread with all that it owns.
pub(super) struct StoreThread {
    pub(super) workspace: Workspace,
    pub(super) index: Index,
    /// Jobs of the engine that are runs.
    pub(super) jobs: BTreeMap<JobId, RunId>,
    /// Runs that this program computes or will compute.
    pub(super) live: BTreeMap<RunId, Live>,
    /// Places up to which the files of runs that others compute were read.
    pub(super) followed: BTreeMap<RunId, adopt::Followed>,
    /// Folders that could not be read, and why: each is told once.
    pub(super) left_out: BTreeMap<RunId, Sentence>,
    /// Runs with news that was not told yet.
    pub(super) changed: BTreeSet<RunId>,
    /// Runs that were told of, and whether their files were missing then.
    pub(super) listed: BTreeMap<RunId, bool>,
    /// Settings and figures of runs, shared with those who were told of them.
    pub(super) shared: RefCell<BTreeMap<RunId, Shared>>,
    outbox: Sender<Answer>,
    wake: Box<dyn Fn() + Send>,
    in_transaction: bool,
    /// The database failed and the user was told.
    told: bool,
    /// The database was made again: what fails now fails for another reason.
    made_again: bool,
}

impl StoreThread {
    pub(super) fn new(workspace: Workspace, index: Index, outbox: Sender<Answer>, wake: Box<dyn Fn() + Send>) -> Self {
        Self {
            workspace,
            index,
            jobs: BTreeMap::new(),
            live: BTreeMap::new(),
            followed: BTreeMap::new(),
            left_out: BTreeMap::new(),
            changed: BTreeSet::new(),
            listed: BTreeMap::new(),
            shared: RefCell::default(),
            outbox,
            wake,
            in_transaction: false,
            told: false,
            made_again: false,
        }
    }

    /// Whether the rows of the index are written by us.
    pub(super) fn keeps_rows(&self) -> bool {
        self.index.in_memory || matches!(self.index.right, Right::Ours { .. })
    }

    /// Until [`Request::Close`], or until nobody can ask any more.
    pub(super) fn run(mut self, inbox: &Receiver<Request>) {
        let mut looked = Instant::now();
        let mut told = Instant::now();
        let mut beaten = Instant::now();
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
            if beaten.elapsed() >= heartbeat::BEAT {
                self.beat();
                beaten = Instant::now();
            }
            if !self.changed.is_empty() && told.elapsed() >= CHANGES {
                self.try_to_tell_changes();
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
            self.handle(request);
        }
        self.commit();
        closing
    }

    fn handle(&mut self, request: Request) {
        let again = match &request {
            Request::Record(_) => None,
            other => {
                self.commit();
                Some(other.clone())
            }
        };
        let mut result = self.done(request);
        if let Err(StoreFailure::Database(error)) = &result
            && let Some(again) = again
            && schema::is_damage(error)
            && self.make_again()
        {
            result = self.done(again);
        }
        if let Err(failure) = result {
            self.refuse(failure);
        }
    }

    fn try_to_tell_changes(&mut self) {
        let mut result = self.tell_changes();
        if let Err(StoreFailure::Database(error)) = &result
            && schema::is_damage(error)
            && self.make_again()
        {
            result = self.tell_changes();
        }
        if let Err(failure) = result {
            self.refuse(failure);
        }
    }

    fn done(&mut self, request: Request) -> Result<(), StoreFailure> {
        match request {
            Request::Register { run, config, experiment } => self.register(run, &config, experiment),
            Request::Begin { job, run } => self.begin(job, run),
            Request::Record(event) => self.record(&event),
            Request::Withdraw(run) => self.withdraw(&run),
            Request::Imported(run) => self.imported(&run),
            Request::Evaluated(run) => self.kept_anew(&run),
            Request::EngineGone => self.engine_gone(),
            Request::ListRuns => self.list_runs(),
            Request::Detail { run, since } => self.detail(&run, since),
            Request::Rename { run, name } => self.rename(&run, &name),
            Request::Delete(run) => self.delete(&run),
            Request::Undelete(run) => self.undelete(&run),
            Request::EmptyTrash => self.empty_trash(),
            Request::Archive { run, archived } => self.archive(&run, archived),
            Request::Curves { runs, name } => self.curves(&runs, &name),
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
        }
    }

    /// Everything until the next [`Self::commit`] is written together, or not at all.
    pub(super) fn begin_transaction(&mut self) -> Result<(), StoreFailure> {
        if !self.in_transaction {
            self.index.db.execute_batch("BEGIN IMMEDIATE")?;
            self.in_transaction = true;
        }
        Ok(())
    }

    pub(super) fn commit(&mut self) {
        if let Err(failure) = self.try_to_commit() {
            self.fall_behind(failure);
        }
    }

    pub(super) fn try_to_commit(&mut self) -> Result<(), StoreFailure> {
        if std::mem::take(&mut self.in_transaction) {
            self.write_summaries()?;
            self.index.db.execute_batch("COMMIT")?;
            self.told = false;
        }
        Ok(())
    }

    /// The database could not be written: the runs in question are read from their folders when they have ended.
    fn fall_behind(&mut self, failure: StoreFailure) {
        self.live.values_mut().for_each(Live::lose_row);
        self.roll_back();
        if !self.told {
            self.answer(Answer::Refused(failure.into()));
            self.told = true;
        }
    }

    /// Forgets what was begun and not committed; SQLite may have done so itself.
    pub(super) fn roll_back(&mut self) {
        self.in_transaction = false;
        if !self.index.db.is_autocommit()
            && let Err(error) = self.index.db.execute_batch("ROLLBACK")
        {
            tracing::warn!("{error}");
        }
    }

    fn refuse(&mut self, failure: StoreFailure) {
        tracing::debug!("{failure:?}");
        if self.in_transaction {
            self.in_transaction = false;
            self.fall_behind(failure);
        } else {
            self.answer(Answer::Refused(failure.into()));
        }
    }

    /// Runs that other programs compute, runs that came by another way, and whether the database can be written now.
    fn look_around(&mut self) {
        match self.index.right {
            Right::Ours { .. } if self.index.in_memory => {
                self.return_to_disk();
            }
            Right::Ours { .. } | Right::Alone => {}
            Right::Elsewhere | Right::Unwritable(_) => self.try_to_write(),
        }
        if self.keeps_rows()
            && let Err(failure) = self.scan()
        {
            tracing::warn!("the run folders could not be read: {failure}");
        }
    }

    /// The instance that wrote may be gone.
    fn try_to_write(&mut self) {
        let Ok(Some(lock)) = super::writer_lock(&self.workspace) else { return };
        let before = std::mem::replace(&mut self.index.right, Right::Ours { _lock: lock });
        if self.return_to_disk() {
            self.answer(Answer::Access(self.index.access()));
        } else {
            self.index.right = before;
        }
    }

    /// From memory, or from the database of another instance, to the database, now that we may write it.
    pub(super) fn return_to_disk(&mut self) -> bool {
        let Ok(schema::Opened::Ready { connection, .. }) = schema::open(&self.workspace.database()) else {
            return false;
        };
        self.index.db = connection;
        self.index.in_memory = false;
        self.doubt_list();
        self.enter_live_runs();
        true
    }

    /// The first thing the thread does: an index that knows all folders.
    pub(super) fn recover(&mut self) {
        if !self.keeps_rows() {
            return;
        }
        if matches!(self.index.right, Right::Ours { .. }) {
            adopt::forget_leavings(&self.workspace.runs());
        }
        self.read_what_there_is();
        if matches!(self.index.right, Right::Ours { .. }) {
            self.keep_marks();
            let (_, hindered) = trash::empty(&self.workspace, trash::KEPT);
            if let Some((path, error)) = hindered {
                tracing::warn!("{}: {error}", path.display());
            }
        }
    }

    fn read_what_there_is(&mut self) {
        let checked = self.index.fresh || schema::was_closed(&self.workspace) || schema::is_sound(&self.index.db);
        if !checked && self.make_again() {
            return;
        }
        match self.read_folders() {
            Ok(()) => {}
            Err(StoreFailure::Database(error)) if schema::is_damage(&error) && self.make_again() => {}
            // A disk that filled up since it was opened: what there is can still be looked at.
            Err(StoreFailure::Database(error)) => {
                let error = schema::unusable(&self.workspace.database(), &error);
                self.answer(Answer::Notice(memory_notice(&error)));
                self.go_on_in_memory();
            }
            Err(failure) => self.answer(Answer::Refused(failure.into())),
        }
    }

    fn read_folders(&mut self) -> Result<(), StoreFailure> {
        let interrupted = self.scan()?;
        if let Some(old) = self.index.old.take() {
            salvage::from(&self.index.db, &old);
        }
        if interrupted > 0 {
            self.answer(Answer::Interrupted(interrupted));
        }
        Ok(())
    }

    /// A database that turns out to be damaged is set aside and made again, once; false if that does not help.
    fn make_again(&mut self) -> bool {
        if self.index.in_memory || self.made_again || !matches!(self.index.right, Right::Ours { .. }) {
            return false;
        }
        self.made_again = true;
        self.roll_back();
        let Ok(nothing) = schema::in_memory() else { return false };
        self.index.db = nothing;
        match made_again(&self.workspace) {
            Ok((db, old)) => {
                self.answer(Answer::Notice(damage_notice(&old)));
                (self.index.db, self.index.old) = (db, Some(old));
                self.read_all_anew();
            }
            Err(error) => {
                self.answer(Answer::Notice(memory_notice(&error)));
                self.go_on_in_memory();
            }
        }
        true
    }

    fn go_on_in_memory(&mut self) {
        self.roll_back();
        match schema::in_memory() {
            Ok(db) => self.index.db = db,
            Err(error) => return self.answer(Answer::Refused(StoreFailure::Database(error).into())),
        }
        self.index.in_memory = true;
        self.index.old = Some(self.workspace.database());
        self.read_all_anew();
    }

    /// Another index may not have the runs that were told of.
    fn doubt_list(&mut self) {
        self.changed.extend(self.listed.keys().cloned());
    }

    /// Into an index that is empty.
    fn read_all_anew(&mut self) {
        self.doubt_list();
        self.followed.clear();
        self.enter_live_runs();
        if let Err(failure) = self.read_folders() {
            self.answer(Answer::Refused(failure.into()));
        }
    }

    pub(super) fn answer(&self, answer: Answer) {
        // Nobody listens any more: the program is ending.
        if self.outbox.send(answer).is_ok() {
            (self.wake)();
        }
    }

    fn close(&mut self) {
        if let Err(failure) = self.interrupt_all(sentence!("The program was closed")) {
            tracing::warn!("{failure}");
        }
        self.commit();
        // Closed before the lock goes, so that how it looks is how the next instance finds it.
        if matches!(self.index.right, Right::Ours { .. })
            && !self.index.in_memory
            && let Ok(nothing) = schema::in_memory()
        {
            self.index.db = nothing;
            schema::note_closed(&self.workspace);
        }
    }
}
