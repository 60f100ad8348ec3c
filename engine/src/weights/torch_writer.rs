//! Tensors as PyTorch writes them: a zip with a pickle that describes them and an entry for each storage. What is written is
//! what `torch.load` takes with `weights_only` too. Layout as in pytorch/pytorch: torch/serialization.py.

use std::io::Write;
use std::path::Path;

use rawzip::{CompressionMethod, ZipArchiveWriter};

use super::Floats;
use crate::error::{EngineError, Result};
use crate::files::write_whole;
use crate::{Sentence, sentence};

/// Writes f32 tensors by name, so that the file is whole or not there.
///
/// # Errors
/// The folder cannot be written to.
pub fn write_torch(path: &Path, tensors: &Floats) -> Result<()> {
    let storages = tensors.values().map(|(_, values)| values.as_slice());
    write_archive(path, &described(tensors), storages)
}

/// Writes one f32 tensor as `torch.save` of the tensor itself does.
///
/// # Errors
/// As [`write_torch`].
pub fn write_torch_tensor(path: &Path, shape: &[usize], values: &[f32]) -> Result<()> {
    let mut pickle = Pickle(vec![0x80, 2]);
    pickle.tensor(0, shape, values.len());
    pickle.0.push(b'.');
    write_archive(path, &pickle.0, [values].into_iter())
}

fn write_archive<'a>(path: &Path, pickle: &[u8], storages: impl Iterator<Item = &'a [f32]>) -> Result<()> {
    let failed = |error: Sentence| EngineError::Computation(sentence!("a zip archive: {error}", error));
    let archive = archive(pickle, storages).map_err(|error| failed(Sentence::verbatim(error)))?;
    write_whole(path, &archive)
}

fn archive<'a>(
    pickle: &[u8],
    storages: impl Iterator<Item = &'a [f32]>,
) -> std::result::Result<Vec<u8>, rawzip::Error> {
    let mut archive = ZipArchiveWriter::new(Vec::new());
    let mut put = |name: &str, content: &[u8]| -> std::result::Result<(), rawzip::Error> {
        let name = format!("archive/{name}");
        let file = archive.new_file(name.as_str()).compression_method(CompressionMethod::STORE);
        let (mut entry, config) = file.start()?;
        let mut writer = config.wrap(&mut entry);
        writer.write_all(content)?;
        let (_, descriptor) = writer.finish()?;
        entry.finish(descriptor)?;
        Ok(())
    };
    put("data.pkl", pickle)?;
    put("byteorder", b"little")?;
    for (key, values) in storages.enumerate() {
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        put(&format!("data/{key}"), &bytes)?;
    }
    put("version", b"3\n")?;
    archive.finish()
}

/// The pickle: a dictionary from names to tensors, whose storages are numbered.
fn described(tensors: &Floats) -> Vec<u8> {
    let mut pickle = Pickle(vec![0x80, 2, b'}', b'(']);
    for (key, (name, (shape, values))) in tensors.iter().enumerate() {
        pickle.text(name);
        pickle.tensor(key, shape, values.len());
    }
    pickle.0.extend(b"u.");
    pickle.0
}

/// A pickle of protocol 2 on its way.
struct Pickle(Vec<u8>);

impl Pickle {
    /// The tensor of the storage with this number, which holds so many numbers.
    fn tensor(&mut self, key: usize, shape: &[usize], n: usize) {
        self.global("torch._utils", "_rebuild_tensor_v2");
        self.0.extend(b"((");
        self.text("storage");
        self.global("torch", "FloatStorage");
        self.text(&key.to_string());
        self.text("cpu");
        self.number(n);
        self.0.extend(b"tQ");
        self.number(0);
        self.numbers(shape.iter().copied());
        let strides = (0..shape.len()).map(|axis| shape[axis + 1..].iter().product());
        self.numbers(strides);
        self.0.push(0x89); // needs no gradient
        self.global("collections", "OrderedDict");
        self.0.extend(b")RtR");
    }

    fn text(&mut self, text: &str) {
        self.0.push(b'X');
        self.0.extend((text.len() as u32).to_le_bytes());
        self.0.extend(text.as_bytes());
    }

    fn global(&mut self, module: &str, name: &str) {
        self.0.extend(format!("c{module}\n{name}\n").as_bytes());
    }

    fn number(&mut self, n: usize) {
        match i32::try_from(n) {
            Ok(n) => {
                self.0.push(b'J');
                self.0.extend(n.to_le_bytes());
            }
            Err(_) => {
                self.0.extend([0x8a, 8]);
                self.0.extend((n as u64).to_le_bytes());
            }
        }
    }

    fn numbers(&mut self, numbers: impl Iterator<Item = usize>) {
        self.0.push(b'(');
        numbers.for_each(|n| self.number(n));
        self.0.push(b't');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::WeightFiles;

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pytorch_model.bin");
        let values = |n: usize| (0..n).map(|i| i as f32 - 2.5).collect::<Vec<f32>>();
        let tensors =
            Floats::from([("a.weight".to_owned(), (vec![3, 4], values(12))), ("b".to_owned(), (vec![5], values(5)))]);
        write_torch(&path, &tensors).unwrap();
        let files = WeightFiles::open_file(&path).unwrap();
        assert_eq!(files.shapes().count(), 2);
        for (name, (shape, values)) in &tensors {
            assert_eq!(files.floats(name).unwrap().as_ref(), Some(&(shape.clone(), values.clone())), "{name}");
        }
    }

    #[test]
    fn a_number_beyond_32_bits_is_written_whole() {
        let mut pickle = Pickle(Vec::new());
        pickle.number(7);
        pickle.number(1 << 40);
        assert_eq!(pickle.0, [b'J', 7, 0, 0, 0, 0x8a, 8, 0, 0, 0, 0, 0, 1, 0, 0]);
    }
}
