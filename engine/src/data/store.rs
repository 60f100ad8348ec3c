//! Encoded rows in a file, of which the index alone is in memory: where a row begins, and its length in tokens.
//!
//! Rows are read by their place, not mapped: what was read is not held against the process, and a disk that fails is an
//! error with a name and no signal.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::{NamedTempFile, TempPath};

use super::encode::Example;
use super::row_bytes::{self, FORM};
use crate::error::{EngineError, IoAction, Result};
use crate::sentence;

/// Begins the last bytes of a file of rows.
const MARK: &[u8; 8] = b"PWBROWS\x01";
/// Bytes behind the index: form, number of rows, bytes of rows, bytes of facts, digest of index and facts, mark.
const TAIL: usize = 4 + 8 + 8 + 8 + 32 + 8;
/// Prefix of the name of a file that is being written.
pub(super) const DRAFT: &str = ".draft-rows-";

/// Encoded rows in a file.
pub(super) struct Store {
    file: File,
    path: PathBuf,
    /// Keeps a file of nobody else until it is dropped.
    _draft: Option<TempPath>,
    /// Where each row begins, and the end of the last.
    begins: Vec<u64>,
    /// Tokens that a model goes over.
    lengths: Vec<u32>,
    /// The numbers of soft tokens that rows have, each with the first row that has as many.
    soft: BTreeMap<usize, usize>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} rows in {}", self.len(), self.path.display())
    }
}

impl Store {
    pub(super) fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Tokens of a row.
    pub(super) fn length(&self, row: usize) -> usize {
        self.lengths[row] as usize
    }

    /// The numbers of soft tokens that rows have, each with the number of the first such row.
    pub(super) fn soft(&self) -> &BTreeMap<usize, usize> {
        &self.soft
    }

    /// A row.
    ///
    /// # Errors
    /// The file cannot be read, or is not what was written.
    pub(super) fn row(&self, row: usize) -> Result<Example> {
        let mut bytes = vec![0; (self.begins[row + 1] - self.begins[row]) as usize];
        self.read(self.begins[row], &mut bytes)?;
        row_bytes::read(&bytes).ok_or_else(|| damaged(&self.path))
    }

    /// Rows behind one another, read at once.
    ///
    /// # Errors
    /// As [`Store::row`].
    pub(super) fn rows(&self, rows: Range<usize>) -> Result<Vec<Example>> {
        let begin = self.begins[rows.start];
        let mut bytes = vec![0; (self.begins[rows.end] - begin) as usize];
        self.read(begin, &mut bytes)?;
        let one = |row: usize| {
            let of = (self.begins[row] - begin) as usize..(self.begins[row + 1] - begin) as usize;
            row_bytes::read(&bytes[of]).ok_or_else(|| damaged(&self.path))
        };
        rows.map(one).collect()
    }

    /// All rows in parts of some bytes each.
    pub(super) fn parts(&self, bytes: u64) -> Vec<Range<usize>> {
        let mut parts = Vec::new();
        let mut begin = 0;
        while begin < self.len() {
            let within = self.begins.partition_point(|&end| end <= self.begins[begin] + bytes);
            let end = within.saturating_sub(1).clamp(begin + 1, self.len());
            parts.push(begin..end);
            begin = end;
        }
        parts
    }

    fn read(&self, at: u64, bytes: &mut [u8]) -> Result<()> {
        read_at(&self.file, at, bytes).map_err(EngineError::io(IoAction::Read, &self.path))
    }

    /// Opens a file of rows: what it holds beside them, and each row's tokens before it was cut. Nothing where it is not whole.
    pub(super) fn open(path: &Path) -> Option<(Self, Vec<u32>, Vec<u8>)> {
        let mut file = File::open(path).ok()?;
        let size = file.metadata().ok()?.len();
        file.seek(SeekFrom::Start(size.checked_sub(TAIL as u64)?)).ok()?;
        let mut tail = [0; TAIL];
        file.read_exact(&mut tail).ok()?;
        let number = |at: usize| tail[at..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        let (n_rows, end, n_facts) = (number(4)?, number(12)?, number(20)?);
        if tail[..4] != FORM.to_le_bytes() || tail[TAIL - 8..] != *MARK {
            return None;
        }
        let index = n_rows.checked_mul(12)?;
        if end.checked_add(index)?.checked_add(n_facts)?.checked_add(TAIL as u64)? != size {
            return None;
        }
        file.seek(SeekFrom::Start(end)).ok()?;
        let mut reader = std::io::BufReader::with_capacity(1 << 16, &file);
        let mut digest = Sha256::new();
        let n = usize::try_from(n_rows).ok()?;
        let (mut begins, mut lengths, mut uncut) = (vec![0_u64], Vec::with_capacity(n), Vec::with_capacity(n));
        begins.reserve_exact(n);
        for _ in 0..n {
            let mut entry = [0; 12];
            reader.read_exact(&mut entry).ok()?;
            digest.update(entry);
            let word = |at: usize| entry[at..].first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
            begins.push(begins.last()? + u64::from(word(0)?));
            lengths.push(word(4)?);
            uncut.push(word(8)?);
        }
        let mut facts = vec![0; usize::try_from(n_facts).ok()?];
        reader.read_exact(&mut facts).ok()?;
        digest.update(&facts);
        if digest.finalize().as_slice() != &tail[28..60] || *begins.last()? != end {
            return None;
        }
        // The numbers of soft tokens stand before what the caller put there.
        let (soft, facts) = serde_json::from_slice::<(BTreeMap<usize, usize>, serde_json::Value)>(&facts).ok()?;
        let facts = serde_json::to_vec(&facts).ok()?;
        Some((Self { file, path: path.to_owned(), _draft: None, begins, lengths, soft }, uncut, facts))
    }
}

/// A file of rows that is being written.
pub(super) struct RowWriter {
    file: BufWriter<NamedTempFile>,
    begins: Vec<u64>,
    lengths: Vec<u32>,
    uncut: Vec<u32>,
    soft: BTreeMap<usize, usize>,
    bytes: Vec<u8>,
}

impl RowWriter {
    /// In a folder, which is made if it is not there.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub(super) fn new(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(EngineError::io(IoAction::Create, folder))?;
        let file = tempfile::Builder::new().prefix(DRAFT).tempfile_in(folder);
        let file = file.map_err(EngineError::io(IoAction::Create, folder))?;
        Ok(Self {
            file: BufWriter::with_capacity(1 << 20, file),
            begins: vec![0],
            lengths: Vec::new(),
            uncut: Vec::new(),
            soft: BTreeMap::new(),
            bytes: Vec::new(),
        })
    }

    /// Adds a row, which had `uncut` tokens before it was cut.
    ///
    /// # Errors
    /// The disk is full, or fails.
    pub(super) fn push(&mut self, row: &Example, uncut: u32) -> Result<()> {
        self.bytes.clear();
        row_bytes::write(row, &mut self.bytes);
        let written = self.file.write_all(&self.bytes);
        written.map_err(|error| EngineError::io(IoAction::Write, self.file.get_ref().path())(error))?;
        let begin = self.begins.last().copied().unwrap_or_default();
        self.begins.push(begin + self.bytes.len() as u64);
        self.lengths.push(u32::try_from(row.length()).unwrap_or(u32::MAX));
        self.uncut.push(uncut);
        self.soft.entry(row.n_soft()).or_insert(row.row);
        Ok(())
    }

    /// The rows, each with its tokens before the cut. With a path the file gets that name, when it is whole and on the disk,
    /// and holds `facts` too; without one it is gone when nobody reads it any more.
    ///
    /// # Errors
    /// As [`RowWriter::push`].
    pub(super) fn finish(mut self, keep: Option<(&Path, &serde_json::Value)>) -> Result<(Store, Vec<u32>)> {
        let written = keep.map_or(Ok(()), |(_, facts)| self.write_index(facts));
        let path = self.file.get_ref().path().to_owned();
        let failed = |error: std::io::Error| EngineError::io(IoAction::Write, &path)(error);
        written.and_then(|()| self.file.flush()).map_err(failed)?;
        let draft = self.file.into_inner().map_err(|error| failed(error.into_error()))?;
        let (file, path, draft) = match keep {
            Some((path, _)) => {
                draft.as_file().sync_all().map_err(failed)?;
                let file = draft.persist(path).map_err(|error| EngineError::io(IoAction::Write, path)(error.error))?;
                (file, path.to_owned(), None)
            }
            None => {
                let (file, draft) = draft.into_parts();
                (file, path, Some(draft))
            }
        };
        let Self { mut begins, mut lengths, mut uncut, soft, .. } = self;
        begins.shrink_to_fit();
        lengths.shrink_to_fit();
        uncut.shrink_to_fit();
        Ok((Store { file, path, _draft: draft, begins, lengths, soft }, uncut))
    }

    fn write_index(&mut self, facts: &serde_json::Value) -> std::io::Result<()> {
        let mut digest = Sha256::new();
        let n = self.lengths.len();
        for row in 0..n {
            let size = u32::try_from(self.begins[row + 1] - self.begins[row]).map_err(std::io::Error::other)?;
            for word in [size, self.lengths[row], self.uncut[row]] {
                digest.update(word.to_le_bytes());
                self.file.write_all(&word.to_le_bytes())?;
            }
        }
        let facts = serde_json::to_vec(&(&self.soft, facts))?;
        digest.update(&facts);
        self.file.write_all(&facts)?;
        self.file.write_all(&FORM.to_le_bytes())?;
        let end = self.begins.last().copied().unwrap_or_default();
        for number in [n as u64, end, facts.len() as u64] {
            self.file.write_all(&number.to_le_bytes())?;
        }
        self.file.write_all(&digest.finalize())?;
        self.file.write_all(MARK)
    }
}

pub(super) fn damaged(path: &Path) -> EngineError {
    let reason = sentence!("a row in it is not what was written");
    EngineError::Malformed { what: sentence!("the file of encoded rows"), path: path.to_owned(), reason }
}

fn read_at(file: &File, at: u64, bytes: &mut [u8]) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
    }
    #[cfg(windows)]
    {
        let (mut at, mut left) = (at, bytes);
        while !left.is_empty() {
            match std::os::windows::fs::FileExt::seek_read(file, left, at)? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                read => {
                    at += read as u64;
                    left = &mut left[read..];
                }
            }
        }
        Ok(())
    }
    #[cfg(not(any(unix, windows)))]
    {
        let mut file = file.try_clone()?;
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: usize) -> Example {
        Example { row: number, tokens: vec![7; number], n_prompt: 1, prompt: "p".repeat(number), ..Example::default() }
    }

    #[test]
    fn rows_come_back_by_their_place_and_in_parts() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = RowWriter::new(&folder.path().join("rows")).unwrap();
        (1..=50).for_each(|number| writer.push(&row(number), number as u32 + 1).unwrap());
        let (store, uncut) = writer.finish(None).unwrap();
        assert_eq!((store.len(), store.length(9), uncut[9]), (50, 10, 11));
        assert_eq!(store.row(49).unwrap(), row(50));
        let parts = store.parts(200);
        assert!(parts.len() > 3 && parts[0].start == 0 && parts.windows(2).all(|pair| pair[0].end == pair[1].start));
        let all: Vec<Example> = parts.into_iter().flat_map(|part| store.rows(part).unwrap()).collect();
        assert_eq!(all, (1..=50).map(row).collect::<Vec<_>>());
        let path = store.path.clone();
        assert!(path.exists());
        drop(store);
        assert!(!path.exists(), "a file of nobody else is gone");
    }

    #[test]
    fn a_kept_file_is_opened_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept");
        let mut writer = RowWriter::new(folder.path()).unwrap();
        (1..=9).for_each(|number| writer.push(&row(number), 3).unwrap());
        let facts = serde_json::json!({"n": 9});
        drop(writer.finish(Some((&path, &facts))).unwrap());
        let (store, uncut, said) = Store::open(&path).unwrap();
        assert_eq!((store.rows(0..9).unwrap(), uncut), ((1..=9).map(row).collect(), vec![3; 9]));
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&said).unwrap(), facts);
        let bytes = std::fs::read(&path).unwrap();
        for cut in [0, 1, TAIL - 1, TAIL, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            assert!(Store::open(&path).is_none(), "{cut} bytes");
        }
        let end = store.begins[9] as usize;
        for at in end..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            std::fs::write(&path, &other).unwrap();
            assert!(Store::open(&path).is_none(), "byte {at}");
        }
        let mut other = bytes;
        other[0] ^= 1;
        std::fs::write(&path, &other).unwrap();
        let (store, ..) = Store::open(&path).unwrap();
        assert!(store.row(0).is_err() && store.row(1).is_ok(), "a damaged row is noticed when it is read");
    }
}
