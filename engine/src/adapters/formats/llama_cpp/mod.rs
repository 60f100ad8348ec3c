//! llama.cpp: a prefix as the saved state of a sequence (`.ggsq`), matrices of low rank as an adapter in GGUF.

pub(super) mod lora;
pub(super) mod state;

use crate::Sentence;
use crate::error::{EngineError, Result};

/// As people know it.
const NAME: &str = "llama.cpp";

fn refused<T>(reason: Sentence) -> Result<T> {
    Err(EngineError::NoPlace { program: NAME, reason })
}
