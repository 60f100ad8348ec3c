//! Rows of `.csv` and `.tsv`, one after another, of a file that is too large to be read whole.

use std::io::{BufReader, Read};
use std::path::Path;

use serde_json::{Map, Value};

use super::RowStream;
use super::text_source::TextSource;
use crate::Sentence;
use crate::data::delimited::{Dialect, Record, Records, note_on_columns};
use crate::error::{EngineError, IoAction, Result};

type Reader = Box<dyn Read + Send>;

/// The rows of a table with separators in UTF-8; `None` for another file, and for one with a quotation mark that is never
/// closed: it is found with the whole text.
///
/// # Errors
/// It cannot be read or unpacked.
pub(super) fn open(path: &Path) -> Result<Option<Box<dyn RowStream>>> {
    let source = TextSource::of(path)?;
    if !source.is_named(&[".csv", ".tsv", ".tab"]) || !source.is_utf8()? {
        return Ok(None);
    }
    let marks = Marks::of(&source)?;
    if marks.is_open {
        return Ok(None);
    }
    let start = source.start()?;
    let tabs = if source.is_named(&[".csv"]) { None } else { Dialect::of_tsv(&start) };
    let dialect = match tabs {
        Some(dialect) if marks.n > 0 => fewest_problems(&source, dialect)?,
        Some(dialect) => dialect,
        None => Dialect::of_csv(&start),
    };
    Ok(Some(Box::new(DelimitedRows { records: records(&source, dialect)?, n_rows: 0 })))
}

/// Quotation marks in a text.
#[derive(Default)]
struct Marks {
    n: u64,
    /// The last one that begins a field is never closed.
    is_open: bool,
}

impl Marks {
    fn of(source: &TextSource) -> Result<Self> {
        let (mut reader, mut part, mut n, mut last) = (source.open()?, vec![0; 1 << 16], 0_u64, 0);
        loop {
            let read = reader.read(&mut part).map_err(EngineError::io(IoAction::Read, &source.path))?;
            if read == 0 {
                return Ok(Self { n, is_open: n % 2 == 1 && last != b'"' });
            }
            n += part[..read].iter().filter(|&&byte| byte == b'"').count() as u64;
            last = part[..read].iter().rfind(|byte| !byte.is_ascii_whitespace()).copied().unwrap_or(last);
        }
    }
}

/// With or without quoting, whichever leaves fewer broken rows, then more rows.
fn fewest_problems(source: &TextSource, dialect: Dialect) -> Result<Dialect> {
    let rank = |dialect: Dialect| -> Result<(usize, usize)> {
        let (mut records, mut n_problems, mut n_rows) = (records(source, dialect)?, 0, 0);
        while let Some(record) = records.next()? {
            match record {
                Record::Row(_) => n_rows += 1,
                Record::Problem(..) => n_problems += 1,
            }
        }
        Ok((n_problems, usize::MAX - n_rows))
    };
    let plain = Dialect { quoting: false, ..dialect };
    Ok(if rank(plain)? < rank(dialect)? { plain } else { dialect })
}

fn records(source: &TextSource, dialect: Dialect) -> Result<Records<Reader, BufReader<Reader>>> {
    let mut text = source.open()?;
    let skipped = std::io::copy(&mut (&mut text).take(dialect.skipped as u64), &mut std::io::sink());
    skipped.map_err(EngineError::io(IoAction::Read, &source.path))?;
    Ok(Records::new(&source.path, text, BufReader::new(source.open()?), dialect))
}

struct DelimitedRows {
    records: Records<Reader, BufReader<Reader>>,
    n_rows: usize,
}

impl RowStream for DelimitedRows {
    fn next_row(&mut self) -> Result<Option<std::result::Result<Map<String, Value>, Sentence>>> {
        let Some(record) = self.records.next()? else { return Ok(None) };
        self.n_rows += 1;
        Ok(Some(match record {
            Record::Row(cells) => {
                let columns = &self.records.columns;
                Ok(cells.into_iter().map(|(column, value)| (columns[column].clone(), value)).collect())
            }
            Record::Problem(line, reason) if line == self.n_rows => Err(reason),
            Record::Problem(line, reason) => Err(crate::sentence!("{reason} (line {line})", reason, line)),
        }))
    }

    fn notes(&self) -> Vec<Sentence> {
        note_on_columns(&self.records.columns).into_iter().collect()
    }
}
