//! Reading safetensors files without trusting them, and writing small ones so that they are whole or not there.
#![expect(unsafe_code, reason = "memory-mapping a file is unsafe: another process could change it underneath us")]

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use half::{bf16, f16};
use memmap2::Mmap;
use rayon::prelude::*;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};

use crate::error::{EngineError, Result};

/// The weight files of one model folder, open and checked, nothing read yet.
pub struct WeightFiles {
    files: Vec<(PathBuf, Mmap)>,
    entries: BTreeMap<String, Entry>,
}

struct Entry {
    file: usize,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Range<usize>,
}

impl WeightFiles {
    /// Opens `model.safetensors`, or the shards that `model.safetensors.index.json` names.
    ///
    /// # Errors
    /// A missing or damaged file, or an index that names files outside of the folder.
    pub fn open(folder: &Path) -> Result<Self> {
        let single = folder.join("model.safetensors");
        let index = folder.join("model.safetensors.index.json");
        let paths = if single.is_file() {
            vec![single]
        } else if index.is_file() {
            shard_paths(folder, &index)?
        } else {
            return Err(EngineError::ModelFileMissing { what: "model.safetensors", path: folder.to_owned() });
        };
        let mut weights = Self { files: Vec::new(), entries: BTreeMap::new() };
        for path in paths {
            weights.add(path)?;
        }
        Ok(weights)
    }

    fn add(&mut self, path: PathBuf) -> Result<()> {
        let map = map_file(&path)?;
        let tensors = parse(&map, &path)?;
        let file = self.files.len();
        let base = map.as_ptr() as usize;
        for (name, view) in tensors.tensors() {
            let start = view.data().as_ptr() as usize - base;
            let bytes = start..start + view.data().len();
            self.entries.insert(name, Entry { file, dtype: view.dtype(), shape: view.shape().to_vec(), bytes });
        }
        self.files.push((path, map));
        Ok(())
    }

    /// Whether there is a tensor of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// Names and shapes, sorted by name.
    pub fn shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.entries.iter().map(|(name, entry)| (name.as_str(), entry.shape.as_slice()))
    }

    /// Storage format of the largest tensor, such as `F16`.
    pub fn dtype(&self) -> String {
        let largest = self.entries.values().max_by_key(|entry| entry.bytes.len());
        largest.map_or_else(String::new, |entry| format!("{:?}", entry.dtype))
    }

    /// Bytes of all files.
    pub fn file_bytes(&self) -> u64 {
        self.files.iter().map(|(_, map)| map.len() as u64).sum()
    }

    /// One tensor as f32 on the device.
    ///
    /// # Errors
    /// It is missing, has another shape or format, or holds values that are not finite.
    pub fn tensor<const D: usize>(&self, name: &str, shape: [usize; D], device: &Device) -> Result<Tensor<D>> {
        let entry = self.entries.get(name).ok_or_else(|| EngineError::WeightMissing { name: name.to_owned() })?;
        if entry.shape != shape {
            return Err(EngineError::WeightShape {
                name: name.to_owned(),
                expected: shape.to_vec(),
                found: entry.shape.clone(),
            });
        }
        let map = &self.files[entry.file].1;
        let values = to_f32(name, entry.dtype, &map[entry.bytes.clone()])?;
        release(map, &entry.bytes);
        if !values.par_iter().with_min_len(SHARE).all(|x| x.is_finite()) {
            return Err(EngineError::WeightNotFinite { name: name.to_owned() });
        }
        Ok(Tensor::from_data(TensorData::new(values, shape), device))
    }

    /// SHA-256 over names, shapes, formats and bytes of all tensors in the order of their names, in hexadecimal.
    pub fn hash(&self) -> String {
        let mut hash = Sha256::new();
        for (name, entry) in &self.entries {
            hash.update(name.as_bytes());
            hash.update(format!("{:?}{:?}", entry.dtype, entry.shape).as_bytes());
            let map = &self.files[entry.file].1;
            hash.update(&map[entry.bytes.clone()]);
            release(map, &entry.bytes);
        }
        hex(&hash.finalize())
    }
}

/// Lets go of pages that were read, so that a loaded model is not in memory twice. They can be read again.
fn release(map: &Mmap, bytes: &Range<usize>) {
    #[cfg(unix)]
    {
        // SAFETY: the pages are those of a read-only map of a file: what is dropped is read from the file again.
        let advised =
            unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, bytes.start, bytes.len()) };
        if let Err(error) = advised {
            tracing::debug!(%error, "pages of a weight file stay in memory");
        }
    }
    #[cfg(not(unix))]
    let _ = (map, bytes);
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn shard_paths(folder: &Path, index: &Path) -> Result<Vec<PathBuf>> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let text = std::fs::read_to_string(index).map_err(EngineError::io("read", index))?;
    let malformed =
        |reason: String| EngineError::Malformed { what: "the weight index", path: index.to_owned(), reason };
    let parsed: Index = serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?;
    let mut names: Vec<String> = parsed.weight_map.into_values().collect();
    names.sort();
    names.dedup();
    for name in &names {
        // A name from a stranger's file must stay a name.
        if Path::new(name).file_name().is_none_or(|file| file != name.as_str()) {
            return Err(malformed(format!("{name:?} is not a file name")));
        }
    }
    if names.is_empty() {
        return Err(malformed("it names no files".to_owned()));
    }
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

fn map_file(path: &Path) -> Result<Mmap> {
    let file = File::open(path).map_err(EngineError::io("read", path))?;
    let length = file.metadata().map_err(EngineError::io("read", path))?.len();
    if length == 0 {
        return Err(EngineError::Malformed {
            what: "the weight file",
            path: path.to_owned(),
            reason: "it is empty".to_owned(),
        });
    }
    // SAFETY: the map is read-only; a file cut short by another process while we read it would end the program,
    // which every memory-mapping reader accepts. Values are checked after they are copied.
    unsafe { Mmap::map(&file) }.map_err(EngineError::io("read", path))
}

fn parse<'a>(bytes: &'a [u8], path: &Path) -> Result<SafeTensors<'a>> {
    SafeTensors::deserialize(bytes).map_err(|error| EngineError::Malformed {
        what: "the weight file",
        path: path.to_owned(),
        reason: format!("{error}; it may be cut short"),
    })
}

/// Numbers that a thread takes at a time: for a large tensor, getting memory from the system is most of the work.
const SHARE: usize = 256 * 1024;

fn to_f32(name: &str, dtype: Dtype, bytes: &[u8]) -> Result<Vec<f32>> {
    fn each<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32 + Sync) -> Vec<f32> {
        let (numbers, _) = bytes.as_chunks::<N>();
        numbers.par_iter().with_min_len(SHARE).map(|&bytes| number(bytes)).collect()
    }
    Ok(match dtype {
        Dtype::F32 => each(bytes, f32::from_le_bytes),
        Dtype::F16 => each(bytes, |bytes| f16::from_le_bytes(bytes).to_f32()),
        Dtype::BF16 => each(bytes, |bytes| bf16::from_le_bytes(bytes).to_f32()),
        other => return Err(EngineError::WeightDtype { name: name.to_owned(), dtype: format!("{other:?}") }),
    })
}

/// Shapes and numbers by name.
pub type Floats = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// All tensors of a small file as f32, with their shapes. Integer tensors are left out.
///
/// # Errors
/// The file is missing, damaged, or in a format we do not read.
pub fn read_floats(path: &Path) -> Result<Floats> {
    let bytes = std::fs::read(path).map_err(EngineError::io("read", path))?;
    let mut floats = BTreeMap::new();
    for (name, view) in parse(&bytes, path)?.tensors() {
        if matches!(view.dtype(), Dtype::F32 | Dtype::F16 | Dtype::BF16) {
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
    write_whole(path, &bytes)
}

/// Writes JSON as PEFT and transformers do, two spaces deep, whole or not at all.
///
/// # Errors
/// The folder cannot be written to.
pub fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| EngineError::Computation(format!("{}: {error}", path.display())))?;
    write_whole(path, text.as_bytes())
}

/// Writes a file under a temporary name beside it, syncs it to the disk and renames it.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(EngineError::io("write", path))?;
    file.write_all(bytes).map_err(EngineError::io("write", path))?;
    file.as_file().sync_all().map_err(EngineError::io("write", path))?;
    file.persist(path).map_err(|error| EngineError::io("write", path)(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> Device {
        crate::device::cpu()
    }

    fn sample() -> Floats {
        BTreeMap::from([("a".to_owned(), (vec![2, 2], vec![1.0, 2.0, 3.0, 4.0]))])
    }

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        write_floats(&folder.path().join("model.safetensors"), &sample(), None).unwrap();
        let files = WeightFiles::open(folder.path()).unwrap();
        let tensor = files.tensor("a", [2, 2], &device()).unwrap();
        assert_eq!(tensor.try_into_vec_as::<f32>().unwrap(), [1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error_and_no_panic() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        write_floats(&path, &sample(), None).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for end in 0..whole.len() {
            std::fs::write(&path, &whole[..end]).unwrap();
            assert!(WeightFiles::open(folder.path()).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn wrong_shapes_and_values_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let mut tensors = sample();
        tensors.insert("b".to_owned(), (vec![1], vec![f32::NAN]));
        write_floats(&path, &tensors, None).unwrap();
        let files = WeightFiles::open(folder.path()).unwrap();
        assert!(matches!(files.tensor("a", [4], &device()), Err(EngineError::WeightShape { .. })));
        assert!(matches!(files.tensor("b", [1], &device()), Err(EngineError::WeightNotFinite { .. })));
        assert!(matches!(files.tensor("c", [1], &device()), Err(EngineError::WeightMissing { .. })));
    }

    #[test]
    fn an_index_cannot_name_files_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let index = r#"{"weight_map": {"a": "../secret.safetensors"}}"#;
        std::fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
        assert!(matches!(WeightFiles::open(folder.path()), Err(EngineError::Malformed { .. })));
    }
}
