//! The database's form: its versions, how it is opened, and what is done with one that cannot be used.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::StoreError;
use crate::workspace::Workspace;

/// One script per version, oldest first; a script that was released never changes.
const MIGRATIONS: [&str; 2] = [include_str!("migrations/1.sql"), include_str!("migrations/2.sql")];

/// The version this program writes.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// What [`open`] found.
pub(super) enum Opened {
    /// The database, of our version; `fresh` when it has just been made.
    Ready { connection: Connection, fresh: bool },
    /// There is a file, but it is no database.
    Broken,
}

/// Opens the database to write, making or migrating it if need be. One of a newer version is not touched.
pub(super) fn open(path: &Path) -> Result<Opened, StoreError> {
    let fresh = !path.exists();
    if !fresh {
        match stored_version(path) {
            Ok(found) if found > VERSION => return Err(newer(path, found)),
            Ok(_) => {}
            Err(error) if is_broken(&error) => return Ok(Opened::Broken),
            Err(error) => return Err(unusable(path, &error)),
        }
    }
    match connect(path).and_then(|mut connection| migrate(&mut connection, VERSION).map(|()| connection)) {
        Ok(connection) => Ok(Opened::Ready { connection, fresh }),
        Err(error) if is_broken(&error) => Ok(Opened::Broken),
        Err(error) => Err(unusable(path, &error)),
    }
}

/// Opens a database that another instance writes, to look only.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    let open = || {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_update(None, "query_only", true)?;
        let found = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        Ok::<(Connection, i64), rusqlite::Error>((connection, found))
    };
    match open() {
        Ok((connection, VERSION)) => Ok(connection),
        Ok((_, found)) if found > VERSION => Err(newer(path, found)),
        Ok(_) => Err(StoreError::Unusable {
            reason: "another instance is still making it".to_owned(),
            path: path.to_owned(),
        }),
        Err(error) => Err(unusable(path, &error)),
    }
}

fn stored_version(path: &Path) -> rusqlite::Result<i64> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Each step is one transaction that ends with the version it reached.
fn migrate(connection: &mut Connection, goal: i64) -> rusqlite::Result<()> {
    let reached: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for (script, version) in MIGRATIONS.iter().zip(1..=goal).skip_while(|(_, version)| *version <= reached) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(script)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Whether every page of the database can be read.
pub(super) fn is_sound(connection: &Connection) -> bool {
    connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
        .is_ok_and(|verdict| verdict == "ok")
}

/// The file is no database, or its pages contradict each other.
pub(super) fn is_broken(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
}

/// Renames the database and its journals; answers with the new name.
pub(super) fn set_aside(database: &Path, why: &str) -> Result<PathBuf, StoreError> {
    let aside = aside_name(database, why);
    for journal in ["-wal", "-shm"] {
        let from = with_suffix(database, journal);
        if from.exists() {
            fs::rename(&from, with_suffix(&aside, journal)).map_err(|error| unusable(database, &error))?;
        }
    }
    fs::rename(database, &aside).map_err(|error| unusable(database, &error))?;
    Ok(aside)
}

/// Of a newer version: the name tells which.
pub(super) fn set_newer_aside(workspace: &Workspace) -> Result<PathBuf, StoreError> {
    let database = workspace.database();
    let found = stored_version(&database).map_err(|error| unusable(&database, &error))?;
    set_aside(&database, &format!("version-{found}"))
}

/// `experiments.db.broken`, or with a number where that exists.
fn aside_name(database: &Path, why: &str) -> PathBuf {
    let plain = with_suffix(database, &format!(".{why}"));
    let numbered = (2..).map(|n| with_suffix(&plain, &format!("-{n}")));
    std::iter::once(plain.clone()).chain(numbered).find(|path| !path.exists()).unwrap_or(plain)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn newer(path: &Path, found: i64) -> StoreError {
    let aside = with_suffix(path, &format!(".version-{found}"));
    StoreError::Newer { found, known: VERSION, path: path.to_owned(), aside }
}

pub(super) fn unusable(path: &Path, error: &dyn std::error::Error) -> StoreError {
    StoreError::Unusable { reason: error.to_string(), path: path.to_owned() }
}
