//! Reading: bytes, text, JSON, lines.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::{Kind, careful};
use crate::error::{EngineError, IoAction, Result, json_reason};
use crate::{Sentence, sentence};

/// Most bytes of a line; longer ones are none of ours and are passed over.
const LONGEST_LINE: u64 = 16 << 20;

/// Opens a regular file to read.
///
/// # Errors
/// It cannot be opened, is no regular file, is larger than its kind may be, or is a link where none may be.
pub fn open(path: &Path, kind: Kind) -> Result<File> {
    let found = if kind.follows_links() { fs::metadata(path) } else { fs::symlink_metadata(path) };
    // Before it is opened, because a device may act when it is; and after, because it may have been exchanged.
    check(path, &found.map_err(EngineError::io(IoAction::Read, path))?, kind)?;
    let mut options = OpenOptions::new();
    let file =
        careful(options.read(true), kind.follows_links()).open(path).map_err(EngineError::io(IoAction::Read, path))?;
    check(path, &file.metadata().map_err(EngineError::io(IoAction::Read, path))?, kind)?;
    Ok(file)
}

/// The bytes of a file.
///
/// # Errors
/// As [`open`].
pub fn read(path: &Path, kind: Kind) -> Result<Vec<u8>> {
    let file = open(path, kind)?;
    let mut bytes = Vec::new();
    // One byte more than allowed, for a file that grows while it is read.
    file.take(kind.limit().saturating_add(1)).read_to_end(&mut bytes).map_err(EngineError::io(IoAction::Read, path))?;
    match bytes.len() as u64 {
        found if found > kind.limit() => Err(too_large(path, found, kind)),
        _ => Ok(bytes),
    }
}

/// The text of a file.
///
/// # Errors
/// As [`open`]; or it is not UTF-8.
pub fn read_to_string(path: &Path, kind: Kind) -> Result<String> {
    let text = String::from_utf8(read(path, kind)?);
    text.map_err(|error| {
        EngineError::io(IoAction::Read, path)(io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()))
    })
}

/// Reads a JSON file; `what` names the content when it cannot be understood.
///
/// # Errors
/// As [`open`]; or it does not say what it must.
pub fn read_json<T: DeserializeOwned>(path: &Path, kind: Kind, what: Sentence) -> Result<T> {
    serde_json::from_slice(&read(path, kind)?).map_err(|error| EngineError::Malformed {
        what,
        path: path.to_owned(),
        reason: json_reason(&error),
    })
}

/// `None` in place of the error that there is no such file.
///
/// # Errors
/// Every other one.
pub fn if_there<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(EngineError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The whole lines of a file, one after the other; a last line without an end is not given.
pub struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    line: Vec<u8>,
    end: u64,
}

impl Lines {
    /// The lines from a byte offset on.
    ///
    /// # Errors
    /// As [`open`].
    pub fn open(path: &Path, kind: Kind, offset: u64) -> Result<Self> {
        let mut file = open(path, kind)?;
        file.seek(SeekFrom::Start(offset)).map_err(EngineError::io(IoAction::Read, path))?;
        Ok(Self { path: path.to_owned(), reader: BufReader::new(file), line: Vec::new(), end: offset })
    }

    /// The next line with its end; `None` behind the last whole one.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>> {
        loop {
            let (mut length, mut whole) = (0, false);
            while !whole {
                self.line.clear();
                let read = self.reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut self.line);
                match read.map_err(EngineError::io(IoAction::Read, &self.path))? {
                    0 => return Ok(None),
                    read => length += read as u64,
                }
                whole = self.line.ends_with(b"\n");
            }
            self.end += length;
            if length <= LONGEST_LINE {
                return Ok(Some(&self.line));
            }
        }
    }

    /// Bytes from the beginning of the file to the end of the last line that was given or passed over.
    pub fn end(&self) -> u64 {
        self.end
    }
}

fn check(path: &Path, found: &Metadata, kind: Kind) -> Result<()> {
    let is = found.file_type();
    if is.is_symlink() {
        return Err(EngineError::LinkInRun { path: path.to_owned() });
    }
    if !is.is_file() {
        let found = if is.is_dir() { sentence!("a folder") } else { sentence!("a pipe, a socket or a device") };
        return Err(EngineError::NotAFile { path: path.to_owned(), found });
    }
    if found.len() > kind.limit() {
        return Err(too_large(path, found.len(), kind));
    }
    Ok(())
}

fn too_large(path: &Path, bytes: u64, kind: Kind) -> EngineError {
    EngineError::FileTooLarge { path: path.to_owned(), bytes, limit: kind.limit() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_no_error_where_it_may_be_missing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        assert_eq!(if_there(read(&path, Kind::Settings)).unwrap(), None);
        fs::write(&path, "{}").unwrap();
        assert_eq!(if_there(read(&path, Kind::Settings)).unwrap(), Some(b"{}".to_vec()));
    }

    #[test]
    fn a_folder_in_place_of_a_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = read(folder.path(), Kind::Settings).unwrap_err();
        assert!(error.to_string().contains("is a folder"), "{error}");
    }

    #[test]
    fn a_file_larger_than_its_kind_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chat_template.jinja");
        // Sparse: it takes no room.
        File::create(&path).unwrap().set_len(Kind::Template.limit() + 1).unwrap();
        let error = read(&path, Kind::Template).unwrap_err();
        assert!(matches!(error, EngineError::FileTooLarge { bytes: 1_048_577, limit: 1_048_576, .. }), "{error}");
        assert!(open(&path, Kind::Weights).is_ok());
    }

    #[test]
    fn whole_lines_are_given_and_one_without_an_end_waits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let long = "x".repeat(LONGEST_LINE as usize + 1);
        fs::write(&path, format!("one\n{long}\ntwo\nthr")).unwrap();
        let mut lines = Lines::open(&path, Kind::RunLines, 0).unwrap();
        assert_eq!(lines.next_line().unwrap(), Some(&b"one\n"[..]));
        assert_eq!(lines.next_line().unwrap(), Some(&b"two\n"[..]), "the long one is passed over");
        assert_eq!(lines.next_line().unwrap(), None);
        assert_eq!(lines.end(), 4 + LONGEST_LINE + 2 + 4);
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_and_a_device_are_refused_and_nobody_waits_for_them() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("config.json");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [&pipe, Path::new("/dev/zero")] {
            let error = open(path, Kind::Weights).unwrap_err();
            assert!(matches!(error, EngineError::NotAFile { .. }), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_to_a_file_that_one_chose_and_refused_in_a_run() {
        let folder = tempfile::tempdir().unwrap();
        let (blob, link) = (folder.path().join("blob"), folder.path().join("config.json"));
        fs::write(&blob, "{}").unwrap();
        std::os::unix::fs::symlink(&blob, &link).unwrap();
        assert_eq!(read(&link, Kind::Settings).unwrap(), b"{}");
        let error = read(&link, Kind::RunRecord).unwrap_err();
        assert!(matches!(error, EngineError::LinkInRun { .. }), "{error}");
    }
}
