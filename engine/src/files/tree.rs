//! A folder that came from elsewhere, looked through before anything in it is trusted to be where it seems to be.

use std::fs;
use std::path::Path;

use crate::error::{EngineError, IoAction, Result};
use crate::sentence;

/// Refuses a folder in which, at any depth, something is neither a file nor a folder: through a link of a run that came
/// in an archive, our own writes would land in somebody's home.
///
/// # Errors
/// Such a thing, or a part of the folder that cannot be listed.
pub fn refuse_links(folder: &Path) -> Result<()> {
    let mut waiting = vec![folder.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(&next).map_err(EngineError::io(IoAction::List, &next))? {
            let entry = entry.map_err(EngineError::io(IoAction::List, &next))?;
            let (path, kind) = (entry.path(), entry.file_type());
            match kind.map_err(EngineError::io(IoAction::LookAt, &path))? {
                kind if kind.is_dir() => waiting.push(path),
                kind if kind.is_file() => {}
                kind if kind.is_symlink() => return Err(EngineError::LinkInRun { path }),
                _ => return Err(EngineError::NotAFile { path, found: sentence!("a pipe, a socket or a device") }),
            }
        }
    }
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_found_at_any_depth() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("checkpoints/step-000001");
        fs::create_dir_all(&below).unwrap();
        fs::write(below.join("state.json"), "{}").unwrap();
        refuse_links(folder.path()).unwrap();
        std::os::unix::fs::symlink("/tmp", below.join("adapter")).unwrap();
        let error = refuse_links(folder.path()).unwrap_err();
        assert!(matches!(&error, EngineError::LinkInRun { path } if path.ends_with("step-000001/adapter")), "{error}");
    }

    #[test]
    fn a_socket_in_a_run_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("lock")).unwrap();
        assert!(matches!(refuse_links(folder.path()).unwrap_err(), EngineError::NotAFile { .. }));
    }
}
