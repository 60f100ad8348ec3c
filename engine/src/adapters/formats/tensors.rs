//! The tensors of an adapter's file, which are taken out one by one: what nobody has taken in the end is refused by name, so
//! that nothing of it is dropped.

use std::path::{Path, PathBuf};

use crate::adapters::formats::malformed;
use crate::adapters::no_adapter;
use crate::error::{EngineError, Result};
use crate::sentence;
use crate::weights::{Floats, WeightFiles, read_floats};

/// The tensors of a file that are not taken yet.
pub(crate) struct Tensors {
    /// The file.
    pub(crate) path: PathBuf,
    left: Floats,
}

impl Tensors {
    /// Those of a folder; where PEFT was older, its pickle is read and nothing of it is run.
    ///
    /// # Errors
    /// The file is missing or damaged, or a tensor of it is not of fractions.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let (path, older) = (folder.join("adapter_model.safetensors"), folder.join("adapter_model.bin"));
        let path = if path.is_file() || !older.is_file() { path } else { older };
        if !path.is_file() {
            return Err(no_adapter(folder));
        }
        Self::open(path)
    }

    /// Those of a file.
    ///
    /// # Errors
    /// As [`Tensors::read`].
    pub(crate) fn open(path: PathBuf) -> Result<Self> {
        let mut left = Floats::new();
        if path.extension().is_none_or(|end| end != "bin") {
            left = read_floats(&path)?;
        }
        let files = WeightFiles::open_file(&path)?;
        let others: Vec<&str> = files.shapes().map(|(name, _)| name).filter(|name| !left.contains_key(*name)).collect();
        for name in others {
            if let Some(tensor) = files.floats(name)? {
                left.insert(name.to_owned(), tensor);
            }
        }
        Ok(Self { path, left })
    }

    /// The names that are left, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.left.keys().cloned().collect()
    }

    /// Takes a tensor out.
    ///
    /// # Errors
    /// It is not there, or not finite.
    pub(crate) fn take(&mut self, name: &str) -> Result<(Vec<usize>, Vec<f32>)> {
        let missing = || malformed(&self.path, sentence!("it has no tensor {name}", name));
        let (shape, values) = self.left.remove(name).ok_or_else(missing)?;
        match values.iter().position(|x| !x.is_finite()) {
            None => Ok((shape, values)),
            Some(index) => {
                Err(malformed(&self.path, sentence!("number {index} of {name:?} is not finite", index, name)))
            }
        }
    }

    /// Takes a matrix out: its sizes, neither of them 0, and its numbers.
    ///
    /// # Errors
    /// It is not there, not finite, or no matrix.
    pub(crate) fn take_matrix(&mut self, name: &str) -> Result<([usize; 2], Vec<f32>)> {
        let (shape, values) = self.take(name)?;
        match *shape.as_slice() {
            [rows, columns] if rows > 0 && columns > 0 => Ok(([rows, columns], values)),
            _ => Err(malformed(
                &self.path,
                sentence!("{name} has shape {shape}, not two axes with something in them", name, shape),
            )),
        }
    }

    /// The tensors that are left, to be taken by name.
    pub(crate) fn floats(&mut self) -> &mut Floats {
        &mut self.left
    }

    /// Leaves out what is kept a second time under another name.
    pub(crate) fn forget(&mut self, is_copy: impl Fn(&str) -> bool) {
        self.left.retain(|name, _| !is_copy(name));
    }

    /// Gives some tensors another name.
    pub(crate) fn rename(&mut self, to: impl Fn(&str) -> Option<String>) {
        let named = std::mem::take(&mut self.left).into_iter();
        self.left = named.map(|(name, tensor)| (to(&name).unwrap_or(name), tensor)).collect();
    }

    /// Refuses what nobody has taken, by name.
    ///
    /// # Errors
    /// [`EngineError::AdapterTensors`].
    pub(crate) fn finish(self) -> Result<()> {
        const SHOWN: usize = 3;
        let mut names: Vec<String> = self.left.keys().take(SHOWN).cloned().collect();
        if names.is_empty() {
            return Ok(());
        }
        if self.left.len() > SHOWN {
            names.push(format!("… ({} in all)", self.left.len()));
        }
        Err(EngineError::AdapterTensors { tensors: names.join(", "), path: self.path })
    }
}
