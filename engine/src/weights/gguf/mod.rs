//! GGUF, the one-file form of llama.cpp: metadata, tokenizer and tensors in blocks.

mod cursor;
mod encoding;
mod file;
mod metadata;
mod reader;
mod view;
mod weights;
#[cfg(test)]
pub(crate) mod written;

pub use self::file::{GgufFile, read_metadata};
pub use self::metadata::{Metadata, Value};
pub use self::view::{Change, View};
