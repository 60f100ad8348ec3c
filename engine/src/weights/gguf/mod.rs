//! GGUF, the one-file form of llama.cpp: metadata, tokenizer and tensors in blocks.

mod metadata;

pub use self::metadata::{Metadata, Value};
