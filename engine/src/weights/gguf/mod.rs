//! GGUF, the one-file form of llama.cpp: metadata, tokenizer and tensors in blocks.

mod cursor;
mod encoding;
mod file;
mod metadata;
mod reader;
mod view;
mod weights;
mod writer;
#[cfg(test)]
pub(crate) mod written;

pub use self::file::{GgufFile, read_metadata};
pub use self::metadata::{Metadata, Value};
pub use self::view::{Change, View};
pub(crate) use self::writer::{GgufTensor, write_gguf};
pub(crate) use super::entry::Form;
