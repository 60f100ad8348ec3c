//! Matrices of low rank in PEFT's form, `LORA`, with what is trained beside them.
//! huggingface/peft: src/peft/tuners/lora/config.py, src/peft/utils/save_and_load.py.

mod read;
mod write;

pub(crate) use self::read::read;
pub(crate) use self::write::write;

/// The `peft_type`.
pub(crate) const KIND: &str = "LORA";
/// Before the names of the model's modules.
const MODEL: &str = "base_model.model.";
/// Behind the name of a table, its rows for single tokens.
const TOKEN_ROWS: &str = ".token_adapter.trainable_tokens_delta";
/// Behind the name of a module with matrices, the base model's own.
const BASE_COPY: &str = ".base_layer.weight";
