//! What a GGUF file says of itself, by name. ggml-org/ggml: docs/gguf.md.

use std::collections::BTreeMap;

/// Everything that stands before the tensors, such as `general.architecture`.
pub type Metadata = BTreeMap<String, Value>;

/// A value of the metadata.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Any of the unsigned types.
    Unsigned(u64),
    /// Any of the signed types.
    Signed(i64),
    /// f32 or f64.
    Float(f64),
    /// A flag.
    Bool(bool),
    /// UTF-8; bytes that are none are an error of the reader.
    Text(String),
    /// Values of one type. Arrays in arrays are refused.
    Unsigneds(Vec<u64>),
    /// As [`Value::Unsigneds`].
    Signeds(Vec<i64>),
    /// As [`Value::Unsigneds`].
    Floats(Vec<f32>),
    /// As [`Value::Unsigneds`].
    Bools(Vec<bool>),
    /// As [`Value::Unsigneds`].
    Texts(Vec<String>),
}
