//! Writing: never through a link, and whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use super::careful;
use crate::error::{EngineError, Result};

/// Opens a file to add to its end, making it if need be.
///
/// # Errors
/// It cannot be opened, or something else than a file stands there, such as a link.
pub fn append(path: &Path) -> Result<File> {
    of_our_own(OpenOptions::new().create(true).append(true), path)
}

/// Opens the file whose lock says who computes, making it if need be; what is in it stays.
///
/// # Errors
/// As [`append`].
pub fn lock_file(path: &Path) -> Result<File> {
    of_our_own(OpenOptions::new().create(true).truncate(false).write(true), path)
}

fn of_our_own(options: &mut OpenOptions, path: &Path) -> Result<File> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => return Err(EngineError::LinkInRun { path: path.to_owned() }),
        Ok(found) if !found.is_file() => {
            return Err(EngineError::NotAFile { path: path.to_owned(), found: "something else" });
        }
        _ => {}
    }
    // A link that has just taken its place is not gone through either.
    let file = careful(options, false).open(path).map_err(EngineError::io("write", path))?;
    match file.metadata().map_err(EngineError::io("write", path))?.is_file() {
        true => Ok(file),
        false => Err(EngineError::NotAFile { path: path.to_owned(), found: "something else" }),
    }
}

/// Writes JSON as PEFT and transformers do, two spaces deep, whole or not at all.
///
/// # Errors
/// The folder cannot be written to.
pub fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| EngineError::Computation(format!("{}: {error}", path.display())))?;
    write_whole(path, text.as_bytes())
}

/// Writes a file under a temporary name beside it, syncs it to the disk and renames it: a link of that name is replaced,
/// what it points to stays as it is. Others may read it as far as the user's mask and the folder let them.
///
/// # Errors
/// The folder cannot be written to.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut draft = tempfile::Builder::new();
    #[cfg(unix)]
    draft.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = draft.tempfile_in(folder).map_err(EngineError::io("write", path))?;
    file.write_all(bytes).map_err(EngineError::io("write", path))?;
    file.as_file().sync_all().map_err(EngineError::io("write", path))?;
    file.persist(path).map_err(|error| EngineError::io("write", path)(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn nothing_is_written_through_a_link_whether_it_dangles_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let (profile, missing) = (folder.path().join("profile"), folder.path().join("missing"));
        std::fs::write(&profile, "mine").unwrap();
        for target in [&profile, &missing] {
            let link = folder.path().join("log.jsonl");
            std::os::unix::fs::symlink(target, &link).unwrap();
            for opened in [append(&link), lock_file(&link)] {
                assert!(matches!(opened.unwrap_err(), EngineError::LinkInRun { .. }));
            }
            write_whole(&link, b"{}").unwrap();
            assert!(!link.is_symlink(), "the link is replaced");
            std::fs::remove_file(&link).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&profile).unwrap(), "mine");
        assert!(!missing.exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_written_file_can_be_read_by_whom_the_mask_lets() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        let (plain, whole) = (folder.path().join("plain"), folder.path().join("whole"));
        std::fs::write(&plain, "").unwrap();
        write_whole(&whole, b"").unwrap();
        assert_eq!(mode(&plain), mode(&whole));
    }

    #[test]
    fn what_is_added_stands_behind_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        append(&path).unwrap().write_all(b"one\n").unwrap();
        append(&path).unwrap().write_all(b"two\n").unwrap();
        drop(lock_file(&path).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    }
}
