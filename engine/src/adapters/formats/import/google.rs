//! Google's prompt tuning: one array `[v, d]` of numpy's, embeddings before those of the text.
//! As in google-research/prompt-tuning: prompt_tuning/scripts/extract_variable.py.

use std::io::Read as _;
use std::path::Path;

use super::Imported;
use crate::error::{EngineError, IoAction, Result};
use crate::files::{self, Kind};
use crate::sentence;
use crate::weights::{is_npy, read_npy};

pub(super) fn is_one(path: &Path) -> Result<bool> {
    if path.is_dir() {
        return Ok(false);
    }
    let mut begin = Vec::new();
    let file = files::open(path, Kind::Weights)?;
    file.take(8).read_to_end(&mut begin).map_err(EngineError::io(IoAction::Read, path))?;
    Ok(is_npy(&begin))
}

pub(super) fn read(path: &Path) -> Result<Imported> {
    let (shape, values) = read_npy(path)?;
    match shape.as_slice() {
        &[n_virtual, d_model] if n_virtual > 0 && d_model > 0 => {
            Ok(Imported::SoftPrompt { n_virtual, d_model, values })
        }
        other => {
            let reason = sentence!("it has shape {other:?}, not virtual tokens × width", other);
            Err(EngineError::Malformed { what: sentence!("the soft prompt"), path: path.to_owned(), reason })
        }
    }
}
