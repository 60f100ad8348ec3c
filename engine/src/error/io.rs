//! The system's errors about a file, in words for people, and what to do about each cause.

use std::io::{Error, ErrorKind};

use crate::Sentence;
use crate::sentence;
use crate::sentence::ToSentence;

/// An action that was tried with a file, a folder or a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum IoAction {
    Copy,
    Create,
    Find,
    List,
    Lock,
    LookAt,
    Read,
    Remove,
    Replace,
    Run,
    Start,
    Write,
}

impl IoAction {
    /// The verb.
    pub fn sentence(self) -> Sentence {
        match self {
            Self::Copy => sentence!("copy"),
            Self::Create => sentence!("create"),
            Self::Find => sentence!("find"),
            Self::List => sentence!("list"),
            Self::Lock => sentence!("lock"),
            Self::LookAt => sentence!("look at"),
            Self::Read => sentence!("read"),
            Self::Remove => sentence!("remove"),
            Self::Replace => sentence!("replace"),
            Self::Run => sentence!("run"),
            Self::Start => sentence!("start"),
            Self::Write => sentence!("write"),
        }
    }
}

impl ToSentence for IoAction {
    fn to_sentence(&self) -> Sentence {
        self.sentence()
    }
}

/// The cause of an error, without the system's number: "there is no such file or folder".
pub fn io_reason(error: &Error) -> Sentence {
    match error.kind() {
        ErrorKind::NotFound => sentence!("there is no such file or folder"),
        ErrorKind::PermissionDenied => sentence!("access to it is denied"),
        ErrorKind::AlreadyExists => sentence!("there is one already"),
        ErrorKind::IsADirectory => sentence!("it is a folder"),
        ErrorKind::NotADirectory => sentence!("a part of its path is a file, not a folder"),
        ErrorKind::DirectoryNotEmpty => sentence!("the folder is not empty"),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => sentence!("the disk is full"),
        ErrorKind::ReadOnlyFilesystem => sentence!("the disk can only be read"),
        ErrorKind::InvalidFilename => sentence!("the system does not allow such a name"),
        _ => {
            let text = error.to_string();
            Sentence::verbatim(text.split(" (os error ").next().unwrap_or(&text))
        }
    }
}

/// One sentence on what to do about it.
pub fn io_advice(error: &Error) -> Sentence {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename => {
            sentence!("Check the path: each folder in it, and the ending of the name")
        }
        ErrorKind::PermissionDenied => sentence!("Check who may read and write it, or choose another place"),
        ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty => sentence!("Choose another name"),
        ErrorKind::IsADirectory => sentence!("Choose a file in it"),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => sentence!("Make room on the disk, then try again"),
        ErrorKind::ReadOnlyFilesystem => sentence!("Choose a place that can be written to"),
        _ => sentence!("Check that the disk it is on can be read and written"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::EngineError;
    use super::*;

    #[test]
    fn a_missing_file_is_told_in_words_and_the_disk_is_not_blamed() {
        let path = Path::new("/nowhere/at/all.jsonl");
        let error = EngineError::io(IoAction::Read, path)(std::fs::read(path).unwrap_err());
        assert_eq!(error.to_string(), "cannot read /nowhere/at/all.jsonl: there is no such file or folder");
        assert!(
            error.advice().to_string().contains("path") && !error.advice().to_string().contains("disk"),
            "{}",
            error.advice()
        );
    }

    #[test]
    fn each_cause_has_its_own_advice_and_none_a_number() {
        let of = |kind: ErrorKind| Error::from(kind);
        assert!(io_advice(&of(ErrorKind::StorageFull)).to_string().contains("Make room"));
        assert!(io_advice(&of(ErrorKind::PermissionDenied)).to_string().contains("who may"));
        let unknown = Error::from_raw_os_error(5);
        assert!(!io_reason(&unknown).to_string().contains("os error"), "{}", io_reason(&unknown));
    }
}
