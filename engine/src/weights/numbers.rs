//! Stored bytes as f32, in the order in which they are read.

use std::borrow::Cow;

use burn::tensor::DType;
use half::{bf16, f16};
use rayon::prelude::*;
use safetensors::Dtype;

use crate::error::{EngineError, Result};

/// Numbers that a thread takes at a time: for a large tensor, getting memory from the system is most of the work.
pub(super) const SHARE: usize = 256 * 1024;

/// Whether numbers of this format become weights; the others are buffers, such as masks and positions.
pub(super) fn is_float(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::BF16)
}

pub(super) fn to_f32(name: &str, dtype: Dtype, bytes: &[u8]) -> Result<Vec<f32>> {
    Ok(match dtype {
        Dtype::F64 => numbers_of(bytes, |bytes| f64::from_le_bytes(bytes) as f32),
        Dtype::F32 => numbers_of(bytes, f32::from_le_bytes),
        Dtype::F16 => numbers_of(bytes, |bytes| f16::from_le_bytes(bytes).to_f32()),
        Dtype::BF16 => numbers_of(bytes, |bytes| bf16::from_le_bytes(bytes).to_f32()),
        other => return Err(EngineError::WeightDtype { name: name.to_owned(), dtype: format!("{other:?}") }),
    })
}

/// Numbers of `N` bytes each.
pub(super) fn numbers_of<const N: usize, T: Send>(bytes: &[u8], number: impl Fn([u8; N]) -> T + Sync) -> Vec<T> {
    let (numbers, _) = bytes.as_chunks::<N>();
    numbers.par_iter().with_min_len(SHARE).map(|&bytes| number(bytes)).collect()
}

/// Whether numbers stored in 16 bits are all finite.
pub(super) fn is_finite(dtype: DType, bytes: &[u8]) -> bool {
    // A number whose exponent is all ones is infinite or none.
    let exponent: u16 = if dtype == DType::F16 { 0x7c00 } else { 0x7f80 };
    let (numbers, _) = bytes.as_chunks::<2>();
    numbers.par_iter().with_min_len(SHARE).all(|&bytes| u16::from_le_bytes(bytes) & exponent != exponent)
}

/// The numbers of a view side by side, `width` bytes each; without strides they are already.
///
/// The bytes are those from the view's first number to its last.
pub(super) fn gathered<'a>(bytes: &'a [u8], width: usize, shape: &[usize], strides: Option<&[usize]>) -> Cow<'a, [u8]> {
    let Some(strides) = strides else { return Cow::Borrowed(bytes) };
    let mut gathered = Vec::with_capacity(shape.iter().product::<usize>() * width);
    let mut index = vec![0; shape.len()];
    let mut at = 0;
    loop {
        gathered.extend_from_slice(&bytes[at * width..(at + 1) * width]);
        // The next number: the last axis moves first, and one that is through starts again.
        let Some(axis) = (0..shape.len()).rev().find(|&axis| index[axis] + 1 < shape[axis]) else { break };
        index[axis] += 1;
        at += strides[axis];
        for inner in axis + 1..shape.len() {
            at -= index[inner] * strides[inner];
            index[inner] = 0;
        }
    }
    Cow::Owned(gathered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_not_finite_are_found_in_sixteen_bits() {
        let bytes = |numbers: &[u16]| numbers.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
        for x in [0, 1, 0x8001, 0x3c00, 0x7bff, 0xfbff] {
            assert!(is_finite(DType::F16, &bytes(&[x])) && f16::from_bits(x).is_finite());
        }
        let spoilt = [f16::INFINITY, f16::NEG_INFINITY, f16::NAN].map(f16::to_bits);
        assert!(spoilt.iter().all(|&x| !is_finite(DType::F16, &bytes(&[0x3c00, x]))));
        let spoilt = [bf16::INFINITY, bf16::NEG_INFINITY, bf16::NAN].map(bf16::to_bits);
        assert!(spoilt.iter().all(|&x| !is_finite(DType::BF16, &bytes(&[0x3f80, x]))));
        assert!(is_finite(DType::BF16, &bytes(&[0x7f7f, 0x0001])));
    }

    #[test]
    fn a_transposed_view_is_read_in_its_own_order() {
        let bytes: Vec<u8> = (0..6).collect(); // [2, 3]
        assert_eq!(*gathered(&bytes, 1, &[3, 2], Some(&[1, 3])), [0, 3, 1, 4, 2, 5]);
        assert_eq!(*gathered(&bytes, 2, &[3], None), [0, 1, 2, 3, 4, 5]);
        // Every second column, in pairs of bytes, along three axes.
        let bytes: Vec<u8> = (0..24).collect();
        assert_eq!(*gathered(&bytes[..22], 2, &[2, 1, 2], Some(&[8, 4, 2])), [0, 1, 4, 5, 16, 17, 20, 21]);
    }
}
