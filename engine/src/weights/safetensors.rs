//! Reading safetensors files without trusting them, and writing small ones so that they are whole or not there.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use super::files::{Entry, map_file};
use super::numbers::{is_float, to_f32};
use crate::error::{EngineError, Result};
use crate::files::{self, Kind};

/// The tensors of a file by name, and where they lie in it.
///
/// # Errors
/// The file is damaged.
pub(super) fn entries(bytes: &[u8], path: &Path) -> Result<BTreeMap<String, Entry>> {
    let base = bytes.as_ptr() as usize;
    let entry = |(name, view): (String, TensorView<'_>)| {
        let start = view.data().as_ptr() as usize - base;
        let bytes = start..start + view.data().len();
        (name, Entry { file: 0, dtype: view.dtype(), shape: view.shape().to_vec(), bytes, strides: None })
    };
    Ok(parse(bytes, path)?.tensors().into_iter().map(entry).collect())
}

fn parse<'a>(bytes: &'a [u8], path: &Path) -> Result<SafeTensors<'a>> {
    SafeTensors::deserialize(bytes).map_err(|error| EngineError::Malformed {
        what: "the weight file",
        path: path.to_owned(),
        reason: format!("{error}; it may be cut short"),
    })
}

/// What a file says beside its tensors; its numbers are not looked at.
///
/// # Errors
/// The file is missing or no whole safetensors file.
pub fn read_metadata(path: &Path) -> Result<HashMap<String, String>> {
    let (_, metadata) = SafeTensors::read_metadata(&map_file(path)?).map_err(|error| EngineError::Malformed {
        what: "the weight file",
        path: path.to_owned(),
        reason: format!("{error}; it may be cut short"),
    })?;
    Ok(metadata.metadata().clone().unwrap_or_default())
}

/// Shapes and numbers by name.
pub type Floats = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// All tensors of a small file as f32, with their shapes. Integer tensors are left out.
///
/// # Errors
/// The file is missing, damaged, or in a format we do not read.
pub fn read_floats(path: &Path) -> Result<Floats> {
    let bytes = files::read(path, Kind::Weights)?;
    let mut floats = BTreeMap::new();
    for (name, view) in parse(&bytes, path)?.tensors() {
        if is_float(view.dtype()) {
            let values = to_f32(&name, view.dtype(), view.data())?;
            floats.insert(name, (view.shape().to_vec(), values));
        }
    }
    Ok(floats)
}

/// Writes f32 tensors under a temporary name and renames, so that the file is whole or not there.
///
/// # Errors
/// The folder cannot be written to.
pub fn write_floats(path: &Path, tensors: &Floats, metadata: Option<HashMap<String, String>>) -> Result<()> {
    let mut views = Vec::new();
    for (name, (shape, values)) in tensors {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytemuck::cast_slice(values))
            .map_err(|error| EngineError::Computation(format!("{name}: {error}")))?;
        views.push((name.as_str(), view));
    }
    let bytes = safetensors::serialize(views, metadata)
        .map_err(|error| EngineError::Computation(format!("safetensors: {error}")))?;
    files::write_whole(path, &bytes)
}
