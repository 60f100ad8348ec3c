//! Errors between here and the hub, with the values one needs to act.

use std::fmt;
use std::path::PathBuf;

use crate::error::{Failure, IoAction, io_advice, io_reason};
use crate::{Sentence, sentence};

/// An error of a look-up or a download. No text of it has a token in it.
#[derive(Debug)]
#[non_exhaustive]
pub enum HubError {
    /// The typed text is no id.
    BadId {
        /// As it was typed.
        asked: String,
        /// In words.
        reason: Sentence,
    },
    /// The setting of the endpoint is no address.
    BadEndpoint {
        /// As it was set.
        endpoint: String,
    },
    /// The environment forbids the network.
    Offline,
    /// No connection, or it gave no answer.
    Unreachable {
        /// The host.
        host: String,
        /// Reason that the system gave.
        reason: Sentence,
    },
    /// The hub has no such model, or does not show it.
    NoSuchModel {
        /// Id of the model.
        name: String,
        /// The host.
        host: String,
    },
    /// The model is there, the revision is not.
    NoSuchRevision {
        /// The model.
        name: String,
        /// The revision.
        revision: String,
    },
    /// A model whose terms have to be accepted first.
    Gated {
        /// The model.
        name: String,
        /// Where they are accepted.
        page: String,
        /// A token was sent.
        with_token: bool,
    },
    /// The text kept as a token cannot be one; it is in no message.
    BadToken {
        /// The file or the variable.
        place: String,
        /// The fault, in words.
        reason: Sentence,
    },
    /// The hub does not take the token.
    TokenRefused {
        /// The host.
        host: String,
    },
    /// Any other answer than success.
    Status {
        /// The host.
        host: String,
        /// The HTTP status.
        status: u16,
    },
    /// An answer that makes no sense.
    BadAnswer {
        /// The host.
        host: String,
        /// The fault, in words.
        reason: Sentence,
    },
    /// A file name that leads out of the model's folder.
    UnsafeName {
        /// As the hub gave it.
        name: String,
    },
    /// A dataset that is not there, or not for everybody.
    NoSuchDataset {
        /// Id of the dataset.
        name: String,
        /// The host.
        host: String,
    },
    /// A repository without rows that are read here, or with several datasets.
    NotRows {
        /// The dataset.
        name: String,
        /// Why none is surely meant.
        reason: Sentence,
    },
    /// A repository without what the workbench reads.
    NotAModel {
        /// The model.
        name: String,
        /// The file or choice of files.
        missing: Sentence,
    },
    /// Not enough room.
    DiskFull {
        /// Bytes still to be fetched.
        needed: u64,
        /// Bytes free.
        free: u64,
        /// Where they would go.
        path: PathBuf,
    },
    /// The disk filled up while something was written.
    Full {
        /// The path that was written to.
        path: PathBuf,
    },
    /// Reading or writing here failed.
    Io {
        /// The action that was tried.
        action: IoAction,
        /// The file or folder.
        path: PathBuf,
        /// Error of the system.
        source: std::io::Error,
    },
    /// The content is not what the hub says it is.
    WrongHash {
        /// The file.
        file: String,
        /// From the hub, in hexadecimal.
        expected: String,
        /// Of what arrived.
        found: String,
    },
    /// The size is not what the hub said it was.
    WrongSize {
        /// The file.
        file: String,
        /// When the files were listed.
        expected: u64,
        /// Of what is sent, as far as it was read.
        found: u64,
    },
    /// The connection was cut, again and again.
    Cut {
        /// The file.
        file: String,
        /// Bytes that are kept.
        bytes: u64,
        /// Size of the file in bytes.
        of: u64,
        /// Reason that the system gave.
        reason: Sentence,
    },
    /// Another program fetches the same file.
    Busy {
        /// The file.
        file: String,
    },
    /// The chosen folder has another file of that name.
    Occupied {
        /// The file.
        file: String,
        /// The folder.
        path: PathBuf,
    },
    /// Somebody asked for the end.
    Cancelled,
}

impl HubError {
    /// One sentence on what happened.
    pub fn sentence(&self) -> Sentence {
        match self {
            Self::BadId { asked, reason } => sentence!("{asked:?} is no model id: {reason}", asked, reason),
            Self::BadEndpoint { endpoint } => {
                sentence!("the hub's address must begin with https:// or http://, and it is {endpoint:?}", endpoint)
            }
            Self::Offline => sentence!("HF_HUB_OFFLINE is set, so nothing is fetched"),
            Self::Unreachable { host, reason } => sentence!("{host} cannot be reached: {reason}", host, reason),
            Self::NoSuchModel { name, host } => sentence!("{host} has no model {name}, or it is private", host, name),
            Self::NoSuchDataset { name, host } => {
                sentence!("{host} has no dataset {name}, or it is private", host, name)
            }
            Self::NotRows { name, reason } => sentence!("{name}: {reason}", name, reason),
            Self::NoSuchRevision { name, revision } => sentence!("{name} has no revision {revision:?}", name, revision),
            Self::Gated { name, .. } => sentence!("{name} is gated: its owner asks you to accept terms first", name),
            Self::BadToken { place, reason } => {
                sentence!("the token in {place} cannot be used: {reason}", place, reason)
            }
            Self::TokenRefused { host } => sentence!("{host} does not accept the token", host),
            Self::Status { host, status } => sentence!("{host} answers with status {status}", host, status),
            Self::BadAnswer { host, reason } => {
                sentence!("the answer of {host} cannot be used: {reason}", host, reason)
            }
            Self::UnsafeName { name } => sentence!(
                "the model lists a file named {name:?}, which would be written elsewhere: it is refused",
                name
            ),
            Self::NotAModel { name, missing } => sentence!("{name} has no {missing}", name, missing),
            Self::DiskFull { needed, free, path } => sentence!(
                "{needed} are still needed and {free} are free on the disk of {path}",
                needed = megabytes(*needed),
                free = megabytes(*free),
                path
            ),
            Self::Full { path } => sentence!("the disk is full: {path}", path),
            Self::Io { action, path, source } => {
                sentence!("cannot {action} {path}: {reason}", action, path, reason = io_reason(source))
            }
            Self::WrongHash { file, expected, found } => sentence!(
                "{file} arrived damaged: its SHA-256 is {found}, and the hub says {expected}",
                file,
                found,
                expected
            ),
            Self::WrongSize { file, expected, found } => sentence!(
                "{file} was said to have {expected} bytes, and what is sent has {found}",
                file,
                expected,
                found
            ),
            Self::Cut { file, bytes, of, reason } => sentence!(
                "the connection was cut after {bytes} of {of} of {file}: {reason}",
                bytes = megabytes(*bytes),
                of = megabytes(*of),
                file,
                reason
            ),
            Self::Busy { file } => sentence!("another program is downloading {file}", file),
            Self::Occupied { file, path } => sentence!("there is another {file} already: {path}", file, path),
            Self::Cancelled => sentence!("the download was cancelled"),
        }
    }

    /// One sentence on what to do about it.
    pub fn advice(&self) -> Sentence {
        match self {
            Self::BadId { .. } => sentence!("Write it as its page does: gpt2, or Langboat/bloom-1b4-zh"),
            Self::BadEndpoint { .. } => sentence!("Correct the address in Settings, in --endpoint or in HF_ENDPOINT"),
            Self::Offline => sentence!("Unset HF_HUB_OFFLINE, or choose a model that is already here"),
            Self::Unreachable { .. } => {
                sentence!(
                    "Check the network; behind a proxy set HTTPS_PROXY, or set the address of a mirror as the endpoint"
                )
            }
            Self::NotRows { .. } => {
                sentence!(
                    "Name a configuration and a split that it has, or choose a dataset that is published as Parquet"
                )
            }
            Self::NoSuchDataset { .. } | Self::NoSuchModel { .. } => {
                sentence!("Check the spelling; a private one needs a token that may read it")
            }
            Self::NoSuchRevision { .. } => sentence!("Name a branch, a tag or a commit that the model's page lists"),
            Self::Gated { page, with_token: true, .. } => {
                sentence!("The token has no access yet: accept the terms with its account at {page}", page)
            }
            Self::Gated { page, .. } => {
                let tokens = tokens_page(page);
                sentence!(
                    "Accept them at {page}, make a token that may read it at {tokens}, and set it in Settings or HF_TOKEN",
                    page,
                    tokens
                )
            }
            Self::BadToken { .. } => sentence!("Keep the token alone there, on one line"),
            Self::TokenRefused { .. } => {
                sentence!("Make a new token on the hub's page of access tokens, and set it again")
            }
            Self::Status { .. } => sentence!("Try again later, or set another endpoint"),
            Self::BadAnswer { .. } => sentence!("Check that the endpoint is a Hugging Face hub or a mirror of one"),
            Self::UnsafeName { .. } | Self::WrongSize { .. } => sentence!("Do not use this model from this endpoint"),
            Self::NotAModel { .. } => sentence!("Choose a model that is published for transformers"),
            Self::DiskFull { .. } | Self::Full { .. } => {
                sentence!("Make room, or set HF_HOME to a folder on a larger disk")
            }
            Self::Io { source, .. } => io_advice(source),
            Self::WrongHash { .. } => sentence!("Nothing of it was kept; download it again, or from another endpoint"),
            Self::Cut { .. } => sentence!("Start the download again: it goes on from there"),
            Self::Busy { .. } => sentence!("Wait for it; what it fetches will be found here"),
            Self::Occupied { .. } => sentence!("Choose an empty folder, or move that file away"),
            Self::Cancelled => sentence!("Start it again: it goes on from there"),
        }
    }

    /// Whether another try could go better.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Cut { .. } => true,
            Self::Status { status, .. } => *status == 429 || *status >= 500,
            _ => false,
        }
    }

    pub(super) fn io(action: IoAction, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Io { action, path, source },
        }
    }
}

/// In English, as in logs.
impl fmt::Display for HubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sentence().fmt(f)
    }
}

impl std::error::Error for HubError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// Where tokens are made, beside a model's page.
fn tokens_page(page: &str) -> String {
    let host_end = page.match_indices('/').nth(2).map_or(page.len(), |(at, _)| at);
    format!("{}/settings/tokens", &page[..host_end])
}

impl From<&HubError> for Failure {
    fn from(error: &HubError) -> Self {
        Self { what: error.sentence(), advice: error.advice() }
    }
}
