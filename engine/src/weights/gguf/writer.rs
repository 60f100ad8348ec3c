//! A file in GGUF on its way to the disk: the header, then one tensor after the other, so that no more than one is in
//! memory. Values have the types that llama.cpp asks for. ggml-org/ggml: docs/gguf.md.

use std::borrow::Cow;
use std::path::Path;

use super::super::entry::Form;
use super::encoding::{number_of, row_bytes};
use super::metadata::{Metadata, Value};
use crate::error::{EngineError, IoAction, Result};
use crate::files::write_with;
use crate::{Sentence, sentence};

/// The version that is written.
const VERSION: u32 = 3;
/// Tensors begin at multiples of this.
const ALIGNMENT: usize = 32;

/// A tensor as the header describes it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GgufTensor {
    /// Its name in the file.
    pub(crate) name: String,
    /// The form of its numbers.
    pub(crate) form: Form,
    /// The sizes as Hugging Face writes them: rows first.
    pub(crate) shape: Vec<usize>,
}

impl GgufTensor {
    /// Bytes of all its numbers.
    ///
    /// # Errors
    /// A row is no whole number of blocks, or the numbers are beyond counting.
    pub(crate) fn length(&self) -> Result<usize> {
        let named = |reason: Sentence| {
            EngineError::Computation(sentence!("{name}: {reason}", name = self.name.clone(), reason))
        };
        let (columns, rows) = self.shape.split_last().map_or((1, &[][..]), |(columns, rows)| (*columns, rows));
        let row = row_bytes(self.form, columns).map_err(named)?;
        let length = rows.iter().try_fold(row, |length, &size| length.checked_mul(size));
        length.ok_or_else(|| named(sentence!("a size of it is beyond counting")))
    }
}

/// Writes a file whole or not at all. `numbers` makes the bytes of a tensor when it is its turn.
///
/// # Errors
/// The folder cannot be written to, or `numbers` fails or makes another number of bytes than a tensor has.
pub(crate) fn write_gguf<'a>(
    path: &Path,
    metadata: &Metadata,
    tensors: &[GgufTensor],
    mut numbers: impl FnMut(&GgufTensor) -> Result<Cow<'a, [u8]>>,
) -> Result<()> {
    let header = header(metadata, tensors)?;
    write_with(path, |file| {
        let mut put = |bytes: &[u8]| {
            let padding = bytes.len().next_multiple_of(ALIGNMENT) - bytes.len();
            let written = file.write_all(bytes).and_then(|()| file.write_all(&[0; ALIGNMENT][..padding]));
            written.map_err(EngineError::io(IoAction::Write, path))
        };
        put(&header)?;
        for tensor in tensors {
            let bytes = numbers(tensor)?;
            if bytes.len() != tensor.length()? {
                let (name, n) = (tensor.name.clone(), bytes.len());
                return Err(EngineError::Computation(sentence!("{name} has {n} bytes", name, n)));
            }
            put(&bytes)?;
        }
        Ok(())
    })
}

/// Everything before the numbers. How tensors are laid out is the writer's own.
fn header(metadata: &Metadata, tensors: &[GgufTensor]) -> Result<Vec<u8>> {
    let entries: Vec<(&String, &Value)> = metadata.iter().filter(|(key, _)| *key != "general.alignment").collect();
    let mut header = b"GGUF".to_vec();
    header.extend(VERSION.to_le_bytes());
    header.extend((tensors.len() as u64).to_le_bytes());
    header.extend((entries.len() as u64).to_le_bytes());
    for (key, value) in entries {
        put_text(&mut header, key);
        put_value(&mut header, value);
    }
    let mut offset = 0_usize;
    for tensor in tensors {
        put_text(&mut header, &tensor.name);
        header.extend((tensor.shape.len() as u32).to_le_bytes());
        header.extend(tensor.shape.iter().rev().flat_map(|&size| (size as u64).to_le_bytes()));
        let number = number_of(tensor.form).ok_or_else(|| {
            let (name, form) = (tensor.name.clone(), tensor.form.name());
            EngineError::Computation(sentence!("{name}: GGUF has no form for {form}", name, form))
        })?;
        header.extend(number.to_le_bytes());
        header.extend((offset as u64).to_le_bytes());
        offset += tensor.length()?.next_multiple_of(ALIGNMENT);
    }
    Ok(header)
}

/// A text with its length before it.
pub(super) fn put_text(file: &mut Vec<u8>, text: &str) {
    file.extend((text.len() as u64).to_le_bytes());
    file.extend(text.as_bytes());
}

/// A value with its type before it: numbers in 32 bits where they fit, as llama.cpp asks for all that it reads itself.
pub(super) fn put_value(file: &mut Vec<u8>, value: &Value) {
    let unsigned = |numbers: &[u64]| numbers.iter().all(|&number| u32::try_from(number).is_ok());
    let signed = |numbers: &[i64]| numbers.iter().all(|&number| i32::try_from(number).is_ok());
    match value {
        Value::Unsigned(number) if unsigned(&[*number]) => put(file, 4, &(*number as u32).to_le_bytes()),
        Value::Unsigned(number) => put(file, 10, &number.to_le_bytes()),
        Value::Signed(number) if signed(&[*number]) => put(file, 5, &(*number as i32).to_le_bytes()),
        Value::Signed(number) => put(file, 11, &number.to_le_bytes()),
        Value::Float(number) => put(file, 6, &(*number as f32).to_le_bytes()),
        Value::Bool(flag) => put(file, 7, &[u8::from(*flag)]),
        Value::Text(text) => {
            put(file, 8, &[]);
            put_text(file, text);
        }
        Value::Unsigneds(all) if unsigned(all) => {
            put_all(file, 4, all, |file, &n| file.extend((n as u32).to_le_bytes()))
        }
        Value::Unsigneds(all) => put_all(file, 10, all, |file, n| file.extend(n.to_le_bytes())),
        Value::Signeds(all) if signed(all) => put_all(file, 5, all, |file, &n| file.extend((n as i32).to_le_bytes())),
        Value::Signeds(all) => put_all(file, 11, all, |file, n| file.extend(n.to_le_bytes())),
        Value::Floats(all) => put_all(file, 6, all, |file, n| file.extend(n.to_le_bytes())),
        Value::Bools(all) => put_all(file, 7, all, |file, flag| file.push(u8::from(*flag))),
        Value::Texts(all) => put_all(file, 8, all, |file, text| put_text(file, text)),
    }
}

fn put(file: &mut Vec<u8>, kind: u32, bytes: &[u8]) {
    file.extend(kind.to_le_bytes());
    file.extend(bytes);
}

fn put_all<T>(file: &mut Vec<u8>, kind: u32, all: &[T], put_one: impl Fn(&mut Vec<u8>, &T)) {
    put(file, 9, &kind.to_le_bytes());
    file.extend((all.len() as u64).to_le_bytes());
    all.iter().for_each(|value| put_one(file, value));
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use safetensors::Dtype;

    use super::super::file::GgufFile;
    use super::*;
    use crate::nn::BlockType;

    /// A value of each kind, drawn.
    fn drawn(kind: u32, random: &mut ChaCha8Rng) -> Value {
        let n = random.random_range(0..4_usize);
        let text = |random: &mut ChaCha8Rng| "é▁\n x".chars().take(random.random_range(0..6)).collect::<String>();
        // Now beyond 32 bits, now within.
        let wide = |random: &mut ChaCha8Rng| random.random::<u64>() >> random.random_range(0..64_u32);
        match kind {
            0 => Value::Unsigned(wide(random)),
            1 => Value::Signed(wide(random).cast_signed()),
            2 => Value::Float(f64::from(random.random::<f32>())),
            3 => Value::Bool(random.random()),
            4 => Value::Text(text(random)),
            5 => Value::Unsigneds((0..n).map(|_| wide(random)).collect()),
            6 => Value::Signeds((0..n).map(|_| wide(random).cast_signed()).collect()),
            7 => Value::Floats((0..n).map(|_| random.random()).collect()),
            8 => Value::Bools((0..n).map(|_| random.random()).collect()),
            _ => Value::Texts((0..n).map(|_| text(random)).collect()),
        }
    }

    #[test]
    fn whatever_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        let forms = [
            Form::Plain(Dtype::F32),
            Form::Plain(Dtype::F16),
            Form::Plain(Dtype::BF16),
            Form::Blocks(BlockType::Q8_0),
            Form::Blocks(BlockType::Q4_0),
            Form::Blocks(BlockType::Q6K),
        ];
        for seed in 0..60 {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let metadata: Metadata = (0..random.random_range(0..12_u32))
                .map(|key| (format!("a.key{key}"), drawn(key % 10, &mut random)))
                .collect();
            let tensors: Vec<GgufTensor> = (0..random.random_range(0..6_usize))
                .map(|at| {
                    let form = forms[random.random_range(0..forms.len())];
                    let whole = if matches!(form, Form::Blocks(_)) { 256 } else { 1 };
                    let rows = (0..random.random_range(0..3)).map(|_| random.random_range(1..4)).collect::<Vec<_>>();
                    let shape = [rows, vec![whole * random.random_range(1..3)]].concat();
                    GgufTensor { name: format!("t{at}.weight"), form, shape }
                })
                .collect();
            let bytes: Vec<Vec<u8>> =
                tensors.iter().map(|t| (0..t.length().unwrap()).map(|_| random.random()).collect()).collect();
            let mut turn = 0..;
            write_gguf(&path, &metadata, &tensors, |_| Ok(Cow::Borrowed(bytes[turn.next().unwrap()].as_slice())))
                .unwrap();
            let read = GgufFile::open(&path).unwrap();
            assert_eq!(read.metadata, metadata, "seed {seed}");
            let found: Vec<(GgufTensor, &[u8])> = read.stored().collect();
            let expected: Vec<(GgufTensor, &[u8])> = tensors.into_iter().zip(bytes.iter().map(Vec::as_slice)).collect();
            assert_eq!(found, expected, "seed {seed}");
        }
    }

    #[test]
    fn numbers_have_the_types_that_llama_cpp_asks_for() {
        for (value, bytes) in [
            (Value::Unsigned(32), vec![4, 0, 0, 0, 32, 0, 0, 0]),
            (Value::Signed(-1), vec![5, 0, 0, 0, 255, 255, 255, 255]),
            (Value::Float(1.0), vec![6, 0, 0, 0, 0, 0, 128, 63]),
            (Value::Bool(true), vec![7, 0, 0, 0, 1]),
            (Value::Signeds(vec![3]), vec![9, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0]),
        ] {
            let mut file = Vec::new();
            put_value(&mut file, &value);
            assert_eq!(file, bytes, "{value:?}");
        }
    }

    #[test]
    fn a_tensor_of_other_bytes_than_it_says_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        let tensor = |form, columns| GgufTensor { name: "t".to_owned(), form, shape: vec![columns] };
        let plain = Form::Plain(Dtype::F32);
        let short = write_gguf(&path, &Metadata::new(), &[tensor(plain, 2)], |_| Ok(Cow::Owned(vec![0; 7])));
        assert!(short.unwrap_err().to_string().contains("t has 7 bytes"));
        for tensor in [tensor(Form::Blocks(BlockType::Q8_0), 33), tensor(Form::Plain(Dtype::F64), 2)] {
            assert!(write_gguf(&path, &Metadata::new(), &[tensor], |_| Ok(Cow::Owned(Vec::new()))).is_err());
        }
        assert!(!path.exists());
    }
}
