//! The weight files of a model folder: found, memory-mapped, checked, and read tensor by tensor onto the device.
#![expect(unsafe_code, reason = "memory-mapping a file is unsafe: another process could change it underneath us")]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use burn::tensor::{DType, Device, Tensor, TensorData};
use half::{bf16, f16};
use memmap2::Mmap;
use rayon::prelude::*;
use safetensors::Dtype;
use sha2::{Digest, Sha256};

use super::composed::Composed;
use super::entry::{Entry, Form};
use super::numbers::{SHARE, is_finite, numbers_of};
use super::pickle::PickleError;
use super::shards::shard_paths;
use super::{safetensors as safe, torch};
use crate::error::{EngineError, IoAction, Result};
use crate::file_kind::{FileKind, refuse_other};
use crate::files::{self, Kind};
use crate::nn::{PackedWeight, Precision};
use crate::sentence;

/// The forms in which weights are kept, the preferred one first: in one file, or in shards that an index names.
const FORMATS: [(&str, &str, Format); 2] = [
    ("model.safetensors", "model.safetensors.index.json", Format::Safetensors),
    ("pytorch_model.bin", "pytorch_model.bin.index.json", Format::Torch),
];

#[derive(Clone, Copy)]
enum Format {
    Safetensors,
    Torch,
}

/// The weight files of one model folder, open and checked, nothing read yet.
pub struct WeightFiles {
    files: Vec<(PathBuf, Mmap)>,
    pub(super) entries: BTreeMap<String, Entry>,
    /// Matrices that are several tensors; their entries have the shape that they stand for.
    pub(super) composed: BTreeMap<String, Composed>,
}

/// A matrix that the files keep in blocks.
pub(crate) struct BlockMatrix {
    /// Its rows; its columns, if it lies on its side.
    pub(crate) lines: PackedWeight,
    /// Whether its columns are what is in blocks.
    pub(crate) is_transposed: bool,
}

impl WeightFiles {
    /// Opens `model.safetensors` or the shards that its index names; without them `pytorch_model.bin` or its shards,
    /// of which the descriptions of tensors are read and nothing is run.
    ///
    /// # Errors
    /// A missing or damaged file, an index that names files outside of the folder, or a pickle that asks for more than
    /// tensors.
    pub fn open(folder: &Path) -> Result<Self> {
        for (single, index, format) in FORMATS {
            let (single, index) = (folder.join(single), folder.join(index));
            let paths = if single.is_file() {
                vec![single]
            } else if index.is_file() {
                shard_paths(folder, &index)?
            } else {
                continue;
            };
            let mut weights = Self::empty();
            for path in paths {
                weights.add(path, format)?;
            }
            return Ok(weights);
        }
        let what = sentence!("model.safetensors, nor pytorch_model.bin");
        Err(EngineError::ModelFileMissing { what, path: folder.to_owned() })
    }

    /// Files whose tensors were found already.
    pub(super) fn of(files: Vec<(PathBuf, Mmap)>, entries: BTreeMap<String, Entry>) -> Self {
        Self { files, entries, composed: BTreeMap::new() }
    }

    /// Whether a folder has weight files that [`WeightFiles::open`] would open.
    pub fn are_in(folder: &Path) -> bool {
        FORMATS.iter().any(|(single, index, _)| [single, index].iter().any(|name| folder.join(name).is_file()))
    }

    /// Opens one file of any name, of either format by how it begins.
    ///
    /// # Errors
    /// As [`WeightFiles::open`].
    pub fn open_file(path: &Path) -> Result<Self> {
        let mut weights = Self::empty();
        // After its length the header of safetensors begins with a brace, as neither a zip nor a pickle does there.
        let is_safe = map_file(path)?.get(8) == Some(&b'{');
        weights.add(path.to_owned(), if is_safe { Format::Safetensors } else { Format::Torch })?;
        Ok(weights)
    }

    /// The file that a tensor lies in.
    pub(super) fn path_of(&self, entry: &Entry) -> PathBuf {
        self.files[entry.file].0.clone()
    }

    fn empty() -> Self {
        Self { files: Vec::new(), entries: BTreeMap::new(), composed: BTreeMap::new() }
    }

    /// One tensor as it is stored, as f32 with its shape; `None` if there is none of this name.
    ///
    /// # Errors
    /// The tensor's format is not of fractions, or it holds no number, or values that are not finite.
    pub fn floats(&self, name: &str) -> Result<Option<(Vec<usize>, Vec<f32>)>> {
        let Some(entry) = self.entries.get(name) else { return Ok(None) };
        if entry.shape.contains(&0) {
            let (path, _) = &self.files[entry.file];
            return Err(empty(path, name, &entry.shape));
        }
        Ok(Some((entry.shape.clone(), self.whole(name, entry)?)))
    }

    fn add(&mut self, path: PathBuf, format: Format) -> Result<()> {
        let map = map_file(&path)?;
        // PyTorch's own files are zip archives; its reader says when one is of another kind.
        if !(matches!(format, Format::Torch) && FileKind::of(&map) == Some(FileKind::Zip)) {
            refuse_other(sentence!("the weight file"), &path, &map)?;
        }
        let entries = match format {
            Format::Safetensors => safe::entries(&map, &path)?,
            Format::Torch => torch::entries(&map).map_err(|error| refusal(error, &path))?,
        };
        let file = self.files.len();
        self.entries.extend(entries.into_iter().map(|(name, entry)| (name, Entry { file, ..entry })));
        self.files.push((path, map));
        Ok(())
    }

    /// Whether there is a tensor of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The shape of a tensor; `None` if there is none of this name.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.entries.get(name).map(|entry| entry.shape.as_slice())
    }

    /// Names and shapes, sorted by name.
    pub fn shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.entries.iter().map(|(name, entry)| (name.as_str(), entry.shape.as_slice()))
    }

    /// Every tensor as it is stored, out of its blocks where it has some: name, format, shape, and the bytes in the order
    /// in which they are read.
    pub(crate) fn stored(&self) -> impl Iterator<Item = (&str, Dtype, &[usize], Cow<'_, [u8]>)> {
        self.entries.iter().map(|(name, entry)| {
            let (dtype, bytes) = match entry.form {
                Form::Plain(dtype) if !entry.less_one && !self.composed.contains_key(name) => {
                    (dtype, self.bytes(entry))
                }
                _ => {
                    // Fractions, alone or in blocks, are always numbers.
                    let values = self.whole(name, entry).unwrap_or_default();
                    (Dtype::F32, Cow::Owned(values.into_iter().flat_map(f32::to_le_bytes).collect()))
                }
            };
            (name.as_str(), dtype, entry.shape.as_slice(), bytes)
        })
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
        Ok(Tensor::from_data(TensorData::new(self.values(name, &shape)?, shape), device))
    }

    /// The numbers of a tensor.
    ///
    /// # Errors
    /// As [`WeightFiles::tensor`].
    pub fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let entry = self.entry(name, shape)?;
        let values = self.whole(name, entry)?;
        self.release(name, entry);
        Ok(values)
    }

    /// A matrix as the files keep it in blocks; `None` if they have its numbers one by one.
    ///
    /// # Errors
    /// It is missing, has another shape, or scales that are not finite.
    pub(crate) fn blocks(&self, name: &str, shape: [usize; 2]) -> Result<Option<BlockMatrix>> {
        let entry = self.entry(name, &shape)?;
        let Form::Blocks(block) = entry.form else {
            let matrix = self.composed_blocks(name, entry)?;
            if matrix.is_some() {
                self.release(name, entry);
            }
            return Ok(matrix);
        };
        let bytes = self.bytes(entry);
        if !block.is_finite(&bytes) {
            return Err(EngineError::WeightNotFinite { name: name.to_owned() });
        }
        let is_transposed = entry.strides.is_some();
        let [rows, columns] = shape;
        let lines = PackedWeight::new(block, if is_transposed { rows } else { columns }, bytes.into_owned());
        self.release(name, entry);
        Ok(lines.map(|lines| BlockMatrix { lines, is_transposed }))
    }

    /// The numbers of a matrix, so many rows at a time where they follow each other in the file, else all at once.
    ///
    /// # Errors
    /// As [`WeightFiles::tensor`].
    pub(crate) fn each_strip(
        &self,
        name: &str,
        shape: [usize; 2],
        n_rows: usize,
        mut take: impl FnMut(&[f32]),
    ) -> Result<()> {
        let entry = self.entry(name, &shape)?;
        let Some(row) = entry.row_bytes().filter(|_| !self.composed.contains_key(name)) else {
            take(&self.values(name, &shape)?);
            return Ok(());
        };
        for start in entry.bytes.clone().step_by(row * n_rows) {
            let bytes = start..entry.bytes.end.min(start + row * n_rows);
            let strip = Entry { bytes: bytes.clone(), ..entry.clone() };
            take(&self.numbers(name, &strip)?);
            release(&self.files[entry.file].1, &bytes);
        }
        Ok(())
    }

    /// The numbers of a tensor, all of them finite.
    pub(super) fn numbers(&self, name: &str, entry: &Entry) -> Result<Vec<f32>> {
        let values = entry.numbers_of(name, &self.files[entry.file].1)?;
        if !values.par_iter().with_min_len(SHARE).all(|x| x.is_finite()) {
            return Err(EngineError::WeightNotFinite { name: name.to_owned() });
        }
        Ok(values)
    }

    /// A matrix on the device, for products in a precision. For f32 it stays in the 16 bits it is stored in, if the device
    /// has that type; for 16 bits it has those, which are its own if it is stored so and rounded here if not.
    ///
    /// # Errors
    /// As [`WeightFiles::tensor`], and [`EngineError::WeightRange`] where a number becomes infinite by rounding.
    pub fn matrix(&self, name: &str, shape: [usize; 2], precision: Precision, device: &Device) -> Result<Tensor<2>> {
        let entry = self.entry(name, &shape)?;
        let composed = self.composed.get(name);
        let stored = match composed.map_or(entry.form, |composed| Form::Plain(composed.dtype())) {
            Form::Plain(Dtype::F16) => DType::F16,
            Form::Plain(Dtype::BF16) => DType::BF16,
            _ => DType::F32,
        };
        let as_it_is = match precision {
            Precision::F32 => stored != DType::F32 && device.supports_dtype(stored),
            Precision::F16 | Precision::Bf16 => stored == precision.dtype(),
        };
        if !as_it_is && precision == Precision::F32 {
            return self.tensor(name, shape, device);
        }
        if !as_it_is || composed.is_some() {
            let to = if as_it_is && stored == DType::F16 { Precision::F16 } else { precision };
            let to = if as_it_is && stored == DType::BF16 { Precision::Bf16 } else { to };
            let data = rounded(name, self.values(name, &shape)?, shape, to)?;
            return Ok(Tensor::from_data(data, (device, to.dtype())));
        }
        let bytes = self.bytes(entry);
        if !is_finite(stored, &bytes) {
            return Err(EngineError::WeightNotFinite { name: name.to_owned() });
        }
        let data = match stored {
            DType::F16 => TensorData::new(numbers_of(&bytes, f16::from_le_bytes), shape),
            _ => TensorData::new(numbers_of(&bytes, bf16::from_le_bytes), shape),
        };
        self.release(name, entry);
        Ok(Tensor::from_data(data, (device, stored)))
    }

    fn entry(&self, name: &str, shape: &[usize]) -> Result<&Entry> {
        let entry = self.entries.get(name).ok_or_else(|| EngineError::WeightMissing { name: name.to_owned() })?;
        if entry.shape == shape {
            return Ok(entry);
        }
        let (expected, found) = (shape.to_vec(), entry.shape.clone());
        Err(EngineError::WeightShape { name: name.to_owned(), expected, found })
    }

    /// SHA-256 over names, shapes, formats and bytes of all tensors in the order of their names, in hexadecimal. The
    /// same tensors in another kind of file have the same.
    pub fn hash(&self) -> String {
        let mut hash = Sha256::new();
        for (name, entry) in &self.entries {
            hash.update(name.as_bytes());
            hash.update(format!("{}{:?}", entry.form.name(), entry.shape).as_bytes());
            hash.update(self.bytes(entry));
            for part in self.composed.get(name).map(Composed::parts).unwrap_or_default() {
                hash.update(self.bytes(part));
            }
            self.release(name, entry);
        }
        hex(&hash.finalize())
    }

    /// Lets go of the pages of a weight.
    fn release(&self, name: &str, entry: &Entry) {
        let parts = self.composed.get(name).map(Composed::parts).unwrap_or_default();
        for Entry { file, bytes, .. } in [entry].into_iter().chain(parts) {
            release(&self.files[*file].1, bytes);
        }
    }

    /// The numbers of a tensor as they are written, in the order in which they are read.
    pub(super) fn bytes(&self, entry: &Entry) -> Cow<'_, [u8]> {
        entry.bytes_of(&self.files[entry.file].1)
    }
}

/// Numbers in 16 bits, the nearest there are.
fn rounded(name: &str, values: Vec<f32>, shape: [usize; 2], precision: Precision) -> Result<TensorData> {
    let largest = if precision == Precision::F16 { f16::MAX.to_f32() } else { bf16::MAX.to_f32() };
    if let Some(value) = values.iter().find(|value| value.abs() > largest) {
        return Err(EngineError::WeightRange { name: name.to_owned(), value: *value, precision });
    }
    let values = values.into_par_iter().with_min_len(SHARE);
    Ok(match precision {
        Precision::F16 => TensorData::new(values.map(f16::from_f32).collect(), shape),
        Precision::Bf16 => TensorData::new(values.map(bf16::from_f32).collect(), shape),
        Precision::F32 => TensorData::new(values.collect(), shape),
    })
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
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A tensor without numbers: a size of it says nothing of the file, and must not be believed.
pub(super) fn empty(path: &Path, name: &str, shape: &[usize]) -> EngineError {
    let reason = sentence!("{name} has shape {shape}, in which there are no numbers", name, shape);
    EngineError::Malformed { what: sentence!("the weight file"), path: path.to_owned(), reason }
}

pub(super) fn map_file(path: &Path) -> Result<Mmap> {
    let file = files::open(path, Kind::Weights)?;
    let length = file.metadata().map_err(EngineError::io(IoAction::Read, path))?.len();
    if length == 0 {
        return Err(EngineError::Malformed {
            what: sentence!("the weight file"),
            path: path.to_owned(),
            reason: sentence!("it is empty"),
        });
    }
    // SAFETY: the map is read-only; a file cut short by another process while we read it would end the program,
    // which every memory-mapping reader accepts. Values are checked after they are copied.
    unsafe { Mmap::map(&file) }.map_err(EngineError::io(IoAction::Read, path))
}

fn refusal(error: PickleError, path: &Path) -> EngineError {
    match error {
        PickleError::Damaged(reason) => {
            EngineError::Malformed { what: sentence!("the weight file"), path: path.to_owned(), reason }
        }
        PickleError::Forbidden(name) => EngineError::WeightsRun { name, path: path.to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Floats, write_floats};
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
    fn strips_of_a_matrix_are_its_rows() {
        let folder = tempfile::tempdir().unwrap();
        let numbers: Vec<f32> = (0..15).map(|i| i as f32).collect();
        let tensors = BTreeMap::from([("a".to_owned(), (vec![5, 3], numbers.clone()))]);
        write_floats(&folder.path().join("model.safetensors"), &tensors, None).unwrap();
        let files = WeightFiles::open(folder.path()).unwrap();
        for (n_rows, lengths) in [(2, vec![6, 6, 3]), (5, vec![15]), (9, vec![15])] {
            let mut strips: Vec<Vec<f32>> = Vec::new();
            files.each_strip("a", [5, 3], n_rows, |strip| strips.push(strip.to_vec())).unwrap();
            assert_eq!(strips.iter().map(Vec::len).collect::<Vec<_>>(), lengths);
            assert_eq!(strips.concat(), numbers);
        }
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
}
