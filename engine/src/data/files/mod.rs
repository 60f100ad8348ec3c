//! Files of rows that are read one row after another.

use serde_json::{Map, Value};

use crate::Sentence;
use crate::error::Result;

/// Rows of a file, one after another, so that a file of any size is read in bounded memory.
pub(super) trait RowStream {
    /// The next row, or why it cannot be read; `None` behind the last one.
    ///
    /// # Errors
    /// Those that end the reading: the file is damaged or gone.
    fn next_row(&mut self) -> Result<Option<std::result::Result<Map<String, Value>, Sentence>>>;
}
