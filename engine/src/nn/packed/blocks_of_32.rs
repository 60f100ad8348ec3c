//! Blocks of 32 numbers with a scale, or with a scale and their least number, in f16.
//!
//! ggml-org/ggml: `block_q8_0` to `block_q5_1` of src/ggml-common.h, `dequantize_row_*` of src/ggml-quants.c. Of 4 and 5
//! bits, the first half of the numbers lies in the lower halves of the bytes, the second in the upper; the fifth bits
//! of all lie together before them. Four bits choose among sixteen numbers, which are computed once for a block.

use super::BlockType;
use super::layout::Layout;
use super::scale::{bytes_at, half_at};
use super::simd::Simd;

/// Four bits from 0 on.
pub(super) const FROM_0: [f32; 16] =
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0];

/// Four bits around 8.
const AROUND_8: [f32; 16] = [-8.0, -7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];

/// Scale, 32 × 8 bits.
#[derive(Clone, Copy, Debug)]
pub(in crate::nn) struct Q8_0;

impl Layout for Q8_0 {
    const TYPE: BlockType = BlockType::Q8_0;
    type Scales<S: Simd> = S::Floats;

    #[inline(always)]
    fn scales<S: Simd>(simd: S, block: &[u8]) -> S::Floats {
        simd.splat_half(half_at(block, 0))
    }

    #[inline(always)]
    fn numbers<S: Simd>(simd: S, block: &[u8], &scale: &S::Floats, _: usize) -> [S::Floats; 2] {
        let (first, second) = (simd.signed(bytes_at(block, 2)), simd.signed(bytes_at(block, 18)));
        [simd.mul(simd.float(first), scale), simd.mul(simd.float(second), scale)]
    }
}

/// Scale, 32 × 4 bits around 8.
#[derive(Clone, Copy, Debug)]
pub(in crate::nn) struct Q4_0;

impl Layout for Q4_0 {
    const TYPE: BlockType = BlockType::Q4_0;
    /// The sixteen numbers.
    type Scales<S: Simd> = S::Floats;

    #[inline(always)]
    fn scales<S: Simd>(simd: S, block: &[u8]) -> S::Floats {
        simd.mul(simd.load(&AROUND_8), simd.splat_half(half_at(block, 0)))
    }

    #[inline(always)]
    fn numbers<S: Simd>(simd: S, block: &[u8], &table: &S::Floats, _: usize) -> [S::Floats; 2] {
        let quants = simd.unsigned(bytes_at(block, 2));
        [simd.pick(table, quants), simd.pick(table, simd.shift_right(quants, 4))]
    }
}

/// Scale, least, 32 × 4 bits.
#[derive(Clone, Copy, Debug)]
pub(in crate::nn) struct Q4_1;

impl Layout for Q4_1 {
    const TYPE: BlockType = BlockType::Q4_1;
    /// The sixteen numbers.
    type Scales<S: Simd> = S::Floats;

    #[inline(always)]
    fn scales<S: Simd>(simd: S, block: &[u8]) -> S::Floats {
        let (scale, least) = (simd.splat_half(half_at(block, 0)), simd.splat_half(half_at(block, 2)));
        simd.add(simd.mul(simd.load(&FROM_0), scale), least)
    }

    #[inline(always)]
    fn numbers<S: Simd>(simd: S, block: &[u8], &table: &S::Floats, _: usize) -> [S::Floats; 2] {
        let quants = simd.unsigned(bytes_at(block, 4));
        [simd.pick(table, quants), simd.pick(table, simd.shift_right(quants, 4))]
    }
}

/// Scale, 32 × the fifth bit, 32 × 4 bits, around 16.
#[derive(Clone, Copy, Debug)]
pub(in crate::nn) struct Q5_0;

impl Layout for Q5_0 {
    const TYPE: BlockType = BlockType::Q5_0;
    type Scales<S: Simd> = S::Floats;

    #[inline(always)]
    fn scales<S: Simd>(simd: S, block: &[u8]) -> S::Floats {
        simd.splat_half(half_at(block, 0))
    }

    #[inline(always)]
    fn numbers<S: Simd>(simd: S, block: &[u8], &scale: &S::Floats, _: usize) -> [S::Floats; 2] {
        let [first, second] = five_bits(simd, block, 2);
        let middle = simd.splat(-16.0);
        [simd.mul(simd.add(first, middle), scale), simd.mul(simd.add(second, middle), scale)]
    }
}

/// Scale, least, 32 × the fifth bit, 32 × 4 bits.
#[derive(Clone, Copy, Debug)]
pub(in crate::nn) struct Q5_1;

impl Layout for Q5_1 {
    const TYPE: BlockType = BlockType::Q5_1;
    type Scales<S: Simd> = [S::Floats; 2];

    #[inline(always)]
    fn scales<S: Simd>(simd: S, block: &[u8]) -> [S::Floats; 2] {
        [simd.splat_half(half_at(block, 0)), simd.splat_half(half_at(block, 2))]
    }

    #[inline(always)]
    fn numbers<S: Simd>(simd: S, block: &[u8], &[scale, least]: &[S::Floats; 2], _: usize) -> [S::Floats; 2] {
        let [first, second] = five_bits(simd, block, 4);
        [simd.add(simd.mul(first, scale), least), simd.add(simd.mul(second, scale), least)]
    }
}

/// From 0 to 31; the fifth bits are at a place of the block, the others behind them.
#[inline(always)]
fn five_bits<S: Simd>(simd: S, block: &[u8], at: usize) -> [S::Floats; 2] {
    let quants = simd.unsigned(bytes_at(block, at + 4));
    let (first, second) = (simd.and(quants, 15), simd.shift_right(quants, 4));
    let (of_first, of_second) = (simd.sixteens(half_at(block, at)), simd.sixteens(half_at(block, at + 2)));
    [simd.float(simd.or(first, of_first)), simd.float(simd.or(second, of_second))]
}
