//! The tensors of a stranger's file, or of the one in a folder that can hold an adapter, with the JSON beside it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::error::{EngineError, IoAction, Result, json_reason};
use crate::file_kind::refuse_other;
use crate::files::{self, Kind};
use crate::weights::WeightFiles;
use crate::{Sentence, sentence};

/// Files of a folder in which an adapter is looked for, in this order.
const FILES: [&str; 5] =
    ["adapter.safetensors", "pytorch_adapter.bin", "prefix.safetensors", "pytorch_model.bin", "model.safetensors"];
/// Endings of files that hold tensors by name.
const ENDINGS: [&str; 5] = ["bin", "pt", "pth", "ckpt", "safetensors"];

/// Tensors by name, read one by one.
pub(super) struct Stored {
    pub(super) path: PathBuf,
    tensors: WeightFiles,
    /// The names that were asked for.
    read: RefCell<BTreeSet<String>>,
}

impl Stored {
    /// The file itself, or the one of a folder; `None` if a folder has none.
    pub(super) fn open(path: &Path) -> Result<Option<Self>> {
        let Some(file) = file_of(path)? else { return Ok(None) };
        let tensors = WeightFiles::open_file(&file)?;
        Ok(Some(Self { path: file, tensors, read: RefCell::default() }))
    }

    /// Names with shapes, sorted.
    pub(super) fn shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.tensors.shapes()
    }

    pub(super) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.shape(name)
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.tensors.contains(name)
    }

    /// The text before `name` in the first tensor that ends in it.
    pub(super) fn root_of(&self, name: &str) -> Option<&str> {
        self.shapes()
            .find_map(|(whole, _)| whole.strip_suffix(name).filter(|root| root.is_empty() || root.ends_with('.')))
    }

    /// The numbers of a tensor with so many axes.
    pub(super) fn numbers<const D: usize>(&self, name: &str) -> Result<([usize; D], Vec<f32>)> {
        let missing = || EngineError::WeightMissing { name: name.to_owned() };
        self.read.borrow_mut().insert(name.to_owned());
        let (shape, values) = self.tensors.floats(name)?.ok_or_else(missing)?;
        match <[usize; D]>::try_from(shape.as_slice()) {
            Ok(shape) if !values.is_empty() => Ok((shape, values)),
            _ => Err(self.malformed(sentence!(
                "{name:?} has shape {shape}, not {d} axes with something in them",
                name,
                shape,
                d = D
            ))),
        }
    }

    /// A sentence about the tensors that nobody asked for: a checkpoint most often holds its base model too.
    pub(super) fn unread(&self) -> Option<Sentence> {
        let read = self.read.borrow();
        let mut left = self.shapes().map(|(name, _)| name).filter(|name| !read.contains(*name));
        let first = left.next()?;
        Some(match left.count() {
            0 => {
                sentence!(
                    "its file holds {first} besides, which is not read: the model that it is used with has its own",
                    first
                )
            }
            more => sentence!(
                "its file holds {first} and {more} other tensors besides, which are not read: the model that it is used \
                 with has its own",
                first,
                more
            ),
        })
    }

    /// A JSON file beside the tensors; `None` if there is none.
    pub(super) fn json(&self, name: &str) -> Result<Option<serde_json::Value>> {
        let path = self.path.with_file_name(name);
        let Some(text) = files::if_there(files::read_to_string(&path, Kind::Settings))? else { return Ok(None) };
        refuse_other(sentence!("the adapter's configuration"), &path, text.as_bytes())?;
        let malformed =
            |reason: Sentence| EngineError::Malformed { what: sentence!("the adapter"), path: path.clone(), reason };
        serde_json::from_str(&text).map(Some).map_err(|error| malformed(json_reason(&error)))
    }

    pub(super) fn malformed(&self, reason: Sentence) -> EngineError {
        EngineError::Malformed { what: sentence!("the adapter"), path: self.path.clone(), reason }
    }
}

fn file_of(path: &Path) -> Result<Option<PathBuf>> {
    if !path.is_dir() {
        return Ok(Some(path.to_owned()));
    }
    if let Some(known) = FILES.iter().map(|name| path.join(name)).find(|file| file.is_file()) {
        return Ok(Some(known));
    }
    let entries = std::fs::read_dir(path).map_err(EngineError::io(IoAction::Read, path))?;
    let holds_tensors = |file: &PathBuf| {
        let ending = file.extension().and_then(|ending| ending.to_str());
        ending.is_some_and(|ending| ENDINGS.contains(&ending)) && file.is_file()
    };
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(holds_tensors).collect();
    // Of several nobody says which.
    Ok(if found.len() == 1 { found.pop() } else { None })
}
