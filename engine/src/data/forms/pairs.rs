//! Two files of lines, `NAME.source` and `NAME.target`: a source in one, its target on the same line of the other, as the
//! papers on summaries have them. Either may be given. Hugging Face transformers: examples/legacy/seq2seq/utils.py.

use std::path::Path;

use serde_json::json;

use crate::data::reader::not_utf8;
use crate::data::table::{Layout, ObjectRows, Table};
use crate::data::text_encoding::as_utf8;
use crate::error::{EngineError, Result};
use crate::files::{self, Kind};
use crate::{Sentence, sentence};

const SOURCE: &str = "source";
const TARGET: &str = "target";

/// The rows of a file and its twin; `bytes` are those of the one at `path`.
///
/// # Errors
/// [`EngineError::Malformed`] when the twin is not there or has another number of lines.
pub(in crate::data) fn read(bytes: &[u8], path: &Path) -> Result<Table> {
    let malformed =
        |reason: Sentence| EngineError::Malformed { what: sentence!("the dataset"), path: path.to_owned(), reason };
    let is_target = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case(TARGET));
    let twin = path.with_extension(if is_target { SOURCE } else { TARGET });
    if !twin.is_file() {
        return Err(malformed(sentence!("the file with its other half is not there: {twin}", twin)));
    }
    let other = files::read(&twin, Kind::Rows)?;
    let (other, _) = as_utf8(&other);
    let (sources, targets) = if is_target { (&*other, bytes) } else { (bytes, &*other) };
    let (sources, targets) = (lines(sources), lines(targets));
    if sources.len() != targets.len() {
        let (n_sources, n_targets) = (sources.len(), targets.len());
        return Err(malformed(sentence!(
            "there are {n_sources} lines of sources and {n_targets} of targets",
            n_sources,
            n_targets
        )));
    }
    let mut rows = ObjectRows::new(path);
    let n = sources.len();
    for (index, (source, target)) in sources.into_iter().zip(targets).enumerate() {
        match (std::str::from_utf8(source), std::str::from_utf8(target)) {
            (Ok(source), Ok(target)) => {
                rows.push(index + 1, json!({ SOURCE: source.trim(), TARGET: target.trim() }))?;
            }
            (Err(error), _) | (_, Err(error)) => rows.table.push_problem(index + 1, not_utf8(error.valid_up_to())),
        }
    }
    rows.table.layout = Layout::Pairs;
    let twin = twin.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    rows.table.notes.push(sentence!("Each of {n} lines is a row, with its other half in {twin}", n, twin));
    Ok(rows.table)
}

/// The lines of a text; a line end at its end begins none.
fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if bytes.is_empty() { Vec::new() } else { bytes.split(|&byte| byte == b'\n').collect() }
}
