//! Models and datasets of the Hugging Face hub, by id: looked up, fetched into the shared cache, found there again.
//!
//! [`Hub::spawn`] starts a thread that waits for the network, so that training never does; it is spoken to like the
//! engine: a [`HubCommand`] goes in, a [`HubEvent`] comes out. Nothing is fetched before a [`HubCommand::Download`]
//! brings back the [`Listing`] that named the files and their sizes.
//!
//! The transfer is done with `ureq` and not with the crate `hf-hub`: since its version 1 that one is asynchronous
//! (tokio, reqwest, a store of chunks), its older versions cannot be cancelled, check no hash, and know neither sizes
//! beforehand nor the lock of Python's client. What is shared with both is the layout of the cache ([`find_cached`]).
//!
//! Of a repository of models in GGUF one file is fetched, which is a whole model.
//!
//! Datasets are fetched as Parquet files: from the branch on which the hub keeps each as such, else the repository's own.
//!
//! Routes (`datasets` and `datasets/{id}` for those): `GET /api/models/{id}/revision/{revision}?blobs=true` for names, sizes and hashes, and
//! `GET /{id}/resolve/{commit}/{file}`, which redirects large files to another host, as in
//! huggingface/huggingface_hub: src/huggingface_hub/file_download.py.

mod access;
mod cache;
mod error;
mod file_selection;
mod http;
mod id;
mod listing;
mod transfer;
mod transfer_monitor;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use serde::Serialize;

pub use self::access::{Access, AccessFacts, ENDPOINT, HubConfig, Token, TokenSource, shared_cache};
pub use self::cache::{CachedModel, find_cached, find_cached_rows, id_of_snapshot, list_cached};
pub use self::error::HubError;
use self::http::Client;
pub use self::id::{ModelId, RowsOf};
pub use self::listing::{Destination, FileHash, ListedFile, Listing};
use self::transfer::Transfer;
use self::transfer_monitor::TransferMonitor;
use crate::error::{EngineError, Failure, IoAction, Result};
use crate::protocol::JobId;
use crate::sentence;

/// Commands to the hub's thread, done in the order in which they are sent.
#[derive(Clone, Debug)]
pub enum HubCommand {
    /// Use this endpoint from now on, and say what there is: [`HubEvent::Facts`]. Touches no network.
    Describe {
        /// `None` follows the environment.
        endpoint: Option<String>,
    },
    /// Keep a token in this program's file, or take it away; answered by [`HubEvent::Facts`]. Touches no network.
    KeepToken(Option<Token>),
    /// List the files of a model: [`HubEvent::Listed`].
    LookUp {
        /// Names the work.
        job: JobId,
        /// The model.
        id: ModelId,
        /// Where its files would go.
        to: Destination,
    },
    /// Fetch what was listed: [`HubEvent::Progress`], then [`HubEvent::Fetched`].
    Download {
        /// Names the work.
        job: JobId,
        /// The listing that was shown before.
        listing: Box<Listing>,
    },
    /// End a look-up or a download, whatever it waits for: [`HubEvent::Cancelled`].
    Cancel {
        /// The work to end.
        job: JobId,
    },
}

/// Events that the hub's thread tells.
#[derive(Clone, Debug)]
pub enum HubEvent {
    /// Where the token comes from, where the cache is, what is in it.
    Facts {
        /// Facts about address and token that anybody may know.
        facts: AccessFacts,
        /// By name.
        cached: Vec<CachedModel>,
    },
    /// Something about address or token is wrong.
    Trouble(Failure),
    /// A download was listed; it has not begun.
    Listed {
        /// The work.
        job: JobId,
        /// Names and sizes.
        listing: Box<Listing>,
    },
    /// At most a few times a second.
    Progress {
        /// The work.
        job: JobId,
        /// Progress of the download.
        progress: HubProgress,
    },
    /// The model is here.
    Fetched {
        /// The work.
        job: JobId,
        /// Folder of the model.
        folder: PathBuf,
    },
    /// The part that is here of a download that is about to be said to have ended early.
    Kept {
        /// The work.
        job: JobId,
        /// With what has arrived.
        listing: Box<Listing>,
    },
    /// It ended because somebody asked for that; a download goes on from there next time.
    Cancelled {
        /// The work.
        job: JobId,
    },
    /// It did not work.
    Failed {
        /// The work.
        job: JobId,
        /// The error and what to do about it.
        failure: Failure,
    },
}

/// Progress of a download.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct HubProgress {
    /// The file that is being fetched.
    pub file: String,
    /// Of all files, what was here before included.
    pub bytes: u64,
    /// Of all files.
    pub total_bytes: u64,
    /// Over the last seconds.
    pub bytes_per_sec: f64,
}

/// Timeouts and retries of a bad connection.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Tries in a row that bring nothing.
    pub attempts: u32,
    /// Between two tries; longer after each.
    pub pause: Duration,
    /// A connection that is silent for longer is cut.
    pub silence: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { attempts: 5, pause: Duration::from_secs(1), silence: Duration::from_secs(30) }
    }
}

/// A handle to the hub's thread. Dropping it ends the thread within a moment; what was fetched is kept.
pub struct Hub {
    commands: Option<Sender<HubCommand>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Hub {
    /// Starts the thread. `outbox` is called on it for each event and must not block.
    ///
    /// # Errors
    /// The system cannot start a thread.
    pub fn spawn(config: HubConfig, timeouts: Timeouts, outbox: impl Fn(HubEvent) + Send + 'static) -> Result<Self> {
        let (commands, inbox) = channel();
        let thread = std::thread::Builder::new()
            .name("hub".to_owned())
            .spawn(move || {
                Desk { config, timeouts, inbox, waiting: VecDeque::new(), outbox: Box::new(outbox) }.run();
            })
            .map_err(EngineError::io(IoAction::Start, "the hub's thread"))?;
        Ok(Self { commands: Some(commands), thread: Some(thread) })
    }

    /// Never waits. False when the thread is gone.
    pub fn send(&self, command: HubCommand) -> bool {
        self.commands.as_ref().is_some_and(|commands| commands.send(command).is_ok())
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the hub's thread ended with a panic");
        }
    }
}

/// The thread: commands that came while it was busy wait in a row.
struct Desk {
    config: HubConfig,
    timeouts: Timeouts,
    inbox: Receiver<HubCommand>,
    waiting: VecDeque<HubCommand>,
    outbox: Box<dyn Fn(HubEvent) + Send>,
}

impl Desk {
    fn run(mut self) {
        while let Some(command) = self.waiting.pop_front().or_else(|| self.inbox.recv().ok()) {
            match command {
                HubCommand::Describe { endpoint } => {
                    self.config.endpoint = endpoint;
                    self.describe();
                }
                HubCommand::KeepToken(token) => self.keep_token(token.as_ref()),
                HubCommand::LookUp { job, id, to } => self.work(job, |desk| desk.look_up(job, &id, &to)),
                HubCommand::Download { job, listing } => self.work(job, |desk| desk.download(job, &listing)),
                // It had ended before the wish came.
                HubCommand::Cancel { .. } => {}
            }
        }
    }

    /// A panic ends the work, not the thread.
    fn work(&mut self, job: JobId, work: impl FnOnce(&mut Self) -> std::result::Result<HubEvent, HubError>) {
        let ended = catch_unwind(AssertUnwindSafe(|| work(self)));
        let event = match ended {
            Ok(Ok(event)) => event,
            Ok(Err(HubError::Cancelled)) => HubEvent::Cancelled { job },
            Ok(Err(error)) => HubEvent::Failed { job, failure: Failure::from(&error) },
            Err(_) => {
                let failure = Failure {
                    what: sentence!("the download ended unexpectedly"),
                    advice: sentence!("Start it again with RUST_LOG=debug for details"),
                };
                HubEvent::Failed { job, failure }
            }
        };
        (self.outbox)(event);
    }

    fn look_up(&mut self, job: JobId, id: &ModelId, to: &Destination) -> std::result::Result<HubEvent, HubError> {
        let access = Access::find(&self.config)?;
        let client = Client::new(&access, self.timeouts.silence)?;
        let listing = listing::look_up(id, to, &access, &client, &mut self.monitor(job))?;
        Ok(HubEvent::Listed { job, listing: Box::new(listing) })
    }

    fn download(&mut self, job: JobId, listing: &Listing) -> std::result::Result<HubEvent, HubError> {
        let mut access = Access::find(&self.config)?;
        // What was shown is what is fetched, wherever the settings point meanwhile.
        access.endpoint.clone_from(&listing.endpoint);
        let timeouts = self.timeouts;
        let client = Client::new(&access, timeouts.silence)?;
        let transfer = Transfer { listing, access: &access, client: &client, timeouts: &timeouts };
        let ended = transfer.run(&mut self.monitor(job));
        if ended.is_err() {
            let mut listing = Box::new(listing.clone());
            listing.look_again(&access.cache);
            (self.outbox)(HubEvent::Kept { job, listing });
        }
        let folder = ended?;
        self.describe();
        Ok(HubEvent::Fetched { job, folder })
    }

    fn monitor(&mut self, job: JobId) -> TransferMonitor<'_> {
        TransferMonitor::new(job, &self.inbox, &mut self.waiting, &*self.outbox)
    }

    fn describe(&self) {
        (self.outbox)(match Access::find(&self.config) {
            Ok(access) => HubEvent::Facts { facts: access.facts(), cached: list_cached(&access.cache) },
            Err(error) => HubEvent::Trouble(Failure::from(&error)),
        });
    }

    fn keep_token(&self, token: Option<&Token>) {
        let Some(path) = &self.config.kept_token else { return };
        match access::keep_token(path, token) {
            Ok(()) => self.describe(),
            Err(error) => (self.outbox)(HubEvent::Trouble(Failure::from(&error))),
        }
    }
}
