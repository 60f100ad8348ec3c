//! Files of rows that are read one row after another: columns of Parquet and Arrow, folders and shards of them, and texts
//! that a compressor packed.

mod arrow;
mod batches;
mod columnar;
mod compressed;
mod delimited_rows;
mod features;
#[cfg(test)]
mod golden_tests;
mod json_lines;
mod json_objects;
mod meter;
mod parquet;
mod parquet_limits;
mod parts;
mod picked;
mod saved_folder;
mod shards;
mod text_source;
mod thrift;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

pub(super) use self::compressed::{Packing, beginning, unpacked, without_packing};
use self::features::Classes;
use self::parts::Parts;
use self::picked::Picked;
use crate::error::{EngineError, IoAction, Result};
use crate::files::{self, Kind};
use crate::{Sentence, sentence};

/// Rows of a file, one after another, so that a file of any size is read in bounded memory.
pub(super) trait RowStream: Send {
    /// The next row, or why it cannot be read; `None` behind the last one.
    ///
    /// # Errors
    /// Those that end the reading: the file is damaged or gone.
    fn next_row(&mut self) -> Result<Option<std::result::Result<Map<String, Value>, Sentence>>>;

    /// Notes on how the rows were read, a sentence each: complete behind the last row.
    fn notes(&self) -> Vec<Sentence> {
        Vec::new()
    }
}

/// The files that a folder or a pattern stands for, in order, and what is known of them.
#[derive(Debug, Default)]
struct Found {
    files: Vec<PathBuf>,
    /// Files that say which of the rows are meant, in which order; none means all.
    indices: Vec<PathBuf>,
    classes: Classes,
    notes: Vec<Sentence>,
}

/// The rows of what is read one after another: a Parquet or Arrow file, a packed file of JSON lines, a folder, or a pattern
/// such as `shards/*.parquet`; `None` for a file that is read whole.
///
/// # Errors
/// There is no such thing, it is not rows, or it is damaged.
pub(super) fn open_stream(path: &Path) -> Result<Option<Box<dyn RowStream>>> {
    let found = match place(path) {
        Place::File => match saved_folder::note_on_order(path) {
            Some(note) => Found { files: vec![path.to_owned()], notes: vec![note], ..Found::default() },
            None => return open_file(path, &Classes::None),
        },
        Place::Folder => in_folder(path)?,
        Place::Pattern => shards::of_pattern(path)?,
    };
    if found.indices.is_empty() {
        return Ok(Some(Box::new(Parts::new(found))));
    }
    Ok(Some(Box::new(Picked::open(path, found)?)))
}

/// The same, and the rows of a file of JSON lines, of a JSON array or of a table with separators, for a file that is too
/// large to be read whole.
///
/// # Errors
/// As [`open_stream`].
pub(super) fn open_large(path: &Path) -> Result<Option<Box<dyn RowStream>>> {
    let found = open_stream(path)?;
    if found.is_some() || !matches!(place(path), Place::File) {
        return Ok(found);
    }
    for open in [json_lines::open_plain, json_objects::open, delimited_rows::open] {
        if let Some(rows) = open(path)? {
            return Ok(Some(rows));
        }
    }
    Ok(None)
}

/// Bytes of a file, or of those that a folder or a pattern stands for.
///
/// # Errors
/// There is no such thing.
pub(super) fn size(path: &Path) -> Result<u64> {
    let of = |path: &Path| Ok(std::fs::metadata(path).map_err(EngineError::io(IoAction::Read, path))?.len());
    match place(path) {
        Place::File => of(path),
        Place::Folder => in_folder(path)?.files.iter().map(|file| of(file)).sum(),
        Place::Pattern => shards::of_pattern(path)?.files.iter().map(|file| of(file)).sum(),
    }
}

/// Whether a folder or a pattern has rows.
///
/// # Errors
/// As [`open_stream`], without looking into the files.
pub(super) fn check_many(path: &Path) -> Result<()> {
    match place(path) {
        Place::File => Ok(()),
        Place::Folder => in_folder(path).map(drop),
        Place::Pattern => shards::of_pattern(path).map(drop),
    }
}

/// Whether a path that names nothing is a pattern of names, such as `shards/*.parquet`.
pub fn is_pattern(path: &Path) -> bool {
    matches!(place(path), Place::Pattern)
}

/// Whether a file is Parquet or Arrow, by its first bytes.
pub(super) fn is_columnar(beginning: &[u8]) -> bool {
    Form::of(beginning).is_some()
}

enum Place {
    File,
    Folder,
    Pattern,
}

fn place(path: &Path) -> Place {
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => Place::Folder,
        Err(_) if path.to_string_lossy().contains(['*', '?', '[']) => Place::Pattern,
        _ => Place::File,
    }
}

fn in_folder(path: &Path) -> Result<Found> {
    let folder = saved_folder::snapshot(path);
    match saved_folder::found(&folder)? {
        Some(found) => Ok(found),
        None => shards::of_folder(&folder),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Parquet,
    Arrow,
}

impl Form {
    fn of(beginning: &[u8]) -> Option<Self> {
        // A message of Arrow is longer than its mark; nobody writes a text of such bytes.
        let is_arrow = beginning.starts_with(arrow::FILE_MARK) || beginning.starts_with(&arrow::MESSAGE_MARK);
        match beginning.starts_with(parquet_limits::MARK) {
            true => Some(Self::Parquet),
            false => is_arrow.then_some(Self::Arrow),
        }
    }
}

fn open_file(path: &Path, classes: &Classes) -> Result<Option<Box<dyn RowStream>>> {
    let start = beginning(path)?;
    match Form::of(&start) {
        Some(Form::Parquet) => parquet::open(path, classes).map(Some),
        Some(Form::Arrow) => {
            let (file, columns) = arrow::ArrowFile::open(path, classes)?;
            let bytes = file.length();
            Ok(Some(Box::new(batches::BatchRows::new(path, file, columns, bytes))))
        }
        None if has_columnar_ending(path) => {
            Err(damaged(path, sentence!("it does not begin as a Parquet or an Arrow file does")))
        }
        None => json_lines::open_packed(path, &start),
    }
}

/// Whether the name is that of a Parquet or an Arrow file.
pub(super) fn has_columnar_ending(path: &Path) -> bool {
    let name = path.to_string_lossy().to_lowercase();
    COLUMNAR_ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Endings of Parquet and Arrow files.
pub(super) const COLUMNAR_ENDINGS: [&str; 4] = [".parquet", ".arrow", ".feather", ".ipc"];

/// A description that stands in a folder of rows beside them, read as JSON.
fn read_description(path: &Path) -> Result<Value> {
    files::read_json(path, Kind::Index, sentence!("the description of the dataset"))
}

/// The names in a folder, sorted.
fn names_in(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).map_err(EngineError::io(IoAction::List, folder))?;
    let mut names: Vec<String> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

fn damaged(path: &Path, reason: Sentence) -> EngineError {
    EngineError::Malformed { what: sentence!("the dataset"), path: path.to_owned(), reason }
}
