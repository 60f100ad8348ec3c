//! Blocks of NF4: the largest of 64 numbers in f32, then 4 bits each that choose a quantile of a normal distribution.
//!
//! Dettmers et al. 2023, "QLoRA". bitsandbytes-foundation/bitsandbytes: `get_4bit_type` of bitsandbytes/functional.py
//! has the quantiles, bitsandbytes/backends/default/ops.py the rule.

use super::BlockType;
use super::layout::Layout;
use super::scale::bytes_at;
use super::simd::Simd;

/// Largest, 64 × 4 bits.
#[derive(Clone, Copy, Debug)]
pub(in crate::nn) struct Nf4;

/// The numbers that four bits choose among, as shares of the largest.
pub(crate) const QUANTILES: [f32; 16] = [
    -1.0,
    -0.696_192_8,
    -0.525_073_05,
    -0.394_917_5,
    -0.284_441_38,
    -0.184_773_43,
    -0.091_050_036,
    0.0,
    0.079_580_3,
    0.160_930_2,
    0.246_112_3,
    0.337_915_24,
    0.440_709_83,
    0.562_617,
    0.722_956_84,
    1.0,
];

/// Halfway between neighbors: above it, a number goes to the upper one.
pub(super) const MIDPOINTS: [f32; 15] = {
    let mut midpoints = [0.0; 15];
    let mut i = 0;
    while i < 15 {
        midpoints[i] = (QUANTILES[i] + QUANTILES[i + 1]) / 2.0;
        i += 1;
    }
    midpoints
};

impl Layout for Nf4 {
    const TYPE: BlockType = BlockType::Nf4;
    /// The sixteen numbers.
    type Scales<S: Simd> = S::Floats;

    #[inline(always)]
    fn scales<S: Simd>(simd: S, block: &[u8]) -> S::Floats {
        simd.mul(simd.load(&QUANTILES), simd.splat(f32::from_le_bytes(*bytes_at(block, 0))))
    }

    #[inline(always)]
    fn numbers<S: Simd>(simd: S, block: &[u8], &table: &S::Floats, group: usize) -> [S::Floats; 2] {
        let at = 4 + 16 * group;
        let (first, second) = (simd.pairs(bytes_at(block, at)), simd.pairs(bytes_at(block, at + 8)));
        [simd.pick(table, first), simd.pick(table, second)]
    }
}
