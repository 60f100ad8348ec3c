//! Objects of a JSON array, one after another, of a file that is too large to be read whole.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::text_source::{LONGEST, TextSource};
use super::{RowStream, damaged};
use crate::data::forms;
use crate::data::reader::parse_line;
use crate::error::{EngineError, IoAction, Result};
use crate::{Sentence, sentence};

/// The rows of an array of objects in UTF-8; `None` for another file.
///
/// # Errors
/// It cannot be read or unpacked.
pub(super) fn open(path: &Path) -> Result<Option<Box<dyn RowStream>>> {
    let source = TextSource::of(path)?;
    if !source.is_named(&[".json", ".jsonl"]) || !source.is_utf8()? {
        return Ok(None);
    }
    let start = source.start()?;
    let is_array =
        start.trim_ascii_start().strip_prefix(b"[").is_some_and(|rest| rest.trim_ascii_start().starts_with(b"{"));
    if !is_array {
        return Ok(None);
    }
    let open = || -> Result<Objects> {
        let mut reader = BufReader::new(source.open()?);
        skip_to_array(&mut reader).map_err(EngineError::io(IoAction::Read, path))?;
        Ok(Objects { path: path.to_owned(), reader, value: Vec::new(), is_over: false })
    };
    // Entries that stand under a number are known by the whole document.
    let Some(Ok(first)) = open()?.next_row()? else { return Ok(None) };
    let first = vec![Value::Object(first)];
    if forms::unwrapped(first.clone()) != first {
        return Ok(None);
    }
    Ok(Some(Box::new(open()?)))
}

/// Reads up to the bracket that opens the array, with it.
fn skip_to_array(reader: &mut impl BufRead) -> std::io::Result<()> {
    reader.skip_until(b'[').map(drop)
}

struct Objects {
    path: PathBuf,
    reader: BufReader<Box<dyn Read + Send>>,
    value: Vec<u8>,
    is_over: bool,
}

impl Objects {
    /// Reads the next value up to the comma behind it, and says whether there was one.
    fn next_value(&mut self) -> Result<bool> {
        self.value.clear();
        let (mut depth, mut is_text, mut is_escaped) = (0_u32, false, false);
        loop {
            let part = self.reader.fill_buf().map_err(EngineError::io(IoAction::Read, &self.path))?;
            if part.is_empty() {
                return Err(self.broken(sentence!("it ends within the array")));
            }
            let (mut taken, mut end) = (0, None);
            for &byte in part {
                taken += 1;
                if is_text {
                    is_text = is_escaped || byte != b'"';
                    is_escaped = !is_escaped && byte == b'\\';
                } else {
                    match byte {
                        b',' | b']' if depth == 0 => {
                            end = Some(byte);
                            break;
                        }
                        b'"' => is_text = true,
                        b'{' | b'[' => depth += 1,
                        b'}' | b']' => depth = depth.saturating_sub(1),
                        _ => {}
                    }
                }
                if self.value.len() as u64 <= LONGEST {
                    self.value.push(byte);
                }
            }
            self.reader.consume(taken);
            if let Some(end) = end {
                self.is_over = end == b']';
                let is_there = !self.value.trim_ascii().is_empty();
                return if is_there || self.is_over {
                    Ok(is_there)
                } else {
                    Err(self.broken(sentence!("a value is missing before a comma")))
                };
            }
        }
    }

    fn broken(&self, reason: Sentence) -> EngineError {
        damaged(&self.path, sentence!("it is not valid JSON: {error}", error = reason))
    }
}

impl RowStream for Objects {
    fn next_row(&mut self) -> Result<Option<std::result::Result<Map<String, Value>, Sentence>>> {
        if self.is_over || !self.next_value().inspect_err(|_| self.is_over = true)? {
            return Ok(None);
        }
        if self.value.len() as u64 > LONGEST {
            return Ok(Some(Err(sentence!("its line is longer than {longest} bytes", longest = LONGEST))));
        }
        match parse_line(self.value.trim_ascii()) {
            Ok(Value::Object(object)) if object.is_empty() => Ok(Some(Err(sentence!("the object has no fields")))),
            Ok(Value::Object(object)) => Ok(Some(Ok(object))),
            Ok(_) => Ok(Some(Err(sentence!("it is not a JSON object with named fields")))),
            Err(reason) => Err(damaged(&self.path, reason)),
        }
    }
}
