//! The hub as the window knows it: a model that was looked up, and the download that followed.

use std::path::PathBuf;

use engine::error::Failure;
use engine::hub::{AccessFacts, CachedModel, Destination, HubCommand, HubEvent, HubProgress, Listing, ModelId, Token};
use engine::protocol::JobId;

use super::State;
use crate::state::notices::Level;
use crate::store::Request;
use crate::t;

/// A look-up or a download.
#[derive(Clone, Debug, Default)]
pub enum HubWork {
    /// Nothing.
    #[default]
    Idle,
    /// The files of a model are being listed.
    LookingUp(ModelId),
    /// They were; nothing is fetched yet.
    Listed(Box<Listing>),
    /// They are being fetched.
    Fetching {
        /// The files that were shown before.
        listing: Box<Listing>,
        /// Bytes that have come.
        progress: HubProgress,
        /// The end was asked for.
        stopping: bool,
    },
}

/// The hub as the window knows it.
#[derive(Clone, Debug, Default)]
pub struct HubState {
    /// Address, where the token comes from, where the cache is.
    pub facts: AccessFacts,
    /// Models of the shared cache.
    pub cached: Vec<CachedModel>,
    /// The look-up or download under way.
    pub work: HubWork,
    /// Why the last look-up or download did not work.
    pub failure: Option<Failure>,
    /// Why the settings of address or token cannot be used.
    pub trouble: Option<Failure>,
    /// The model or dataset that arrived last, until another is looked up.
    pub arrived: Option<(ModelId, PathBuf)>,
    job: Option<JobId>,
    last_job: u64,
}

impl HubState {
    /// A look-up or a download is under way.
    pub fn is_busy(&self) -> bool {
        self.job.is_some()
    }

    fn begin(&mut self, work: HubWork) -> JobId {
        self.last_job += 1;
        let job = JobId(self.last_job);
        (self.job, self.work, self.failure) = (Some(job), work, None);
        job
    }
}

impl State {
    /// Asks the hub for a model's files: the first thing that touches the network.
    pub(crate) fn look_up(&mut self, asked: &str) {
        if self.hub.is_busy() {
            return;
        }
        match ModelId::parse(asked) {
            Ok(id) => {
                self.hub.arrived = None;
                let job = self.hub.begin(HubWork::LookingUp(id.clone()));
                self.outbox.hub(HubCommand::LookUp { job, id, to: Destination::Cache });
            }
            Err(error) => {
                self.hub.work = HubWork::Idle;
                self.hub.failure = Some(Failure::from(&error));
            }
        }
    }

    /// Fetches what is shown.
    pub(crate) fn download(&mut self) {
        let HubWork::Listed(listing) = &self.hub.work else { return };
        let listing = listing.clone();
        let total = listing.total_bytes();
        let here = total - listing.missing_bytes();
        let progress = HubProgress { bytes: here, total_bytes: total, ..HubProgress::default() };
        let work = HubWork::Fetching { listing: listing.clone(), progress, stopping: false };
        let job = self.hub.begin(work);
        self.outbox.hub(HubCommand::Download { job, listing });
    }

    /// Ends what is under way, or takes the list away.
    pub(crate) fn cancel_download(&mut self) {
        match (&mut self.hub.work, self.hub.job) {
            (HubWork::Fetching { stopping, .. }, Some(job)) => {
                *stopping = true;
                self.outbox.hub(HubCommand::Cancel { job });
            }
            (_, Some(job)) => self.outbox.hub(HubCommand::Cancel { job }),
            (work, None) => *work = HubWork::Idle,
        }
    }

    pub(crate) fn keep_token(&mut self, text: &str) {
        self.outbox.hub(HubCommand::KeepToken(Token::new(text)));
    }

    /// Says the hub's thread which address to use; it answers with what is there.
    pub(crate) fn describe_hub(&mut self) {
        let endpoint = Some(self.settings.hub_endpoint.clone()).filter(|text| !text.trim().is_empty());
        self.outbox.hub(HubCommand::Describe { endpoint });
    }

    /// Takes in what the hub tells. Late news of work that was given up is dropped.
    pub fn on_hub(&mut self, event: HubEvent) {
        let is_ours = |job: JobId| self.hub.job == Some(job);
        match event {
            HubEvent::Facts { facts, cached } => {
                (self.hub.facts, self.hub.cached, self.hub.trouble) = (facts, cached, None);
            }
            HubEvent::Trouble(failure) => self.hub.trouble = Some(failure),
            HubEvent::Listed { job, listing } if is_ours(job) => {
                (self.hub.work, self.hub.job) = (HubWork::Listed(listing), None);
            }
            HubEvent::Progress { job, progress } if is_ours(job) => {
                if let HubWork::Fetching { progress: known, .. } = &mut self.hub.work {
                    *known = progress;
                }
            }
            HubEvent::Kept { job, listing: kept } if is_ours(job) => {
                if let HubWork::Fetching { listing, .. } = &mut self.hub.work {
                    *listing = kept;
                }
            }
            HubEvent::Fetched { job, folder } if is_ours(job) => self.model_arrived(folder),
            HubEvent::Cancelled { job } if is_ours(job) => self.download_ended(None),
            HubEvent::Failed { job, failure } if is_ours(job) => self.download_ended(Some(failure)),
            HubEvent::Listed { .. }
            | HubEvent::Progress { .. }
            | HubEvent::Kept { .. }
            | HubEvent::Fetched { .. }
            | HubEvent::Cancelled { .. }
            | HubEvent::Failed { .. } => {}
        }
    }

    fn model_arrived(&mut self, folder: PathBuf) {
        self.hub.job = None;
        if let HubWork::Fetching { listing, .. } = std::mem::take(&mut self.hub.work) {
            let sentence = t!("hub.arrived", name = listing.id);
            self.notices.add(Level::Good, sentence, "", self.env.now);
            self.hub.arrived = Some((listing.id.clone(), folder.clone()));
        }
        let is_dataset = self.hub.arrived.as_ref().is_some_and(|(id, _)| id.rows().is_some());
        if is_dataset {
            self.ask_library(Request::RememberDataset { train: folder, validation: None });
            return;
        }
        // Its facts are read from the folder, and with them it is in the library.
        self.describe(folder);
    }

    /// The list stays, so that one press goes on.
    fn download_ended(&mut self, failure: Option<Failure>) {
        self.hub.job = None;
        self.hub.failure = failure;
        self.hub.work = match std::mem::take(&mut self.hub.work) {
            HubWork::Fetching { listing, .. } => HubWork::Listed(listing),
            _ => HubWork::Idle,
        };
    }
}
