//! Tiles of bf16 as AMX takes them, which are as good for vectors.

use crate::nn::cpu::lanes::vectorized;

/// Rows of a tile.
pub(super) const SIDE: usize = 16;

/// Terms of a sum in a tile: 16 pairs.
pub(super) const DEPTH: usize = 32;

/// Of the left operand, 16 rows of 32 terms; of the right one, 16 pairs of terms of 16 columns, a column's pair side by
/// side.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(in crate::nn::cpu) struct Tile(pub(super) [[u16; DEPTH]; SIDE]);

impl Tile {
    pub(super) const ZERO: Self = Self([[0; DEPTH]; SIDE]);
}

/// Sums of 32 rows and 32 columns.
#[repr(C, align(64))]
pub(super) struct Block(pub(super) [[f32; 2 * SIDE]; 2 * SIDE]);

impl Block {
    pub(super) const ZERO: Self = Self([[0.0; 2 * SIDE]; 2 * SIDE]);
}

/// Two rows of tiles of the left operand, one below the other; the second may be absent.
pub(super) type LeftTiles<'a> = [&'a [Tile]; 2];

/// A panel of the right operand, two tiles side by side.
pub(super) type RightTiles<'a> = &'a [[Tile; 2]];

vectorized! {
    /// The sums as AMX orders them: the even and the odd terms of a tile each by themselves, then both, then onto the
    /// sum. A product of two bf16 is exact in f32, so nothing depends on whether it is fused.
    pub(super) fn multiply_portably(block: &mut Block, left: LeftTiles<'_>, right: RightTiles<'_>) {
        for (half, left) in left.into_iter().enumerate() {
            for (row, sums) in block.0[half * SIDE..][..SIDE].iter_mut().enumerate() {
                *sums = [0.0; 2 * SIDE];
                for (left, right) in left.iter().zip(right) {
                    let (halves, _) = sums.as_chunks_mut::<SIDE>();
                    for (sums, right) in halves.iter_mut().zip(right) {
                        add_terms(sums, &left.0[row], right);
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn add_terms(sums: &mut [f32; SIDE], left: &[u16; DEPTH], right: &Tile) {
    let (mut even, mut odd) = ([0.0_f32; SIDE], [0.0_f32; SIDE]);
    let (pairs, _) = left.as_chunks::<2>();
    for (pair, line) in pairs.iter().zip(&right.0) {
        let (columns, _) = line.as_chunks::<2>();
        let [first, second] = pair.map(wide);
        for (at, column) in columns.iter().enumerate() {
            let [above, below] = column.map(wide);
            even[at] += first * above;
            odd[at] += second * below;
        }
    }
    for ((sum, even), odd) in sums.iter_mut().zip(even).zip(odd) {
        *sum += even + odd;
    }
}

#[inline(always)]
pub(super) fn wide(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}
