//! Programs that serve what was trained here, and what each of them is given of an adapter.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{llama_cpp, vllm};
use crate::adapters::state::AdapterState;
use crate::error::{EngineError, Result};
use crate::models::ModelFolder;
use crate::sentence;

/// A program that an adapter is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Program {
    /// llama.cpp: a prefix as the saved state of a sequence, matrices of low rank as an adapter in GGUF.
    LlamaCpp(CacheForm),
    /// vLLM: a soft prompt as prompt embeddings.
    Vllm,
}

/// The cache of keys and values that a saved state is put back into; llama.cpp takes it into no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheForm {
    /// Its numbers: `--cache-type-k` and `--cache-type-v`.
    pub numbers: CacheNumbers,
    /// Whether attention is computed in one piece, for which values are kept as keys are: `--flash-attn`.
    pub flash_attention: bool,
    /// The version of the file: `LLAMA_STATE_SEQ_VERSION` of the program's llama.h.
    pub version: u32,
}

/// What llama.cpp does unless it is told otherwise.
impl Default for CacheForm {
    fn default() -> Self {
        Self { numbers: CacheNumbers::F16, flash_attention: true, version: CacheForm::VERSIONS[1] }
    }
}

impl CacheForm {
    /// The versions that are written. They differ in their number alone, for models that are computed here.
    pub const VERSIONS: [u32; 2] = [2, 3];
}

/// Numbers of a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheNumbers {
    /// 16 bits.
    F16,
    /// 32 bits.
    F32,
}

impl fmt::Display for CacheNumbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F16 => "f16",
            Self::F32 => "f32",
        })
    }
}

/// The endings of files for llama.cpp: of a sequence's state, and of an adapter.
const ENDINGS: [&str; 2] = ["ggsq", "gguf"];

/// Writes the file that a program takes; the folder around it must be there.
///
/// # Errors
/// [`EngineError::NoPlace`] where the program has no place for such an adapter, or for one of this model; or the folder cannot
/// be written to.
pub fn write_for(program: Program, adapter: &AdapterState, model: &ModelFolder, to: &Path) -> Result<()> {
    let ending = to.extension().and_then(|ending| ending.to_str());
    match program {
        Program::LlamaCpp(cache) => {
            let is_lora = adapter.lora().is_some() && adapter.sites().is_empty();
            let [own, other] = if is_lora { [ENDINGS[1], ENDINGS[0]] } else { ENDINGS };
            if ending == Some(other) {
                let reason = sentence!("the name of the file must end in .{own} for what was trained", own);
                return Err(EngineError::NoPlace { program: "llama.cpp", reason });
            }
            match is_lora {
                true => llama_cpp::lora::write(adapter, model, to),
                false => llama_cpp::state::write(adapter, model, cache, to),
            }
        }
        Program::Vllm => vllm::write(adapter, model, to),
    }
}
