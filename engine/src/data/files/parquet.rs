//! Parquet files, groups of rows one after another.

use std::fs::File;
use std::path::Path;

use arrow_array::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::batches::{BatchRows, Batches, guarded};
use super::columnar::Columns;
use super::features::Classes;
use super::parquet_limits::{check_footer, check_pages};
use super::{RowStream, damaged};
use crate::error::{EngineError, IoAction, Result};
use crate::files::{self, Kind};
use crate::{Sentence, sentence};

/// Rows that are unpacked together: of long texts not too many.
const BATCH: usize = 64;
/// Rows that cost nothing, as those of an empty column do, for each byte of a file.
const ROWS_A_BYTE: u64 = 1 << 10;

/// The groups of a file that are still to come, and the one that is read.
struct Groups {
    file: File,
    length: u64,
    metadata: ArrowReaderMetadata,
    mask: ProjectionMask,
    next: usize,
    reader: Option<ParquetRecordBatchReader>,
}

/// The rows of a file.
///
/// # Errors
/// It cannot be read, or is no such file.
pub(super) fn open(path: &Path, beside: &Classes) -> Result<Box<dyn RowStream>> {
    let mut file = files::open(path, Kind::Rows)?;
    let length = file.metadata().map_err(EngineError::io(IoAction::Read, path))?.len();
    let begin = || {
        check_footer(&mut file, length)?;
        let metadata = ArrowReaderMetadata::load(&file, Default::default()).map_err(Sentence::verbatim)?;
        let rows = u64::try_from(metadata.metadata().file_metadata().num_rows()).unwrap_or(u64::MAX);
        if rows > length.saturating_mul(ROWS_A_BYTE) {
            return Err(sentence!("it claims {rows} rows in {length} bytes", rows, length));
        }
        let columns = Columns::new(metadata.schema(), beside)?;
        Ok((metadata, columns))
    };
    let (metadata, columns) = guarded(begin).map_err(|reason| damaged(path, reason))?;
    let mask = ProjectionMask::roots(metadata.parquet_schema(), columns.read.iter().copied());
    let groups = Groups { file, length, metadata, mask, next: 0, reader: None };
    Ok(Box::new(BatchRows::new(path, groups, columns, length)))
}

impl Batches for Groups {
    fn next_batch(&mut self) -> std::result::Result<Option<RecordBatch>, Sentence> {
        loop {
            if let Some(batch) = self.reader.as_mut().and_then(Iterator::next) {
                return batch.map(Some).map_err(Sentence::verbatim);
            }
            if self.next == self.metadata.metadata().num_row_groups() {
                return Ok(None);
            }
            self.reader = Some(self.group(self.next)?);
            self.next += 1;
        }
    }
}

impl Groups {
    fn group(&self, group: usize) -> std::result::Result<ParquetRecordBatchReader, Sentence> {
        for (column, chunk) in self.metadata.metadata().row_group(group).columns().iter().enumerate() {
            if self.mask.leaf_included(column) {
                check_pages(&self.file, self.length, chunk)?;
            }
        }
        let file = self.file.try_clone().map_err(Sentence::verbatim)?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
        let reader = builder.with_row_groups(vec![group]).with_projection(self.mask.clone()).with_batch_size(BATCH);
        reader.build().map_err(Sentence::verbatim)
    }
}
