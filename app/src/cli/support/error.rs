//! Errors of the command line and their exit codes: in this file only.

use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use engine::error::{EngineError, Failure, io_advice, io_reason};
use engine::{Sentence, sentence};

use crate::cli::support::out;
use crate::store::StoreError;
use crate::workspace::WorkspaceError;

/// `EX_TEMPFAIL` of `sysexits.h`: nothing is wrong, and the same command goes on where it stopped.
pub(in crate::cli) const GO_ON: u8 = 75;

/// An error with advice; its text is both sentences.
#[derive(Debug)]
pub enum CliError {
    /// The command or a setting cannot be meant: exit code 2.
    Usage(Failure),
    /// It was meant, and did not work: exit code 1.
    Failed(Failure),
    /// The answer is no, and it was printed: exit code 1 without a word more.
    Negative,
    /// A run of a job was asked to end and wrote a checkpoint, which was printed: exit code 75, the system's for "try again".
    GoOn,
    /// The line cannot be read, or asks for help: clap has the words and the code.
    Line(clap::Error),
}

/// Words for an error: the command line speaks English, and what the window shows too is a sentence.
pub(in crate::cli) trait Said {
    fn said(self) -> Sentence;
}

impl Said for Sentence {
    fn said(self) -> Sentence {
        self
    }
}

impl Said for String {
    fn said(self) -> Sentence {
        Sentence::verbatim(self)
    }
}

impl Said for &str {
    fn said(self) -> Sentence {
        Sentence::verbatim(self)
    }
}

impl CliError {
    /// A command or setting that cannot be meant.
    pub(in crate::cli) fn usage(what: impl Said, advice: impl Said) -> Self {
        Self::Usage(Failure { what: what.said(), advice: advice.said() })
    }

    /// Something that did not work.
    pub(in crate::cli) fn failed(what: impl Said, advice: impl Said) -> Self {
        Self::Failed(Failure { what: what.said(), advice: advice.said() })
    }

    /// A file that could not be read or written.
    pub(in crate::cli) fn io(action: &str, path: &Path, error: &io::Error) -> Self {
        Self::failed(format!("cannot {action} {}: {}", path.display(), io_reason(error)), io_advice(error))
    }

    /// What happened and what to do, for the window.
    pub(crate) fn into_failure(self) -> Failure {
        match self {
            Self::Usage(failure) | Self::Failed(failure) => failure,
            Self::Negative | Self::GoOn | Self::Line(_) => {
                Failure { what: Sentence::verbatim(self.to_string()), advice: Sentence::verbatim(String::new()) }
            }
        }
    }

    /// The same, of one of several runs.
    pub(crate) fn of_run(self, name: &str) -> Self {
        let of = |Failure { what, advice }| Failure { what: sentence!("the run {name}: {what}", name, what), advice };
        match self {
            Self::Usage(failure) => Self::Usage(of(failure)),
            Self::Failed(failure) => Self::Failed(of(failure)),
            other => other,
        }
    }

    /// 1, 2 or 75.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Failed(_) | Self::Negative => ExitCode::from(1),
            Self::GoOn => ExitCode::from(GO_ON),
            Self::Line(error) => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2)),
        }
    }

    /// Says it, where people look for it.
    pub(in crate::cli) fn print(&self) {
        match self {
            Self::Negative | Self::GoOn => {}
            // Help goes to standard output; where that is closed nobody reads it.
            Self::Line(error) => error.print().unwrap_or_default(),
            Self::Usage(_) | Self::Failed(_) => out::note(format_args!("Error: {self}")),
        }
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(failure) | Self::Failed(failure) => {
                write!(f, "{}. {}", failure.what.to_string().trim_end_matches('.'), failure.advice)
            }
            Self::Negative | Self::GoOn => Ok(()),
            Self::Line(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CliError {}

impl From<EngineError> for CliError {
    fn from(error: EngineError) -> Self {
        let failure = Failure::from(&error);
        match error {
            EngineError::Setting { .. }
            | EngineError::NoPrecision { .. }
            | EngineError::NoSuchDevice { .. }
            | EngineError::ColumnMissing { .. }
            | EngineError::SourceColumns { .. }
            | EngineError::NoMetric { .. }
            | EngineError::MetricNeedsModel { .. }
            | EngineError::NoReferences { .. }
            | EngineError::Template(_) => Self::Usage(failure),
            _ => Self::Failed(failure),
        }
    }
}

impl From<clap::Error> for CliError {
    fn from(error: clap::Error) -> Self {
        Self::Line(error)
    }
}

impl From<WorkspaceError> for CliError {
    fn from(error: WorkspaceError) -> Self {
        Self::Failed(Failure { what: error.sentence(), advice: error.advice() })
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        Self::Failed(Failure { what: error.sentence(), advice: error.advice() })
    }
}

impl From<Failure> for CliError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}
