//! PyTorch's own files: a zip with a pickle that describes the tensors and one entry for each storage, and the format
//! before PyTorch 1.6, in which the storages follow the pickles. Both are looked into in place, nothing is run.
//! Layout as in pytorch/pytorch: torch/serialization.py.

use std::collections::BTreeMap;
use std::ops::Range;

use rawzip::{CompressionMethod, ZipArchive};

use super::entry::{Entry, Form};
use super::pickle::{Description, PickleError, Storage, TensorAt, damaged, describe};
use crate::{Sentence, sentence};

/// Longest description. Ten thousand tensors take 3 MB.
const MAX_PICKLE: usize = 16 * 1024 * 1024;
/// Bytes of all tensors at most, in files: several may look into one storage, as a table of embeddings that is tied to three
/// other places does, but nothing that a file says is read or hashed many times over.
const MAX_SHARED: usize = 8;
/// The pickled number that every file before PyTorch 1.6 begins with.
const LEGACY_MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
const BIG_ENDIAN: Sentence = sentence!("its numbers begin with their largest byte, which is not read here");

type Result<T> = std::result::Result<T, PickleError>;

/// The tensors of a file by name, and where they lie in it.
///
/// # Errors
/// The file is damaged, in a form that PyTorch does not write, or asks for anything but tensors.
pub(super) fn entries(bytes: &[u8]) -> Result<BTreeMap<String, Entry>> {
    let found = if bytes.starts_with(LEGACY_MAGIC) {
        legacy(bytes)?
    } else if bytes.starts_with(b"PK") {
        zipped(bytes)?
    } else {
        return damaged(sentence!("it is not a file that PyTorch writes; it may be cut short"));
    };
    let sum = found.values().map(numbers).fold(0_usize, usize::saturating_add);
    if sum > bytes.len().saturating_mul(MAX_SHARED) {
        return damaged(sentence!("its tensors have {sum} bytes, and it has {n_bytes}", sum, n_bytes = bytes.len()));
    }
    if found.is_empty() { damaged(sentence!("it holds no tensor by name")) } else { Ok(found) }
}

/// Bytes of what is read of a tensor.
fn numbers(entry: &Entry) -> usize {
    let n = entry.shape.iter().fold(1_usize, |n, &size| n.saturating_mul(size));
    match entry.form {
        Form::Plain(dtype) => n.saturating_mul(dtype.bitsize() / 8),
        Form::Blocks(_) => entry.bytes.len(),
    }
}

fn zipped(bytes: &[u8]) -> Result<BTreeMap<String, Entry>> {
    let stored = stored_entries(bytes)?;
    let Some((root, pickle)) = stored.iter().find_map(|(path, range)| Some((path.strip_suffix("/data.pkl")?, range)))
    else {
        return damaged(sentence!("it is a zip archive without data.pkl, so that PyTorch did not write it"));
    };
    if let Some(order) = stored.get(&format!("{root}/byteorder"))
        && bytes[order.clone()] != *b"little"
    {
        return damaged(BIG_ENDIAN);
    }
    if pickle.len() > MAX_PICKLE {
        return damaged(sentence!(
            "its description has {n} bytes, more than {max_pickle}",
            n = pickle.len(),
            max_pickle = MAX_PICKLE
        ));
    }
    let Description { tensors, .. } = describe(&bytes[pickle.clone()])?;
    let place = |tensor: &TensorAt<'_>| match stored.get(&format!("{root}/data/{}", tensor.storage.key)) {
        Some(range) => view(tensor, range.clone()),
        None => damaged(sentence!("the storage {storage:?} is not in it", storage = tensor.storage.key)),
    };
    tensors.iter().map(|(name, tensor)| Ok(((*name).to_owned(), named(name, place(tensor))?))).collect()
}

/// Where the bytes of each entry lie.
fn stored_entries(bytes: &[u8]) -> Result<BTreeMap<String, Range<usize>>> {
    let broken = |error: rawzip::Error| PickleError::Damaged(sentence!("{error}; it may be cut short", error));
    let archive = ZipArchive::from_slice(bytes).map_err(broken)?;
    let mut stored = BTreeMap::new();
    for entry in archive.entries() {
        let entry = entry.map_err(broken)?;
        let path = String::from_utf8_lossy(entry.file_path().as_bytes()).into_owned();
        if entry.compression_method() != CompressionMethod::STORE {
            return damaged(sentence!(
                "{path} in it is compressed, which PyTorch does not do: save it anew with PyTorch",
                path
            ));
        }
        let (start, end) = archive.get_entry(entry.wayfinder()).map_err(broken)?.compressed_data_range();
        match (usize::try_from(start), usize::try_from(end)) {
            (Ok(start), Ok(end)) if start <= end && end <= bytes.len() => stored.insert(path, start..end),
            _ => return damaged(sentence!("it is cut short")),
        };
    }
    Ok(stored)
}

/// Pickles of a number, the version, the system, the tensors and the keys of the storages; then, in the order of the
/// keys, how many numbers each storage has and its bytes.
fn legacy(bytes: &[u8]) -> Result<BTreeMap<String, Entry>> {
    let mut at = 0;
    let mut next = || -> Result<Description<'_>> {
        let rest = &bytes[at..];
        let described = describe(&rest[..rest.len().min(MAX_PICKLE)])?;
        at += described.length;
        Ok(described)
    };
    let (_magic, _version, system) = (next()?, next()?, next()?);
    if system.is_big_endian {
        return damaged(BIG_ENDIAN);
    }
    let Description { tensors, storages: described, .. } = next()?;
    let keys = next()?.texts;
    let mut storages = BTreeMap::new();
    for key in keys {
        let Some(storage) = described.get(key) else {
            return damaged(sentence!("the storage {key:?} is not described", key));
        };
        let Some(len) = bytes.get(at..).and_then(<[u8]>::first_chunk) else {
            return damaged(sentence!("it is cut short"));
        };
        let len = usize::try_from(u64::from_le_bytes(*len)).unwrap_or(usize::MAX);
        at += 8;
        let end = len.checked_mul(storage.dtype.bitsize() / 8).and_then(|n| at.checked_add(n));
        match end {
            Some(end) if end <= bytes.len() => storages.insert(key, at..end),
            _ => return damaged(sentence!("it is cut short")),
        };
        at = storages[key].end;
    }
    let place = |tensor: &TensorAt<'_>| match storages.get(tensor.storage.key) {
        Some(range) => view(tensor, range.clone()),
        None => damaged(sentence!("the storage {storage:?} is not in it", storage = tensor.storage.key)),
    };
    tensors.iter().map(|(name, tensor)| Ok(((*name).to_owned(), named(name, place(tensor))?))).collect()
}

fn named(name: &str, placed: Result<Entry>) -> Result<Entry> {
    placed.map_err(|error| match error {
        PickleError::Damaged(reason) => PickleError::Damaged(sentence!("{name}: {reason}", name, reason)),
        forbidden @ PickleError::Forbidden(_) => forbidden,
    })
}

/// A tensor inside the bytes of its storage, checked against their number.
fn view(tensor: &TensorAt<'_>, storage: Range<usize>) -> Result<Entry> {
    let TensorAt { storage: Storage { dtype, len, .. }, offset, shape, strides } = tensor;
    let (width, offset) = (dtype.bitsize() / 8, *offset);
    if len.checked_mul(width).is_none_or(|bytes| bytes > storage.len()) {
        return damaged(sentence!("its storage of {n} bytes should have {len} numbers", n = storage.len(), len));
    }
    if shape.len() != strides.len() {
        return damaged(sentence!(
            "it has {n_axes} axes and {n_strides} strides",
            n_axes = shape.len(),
            n_strides = strides.len()
        ));
    }
    let outside = || PickleError::Damaged(sentence!("it reaches outside of its storage"));
    let n = shape.iter().try_fold(1_usize, |n, &size| n.checked_mul(size)).ok_or_else(outside)?;
    let reach = |at: usize, (&size, &stride): (&usize, &usize)| (size - 1).checked_mul(stride)?.checked_add(at);
    let end = match n {
        0 => offset,
        _ => shape
            .iter()
            .zip(strides)
            .try_fold(offset, reach)
            .and_then(|last| last.checked_add(1))
            .ok_or_else(outside)?,
    };
    // More numbers than there are would be read out of few: a large tensor from a small file.
    if end > *len || n > *len {
        return Err(outside());
    }
    let bytes = storage.start + offset * width..storage.start + end * width;
    let strides = (n > 0 && !is_contiguous(shape, strides)).then(|| strides.clone());
    Ok(Entry { strides, ..Entry::new(Form::Plain(*dtype), shape.clone(), bytes) })
}

/// Whether the numbers lie as they are read, the last axis the closest together.
fn is_contiguous(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1;
    shape.iter().zip(strides).rev().all(|(&size, &stride)| {
        let is_next = size == 1 || stride == expected;
        expected *= size.max(1);
        is_next
    })
}
