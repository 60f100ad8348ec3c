//! The file that keeps a vocabulary index: 16-bit numbers in one plain safetensors file per model.
//!
//! Its header is decided by the model alone: a file with any other header belongs to something else. Each table has a
//! checksum at the end of the file.

use std::fs::File;
use std::path::Path;

use half::f16;
use memmap2::Mmap;
use serde_json::{Map, Value, json};

use crate::analysis::Side;
use crate::error::{EngineError, IoAction, Result};
use crate::models::ModelShape;

/// The index of one model, memory-mapped and checked.
#[derive(Debug)]
pub struct VocabularyIndex {
    map: Mmap,
    layout: Layout,
}

impl VocabularyIndex {
    /// One layer's keys or values, `[vocab_size, n_kv_heads * d_head]` row by row.
    ///
    /// # Panics
    /// When the model has no such layer.
    pub fn table(&self, layer: usize, side: Side) -> &[f16] {
        assert!(layer < self.layout.n_layers, "a layer of the model");
        self.numbers(2 * layer + usize::from(side == Side::Value))
    }

    /// Tokens.
    pub fn vocab_size(&self) -> usize {
        self.layout.vocab_size
    }

    /// `n_kv_heads * d_head`.
    pub fn width(&self) -> usize {
        self.layout.width
    }

    /// Layers.
    pub fn n_layers(&self) -> usize {
        self.layout.n_layers
    }

    fn numbers(&self, table: usize) -> &[f16] {
        let start = self.layout.offset(table);
        bytemuck::cast_slice(&self.map[start..start + self.layout.table_bytes()])
    }

    /// `None` if there is no such file, or it belongs to something else.
    pub(super) fn open(path: &Path, layout: &Layout) -> Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(EngineError::io(IoAction::Read, path)(error)),
        };
        let length = file.metadata().map_err(EngineError::io(IoAction::Read, path))?.len();
        if length != layout.file_bytes() as u64 {
            return Ok(None);
        }
        #[expect(unsafe_code, reason = "the file is ours, and is replaced by renaming, never written in place")]
        // SAFETY: see the reason.
        let map = unsafe { Mmap::map(&file) }.map_err(EngineError::io(IoAction::Read, path))?;
        let ours = map.starts_with(&layout.header);
        Ok(ours.then(|| Self { map, layout: layout.clone() }))
    }

    pub(super) fn is_intact(&self, table: usize) -> bool {
        let start = self.layout.offset(2 * self.layout.n_layers) + table * size_of::<u64>();
        let mut checksum = Checksum::default();
        checksum.add(self.numbers(table));
        self.map[start..start + size_of::<u64>()] == checksum.bytes()
    }
}

/// Where everything is in the file: the header, a table for the keys and one for the values of each layer, a checksum
/// for each table.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) n_layers: usize,
    pub(super) vocab_size: usize,
    pub(super) width: usize,
    /// With its length in front.
    pub(super) header: Vec<u8>,
}

impl Layout {
    pub(super) fn new(shape: &ModelShape, model_hash: &str, context: &[u32]) -> Self {
        let width = shape.n_kv_heads * shape.d_head;
        let bytes = shape.vocab_size * width * size_of::<f16>();
        let tensor = |dtype: &str, shape: &[usize], start: usize, end: usize| json!({ "dtype": dtype, "shape": shape, "data_offsets": [start, end] });
        let mut about = json!({ "format": "prefix-workbench vocabulary 1", "model": model_hash, "position": "0" });
        // Of none nothing is said, so that files of earlier versions are still the same.
        if !context.is_empty() {
            about["position"] = json!(context.len().to_string());
            about["behind"] = json!(context.iter().map(u32::to_string).collect::<Vec<_>>().join(" "));
        }
        let mut entries = Map::from_iter([("__metadata__".to_owned(), about)]);
        for table in 0..2 * shape.n_layers {
            let name = format!("layers.{}.{}", table / 2, ["key", "value"][table % 2]);
            entries.insert(name, tensor("F16", &[shape.vocab_size, width], table * bytes, (table + 1) * bytes));
        }
        let n_tables = 2 * shape.n_layers;
        let end = n_tables * bytes;
        entries.insert("checksums".into(), tensor("U64", &[n_tables], end, end + n_tables * size_of::<u64>()));
        let mut text = Value::Object(entries).to_string().into_bytes();
        text.resize(text.len().next_multiple_of(8), b' ');
        let header = [&(text.len() as u64).to_le_bytes(), text.as_slice()].concat();
        Self { n_layers: shape.n_layers, vocab_size: shape.vocab_size, width, header }
    }

    fn table_bytes(&self) -> usize {
        self.vocab_size * self.width * size_of::<f16>()
    }

    pub(super) fn offset(&self, table: usize) -> usize {
        self.header.len() + table * self.table_bytes()
    }

    fn file_bytes(&self) -> usize {
        self.offset(2 * self.n_layers) + 2 * self.n_layers * size_of::<u64>()
    }
}

/// Fletcher's sums over 16-bit words, wide enough not to wrap: notices changed, swapped and missing numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Checksum {
    sum: u64,
    sum_of_sums: u64,
}

impl Checksum {
    pub(super) fn add(&mut self, numbers: &[f16]) {
        let (mut sum, mut sum_of_sums) = (self.sum, self.sum_of_sums);
        for number in numbers {
            sum = sum.wrapping_add(u64::from(number.to_bits()) + 1);
            sum_of_sums = sum_of_sums.wrapping_add(sum);
        }
        *self = Self { sum, sum_of_sums };
    }

    pub(super) fn bytes(&self) -> [u8; 8] {
        (self.sum.rotate_left(32) ^ self.sum_of_sums).to_le_bytes()
    }
}
