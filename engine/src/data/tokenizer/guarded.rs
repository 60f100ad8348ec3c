//! The tokenizers library panics on some files and texts of strangers: here that becomes an error.

use super::super::caught::caught;
use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

/// Work of the tokenizers library, whose panics become errors.
pub(super) fn guarded<T>(work: impl FnOnce() -> tokenizers::Result<T>) -> Result<T> {
    match caught(work) {
        Ok(result) => result.map_err(|e| EngineError::Tokenizer(Sentence::verbatim(e))),
        Err(reason) => Err(EngineError::Tokenizer(sentence!(
            "its files contradict themselves, or give up on a text: {reason}",
            reason
        ))),
    }
}
