//! Blocks of 256 numbers whose groups have scales of few bits, times a scale of the block in f16.
//!
//! ggml-org/ggml: `block_q4_K` to `block_q6_K` of src/ggml-common.h, `dequantize_row_*_K` of src/ggml-quants.c.

use super::BlockType;
use super::blocks_of_32::bytes_at;
use super::layout::{GROUP, Layout};
use super::scale::scale_at;

/// Scale, scale of the leasts, 8 × scale and least of 6 bits, 256 × 4 bits.
#[derive(Clone, Copy, Debug)]
pub(in crate::nn) struct Q4K;

impl Layout for Q4K {
    const TYPE: BlockType = BlockType::Q4K;
    type Scales = [[f32; 8]; 2];

    #[inline(always)]
    fn scales(block: &[u8]) -> [[f32; 8]; 2] {
        scales_and_leasts(block)
    }

    #[inline(always)]
    fn numbers(block: &[u8], [scales, leasts]: &[[f32; 8]; 2], group: usize) -> [f32; GROUP] {
        let (quants, scale, least) = (half_of(block, 16, group), scales[group], leasts[group]);
        std::array::from_fn(|i| f32::from(quants[i]) * scale - least)
    }
}

/// Scale, scale of the leasts, 8 × scale and least of 6 bits, 256 × the fifth bit, 256 × 4 bits.
#[derive(Clone, Copy, Debug)]
pub(in crate::nn) struct Q5K;

impl Layout for Q5K {
    const TYPE: BlockType = BlockType::Q5K;
    type Scales = [[f32; 8]; 2];

    #[inline(always)]
    fn scales(block: &[u8]) -> [[f32; 8]; 2] {
        scales_and_leasts(block)
    }

    #[inline(always)]
    fn numbers(block: &[u8], [scales, leasts]: &[[f32; 8]; 2], group: usize) -> [f32; GROUP] {
        let (quants, scale, least) = (half_of(block, 48, group), scales[group], leasts[group]);
        let fifths: &[u8; 32] = bytes_at(block, 16);
        std::array::from_fn(|i| f32::from(quants[i] | (fifths[i] >> group & 1) << 4) * scale - least)
    }
}

/// 256 × the lower 4 bits, 256 × the upper 2 bits, 16 × scale of 8 bits, scale.
#[derive(Clone, Copy, Debug)]
pub(in crate::nn) struct Q6K;

impl Layout for Q6K {
    const TYPE: BlockType = BlockType::Q6K;
    type Scales = [f32; 16];

    #[inline(always)]
    fn scales(block: &[u8]) -> [f32; 16] {
        let (scales, scale): (&[u8; 16], f32) = (bytes_at(block, 192), scale_at(block, 208));
        std::array::from_fn(|i| f32::from(scales[i].cast_signed()) * scale)
    }

    /// A half of the block is 128 numbers: four groups, two of the lower halves of 64 bytes and two of the upper.
    #[inline(always)]
    fn numbers(block: &[u8], scales: &[f32; 16], group: usize) -> [f32; GROUP] {
        let (half, quarter) = (group / 4, group % 4);
        let lower: &[u8; 32] = bytes_at(block, 64 * half + 32 * (quarter % 2));
        let upper: &[u8; 32] = bytes_at(block, 128 + 32 * half);
        let (first, second) = (scales[2 * group], scales[2 * group + 1]);
        std::array::from_fn(|i| {
            let quant = lower[i] >> (4 * (quarter / 2)) & 15 | (upper[i] >> (2 * quarter) & 3) << 4;
            f32::from(quant.cast_signed() - 32) * if i < 16 { first } else { second }
        })
    }
}

/// The scales and leasts of eight groups. Those of the first four are the lower six bits of a byte each; of the others,
/// four bits lie in bytes of their own and two above those of the first.
#[inline(always)]
fn scales_and_leasts(block: &[u8]) -> [[f32; 8]; 2] {
    let (scale, least) = (scale_at(block, 0), scale_at(block, 2));
    let bits: &[u8; 12] = bytes_at(block, 4);
    let of_scale = |i: usize| if i < 4 { bits[i] & 63 } else { bits[i + 4] & 15 | bits[i - 4] >> 6 << 4 };
    let of_least = |i: usize| if i < 4 { bits[i + 4] & 63 } else { bits[i + 4] >> 4 | bits[i] >> 6 << 4 };
    [std::array::from_fn(|i| f32::from(of_scale(i)) * scale), std::array::from_fn(|i| f32::from(of_least(i)) * least)]
}

/// The four bits of a group's numbers: two groups share 32 bytes, the first in their lower halves.
#[inline(always)]
fn half_of(block: &[u8], at: usize, group: usize) -> [u8; GROUP] {
    let bytes: &[u8; 32] = bytes_at(block, at + 32 * (group / 2));
    let shift = 4 * (group % 2);
    std::array::from_fn(|i| bytes[i] >> shift & 15)
}
