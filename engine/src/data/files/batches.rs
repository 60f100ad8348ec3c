//! Batches of columns, one after another, as rows.

use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use serde_json::{Map, Value};

use super::columnar::Columns;
use super::meter::Meter;
use super::{RowStream, damaged};
use crate::Sentence;
use crate::data::caught::caught;
use crate::error::Result;
use crate::sentence;

/// A file that gives its rows in batches.
pub(super) trait Batches: Send {
    /// The next batch, with the columns that are read alone; `None` behind the last one.
    ///
    /// # Errors
    /// A sentence on what is damaged.
    fn next_batch(&mut self) -> std::result::Result<Option<RecordBatch>, Sentence>;
}

/// The rows of a file in batches.
pub(super) struct BatchRows<B> {
    path: PathBuf,
    batches: B,
    columns: Columns,
    meter: Meter,
    batch: Option<RecordBatch>,
    row: usize,
    is_over: bool,
}

impl<B: Batches> BatchRows<B> {
    pub(super) fn new(path: &Path, batches: B, columns: Columns, bytes: u64) -> Self {
        let meter = Meter::of(bytes);
        Self { path: path.to_owned(), batches, columns, meter, batch: None, row: 0, is_over: false }
    }

    fn next(&mut self) -> std::result::Result<Option<Map<String, Value>>, Sentence> {
        loop {
            if let Some(batch) = self.batch.as_ref().filter(|batch| self.row < batch.num_rows()) {
                let row = guarded(|| Ok(self.columns.row(batch, self.row, &self.meter)))?;
                self.row += 1;
                return if self.meter.is_spent() { Err(self.meter.refusal()) } else { Ok(Some(row)) };
            }
            self.row = 0;
            self.batch = guarded(|| self.batches.next_batch())?;
            if self.batch.is_none() {
                return Ok(None);
            }
        }
    }
}

impl<B: Batches> RowStream for BatchRows<B> {
    fn next_row(&mut self) -> Result<Option<std::result::Result<Map<String, Value>, Sentence>>> {
        if self.is_over {
            return Ok(None);
        }
        let next = self.next();
        self.is_over = !matches!(next, Ok(Some(_)));
        next.map(|row| row.map(Ok)).map_err(|reason| damaged(&self.path, reason))
    }

    fn notes(&self) -> Vec<Sentence> {
        self.columns.note().into_iter().collect()
    }
}

/// Work on a stranger's bytes; the libraries' panics are damage too.
pub(super) fn guarded<T>(work: impl FnOnce() -> std::result::Result<T, Sentence>) -> std::result::Result<T, Sentence> {
    match caught(work) {
        Ok(result) => result,
        Err(reason) => Err(sentence!("its parts contradict each other: {reason}", reason)),
    }
}
