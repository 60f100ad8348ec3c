//! JSON lines, one after another, of a reader that gives them once: of a packed file, or of a shard.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::RowStream;
use super::compressed::{Packing, Unpacking, unpacked, without_packing};
use super::text_source::{LONGEST, PROBE, cut_character};
use crate::data::reader::parse_line;
use crate::data::text_encoding::as_utf8;
use crate::error::{EngineError, IoAction, Result};
use crate::files::{self, Kind};
use crate::{Sentence, sentence};

/// The rows of packed JSON lines in UTF-8; `None` for another file, which is read whole.
///
/// # Errors
/// It cannot be read or unpacked.
pub(super) fn open_packed(path: &Path, start: &[u8]) -> Result<Option<Box<dyn RowStream>>> {
    let Some(packing) = Packing::of(start) else { return Ok(None) };
    let name = without_packing(path);
    let is_lines = [".jsonl", ".ndjson"].iter().any(|ending| name.ends_with(ending));
    if !is_lines || !is_plain(&unpacked(path, packing, Some(PROBE))?) {
        return Ok(None);
    }
    Ok(Some(Box::new(JsonLines::new(path, Source::Packed(BufReader::new(Unpacking::open(path, packing)?))))))
}

/// The rows of JSON lines in UTF-8 that are not packed; `None` for another file.
///
/// # Errors
/// It cannot be read.
pub(super) fn open_plain(path: &Path) -> Result<Option<Box<dyn RowStream>>> {
    let name = path.to_string_lossy().to_lowercase();
    if ![".jsonl", ".ndjson"].iter().any(|ending| name.ends_with(ending)) {
        return Ok(None);
    }
    let (mut start, file) = (Vec::new(), files::open(path, Kind::Rows)?);
    file.take(PROBE).read_to_end(&mut start).map_err(EngineError::io(IoAction::Read, path))?;
    if !is_plain(&start) {
        return Ok(None);
    }
    Ok(Some(Box::new(JsonLines::new(path, Source::Plain(BufReader::new(files::open(path, Kind::Rows)?))))))
}

/// Whether a text begins with an object and is in UTF-8, as far as it is here.
fn is_plain(start: &[u8]) -> bool {
    let whole = &start[..start.len() - cut_character(start)];
    let (text, encoding) = as_utf8(whole);
    let text = text.trim_ascii_start();
    // An object that goes over several lines is read with the whole file.
    let is_whole = text.split(|&byte| byte == b'\n').next().is_none_or(|line| line.trim_ascii_end().ends_with(b"}"));
    encoding.is_none() && text.starts_with(b"{") && (is_whole || !text.contains(&b'\n'))
}

enum Source {
    Plain(BufReader<std::fs::File>),
    Packed(BufReader<Unpacking>),
}

struct JsonLines {
    path: PathBuf,
    source: Source,
    line: Vec<u8>,
    /// Lines that were read, and those of them that are rows.
    n_lines: usize,
    n_rows: usize,
    is_over: bool,
}

impl JsonLines {
    fn new(path: &Path, source: Source) -> Self {
        Self { path: path.to_owned(), source, line: Vec::new(), n_lines: 0, n_rows: 0, is_over: false }
    }

    /// Reads the next line, and says how many bytes it has; none at the end.
    fn next_line(&mut self) -> Result<u64> {
        self.line.clear();
        let read = match &mut self.source {
            Source::Plain(reader) => read_line(reader, &mut self.line),
            Source::Packed(reader) => read_line(reader, &mut self.line),
        };
        read.map_err(|error| match &self.source {
            Source::Plain(_) => EngineError::io(IoAction::Read, &self.path)(error),
            Source::Packed(reader) => reader.get_ref().fault(&self.path, error),
        })
    }

    fn row(&self, n: u64) -> std::result::Result<Map<String, Value>, Sentence> {
        if n > LONGEST {
            return Err(sentence!("its line is longer than {longest} bytes", longest = LONGEST));
        }
        let line = self.line.trim_ascii();
        let line = if self.n_lines == 1 { line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line) } else { line };
        match parse_line(line)? {
            Value::Object(object) => Ok(object),
            _ => Err(sentence!("it is not a JSON object with named fields")),
        }
    }
}

impl RowStream for JsonLines {
    fn next_row(&mut self) -> Result<Option<std::result::Result<Map<String, Value>, Sentence>>> {
        while !self.is_over {
            let n = self.next_line().inspect_err(|_| self.is_over = true)?;
            if n == 0 {
                self.is_over = true;
                break;
            }
            self.n_lines += 1;
            if self.line.trim_ascii().is_empty() {
                continue;
            }
            self.n_rows += 1;
            let (line, is_row) = (self.n_lines, self.n_lines == self.n_rows);
            let row = self.row(n);
            return Ok(Some(
                row.map_err(|reason| if is_row { reason } else { sentence!("{reason} (line {line})", reason, line) }),
            ));
        }
        Ok(None)
    }
}

/// Reads a line with its end, keeping no more of it than a row may have; the bytes that it has.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<u64> {
    let mut n = reader.by_ref().take(LONGEST + 1).read_until(b'\n', line)? as u64;
    if n <= LONGEST {
        return Ok(n);
    }
    let mut rest = Vec::new();
    while !line.ends_with(b"\n") && !rest.ends_with(b"\n") {
        rest.clear();
        match reader.by_ref().take(PROBE).read_until(b'\n', &mut rest)? {
            0 => break,
            more => n += more as u64,
        }
    }
    Ok(n)
}
