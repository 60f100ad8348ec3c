//! The memory that a model's weights take, before one of them is read.

use serde::{Deserialize, Serialize};

use super::folder::ModelFolder;
use super::summary::ModelSummary;
use super::weight_cache::Role;
use crate::nn::{BlockType, MatrixNumbers, PackedShape, Place, Precision, Quantization};

/// Numbers of a model by what can be done with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packing {
    /// Those that the files have in blocks.
    pub in_blocks: u64,
    /// Bytes of those blocks.
    pub block_bytes: u64,
    /// Others in linear layers whose rows are whole blocks of 64.
    pub layers: u64,
    /// Others in the table of embeddings and a head of its own.
    pub vocabulary: u64,
}

impl Packing {
    /// Of what a folder's files list.
    pub(super) fn of(folder: &ModelFolder) -> Self {
        let (linears, files) = (folder.list_linears(), folder.files());
        let mut packing = Self::default();
        for weight in folder.list_weights() {
            let numbers = weight.shape.iter().product::<usize>() as u64;
            if let Some(bytes) = files.block_bytes(&weight.stored) {
                packing.in_blocks += numbers;
                packing.block_bytes += bytes;
                continue;
            }
            let name = weight.name.strip_suffix(".weight");
            let linear = linears.iter().find(|linear| Some(linear.name.as_str()) == name);
            match linear.filter(|linear| linear.d_in.is_multiple_of(BlockType::Nf4.numbers())) {
                Some(linear) if linear.role == Role::Layer => packing.layers += numbers,
                Some(_) => packing.vocabulary += numbers,
                None => {}
            }
        }
        packing
    }
}

impl ModelFolder {
    /// Bytes of the largest tensor that a device must bind at once: of numbers in f32, of a matrix in blocks no more than a
    /// part of it.
    pub fn largest_binding(&self, quantization: Quantization) -> u64 {
        let (files, vocab_size) = (self.files(), self.shape().vocab_size);
        let bytes = |(name, shape): (&str, &[usize])| {
            let whole = shape.iter().product::<usize>() as u64 * 4;
            let place = if shape.contains(&vocab_size) { Place::Vocabulary } else { Place::Layer };
            let is_packed =
                files.block_bytes(name).is_some() || (shape.len() == 2 && quantization.block(place).is_some());
            if is_packed { whole.min(PackedShape::MOST_BYTES) } else { whole }
        };
        files.shapes().map(bytes).max().unwrap_or(0)
    }
}

impl ModelSummary {
    /// Bytes of the weights in memory: matrices stored in 16 bits stay so, those multiplied in 16 bits become so, and those
    /// in blocks take what their blocks do.
    pub fn weight_bytes(&self, numbers: MatrixNumbers) -> u64 {
        let MatrixNumbers { precision, quantization } = numbers;
        let is_narrow = precision != Precision::F32 || ["F16", "BF16"].contains(&self.dtype.as_str());
        let each = if is_narrow { 2 } else { 4 };
        let Packing { in_blocks, block_bytes, layers, vocabulary } = self.packing;
        let of = |numbers: u64, place: Place| match quantization.block(place) {
            Some(block) => numbers * block.bytes() as u64 / block.numbers() as u64,
            None => each * numbers,
        };
        let rest = (self.parameters as u64).saturating_sub(in_blocks + layers + vocabulary);
        block_bytes + of(layers, Place::Layer) + of(vocabulary, Place::Vocabulary) + each * rest
    }
}
