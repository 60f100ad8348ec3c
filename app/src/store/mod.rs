//! The store of runs: SQLite on a thread of its own, spoken to like the engine: [`Request`] in, [`Answer`] out.
//!
//! It mirrors what the engine tells into `experiments.db` and answers what the screens ask; nobody waits for it. The
//! run folders outlive it: when the database is missing or broken, it is read from them again.

mod adopt;
mod curves;
mod edit;
mod figures;
mod folder;
mod heartbeat;
mod index;
mod query;
mod record;
mod rows;
mod salvage;
mod schema;
mod shared;
mod sparkline;
mod tables;
mod thread;
mod trash;

use std::fmt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};

use engine::config::RunConfig;
use engine::error::Failure;
use engine::models::ModelSummary;
use engine::protocol::{Event, JobId};
use engine::{Sentence, sentence};

pub use self::folder::{adapter_folder, checkpoint_folders, initial_folder, kept_state};
use self::index::WriterLock;
pub use self::rows::{
    CheckpointRow, Cursor, Curve, CurvePoint, DatasetRow, KeptEvaluation, LogLevel, LogLine, ModelRow, RunDetail,
    RunRow, RunState, Series,
};
use self::thread::StoreThread;
pub use self::trash::{TrashedRun, trashed_runs};
use crate::workspace::{RunId, Workspace};

/// A request to the store. Requests are done in the order in which they are sent.
#[derive(Clone, Debug)]
pub enum Request {
    /// Put a run into the list as queued, or give one that is there another configuration.
    Register {
        /// From [`Workspace::new_run`].
        run: RunId,
        /// Settings of the run.
        config: Box<RunConfig>,
        /// A named group of runs.
        experiment: Option<String>,
    },
    /// The engine is about to be told to train (or resume) a run: its events carry this job. Send it before the
    /// command, so that no event comes first.
    Begin {
        /// As in the command.
        job: JobId,
        /// Whose folder the command names.
        run: RunId,
    },
    /// The engine told something. Events of jobs that are no runs are passed over.
    Record(Event),
    /// A run that was queued will not be computed.
    Withdraw(RunId),
    /// An imported adapter is complete in its run folder.
    Imported(RunId),
    /// An evaluation of a whole file of rows was kept in a run's folder, or scored anew.
    Evaluated(RunId),
    /// The engine's thread died: its runs are interrupted.
    EngineGone,
    /// Answered by [`Answer::Runs`].
    ListRuns,
    /// Ask for the news of a run since a cursor: answered by [`Answer::Detail`].
    Detail {
        /// The run asked about.
        run: RunId,
        /// From the last answer, or the default for everything.
        since: Cursor,
    },
    /// Give a run another name.
    Rename {
        /// The run to rename.
        run: RunId,
        /// Not empty.
        name: String,
    },
    /// Delete a run: its row, and its files into the trash. Answered by [`Answer::Deleted`] or [`Answer::Refused`].
    Delete(RunId),
    /// Take back the deletion of a run, as long as its files are kept: it is told by [`Answer::RunsChanged`].
    Undelete(RunId),
    /// Remove what was deleted for good: answered by [`Answer::TrashEmptied`].
    EmptyTrash,
    /// Put a run away, or take it out again.
    Archive {
        /// The run.
        run: RunId,
        /// Away.
        archived: bool,
    },
    /// Ask for a figure of several runs over their steps: answered by [`Answer::Curves`].
    Curves {
        /// The runs.
        runs: Vec<RunId>,
        /// `loss`, `validation loss`, or the name of a figure.
        name: String,
    },
    /// Mark a run, or unmark it.
    Star {
        /// The run to mark.
        run: RunId,
        /// Marked.
        starred: bool,
    },
    /// Replace a run's tags.
    Tags {
        /// The run that gets the tags.
        run: RunId,
        /// Blank ones are dropped.
        tags: Vec<String>,
    },
    /// Replace what the user wrote about a run.
    Notes {
        /// The run that gets the notes.
        run: RunId,
        /// Plain text.
        text: String,
    },
    /// Put a run into a named group, or take it out.
    Experiment {
        /// The run to put or take out.
        run: RunId,
        /// Made if need be.
        name: Option<String>,
    },
    /// Models and datasets that were used: answered by [`Answer::Library`].
    ListLibrary,
    /// Keep a model in the library.
    RememberModel(Box<ModelSummary>),
    /// Keep a dataset in the library.
    RememberDataset {
        /// Training rows.
        train: PathBuf,
        /// Validation rows.
        validation: Option<PathBuf>,
    },
    /// Take a model folder out of the library; its files stay. Refused while runs use it.
    ForgetModel(PathBuf),
    /// Take a dataset out of the library by its training file; its files stay. Refused while runs use it.
    ForgetDataset(PathBuf),
    /// Look for run folders that came by another way.
    Rescan,
    /// Everything sent before is on disk when the other end hears of it.
    Flush(Sender<()>),
    /// The thread ends; runs that this program computes are marked as interrupted.
    Close(Sender<()>),
}

/// An answer of the store, or news from it.
#[derive(Clone, Debug)]
pub enum Answer {
    /// All runs, newest first.
    Runs(Vec<RunRow>),
    /// One run, or what is new about it.
    Detail(Box<RunDetail>),
    /// Models and datasets, last used first.
    Library {
        /// Folders.
        models: Vec<ModelRow>,
        /// Files.
        datasets: Vec<DatasetRow>,
    },
    /// Runs with news since they were listed or told of last: the table follows from them, and of one that is on screen there
    /// may be more to ask for. Sent at most a few times a second, and not at all where nothing has changed.
    RunsChanged {
        /// Newest first.
        rows: Vec<RunRow>,
        /// Those that are no longer in the list.
        gone: Vec<RunId>,
    },
    /// A run is gone. `left` says why that cannot be taken back, where it cannot.
    Deleted {
        /// The run that is gone.
        run: RunId,
        /// A sentence.
        left: Option<Sentence>,
    },
    /// What was deleted is gone for good. `left` says which files could not be removed, and why.
    TrashEmptied {
        /// Runs that were in the trash.
        runs: usize,
        /// A sentence.
        left: Option<Sentence>,
    },
    /// A figure of several runs.
    Curves(Vec<Curve>),
    /// A request was not done: what happened and what to do.
    Refused(Failure),
    /// Something worth showing once, such as a database that was rebuilt.
    Notice(Sentence),
    /// Number of runs that were being computed when the program that did so was ended; they can be resumed.
    Interrupted(usize),
    /// Who may write has changed: another instance came to its end, and this one writes now.
    Access(Access),
}

/// Who may write the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// This instance.
    ReadWrite,
    /// Another instance, or nobody because the workspace cannot be written; the sentence says which.
    ReadOnly(Sentence),
}

/// Why the store cannot be opened.
#[derive(Debug)]
pub enum StoreError {
    /// A newer program made the database. It was not touched.
    Newer {
        /// In the file.
        found: i64,
        /// Ours.
        known: i64,
        /// The file.
        path: PathBuf,
        /// Where [`set_aside`] would move it.
        aside: PathBuf,
    },
    /// The database cannot be opened or written.
    Unusable {
        /// In words.
        reason: Sentence,
        /// The file.
        path: PathBuf,
    },
}

impl StoreError {
    /// One sentence on what happened, the path last.
    pub fn sentence(&self) -> Sentence {
        match self {
            Self::Newer { found, known, path, .. } => sentence!(
                "the database is of version {found}, this program knows versions up to {known}: {path}",
                found,
                known,
                path
            ),
            Self::Unusable { reason, path } => {
                sentence!("the database cannot be used ({reason}): {path}", reason, path)
            }
        }
    }

    /// One sentence on what to do about it.
    pub fn advice(&self) -> Sentence {
        match self {
            Self::Newer { aside, .. } => sentence!(
                "Update the program, or set the database aside and read the runs from their folders: {aside}",
                aside
            ),
            Self::Unusable { .. } => sentence!("Check that the folder can be written and that the disk is not full"),
        }
    }
}

/// In English, as on the command line.
impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sentence().fmt(f)
    }
}

impl std::error::Error for StoreError {}

/// The other end of the store's thread; clones speak to the same one.
#[derive(Clone, Debug)]
pub struct Store {
    requests: Sender<Request>,
    access: Access,
}

impl Store {
    /// Opens the database of a workspace, makes or migrates it if need be, and starts the thread. `wake` is called on
    /// that thread after each answer.
    ///
    /// A broken database is set aside; where none can be used, as on a full disk, the runs are read from their folders into
    /// memory, so that they can be looked at and deleted. Where the workspace is [one run's folder](Workspace::around) there is
    /// no database: what is told of the run is written into its folder, with a heartbeat as long as it is computed.
    ///
    /// # Errors
    /// [`StoreError`] when the database is of a newer version, or the thread cannot be started.
    pub fn open(
        workspace: &Workspace,
        wake: impl Fn() + Send + 'static,
    ) -> Result<(Self, Receiver<Answer>), StoreError> {
        let path = workspace.database();
        let (requests, inbox) = channel();
        let (outbox, answers) = channel();
        let found = index::find(workspace)?;
        let access = found.access();
        if let Some(notice) = found.notice.clone() {
            tell(&outbox, Answer::Notice(notice));
        }
        let mut worker = StoreThread::new(workspace.clone(), found, outbox, Box::new(wake));
        let thread = move || {
            worker.recover();
            worker.run(&inbox);
        };
        std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(thread)
            .map_err(|error| schema::unusable(&path, &error))?;
        Ok((Self { requests, access }, answers))
    }

    /// Who may write, when the store was opened; later changes come as [`Answer::Access`].
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Never waits. False when the store's thread is gone.
    pub fn send(&self, request: Request) -> bool {
        self.requests.send(request).is_ok()
    }

    /// Waits until everything sent before is on disk.
    pub fn flush(&self) {
        self.wait_for(Request::Flush);
    }

    /// Ends the thread when everything sent before is on disk, and gives the database to the next. Runs that this
    /// program computes are then interrupted: stop them first.
    pub fn close(&self) {
        self.wait_for(Request::Close);
    }

    fn wait_for(&self, request: impl FnOnce(Sender<()>) -> Request) {
        let (done, heard) = channel();
        if self.send(request(done)) {
            // The other end is dropped when it is done; nothing is ever sent.
            heard.recv().ok();
        }
    }
}

/// Moves a database that cannot be opened out of the way; the next [`Store::open`] reads the run folders anew.
///
/// # Errors
/// [`StoreError::Unusable`] when it cannot be moved, or when another instance uses it.
pub fn set_aside(workspace: &Workspace) -> Result<PathBuf, StoreError> {
    match writer_lock(workspace)? {
        Some(_lock) => schema::set_newer_aside(workspace),
        None => Err(StoreError::Unusable { reason: sentence!("another instance uses it"), path: workspace.database() }),
    }
}

/// `None` when another instance writes the database.
fn writer_lock(workspace: &Workspace) -> Result<Option<WriterLock>, StoreError> {
    let path = workspace.database_lock();
    match folder::lock(&path).map_err(|error| schema::unusable(&path, &error))? {
        folder::Lock::Ours(file) => Ok(Some(WriterLock { file })),
        folder::Lock::Elsewhere => Ok(None),
    }
}

fn tell(outbox: &Sender<Answer>, answer: Answer) {
    // The receiver is still in our hands: nothing is lost.
    outbox.send(answer).ok();
}
