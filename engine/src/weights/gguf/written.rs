//! GGUF files for tests, hostile ones too: a header as one says it, and tensors where one puts them.

use super::metadata::Value;
use super::writer::{put_text, put_value};

/// A file on its way to bytes.
#[derive(Clone)]
pub(crate) struct Written {
    version: u32,
    metadata: Vec<(String, Value)>,
    tensors: Vec<WrittenTensor>,
}

/// A tensor of such a file.
#[derive(Clone)]
pub(crate) struct WrittenTensor {
    name: String,
    kind: u32,
    axes: Vec<u64>,
    bytes: Vec<u8>,
    /// Where it says it is; behind the tensor before it if it says nothing.
    offset: Option<u64>,
}

/// A tensor of a type of ggml, with the length of a row first.
pub(crate) fn tensor(name: &str, kind: u32, axes: &[u64], bytes: Vec<u8>) -> WrittenTensor {
    WrittenTensor { name: name.to_owned(), kind, axes: axes.to_vec(), bytes, offset: None }
}

/// A tensor of f32, with rows first.
pub(crate) fn floats(name: &str, shape: &[usize], values: &[f32]) -> WrittenTensor {
    let axes: Vec<u64> = shape.iter().rev().map(|&size| size as u64).collect();
    tensor(name, 0, &axes, values.iter().flat_map(|value| value.to_le_bytes()).collect())
}

impl WrittenTensor {
    /// The same, which says it is there.
    pub(crate) fn at(self, offset: u64) -> Self {
        Self { offset: Some(offset), ..self }
    }
}

impl Written {
    pub(crate) fn new() -> Self {
        Self { version: 3, metadata: Vec::new(), tensors: Vec::new() }
    }

    pub(crate) fn version(self, version: u32) -> Self {
        Self { version, ..self }
    }

    pub(crate) fn with(mut self, key: &str, value: Value) -> Self {
        self.metadata.push((key.to_owned(), value));
        self
    }

    pub(crate) fn tensor(mut self, tensor: WrittenTensor) -> Self {
        self.tensors.push(tensor);
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut file = b"GGUF".to_vec();
        file.extend(self.version.to_le_bytes());
        file.extend((self.tensors.len() as u64).to_le_bytes());
        file.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            put_text(&mut file, key);
            put_value(&mut file, value);
        }
        let mut next = 0;
        let mut data = Vec::new();
        for WrittenTensor { name, kind, axes, bytes, offset } in &self.tensors {
            put_text(&mut file, name);
            file.extend((axes.len() as u32).to_le_bytes());
            file.extend(axes.iter().flat_map(|size| size.to_le_bytes()));
            file.extend(kind.to_le_bytes());
            file.extend(offset.unwrap_or(next as u64).to_le_bytes());
            data.resize(next, 0);
            data.extend(bytes);
            next = data.len().next_multiple_of(32);
        }
        file.resize(file.len().next_multiple_of(32), 0);
        file.extend(data);
        file
    }
}
