//! Blocks of 32 numbers with a scale, or with a scale and their least number, in f16.
//!
//! ggml-org/ggml: `block_q8_0` to `block_q5_1` of src/ggml-common.h, `dequantize_row_*` of src/ggml-quants.c. Of 4 and 5
//! bits, the first half of the numbers lies in the lower halves of the bytes, the second in the upper; the fifth bits
//! of all lie together before them.

use super::BlockType;
use super::layout::{GROUP, Layout};
use super::scale::scale_at;

/// Scale, 32 × 8 bits.
#[derive(Clone, Copy, Debug)]
pub(in crate::nn) struct Q8_0;

impl Layout for Q8_0 {
    const TYPE: BlockType = BlockType::Q8_0;
    type Scales = f32;

    #[inline(always)]
    fn scales(block: &[u8]) -> f32 {
        scale_at(block, 0)
    }

    #[inline(always)]
    fn numbers(block: &[u8], scale: &f32, _: usize) -> [f32; GROUP] {
        let quants: &[u8; 32] = bytes_at(block, 2);
        std::array::from_fn(|i| f32::from(quants[i].cast_signed()) * scale)
    }
}

/// Scale, 32 × 4 bits around 8.
#[derive(Clone, Copy, Debug)]
pub(in crate::nn) struct Q4_0;

impl Layout for Q4_0 {
    const TYPE: BlockType = BlockType::Q4_0;
    type Scales = f32;

    #[inline(always)]
    fn scales(block: &[u8]) -> f32 {
        scale_at(block, 0)
    }

    #[inline(always)]
    fn numbers(block: &[u8], scale: &f32, _: usize) -> [f32; GROUP] {
        let quants = halves(bytes_at(block, 2));
        std::array::from_fn(|i| (quants[i] - 8) as f32 * scale)
    }
}

/// Scale, least, 32 × 4 bits.
#[derive(Clone, Copy, Debug)]
pub(in crate::nn) struct Q4_1;

impl Layout for Q4_1 {
    const TYPE: BlockType = BlockType::Q4_1;
    type Scales = [f32; 2];

    #[inline(always)]
    fn scales(block: &[u8]) -> [f32; 2] {
        [scale_at(block, 0), scale_at(block, 2)]
    }

    #[inline(always)]
    fn numbers(block: &[u8], [scale, least]: &[f32; 2], _: usize) -> [f32; GROUP] {
        let quants = halves(bytes_at(block, 4));
        std::array::from_fn(|i| quants[i] as f32 * scale + least)
    }
}

/// Scale, 32 × the fifth bit, 32 × 4 bits, around 16.
#[derive(Clone, Copy, Debug)]
pub(in crate::nn) struct Q5_0;

impl Layout for Q5_0 {
    const TYPE: BlockType = BlockType::Q5_0;
    type Scales = f32;

    #[inline(always)]
    fn scales(block: &[u8]) -> f32 {
        scale_at(block, 0)
    }

    #[inline(always)]
    fn numbers(block: &[u8], scale: &f32, _: usize) -> [f32; GROUP] {
        let (fifths, quants) = (u32::from_le_bytes(*bytes_at(block, 2)), halves(bytes_at(block, 6)));
        std::array::from_fn(|i| ((quants[i] | fifth(fifths, i)) - 16) as f32 * scale)
    }
}

/// Scale, least, 32 × the fifth bit, 32 × 4 bits.
#[derive(Clone, Copy, Debug)]
pub(in crate::nn) struct Q5_1;

impl Layout for Q5_1 {
    const TYPE: BlockType = BlockType::Q5_1;
    type Scales = [f32; 2];

    #[inline(always)]
    fn scales(block: &[u8]) -> [f32; 2] {
        [scale_at(block, 0), scale_at(block, 2)]
    }

    #[inline(always)]
    fn numbers(block: &[u8], [scale, least]: &[f32; 2], _: usize) -> [f32; GROUP] {
        let (fifths, quants) = (u32::from_le_bytes(*bytes_at(block, 4)), halves(bytes_at(block, 8)));
        std::array::from_fn(|i| (quants[i] | fifth(fifths, i)) as f32 * scale + least)
    }
}

/// Some bytes of a block, from a place on.
#[inline(always)]
pub(super) fn bytes_at<const N: usize>(block: &[u8], at: usize) -> &[u8; N] {
    block[at..].first_chunk().expect("the block is whole")
}

/// The lower halves of all bytes, then the upper ones.
#[inline(always)]
fn halves(bytes: &[u8; 16]) -> [i32; GROUP] {
    std::array::from_fn(|i| i32::from(if i < 16 { bytes[i] & 15 } else { bytes[i - 16] >> 4 }))
}

/// The fifth bit of a number, in its place.
#[inline(always)]
fn fifth(bits: u32, number: usize) -> i32 {
    (bits >> number & 1).cast_signed() << 4
}
