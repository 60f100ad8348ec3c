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
/// Before the names of the modules of a classifier of T5, which stand under no name elsewhere: `T5ForSequenceClassification`.
const T5_CLASSIFIER_ROOT: &str = "transformer.";
/// Before those of BART, whatever it is for.
const BART_ROOT: &str = "model.";

/// Whether a tensor is of the head that names a text's class behind an encoder with a decoder.
fn is_of_pair(name: &str) -> bool {
    name.starts_with("classification_head.")
}

/// Behind the name of a table, its rows for single tokens.
const TOKEN_ROWS: &str = ".token_adapter.trainable_tokens_delta";
/// Behind the name of a module with matrices, the base model's own.
const BASE_COPY: &str = ".base_layer.weight";
