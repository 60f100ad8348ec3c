//! A model in GGUF on the disk, in one file or in the several that llama.cpp splits a large one into.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::Dtype;

use super::super::entry::Form;
use super::super::files::map_file;
use super::super::numbers::to_f32;
use super::metadata::{Metadata, Value};
use super::reader::{Header, TensorAt};
use super::writer::GgufTensor;
use crate::error::{EngineError, Result};
use crate::file_kind::{FileKind, refuse_other};
use crate::{Sentence, sentence};

/// Files of one model at most.
const MAX_FILES: u64 = 2000;

/// An opened model: its files are mapped and their headers are checked, no tensor is read.
pub struct GgufFile {
    /// What the first file says of the model.
    pub metadata: Metadata,
    pub(in crate::weights) files: Vec<(PathBuf, Mmap)>,
    pub(in crate::weights) tensors: BTreeMap<String, Placed>,
}

/// A tensor, and which file it is in.
#[derive(Clone, Debug)]
pub(in crate::weights) struct Placed {
    pub(in crate::weights) file: usize,
    pub(in crate::weights) tensor: TensorAt,
}

impl GgufFile {
    /// Opens a file, and those beside it where it is the first of several.
    ///
    /// # Errors
    /// A file is missing, damaged, or no GGUF file; or it is a later one of several.
    pub fn open(path: &Path) -> Result<Self> {
        let mut model = Self { metadata: Metadata::new(), files: Vec::new(), tensors: BTreeMap::new() };
        model.metadata = model.add(path)?;
        let count = match model.metadata.get("split.count") {
            Some(Value::Unsigned(count)) => *count,
            _ => 1,
        };
        if count > 1 {
            for path in others(path, count).map_err(|reason| malformed(path, reason))? {
                model.add(&path)?;
            }
        }
        Ok(model)
    }

    /// Names and shapes of the tensors, by the names in the file, rows first.
    pub fn shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.tensors.iter().map(|(name, placed)| (name.as_str(), placed.tensor.shape.as_slice()))
    }

    /// Every tensor as it is stored, in the order of their names.
    pub(crate) fn stored(&self) -> impl Iterator<Item = (GgufTensor, &[u8])> {
        self.tensors.iter().map(|(name, Placed { file, tensor: TensorAt { form, shape, bytes } })| {
            let tensor = GgufTensor { name: name.clone(), form: *form, shape: shape.clone() };
            (tensor, &self.files[*file].1[bytes.clone()])
        })
    }

    /// The shape of a tensor; `None` if there is none of this name.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|placed| placed.tensor.shape.as_slice())
    }

    /// The numbers of a vector in f32; `None` if there is none of this name.
    ///
    /// # Errors
    /// It is kept in another form.
    pub fn vector(&self, name: &str) -> Result<Option<Vec<f32>>> {
        let Some(Placed { file, tensor }) = self.tensors.get(name) else { return Ok(None) };
        let (path, map) = &self.files[*file];
        match (tensor.form, tensor.shape.len()) {
            (Form::Plain(Dtype::F32), 1) => to_f32(name, Dtype::F32, &map[tensor.bytes.clone()]).map(Some),
            _ => Err(malformed(path, sentence!("{name} is no vector of F32", name))),
        }
    }

    /// The first file.
    pub fn path(&self) -> &Path {
        self.files.first().map_or(Path::new(""), |(path, _)| path)
    }

    /// The refusal of what the file says.
    pub(crate) fn malformed(&self, reason: Sentence) -> EngineError {
        malformed(self.path(), reason)
    }

    fn add(&mut self, path: &Path) -> Result<Metadata> {
        let map = map_file(path)?;
        if FileKind::of(&map) != Some(FileKind::Gguf) {
            refuse_other(sentence!("the model's file"), path, &map)?;
        }
        let Header { metadata, tensors } = Header::read(&map).map_err(|reason| malformed(path, reason))?;
        let file = self.files.len();
        for (name, tensor) in tensors {
            if self.tensors.contains_key(&name) {
                return Err(malformed(path, sentence!("the tensor {name} is in another of its files too", name)));
            }
            self.tensors.insert(name, Placed { file, tensor });
        }
        self.files.push((path.to_owned(), map));
        Ok(metadata)
    }
}

/// What a file says of itself, without its tensors.
///
/// # Errors
/// As [`GgufFile::open`].
pub fn read_metadata(path: &Path) -> Result<Metadata> {
    GgufFile::open(path).map(|file| file.metadata)
}

fn malformed(path: &Path, reason: Sentence) -> EngineError {
    EngineError::Malformed { what: sentence!("the model's file"), path: path.to_owned(), reason }
}

/// The files behind the first of so many: `NAME-00001-of-00003.gguf` and so on.
fn others(first: &Path, count: u64) -> Result<Vec<PathBuf>, Sentence> {
    let end = |number: u64| format!("-{number:05}-of-{count:05}.gguf");
    let name = first.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match name.strip_suffix(&end(1)) {
        Some(stem) if count <= MAX_FILES => {
            Ok((2..=count).map(|number| first.with_file_name(format!("{stem}{}", end(number)))).collect())
        }
        _ => Err(sentence!(
            "it is one of {count} files of a model: choose the first, and leave its name as it was, …{end}",
            count,
            end = end(1)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::written::{Written, floats, tensor};
    use super::*;

    fn written(folder: &Path, name: &str, file: &Written) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, file.bytes()).unwrap();
        path
    }

    #[test]
    fn a_model_in_several_files_is_opened_by_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let part = |name: &str| {
            let split = Written::new().with("split.count", Value::Unsigned(2));
            split.with("general.architecture", Value::Text("llama".into())).tensor(floats(name, &[2], &[1.0, 2.0]))
        };
        let first = written(folder.path(), "m-00001-of-00002.gguf", &part("a"));
        let missing = GgufFile::open(&first).err().expect("the second is not there").to_string();
        assert!(missing.contains("m-00002-of-00002.gguf"), "{missing}");
        let second = written(folder.path(), "m-00002-of-00002.gguf", &part("b"));
        let model = GgufFile::open(&first).unwrap();
        assert_eq!(model.shapes().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(model.vector("b").unwrap(), Some(vec![1.0, 2.0]));
        let said = GgufFile::open(&second).err().expect("it is the second").to_string();
        assert!(said.contains("choose the first"), "{said}");
        written(folder.path(), "m-00002-of-00002.gguf", &part("a"));
        let said = GgufFile::open(&first).err().expect("it is twice there").to_string();
        assert!(said.contains("another of its files"), "{said}");
        let renamed = written(folder.path(), "model.gguf", &part("a"));
        assert!(
            GgufFile::open(&renamed).err().expect("its name says nothing").to_string().contains("…-00001-of-00002")
        );
    }

    #[test]
    fn what_is_no_gguf_file_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        for (bytes, said) in [
            (&b"PK\x03\x04........"[..], "zip archive"),
            (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
            (b"<!DOCTYPE html>", "web page"),
            (b"something", "does not begin as a GGUF file"),
            (b"", "empty"),
        ] {
            std::fs::write(&path, bytes).unwrap();
            let found = read_metadata(&path).unwrap_err().to_string();
            assert!(found.contains(said), "{found}");
        }
        let packed = Written::new().tensor(tensor("a", 2, &[32], vec![0; 18]));
        let path = written(folder.path(), "packed.gguf", &packed);
        assert!(GgufFile::open(&path).unwrap().vector("a").unwrap_err().to_string().contains("no vector of F32"));
    }
}
