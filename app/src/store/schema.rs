//! The database's form: its versions, how it is opened, and what is done with one that cannot be used.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use engine::Sentence;
use rusqlite::{Connection, Error, ErrorCode, OpenFlags};

use super::StoreError;
use crate::workspace::Workspace;

/// One script per version, oldest first; a script that was released never changes.
const MIGRATIONS: [&str; 5] = [
    include_str!("migrations/1.sql"),
    include_str!("migrations/2.sql"),
    include_str!("migrations/3.sql"),
    include_str!("migrations/4.sql"),
    include_str!("migrations/5.sql"),
];

/// The version this program writes.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// The database as [`open`] found it.
pub(super) enum Opened {
    /// The database, of our version; `fresh` when it has just been made.
    Ready { connection: Connection, fresh: bool },
    /// There is a file, but it is no database of ours.
    Broken,
}

/// Opens the database to write, making or migrating it if need be. One of a newer version is not touched.
pub(super) fn open(path: &Path) -> Result<Opened, StoreError> {
    let fresh = !path.exists();
    if fresh {
        make_private(path);
    } else {
        match stored_version(path) {
            Ok(found) if found > VERSION => return Err(newer(path, found)),
            Ok(_) => {}
            Err(error) if is_damage(&error) => return Ok(Opened::Broken),
            Err(error) => return Err(unusable(path, &error)),
        }
    }
    let ready = || {
        let mut connection = connect(path)?;
        migrate(&mut connection, VERSION)?;
        let whole = form(&in_memory()?)?.is_subset(&form(&connection)?);
        Ok::<_, Error>(whole.then_some(connection))
    };
    match ready() {
        Ok(Some(connection)) => Ok(Opened::Ready { connection, fresh }),
        Ok(None) => Ok(Opened::Broken),
        Err(error) if is_damage(&error) => Ok(Opened::Broken),
        Err(error) => Err(unusable(path, &error)),
    }
}

/// Opens a database that another instance writes, to look only; `None` while that one is still making it.
pub(super) fn open_to_read(path: &Path) -> Result<Option<Connection>, StoreError> {
    let open = || {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_update(None, "query_only", true)?;
        let found = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        Ok::<(Connection, i64), Error>((connection, found))
    };
    match open() {
        Ok((connection, VERSION)) => Ok(Some(connection)),
        Ok((_, found)) if found > VERSION => Err(newer(path, found)),
        Ok(_) | Err(_) => Ok(None),
    }
}

/// An empty database that nothing outlives.
pub(super) fn in_memory() -> rusqlite::Result<Connection> {
    let mut connection = Connection::open_in_memory()?;
    connection.pragma_update(None, "foreign_keys", true)?;
    migrate(&mut connection, VERSION)?;
    Ok(connection)
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

/// Tables and indices, as they were made.
fn form(connection: &Connection) -> rusqlite::Result<BTreeSet<(String, String)>> {
    let mut read = connection.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")?;
    read.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Notes and samples are nobody else's business. SQLite gives its journals the modes of the database.
fn make_private(path: &Path) {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    if let Err(error) = options.open(path) {
        tracing::debug!("{error}"); // SQLite will say it better
    }
}

/// Whether every page of the database can be read.
pub(super) fn is_sound(connection: &Connection) -> bool {
    connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
        .is_ok_and(|verdict| verdict == "ok")
}

/// Keeps how the database looks now that it is closed: unless something else touched it, or a crash left a journal, its
/// pages need not all be read at the next start.
pub(super) fn note_closed(workspace: &Workspace) {
    if let Some(look) = look(&workspace.database())
        && let Err(error) = engine::files::write_whole(&workspace.database_closed(), look.as_bytes())
    {
        tracing::debug!("{error}");
    }
}

/// Whether the database is as this program closed it.
pub(super) fn was_closed(workspace: &Workspace) -> bool {
    let noted = engine::files::read_to_string(&workspace.database_closed(), engine::files::Kind::Settings).ok();
    noted.is_some_and(|noted| Some(noted) == look(&workspace.database()))
}

fn look(database: &Path) -> Option<String> {
    if with_suffix(database, "-wal").exists() {
        return None;
    }
    let facts = fs::metadata(database).ok()?;
    let changed = facts.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(format!("{} bytes, changed {} ns after 1970", facts.len(), changed.as_nanos()))
}

/// The file is no database of ours: its pages contradict each other, tables are missing or hold what was never written there.
/// A full disk or a lock is another matter.
pub(super) fn is_damage(error: &Error) -> bool {
    match error {
        Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::InvalidColumnName(_)
        | Error::InvalidColumnIndex(_)
        | Error::InvalidColumnType(..)
        | Error::Utf8Error(..)
        | Error::SqlInputError { .. } => true,
        // The generic one is "no such table" and its like: our own statements are right where the form is.
        error => matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt | ErrorCode::Unknown)
        ),
    }
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

pub(super) fn unusable(path: &Path, error: &(dyn std::error::Error + 'static)) -> StoreError {
    let reason = error.downcast_ref().map_or_else(|| error.to_string(), in_words);
    StoreError::Unusable { reason: Sentence::verbatim(reason), path: path.to_owned() }
}

/// Without the statement that failed: it says nothing to those who did not write it.
pub(super) fn in_words(error: &Error) -> String {
    match error {
        Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    }
}
