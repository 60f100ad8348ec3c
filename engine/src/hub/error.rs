//! What can go wrong between here and the hub, with the values one needs to act.

use std::path::PathBuf;

use crate::error::{Failure, io_advice, io_reason};

/// An error of a look-up or a download. No text of it has a token in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// What was typed is no id.
    #[error("{asked:?} is no model id: {reason}")]
    BadId {
        /// As it was typed.
        asked: String,
        /// In words.
        reason: String,
    },
    /// The setting of the endpoint is no address.
    #[error("the hub's address must begin with https:// or http://, and it is {endpoint:?}")]
    BadEndpoint {
        /// As it was set.
        endpoint: String,
    },
    /// The environment forbids the network.
    #[error("HF_HUB_OFFLINE is set, so nothing is fetched")]
    Offline,
    /// No connection, or it gave no answer.
    #[error("{host} cannot be reached: {reason}")]
    Unreachable {
        /// The host.
        host: String,
        /// What the system said.
        reason: String,
    },
    /// The hub has no such model, or does not show it.
    #[error("{host} has no model {name}, or it is private")]
    NoSuchModel {
        /// Its id.
        name: String,
        /// The host.
        host: String,
    },
    /// The model is there, the revision is not.
    #[error("{name} has no revision {revision:?}")]
    NoSuchRevision {
        /// The model.
        name: String,
        /// The revision.
        revision: String,
    },
    /// A model whose terms have to be accepted first.
    #[error("{name} is gated: its owner asks you to accept terms first")]
    Gated {
        /// The model.
        name: String,
        /// Where they are accepted.
        page: String,
        /// A token was sent.
        with_token: bool,
    },
    /// What is kept as a token cannot be one; its text is in no message.
    #[error("the token in {place} cannot be used: {reason}")]
    BadToken {
        /// The file or the variable.
        place: String,
        /// What is wrong, in words.
        reason: String,
    },
    /// The hub does not take the token.
    #[error("{host} does not accept the token")]
    TokenRefused {
        /// The host.
        host: String,
    },
    /// Any other answer than success.
    #[error("{host} answers with status {status}")]
    Status {
        /// The host.
        host: String,
        /// The HTTP status.
        status: u16,
    },
    /// An answer that makes no sense.
    #[error("the answer of {host} cannot be used: {reason}")]
    BadAnswer {
        /// The host.
        host: String,
        /// What is wrong, in words.
        reason: String,
    },
    /// A file name that leads out of the model's folder.
    #[error("the model lists a file named {name:?}, which would be written elsewhere: it is refused")]
    UnsafeName {
        /// As the hub gave it.
        name: String,
    },
    /// A repository without what the workbench reads.
    #[error("{name} has no {missing}")]
    NotAModel {
        /// The model.
        name: String,
        /// The file or choice of files.
        missing: String,
    },
    /// Not enough room.
    #[error("{} are still needed and {} are free on the disk of {path}", megabytes(*needed), megabytes(*free), path = path.display())]
    DiskFull {
        /// Bytes still to be fetched.
        needed: u64,
        /// Bytes free.
        free: u64,
        /// Where they would go.
        path: PathBuf,
    },
    /// The disk filled up while something was written.
    #[error("the disk is full: {path}", path = path.display())]
    Full {
        /// What was written.
        path: PathBuf,
    },
    /// Reading or writing here failed.
    #[error("cannot {action} {path}: {reason}", path = path.display(), reason = io_reason(source))]
    Io {
        /// "read", "write", "create".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The content is not what the hub says it is.
    #[error("{file} arrived damaged: its SHA-256 is {found}, and the hub says {expected}")]
    WrongHash {
        /// The file.
        file: String,
        /// From the hub, in hexadecimal.
        expected: String,
        /// Of what arrived.
        found: String,
    },
    /// The size is not what the hub said it was.
    #[error("{file} was said to have {expected} bytes, and what is sent has {found}")]
    WrongSize {
        /// The file.
        file: String,
        /// When the files were listed.
        expected: u64,
        /// Of what is sent, as far as it was read.
        found: u64,
    },
    /// The connection was cut, again and again.
    #[error("the connection was cut after {} of {} of {file}: {reason}", megabytes(*bytes), megabytes(*of))]
    Cut {
        /// The file.
        file: String,
        /// Bytes that are kept.
        bytes: u64,
        /// Its size.
        of: u64,
        /// What the system said.
        reason: String,
    },
    /// Another program fetches the same file.
    #[error("another program is downloading {file}")]
    Busy {
        /// The file.
        file: String,
    },
    /// The chosen folder has another file of that name.
    #[error("there is another {file} already: {path}", path = path.display())]
    Occupied {
        /// The file.
        file: String,
        /// The folder.
        path: PathBuf,
    },
    /// Somebody asked for the end.
    #[error("the download was cancelled")]
    Cancelled,
}

impl HubError {
    /// One sentence on what to do about it.
    pub fn advice(&self) -> String {
        let text = match self {
            Self::BadId { .. } => "Write it as its page does: gpt2, or Langboat/bloom-1b4-zh",
            Self::BadEndpoint { .. } => "Correct the address in Settings, in --endpoint or in HF_ENDPOINT",
            Self::Offline => "Unset HF_HUB_OFFLINE, or choose a model that is already here",
            Self::Unreachable { .. } => {
                "Check the network; behind a proxy set HTTPS_PROXY, or set the address of a mirror as the endpoint"
            }
            Self::NoSuchModel { .. } => "Check the spelling; a private model needs a token that may read it",
            Self::NoSuchRevision { .. } => "Name a branch, a tag or a commit that the model's page lists",
            Self::Gated { page, with_token, .. } => {
                return match with_token {
                    false => format!(
                        "Accept them at {page}, make a token that may read it at {}, and set it in Settings or HF_TOKEN",
                        tokens_page(page)
                    ),
                    true => format!("The token has no access yet: accept the terms with its account at {page}"),
                };
            }
            Self::BadToken { .. } => "Keep the token alone there, on one line",
            Self::TokenRefused { .. } => "Make a new token on the hub's page of access tokens, and set it again",
            Self::Status { .. } => "Try again later, or set another endpoint",
            Self::BadAnswer { .. } => "Check that the endpoint is a Hugging Face hub or a mirror of one",
            Self::UnsafeName { .. } | Self::WrongSize { .. } => "Do not use this model from this endpoint",
            Self::NotAModel { .. } => "Choose a model that is published for transformers",
            Self::DiskFull { .. } | Self::Full { .. } => "Make room, or set HF_HOME to a folder on a larger disk",
            Self::Io { source, .. } => io_advice(source),
            Self::WrongHash { .. } => "Nothing of it was kept; download it again, or from another endpoint",
            Self::Cut { .. } => "Start the download again: it goes on from there",
            Self::Busy { .. } => "Wait for it; what it fetches will be found here",
            Self::Occupied { .. } => "Choose an empty folder, or move that file away",
            Self::Cancelled => "Start it again: it goes on from there",
        };
        text.to_owned()
    }

    /// Whether another try could go better.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Cut { .. } => true,
            Self::Status { status, .. } => *status == 429 || *status >= 500,
            _ => false,
        }
    }

    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Io { action, path, source },
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
        Self { what: error.to_string(), advice: error.advice() }
    }
}
