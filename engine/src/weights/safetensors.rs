//! Reading safetensors files without trusting them, and writing small ones so that they are whole or not there.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use half::bf16;
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensorError, SafeTensors};

use super::entry::{Entry, Form};
use super::files::{empty, map_file};
use super::numbers::{is_float, to_f32};
use crate::error::{EngineError, Result};
use crate::file_kind::refuse_other;
use crate::files::{self, Kind};
use crate::sentence;

/// The tensors of a file by name, and where they lie in it.
///
/// # Errors
/// The file is damaged.
pub(super) fn entries(bytes: &[u8], path: &Path) -> Result<BTreeMap<String, Entry>> {
    let base = bytes.as_ptr() as usize;
    let entry = |(name, view): (String, TensorView<'_>)| {
        let start = view.data().as_ptr() as usize - base;
        let bytes = start..start + view.data().len();
        (name, Entry::new(Form::Plain(view.dtype()), view.shape().to_vec(), bytes))
    };
    Ok(parse(bytes, path)?.tensors().into_iter().map(entry).collect())
}

/// Longest header. Ten thousand tensors take 2 MB.
const MAX_HEADER: u64 = 32 * 1024 * 1024;

/// Refuses a header that is longer than any model's, before it is parsed.
fn check_header(bytes: &[u8], path: &Path) -> Result<()> {
    match bytes.first_chunk().map(|length| u64::from_le_bytes(*length)) {
        Some(length) if length > MAX_HEADER && length <= bytes.len() as u64 => Err(EngineError::Malformed {
            what: sentence!("the weight file"),
            path: path.to_owned(),
            reason: sentence!("its header has {length} bytes, more than {max_header}", length, max_header = MAX_HEADER),
        }),
        _ => Ok(()),
    }
}

fn parse<'a>(bytes: &'a [u8], path: &Path) -> Result<SafeTensors<'a>> {
    refuse_other(sentence!("the weight file"), path, bytes)?;
    check_header(bytes, path)?;
    SafeTensors::deserialize(bytes).map_err(|error| EngineError::Malformed {
        what: sentence!("the weight file"),
        path: path.to_owned(),
        reason: sentence!("{error}; it may be cut short", error),
    })
}

/// Metadata of a file, beside its tensors; its numbers are not looked at.
///
/// # Errors
/// The file is missing or no whole safetensors file.
pub fn read_metadata(path: &Path) -> Result<HashMap<String, String>> {
    let map = map_file(path)?;
    refuse_other(sentence!("the weight file"), path, &map)?;
    check_header(&map, path)?;
    let (_, metadata) = SafeTensors::read_metadata(&map).map_err(|error| EngineError::Malformed {
        what: sentence!("the weight file"),
        path: path.to_owned(),
        reason: sentence!("{error}; it may be cut short", error),
    })?;
    Ok(metadata.metadata().clone().unwrap_or_default())
}

/// Shapes and numbers by name.
pub type Floats = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// All tensors of a small file as f32, with their shapes. Integer tensors are left out.
///
/// # Errors
/// The file is missing, damaged, in a format we do not read, or has a tensor without numbers.
pub fn read_floats(path: &Path) -> Result<Floats> {
    let bytes = files::read(path, Kind::Weights)?;
    let mut floats = BTreeMap::new();
    for (name, view) in parse(&bytes, path)?.tensors() {
        if is_float(view.dtype()) {
            if view.shape().contains(&0) {
                return Err(empty(path, &name, view.shape()));
            }
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
    let views = tensors.iter().map(|(name, (shape, values))| {
        TensorView::new(Dtype::F32, shape.clone(), bytemuck::cast_slice(values)).map(|view| (name.as_str(), view))
    });
    write_views(path, views, metadata)
}

/// As [`write_floats`], each number rounded to bf16.
///
/// # Errors
/// The folder cannot be written to.
pub fn write_bf16(path: &Path, tensors: &Floats, metadata: Option<HashMap<String, String>>) -> Result<()> {
    let rounded: Vec<Vec<bf16>> =
        tensors.values().map(|(_, values)| values.iter().map(|&x| bf16::from_f32(x)).collect()).collect();
    let views = tensors.iter().zip(&rounded).map(|((name, (shape, _)), values)| {
        TensorView::new(Dtype::BF16, shape.clone(), bytemuck::cast_slice(values)).map(|view| (name.as_str(), view))
    });
    write_views(path, views, metadata)
}

fn write_views<'a>(
    path: &Path,
    views: impl Iterator<Item = std::result::Result<(&'a str, TensorView<'a>), SafeTensorError>>,
    metadata: Option<HashMap<String, String>>,
) -> Result<()> {
    let failed = |error: SafeTensorError| EngineError::Computation(sentence!("safetensors: {error}", error));
    let views = views.collect::<std::result::Result<Vec<_>, _>>().map_err(failed)?;
    let bytes = safetensors::serialize(views, metadata).map_err(failed)?;
    files::write_whole(path, &bytes)
}
