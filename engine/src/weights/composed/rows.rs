//! Matrices whose rows are whole numbers of 4 or 8 bits with a scale each: what ChatGLM's `quantization_bit` writes.
//!
//! `weight` is I8, `[rows, columns · bits / 8]`, two's complement, of two numbers in a byte the first in the upper half;
//! `weight_scale` has a number for each row. As in THUDM/chatglm-6b: quantization.py, quantization_kernels.c.
//!
//! Each row is blocks of one scale, the same numbers as Q8_0 or Q4_0, and stays so where it is multiplied.

use half::f16;
use rayon::prelude::*;
use safetensors::Dtype;

use super::super::entry::{Entry, Form};
use super::super::files::WeightFiles;
use super::{Composed, Kind};
use crate::error::{EngineError, Result};
use crate::nn::{BlockType, PackedWeight};
use crate::{Sentence, sentence};

/// Ends the name of the scales, behind that of the weight.
const SCALE: &str = "_scale";

/// The scales of a matrix.
#[derive(Clone, Debug)]
pub(super) struct RowScales {
    /// Where they lie.
    pub(super) entry: Entry,
    /// Bits of a number: 4 or 8.
    pub(super) bits: usize,
}

impl RowScales {
    /// The blocks whose numbers have as many bits.
    pub(super) fn block(&self) -> BlockType {
        if self.bits == 4 { BlockType::Q4_0 } else { BlockType::Q8_0 }
    }
}

impl WeightFiles {
    /// The same with matrices of whole numbers of so many bits, where there is a scale for each of their rows, as the matrices
    /// that they stand for. Other whole numbers stay as they are.
    ///
    /// # Errors
    /// [`EngineError::Malformed`] where scales do not fit their matrix.
    pub(crate) fn with_scaled_rows(mut self, bits: usize) -> Result<Self> {
        let names: Vec<String> = self.entries.keys().cloned().collect();
        for name in names {
            let of_scales = format!("{name}{SCALE}");
            // Scales that were found are gone.
            let Some(weight) = self.entries.get(&name) else { continue };
            let scales = self.entries.get(&of_scales);
            let shape = unpacked_shape(weight, scales, bits).map_err(|reason| EngineError::Malformed {
                what: sentence!("the weight file"),
                path: self.path_of(weight),
                reason: sentence!("{name}: {reason}", name, reason),
            })?;
            let (Some(shape), Some(entry)) = (shape, self.entries.remove(&of_scales)) else { continue };
            if let Some(weight) = self.entries.get_mut(&name) {
                weight.shape = shape;
            }
            let kind = Kind::Rows(RowScales { entry, bits });
            self.composed.insert(name, Composed { kind, is_transposed: false });
        }
        Ok(self)
    }

    /// Bits of the numbers of matrices whose rows have a scale each; none where there are no such matrices.
    pub(crate) fn row_bits(&self) -> Option<usize> {
        self.composed.values().find_map(|composed| match &composed.kind {
            Kind::Rows(scales) => Some(scales.bits),
            _ => None,
        })
    }

    /// The numbers of a matrix whose rows have a scale each.
    pub(super) fn scaled(&self, name: &str, entry: &Entry, rows: &RowScales) -> Result<Vec<f32>> {
        Ok(unpacked(&self.bytes(entry), &self.numbers(name, &rows.entry)?, rows.bits))
    }

    /// The same in blocks; `None` where blocks have no such rows or scales.
    pub(super) fn scaled_blocks(&self, name: &str, entry: &Entry, rows: &RowScales) -> Result<Option<PackedWeight>> {
        let [_, columns] = *entry.shape.as_slice() else { return Ok(None) };
        Ok(in_blocks(&self.bytes(entry), &self.numbers(name, &rows.entry)?, rows.bits, columns))
    }
}

/// The shape of a matrix of which the file has `shape`, checked against its scales; `None` for what has none.
///
/// # Errors
/// A sentence where they do not fit each other.
fn unpacked_shape(weight: &Entry, scales: Option<&Entry>, bits: usize) -> Result<Option<Vec<usize>>, Sentence> {
    let (Form::Plain(Dtype::I8), Some(scales), None) = (weight.form, scales, &weight.strides) else { return Ok(None) };
    let [rows, bytes] = *weight.shape.as_slice() else { return Ok(None) };
    if scales.shape != [rows] || !scales.form.is_float() {
        return Err(sentence!(
            "its scales are {shape} in {dtype}, and it has {rows} rows",
            shape = scales.shape,
            dtype = scales.form.name(),
            rows
        ));
    }
    let columns = bytes.checked_mul(8 / bits).ok_or(sentence!("its rows are longer than any memory"))?;
    Ok(Some(vec![rows, columns]))
}

/// The numbers of such a matrix, row by row, each its whole number times the scale of its row.
fn unpacked(bytes: &[u8], scales: &[f32], bits: usize) -> Vec<f32> {
    let Some(width) = bytes.len().checked_div(scales.len()).filter(|width| *width > 0) else { return Vec::new() };
    let mut numbers = vec![0.0; bytes.len() * 8 / bits];
    let rows = numbers.par_chunks_exact_mut(width * 8 / bits).zip(bytes.par_chunks_exact(width)).zip(scales);
    rows.for_each(|((out, row), &scale)| match bits {
        4 => {
            for (pair, &byte) in out.chunks_exact_mut(2).zip(row) {
                let byte = byte.cast_signed();
                pair[0] = scale * f32::from(byte >> 4);
                pair[1] = scale * f32::from((byte << 4) >> 4);
            }
        }
        _ => out.iter_mut().zip(row).for_each(|(out, &byte)| *out = scale * f32::from(byte.cast_signed())),
    });
    numbers
}

/// Rows in blocks, each with the scale of its row: the very same numbers.
fn in_blocks(bytes: &[u8], scales: &[f32], bits: usize, columns: usize) -> Option<PackedWeight> {
    let block = if bits == 4 { BlockType::Q4_0 } else { BlockType::Q8_0 };
    block.row_bytes(columns)?;
    let width = bytes.len().checked_div(scales.len()).filter(|width| *width > 0)?;
    let mut packed = Vec::with_capacity(scales.len() * block.row_bytes(columns)?);
    for (row, &scale) in bytes.chunks_exact(width).zip(scales) {
        let half = f16::from_f32(scale);
        if half.to_f32() != scale {
            return None;
        }
        for part in row.chunks_exact(block.numbers() * bits / 8) {
            packed.extend(half.to_le_bytes());
            if bits != 4 {
                packed.extend(part);
                continue;
            }
            // Of 32 numbers the first half lies in the lower halves of 16 bytes, each 8 more than it is.
            let code = |at: usize| (if at.is_multiple_of(2) { part[at / 2] >> 4 } else { part[at / 2] & 15 }) ^ 8;
            packed.extend((0..16).map(|at| code(at) | code(at + 16) << 4));
        }
    }
    PackedWeight::new(block, columns, packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_with_a_scale_are_the_same_numbers_in_blocks() {
        let bytes: Vec<u8> = (0..128).map(|at| (at * 37 + 11) as u8).collect();
        for (bits, columns) in [(4, 128), (8, 64)] {
            let scales = [0.125, -0.375];
            let packed = in_blocks(&bytes, &scales, bits, columns).unwrap();
            assert_eq!(packed.unpacked(), unpacked(&bytes, &scales, bits), "{bits} bits");
        }
        assert!(in_blocks(&bytes, &[0.1, 0.2], 8, 64).is_none(), "no scale of 16 bits");
        assert!(in_blocks(&bytes[..96], &[1.0, 1.0], 8, 48).is_none(), "no whole blocks");
    }

    #[test]
    fn two_numbers_of_a_byte_have_signs_of_their_own() {
        assert_eq!(unpacked(&[0x17, 0xF8, 0x80, 0x0F], &[0.5, 2.0], 4), [0.5, 3.5, -0.5, -4.0, -16.0, 0.0, 0.0, -2.0]);
        assert_eq!(unpacked(&[1, 0xFF, 0x80, 0x7F], &[0.5, 2.0], 8), [0.5, -0.5, -256.0, 254.0]);
        assert_eq!(unpacked(&[], &[], 8), [0.0; 0]);
    }

    #[test]
    fn scales_that_do_not_fit_are_refused() {
        let entry = |dtype, shape: &[usize]| Entry::new(Form::Plain(dtype), shape.to_vec(), 0..0);
        let shape = |weight: &Entry, scales: &Entry, bits| unpacked_shape(weight, Some(scales), bits);
        let (weight, scales) = (entry(Dtype::I8, &[3, 8]), entry(Dtype::F16, &[3]));
        assert_eq!(shape(&weight, &scales, 8).unwrap(), Some(vec![3, 8]));
        assert_eq!(shape(&weight, &scales, 4).unwrap(), Some(vec![3, 16]));
        assert_eq!(unpacked_shape(&weight, None, 4).unwrap(), None, "another program's whole numbers");
        assert_eq!(shape(&entry(Dtype::F16, &[3, 8]), &scales, 4).unwrap(), None);
        for wrong in [entry(Dtype::F16, &[2]), entry(Dtype::F16, &[3, 1]), entry(Dtype::I8, &[3])] {
            assert!(shape(&weight, &wrong, 8).unwrap_err().to_string().contains("3 rows"));
        }
        assert!(shape(&entry(Dtype::I8, &[3, usize::MAX]), &scales, 4).is_err());
    }
}
