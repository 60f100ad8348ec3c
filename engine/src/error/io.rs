//! What the system says of a file, in words for people, and what to do about each cause.

use std::io::{Error, ErrorKind};

/// What happened, without the system's number: "there is no such file or folder".
pub fn io_reason(error: &Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        ErrorKind::PermissionDenied => "access to it is denied".to_owned(),
        ErrorKind::AlreadyExists => "there is one already".to_owned(),
        ErrorKind::IsADirectory => "it is a folder".to_owned(),
        ErrorKind::NotADirectory => "a part of its path is a file, not a folder".to_owned(),
        ErrorKind::DirectoryNotEmpty => "the folder is not empty".to_owned(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "the disk is full".to_owned(),
        ErrorKind::ReadOnlyFilesystem => "the disk can only be read".to_owned(),
        ErrorKind::InvalidFilename => "the system does not allow such a name".to_owned(),
        _ => {
            let text = error.to_string();
            text.split(" (os error ").next().unwrap_or(&text).to_owned()
        }
    }
}

/// One sentence on what to do about it.
pub fn io_advice(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename => {
            "Check the path: each folder in it, and the ending of the name"
        }
        ErrorKind::PermissionDenied => "Check who may read and write it, or choose another place",
        ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty => "Choose another name",
        ErrorKind::IsADirectory => "Choose a file in it",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "Make room on the disk, then try again",
        ErrorKind::ReadOnlyFilesystem => "Choose a place that can be written to",
        _ => "Check that the disk it is on can be read and written",
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
        let error = EngineError::io("read", path)(std::fs::read(path).unwrap_err());
        assert_eq!(error.to_string(), "cannot read /nowhere/at/all.jsonl: there is no such file or folder");
        assert!(error.advice().contains("path") && !error.advice().contains("disk"), "{}", error.advice());
    }

    #[test]
    fn each_cause_has_its_own_advice_and_none_a_number() {
        let of = |kind: ErrorKind| Error::from(kind);
        assert!(io_advice(&of(ErrorKind::StorageFull)).contains("Make room"));
        assert!(io_advice(&of(ErrorKind::PermissionDenied)).contains("who may"));
        let unknown = Error::from_raw_os_error(5);
        assert!(!io_reason(&unknown).contains("os error"), "{}", io_reason(&unknown));
    }
}
