//! Writing: never through a link, and whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::Path;

use super::careful;
use crate::error::{EngineError, IoAction, Result};
use crate::sentence;

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
            return Err(EngineError::NotAFile { path: path.to_owned(), found: sentence!("something else") });
        }
        _ => {}
    }
    // A link that has just taken its place is not gone through either.
    let file = careful(options, false).open(path).map_err(EngineError::io(IoAction::Write, path))?;
    match file.metadata().map_err(EngineError::io(IoAction::Write, path))?.is_file() {
        true => Ok(file),
        false => Err(EngineError::NotAFile { path: path.to_owned(), found: sentence!("something else") }),
    }
}

/// Writes JSON as PEFT and transformers do, two spaces deep, whole or not at all.
///
/// # Errors
/// The folder cannot be written to.
pub fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| EngineError::Computation(sentence!("{path}: {error}", path, error)))?;
    write_whole(path, text.as_bytes())
}

/// Writes a file under a temporary name beside it, syncs it to the disk and renames it: a link of that name is replaced,
/// what it points to stays as it is. Others may read it as far as the user's mask and the folder let them.
///
/// # Errors
/// The folder cannot be written to.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, |file| file.write_all(bytes).map_err(EngineError::io(IoAction::Write, path)))
}

/// As [`write_whole`], of what `fill` writes piece by piece.
///
/// # Errors
/// An error of `fill`, or the folder cannot be written to.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut draft = tempfile::Builder::new();
    #[cfg(unix)]
    draft.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = draft.tempfile_in(folder).map_err(EngineError::io(IoAction::Write, path))?;
    let mut writer = BufWriter::new(file);
    fill(&mut writer)?;
    let file = writer.into_inner().map_err(|error| EngineError::io(IoAction::Write, path)(error.into_error()))?;
    file.as_file().sync_all().map_err(EngineError::io(IoAction::Write, path))?;
    file.persist(path).map_err(|error| EngineError::io(IoAction::Write, path)(error.error))?;
    Ok(())
}

/// Prefix of the name of a folder that is being filled.
const DRAFT: &str = ".draft-";
/// Prefix of the name of a folder whose place is being taken; the rest is its own.
const BEFORE: &str = ".draft-before-";

/// Fills a folder under a temporary name beside it and renames it into place: it is whole or not there, whatever was there
/// before. The folder around it must exist: a run that was deleted meanwhile is not made again.
///
/// # Errors
/// An error of `fill`, or the folder cannot be written to.
pub fn write_folder(folder: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let around = folder.parent().unwrap_or(Path::new("."));
    let mut drafts = tempfile::Builder::new();
    drafts.prefix(DRAFT);
    #[cfg(unix)]
    drafts.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    let draft = drafts.tempdir_in(around).map_err(EngineError::io(IoAction::Create, folder))?;
    if let Ok(found) = std::fs::metadata(folder) {
        // Who may look into it stays as it was.
        std::fs::set_permissions(draft.path(), found.permissions())
            .map_err(EngineError::io(IoAction::Create, folder))?;
    }
    fill(draft.path())?;
    // What was there goes out of the way whole, and comes back if the new one does not get its place.
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let before = around.join(format!("{BEFORE}{name}"));
    let failed = |error: std::io::Error| EngineError::io(IoAction::Replace, folder)(error);
    if folder.exists() && before.exists() {
        // Of a writer that was killed when its own had its place.
        std::fs::remove_dir_all(&before).map_err(EngineError::io(IoAction::Remove, &before))?;
    }
    match std::fs::rename(folder, &before) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            std::fs::rename(draft.path(), folder).map_err(failed)?;
        }
        Err(error) => return Err(failed(error)),
        Ok(()) => {
            if let Err(error) = std::fs::rename(draft.path(), folder) {
                std::fs::rename(&before, folder).map_err(failed)?;
                return Err(failed(error));
            }
            std::fs::remove_dir_all(&before).map_err(EngineError::io(IoAction::Remove, before))?;
        }
    }
    // Nothing is left of it under its temporary name.
    drop(draft.keep());
    Ok(())
}

/// Removes what killed writers left in a folder: files and folders under their temporary names. What was on its way out when
/// its successor had not come yet gets its place back.
///
/// # Errors
/// Something cannot be removed.
pub fn sweep(folder: &Path) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for entry in entries.flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let own = name.to_str().and_then(|name| name.strip_prefix(BEFORE)).map(|own| folder.join(own));
        if let Some(own) = own.filter(|own| !own.exists()) {
            std::fs::rename(&path, &own).map_err(EngineError::io(IoAction::Replace, own))?;
            continue;
        }
        let is_draft = name.to_str().is_some_and(|name| name.starts_with(DRAFT) || name.starts_with(".tmp"));
        let removed = match entry.file_type() {
            Ok(kind) if is_draft && kind.is_dir() => std::fs::remove_dir_all(&path),
            Ok(_) if is_draft => std::fs::remove_file(&path),
            _ => Ok(()),
        };
        removed.map_err(EngineError::io(IoAction::Remove, path))?;
    }
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
    fn a_folder_is_replaced_whole_or_stays_as_it_was() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("adapter");
        let with = |name: &'static str| move |at: &Path| write_whole(&at.join(name), b"");
        write_folder(&folder, with("old")).unwrap();
        let broken = |at: &Path| {
            write_whole(&at.join("half"), b"")?;
            Err(EngineError::Stopped)
        };
        assert!(write_folder(&folder, broken).is_err());
        assert!(folder.join("old").exists() && !folder.join("half").exists());
        write_folder(&folder, with("new")).unwrap();
        assert!(folder.join("new").exists() && !folder.join("old").exists());
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1, "no draft stays");
        assert!(write_folder(&home.path().join("gone/adapter"), with("new")).is_err());
        assert!(!home.path().join("gone").exists(), "what was deleted is not made again");
    }

    #[test]
    fn drafts_are_swept_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        for name in [".draft-abc/checkpoint", ".draft-before-step-000001", "step-000001", ".draft-before-step-000002"] {
            std::fs::create_dir_all(home.path().join(name)).unwrap();
        }
        for name in [".tmpXYZ", "adapter_config.json", ".gitignore"] {
            std::fs::write(home.path().join(name), "").unwrap();
        }
        sweep(home.path()).unwrap();
        let mut left: Vec<_> =
            std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".gitignore", "adapter_config.json", "step-000001", "step-000002"]);
        sweep(&home.path().join("missing")).unwrap();
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
