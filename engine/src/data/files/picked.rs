//! Rows of a saved dataset in the order that it keeps beside them: a dataset that was filtered or shuffled is saved as it was,
//! with a list of the rows that are meant. Taken in windows, so that each batch is unpacked once for many rows.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::arrow::{ArrowFile, Block};
use super::columnar::Columns;
use super::meter::Meter;
use super::parts::Parts;
use super::{Found, RowStream, damaged};
use crate::Sentence;
use crate::error::Result;
use crate::sentence;

/// Rows that are looked up together.
const WINDOW: usize = 4096;
/// The column of a file of indices.
const INDICES: &str = "indices";

/// The rows that indices name, in their order.
pub(super) struct Picked {
    path: PathBuf,
    files: Vec<(ArrowFile, Columns)>,
    /// Every batch, with the number of its first row and its file.
    blocks: Vec<(u64, usize, Block)>,
    n_rows: u64,
    indices: Parts,
    notes: Vec<Sentence>,
    meter: Meter,
    window: VecDeque<std::result::Result<Map<String, Value>, Sentence>>,
    is_over: bool,
}

impl Picked {
    /// Opens all files, and finds the place of each batch.
    ///
    /// # Errors
    /// One cannot be read or is damaged.
    pub(super) fn open(path: &Path, found: Found) -> Result<Self> {
        let (mut files, mut blocks, mut n_rows, mut bytes) = (Vec::new(), Vec::new(), 0_u64, 0_u64);
        for (at, name) in found.files.iter().enumerate() {
            let (mut file, columns) = ArrowFile::open(name, &found.classes)?;
            for block in file.blocks().map_err(|reason| damaged(name, reason))? {
                blocks.push((n_rows, at, block));
                n_rows = n_rows.saturating_add(block.rows);
            }
            bytes = bytes.saturating_add(file.length());
            files.push((file, columns));
        }
        let indices = Parts::new(Found { files: found.indices, ..Found::default() });
        let (path, window) = (path.to_owned(), VecDeque::new());
        let (notes, meter) = (found.notes, Meter::of(bytes));
        Ok(Self { path, files, blocks, n_rows, indices, notes, meter, window, is_over: false })
    }

    fn fill(&mut self) -> Result<()> {
        let mut wanted: Vec<(u64, usize)> = Vec::new();
        while wanted.len() < WINDOW {
            let Some(row) = self.indices.next_row()? else { break };
            let index = row.ok().and_then(|row| row.get(INDICES).and_then(Value::as_u64));
            let index = index.ok_or_else(|| {
                damaged(
                    &self.path,
                    sentence!("its list of rows has no column of numbers called {name:?}", name = INDICES),
                )
            })?;
            wanted.push((index, wanted.len()));
        }
        let mut rows: Vec<_> = wanted.iter().map(|(index, _)| Err(beyond(*index, self.n_rows))).collect();
        wanted.sort_unstable();
        let mut read: Option<(usize, arrow_array::RecordBatch)> = None;
        for (index, place) in wanted.into_iter().filter(|(index, _)| *index < self.n_rows) {
            // Empty batches begin where the next one does; the last that begins at or before the row has it.
            let at = self.blocks.partition_point(|(first, ..)| *first <= index) - 1;
            let (first, file, block) = self.blocks[at];
            let (file, columns) = &mut self.files[file];
            if read.as_ref().is_none_or(|(read, _)| *read != at) {
                let batch = file.batch_at(block).map_err(|reason| damaged(&self.path, reason))?;
                read = Some((at, batch));
            }
            if let Some((_, batch)) = &read {
                rows[place] = Ok(columns.row(batch, (index - first) as usize, &self.meter));
            }
            if self.meter.is_spent() {
                return Err(damaged(&self.path, self.meter.refusal()));
            }
        }
        self.window = rows.into();
        Ok(())
    }
}

fn beyond(index: u64, n_rows: u64) -> Sentence {
    sentence!("it would be row {index}, counted from 0, and there are {n_rows}", index, n_rows)
}

impl RowStream for Picked {
    fn next_row(&mut self) -> Result<Option<std::result::Result<Map<String, Value>, Sentence>>> {
        if self.window.is_empty() && !self.is_over {
            self.fill().inspect_err(|_| self.is_over = true)?;
            self.is_over = self.window.is_empty();
        }
        Ok(self.window.pop_front())
    }

    fn notes(&self) -> Vec<Sentence> {
        let columns = self.files.first().and_then(|(_, columns)| columns.note());
        self.notes.iter().cloned().chain(columns).collect()
    }
}
