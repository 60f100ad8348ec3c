//! Blocks of 256 numbers whose groups have scales of few bits, times a scale of the block in f16.
//!
//! ggml-org/ggml: `block_q4_K` to `block_q6_K` of src/ggml-common.h, `dequantize_row_*_K` of src/ggml-quants.c.

use super::BlockType;
use super::blocks_of_32::FROM_0;
use super::layout::Layout;
use super::scale::{bytes_at, f16_to_f32, half_at};
use super::simd::Simd;

/// Scale, scale of the leasts, 8 × scale and least of 6 bits, 256 × 4 bits.
#[derive(Clone, Copy, Debug)]
pub(in crate::nn) struct Q4K;

impl Layout for Q4K {
    const TYPE: BlockType = BlockType::Q4K;
    type Scales<S: Simd> = [f32; 16];

    #[inline(always)]
    fn scales<S: Simd>(simd: S, block: &[u8]) -> [f32; 16] {
        scales_and_leasts(simd, block)
    }

    /// As for Q4_1, four bits choose among sixteen numbers, here of a group.
    #[inline(always)]
    fn numbers<S: Simd>(simd: S, block: &[u8], scales: &[f32; 16], group: usize) -> [S::Floats; 2] {
        let (scale, least) = (simd.splat(scales[group]), simd.splat(-scales[8 + group]));
        let table = simd.add(simd.mul(simd.load(&FROM_0), scale), least);
        let [first, second] = half_of(simd, block, 16, group);
        [simd.pick(table, first), simd.pick(table, second)]
    }
}

/// Scale, scale of the leasts, 8 × scale and least of 6 bits, 256 × the fifth bit, 256 × 4 bits.
#[derive(Clone, Copy, Debug)]
pub(in crate::nn) struct Q5K;

impl Layout for Q5K {
    const TYPE: BlockType = BlockType::Q5K;
    type Scales<S: Simd> = [f32; 16];

    #[inline(always)]
    fn scales<S: Simd>(simd: S, block: &[u8]) -> [f32; 16] {
        scales_and_leasts(simd, block)
    }

    #[inline(always)]
    fn numbers<S: Simd>(simd: S, block: &[u8], scales: &[f32; 16], group: usize) -> [S::Floats; 2] {
        let (scale, least) = (simd.splat(scales[group]), simd.splat(-scales[8 + group]));
        let [first, second] = half_of(simd, block, 48, group);
        let first = fifth_bit(simd, first, bytes_at(block, 16), group);
        let second = fifth_bit(simd, second, bytes_at(block, 32), group);
        [simd.add(simd.mul(first, scale), least), simd.add(simd.mul(second, scale), least)]
    }
}

/// 256 × the lower 4 bits, 256 × the upper 2 bits, 16 × scale of 8 bits, scale.
#[derive(Clone, Copy, Debug)]
pub(in crate::nn) struct Q6K;

impl Layout for Q6K {
    const TYPE: BlockType = BlockType::Q6K;
    type Scales<S: Simd> = [f32; 16];

    #[inline(always)]
    fn scales<S: Simd>(simd: S, block: &[u8]) -> [f32; 16] {
        let scales = simd.float(simd.signed(bytes_at(block, 192)));
        let mut all = [0.0; 16];
        simd.store(simd.mul(scales, simd.splat_half(half_at(block, 208))), &mut all);

        all
    }

    #[inline(always)]
    fn numbers<S: Simd>(simd: S, block: &[u8], scales: &[f32; 16], group: usize) -> [S::Floats; 2] {
        let (first, second) = (six_bits(simd, block, group, 0), six_bits(simd, block, group, 16));
        [simd.mul(first, simd.splat(scales[2 * group])), simd.mul(second, simd.splat(scales[2 * group + 1]))]
    }
}

/// The scales of eight groups, then their leasts.
///
/// Of the twelve bytes, the lower six bits of the first four are scales and of the next four leasts, of the first four
/// groups. Of the others, four bits of each lie in the last four bytes, and two above those of the first.
#[inline(always)]
fn scales_and_leasts<S: Simd>(simd: S, block: &[u8]) -> [f32; 16] {
    let four = |at: usize| u32::from_le_bytes(*bytes_at(block, at));
    let (a, b, c) = (four(4), four(8), four(12));
    let scales = [a & 0x3f3f_3f3f, c & 0x0f0f_0f0f | (a >> 6 & 0x0303_0303) << 4];
    let leasts = [b & 0x3f3f_3f3f, c >> 4 & 0x0f0f_0f0f | (b >> 6 & 0x0303_0303) << 4];
    let mut bytes = [0; 16];
    for (to, four) in bytes.as_chunks_mut::<4>().0.iter_mut().zip([scales[0], scales[1], leasts[0], leasts[1]]) {
        *to = four.to_le_bytes();
    }
    let (scale, least) = (f16_to_f32(half_at(block, 0)), f16_to_f32(half_at(block, 2)));
    let mut all = [scale; 16];
    all[8..].fill(least);
    simd.store(simd.mul(simd.float(simd.unsigned(&bytes)), simd.load(&all)), &mut all);

    all
}

/// The four bits of a group's numbers, and others above them: two groups share 32 bytes, the first has their lower halves.
#[inline(always)]
fn half_of<S: Simd>(simd: S, block: &[u8], at: usize, group: usize) -> [S::Ints; 2] {
    let (at, shift) = (at + 32 * (group / 2), 4 * (group as u32 % 2));
    let (first, second) = (simd.unsigned(bytes_at(block, at)), simd.unsigned(bytes_at(block, at + 16)));
    [simd.shift_right(first, shift), simd.shift_right(second, shift)]
}

/// The lower four bits with the fifth, which is a group's bit of its byte.
#[inline(always)]
fn fifth_bit<S: Simd>(simd: S, quants: S::Ints, fifths: &[u8; 16], group: usize) -> S::Floats {
    let fifth = simd.and(simd.shift_right(simd.unsigned(fifths), group as u32), 1);
    simd.float(simd.or(simd.and(quants, 15), simd.shift_left(fifth, 4)))
}

/// Sixteen numbers of a group, around 32. A half of the block is four groups: two of the lower halves of 64 bytes, two of
/// the upper, and two bits of each of 32 bytes for each.
#[inline(always)]
fn six_bits<S: Simd>(simd: S, block: &[u8], group: usize, at: usize) -> S::Floats {
    let (half, quarter) = (group / 4, group % 4);
    let lower = simd.unsigned(bytes_at(block, 64 * half + 32 * (quarter % 2) + at));
    let upper = simd.unsigned(bytes_at(block, 128 + 32 * half + at));
    let lower = simd.and(simd.shift_right(lower, 4 * (quarter as u32 / 2)), 15);
    let upper = simd.and(simd.shift_right(upper, 2 * quarter as u32), 3);
    simd.add(simd.float(simd.or(lower, simd.shift_left(upper, 4))), simd.splat(-32.0))
}
