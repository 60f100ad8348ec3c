//! A file of text that is opened as often as it has to be looked through: packed or not.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::compressed::{Packing, Unpacking, beginning, without_packing};
use crate::data::text_encoding::as_utf8;
use crate::error::{EngineError, IoAction, Result};
use crate::files::{self, Kind};

/// Bytes that say how a text is written.
pub(super) const PROBE: u64 = 1 << 16;
/// Most bytes of a row.
pub(super) const LONGEST: u64 = 256 << 20;

/// A file of text.
#[derive(Clone, Debug)]
pub(super) struct TextSource {
    pub(super) path: PathBuf,
    packing: Option<Packing>,
}

impl TextSource {
    /// # Errors
    /// It cannot be read.
    pub(super) fn of(path: &Path) -> Result<Self> {
        Ok(Self { path: path.to_owned(), packing: Packing::of(&beginning(path)?) })
    }

    /// Whether its name, but for the packing, has one of these endings.
    pub(super) fn is_named(&self, endings: &[&str]) -> bool {
        let name = without_packing(&self.path);
        endings.iter().any(|ending| name.ends_with(ending))
    }

    /// The text from its beginning, without a byte order mark.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn open(&self) -> Result<Box<dyn Read + Send>> {
        let mut reader: Box<dyn Read + Send> = match self.packing {
            Some(packing) => Box::new(Unpacking::open(&self.path, packing)?),
            None => Box::new(files::open(&self.path, Kind::Rows)?),
        };
        let mut first = Vec::with_capacity(3);
        (&mut reader).take(3).read_to_end(&mut first).map_err(EngineError::io(IoAction::Read, &self.path))?;
        let rest = if first == b"\xEF\xBB\xBF" { Vec::new() } else { first };
        Ok(Box::new(std::io::Cursor::new(rest).chain(reader)))
    }

    /// The first bytes of the text.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn start(&self) -> Result<Vec<u8>> {
        let mut start = Vec::new();
        self.open()?.take(PROBE).read_to_end(&mut start).map_err(EngineError::io(IoAction::Read, &self.path))?;
        let whole = start.len() - cut_character(&start);
        start.truncate(whole);
        Ok(start)
    }

    /// Whether the text is in UTF-8, as far as its first bytes say.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn is_utf8(&self) -> Result<bool> {
        Ok(as_utf8(&self.start()?).1.is_none())
    }
}

/// Bytes of a character at the end that is not whole.
pub(super) fn cut_character(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => bytes.len() - error.valid_up_to(),
        _ => 0,
    }
}
