//! Where the index of the runs is: in the database where that can be used, else in memory, made from the run folders.

use std::fs::File;
use std::path::{Path, PathBuf};

use engine::{Sentence, sentence};
use rusqlite::Connection;

use super::{Access, StoreError, schema, writer_lock};
use crate::workspace::{Workspace, last_name};

/// The lock of the database; `None` where the file system knows no locks.
pub(super) struct WriterLock {
    pub(super) file: Option<File>,
}

impl Drop for WriterLock {
    /// Lets go of the lock itself: a process that is being started at this moment has the file open too.
    fn drop(&mut self) {
        if let Some(Err(error)) = self.file.as_ref().map(File::unlock) {
            tracing::debug!("{error}");
        }
    }
}

/// Who may change what is in the workspace.
pub(super) enum Right {
    /// We, while we hold the lock.
    Ours { _lock: WriterLock },
    /// Another instance holds it.
    Elsewhere,
    /// There is none: what is told of one run is written into its folder.
    Alone,
    /// Nobody can hold it; why, in words.
    Unwritable(Sentence),
}

/// An index and what may be done with it.
pub(super) struct Index {
    pub(super) db: Connection,
    pub(super) right: Right,
    /// The database cannot be used, or another instance is still making it.
    pub(super) in_memory: bool,
    /// It has just been made.
    pub(super) fresh: bool,
    /// A sentence to show about the index.
    pub(super) notice: Option<Sentence>,
    /// A database that is no longer used, with what people wrote into it.
    pub(super) old: Option<PathBuf>,
}

impl Index {
    /// As the screens are told.
    pub(super) fn access(&self) -> Access {
        match &self.right {
            Right::Ours { .. } | Right::Alone => Access::ReadWrite,
            Right::Elsewhere => Access::ReadOnly(
                sentence!(
                    "Another Prefix Workbench has this workspace open; its runs can be looked at here, not changed"
                )
                .to_owned(),
            ),
            Right::Unwritable(reason) => Access::ReadOnly(sentence!(
                "The workspace cannot be written; its runs can be looked at, not changed ({reason})",
                reason
            )),
        }
    }
}

/// The best index that there can be of a workspace now.
///
/// # Errors
/// The database is of a newer version, or there is not even memory for another.
pub(super) fn find(workspace: &Workspace) -> Result<Index, StoreError> {
    if workspace.is_of_one_run() {
        // No row is ever put into it.
        return Ok(Index { in_memory: false, old: None, ..in_memory(workspace, Right::Alone, None)? });
    }
    let right = match writer_lock(workspace) {
        Ok(Some(lock)) => Right::Ours { _lock: lock },
        Ok(None) => Right::Elsewhere,
        Err(error) => Right::Unwritable(error.sentence()),
    };
    let path = workspace.database();
    let on_disk = |db, right, fresh| Index { db, right, in_memory: false, fresh, notice: None, old: None };
    match &right {
        Right::Elsewhere => match schema::open_to_read(&path)? {
            Some(db) => Ok(on_disk(db, right, false)),
            None => in_memory(workspace, right, None),
        },
        Right::Unwritable(_) | Right::Alone => in_memory(workspace, right, None),
        Right::Ours { .. } => match schema::open(&path) {
            Ok(schema::Opened::Ready { connection, fresh }) => Ok(on_disk(connection, right, fresh)),
            Ok(schema::Opened::Broken) => match made_again(workspace) {
                Ok((db, old)) => {
                    Ok(Index { notice: Some(damage_notice(&old)), old: Some(old), ..on_disk(db, right, true) })
                }
                Err(error) => in_memory(workspace, right, Some(&error)),
            },
            Err(error @ StoreError::Newer { .. }) => Err(error),
            Err(error) => in_memory(workspace, right, Some(&error)),
        },
    }
}

fn in_memory(workspace: &Workspace, right: Right, error: Option<&StoreError>) -> Result<Index, StoreError> {
    let path = workspace.database();
    let db = schema::in_memory().map_err(|error| schema::unusable(&path, &error))?;
    let old = Some(path).filter(|path| path.is_file());
    Ok(Index { db, right, in_memory: true, fresh: true, notice: error.map(memory_notice), old })
}

/// Why the list is not what it is usually made of.
pub(super) fn memory_notice(error: &StoreError) -> Sentence {
    sentence!(
        "The list of runs was read from their folders and is kept in memory only: {error}",
        error = error.sentence()
    )
}

/// Where the old database is.
pub(super) fn damage_notice(aside: &Path) -> Sentence {
    sentence!(
        "The database was damaged; it is kept as {aside} and was made again from the run folders",
        aside = last_name(aside)
    )
}

/// Sets a broken database aside and makes an empty one; answers where the old one is now.
///
/// # Errors
/// The workspace cannot be written.
pub(super) fn made_again(workspace: &Workspace) -> Result<(Connection, PathBuf), StoreError> {
    let path = workspace.database();
    let aside = schema::set_aside(&path, "broken")?;
    match schema::open(&path)? {
        schema::Opened::Ready { connection, .. } => Ok((connection, aside)),
        schema::Opened::Broken => {
            Err(StoreError::Unusable { reason: sentence!("a new database cannot be read back"), path })
        }
    }
}
