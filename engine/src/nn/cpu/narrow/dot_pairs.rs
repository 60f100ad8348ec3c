//! AVX512-BF16: pairs of terms of 16 columns at once.
#![expect(unsafe_code, reason = "instructions that were detected, named one by one")]

use std::arch::x86_64::*;

use super::tiles::{Block, LeftTiles, RightTiles, SIDE, Tile};

/// The instructions; there is a value only where the processor has them.
#[derive(Clone, Copy, Debug)]
pub(in crate::nn::cpu) struct DotPairs(());

/// Rows that are multiplied together: twice as many sums that do not wait for each other.
const ROWS: usize = 8;

impl DotPairs {
    pub(super) fn detected() -> Option<Self> {
        let has = is_x86_feature_detected!("avx512bf16") && is_x86_feature_detected!("avx512f");
        has.then_some(Self(()))
    }

    /// Sums go on from term to term; of a pair the second comes first.
    pub(super) fn multiply(self, block: &mut Block, left: LeftTiles<'_>, right: RightTiles<'_>) {
        for (half, left) in left.into_iter().enumerate().filter(|(_, left)| !left.is_empty()) {
            let left = &left[..right.len()];
            for (part, sums) in block.0[half * SIDE..][..SIDE].as_chunks_mut::<ROWS>().0.iter_mut().enumerate() {
                // SAFETY: there is a value only where the features were detected.
                unsafe { multiply_rows(sums, left, part * ROWS, right) };
            }
        }
    }
}

#[target_feature(enable = "avx512f,avx512bf16")]
fn multiply_rows(block: &mut [[f32; 2 * SIDE]; ROWS], left: &[Tile], first: usize, right: RightTiles<'_>) {
    let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
    for (left, right) in left.iter().zip(right) {
        let rows: &[[u16; 2 * SIDE]; ROWS] = left.0[first..].first_chunk().expect("rows of the tile");
        for pair in 0..SIDE {
            let columns = right.each_ref().map(|tile| bf16_line(&tile.0[pair]));
            for (sums, row) in sums.iter_mut().zip(rows) {
                let [low, high] = [row[2 * pair], row[2 * pair + 1]].map(u32::from);
                let terms = _mm512_set1_epi32((low | high << 16).cast_signed());
                // SAFETY: 512 bits are as good as any other.
                let terms = unsafe { std::mem::transmute::<__m512i, __m512bh>(terms) };
                for (sum, columns) in sums.iter_mut().zip(columns) {
                    *sum = _mm512_dpbf16_ps(*sum, terms, columns);
                }
            }
        }
    }
    for (out, sums) in block.iter_mut().zip(sums) {
        for (out, sum) in out.as_chunks_mut::<SIDE>().0.iter_mut().zip(sums) {
            // SAFETY: 16 numbers take 64 bytes.
            unsafe { _mm512_storeu_ps(out.as_mut_ptr(), sum) };
        }
    }
}

#[target_feature(enable = "avx512f,avx512bf16")]
fn bf16_line(line: &[u16; 2 * SIDE]) -> __m512bh {
    // SAFETY: a line has 64 bytes, and any bits are numbers.
    unsafe { std::mem::transmute::<__m512i, __m512bh>(_mm512_loadu_si512(line.as_ptr().cast())) }
}

/// The pairs of 16 lines, line by line of pairs: a tile of the right operand of 16 of its columns.
#[target_feature(enable = "avx512f")]
pub(super) fn transpose(lines: [&[u16; 2 * SIDE]; SIDE], tile: &mut Tile) {
    // SAFETY: each line has 64 bytes.
    let line: [__m512i; SIDE] = std::array::from_fn(|at| unsafe { _mm512_loadu_si512(lines[at].as_ptr().cast()) });
    // Pairs of lines, then fours, within each quarter of a register.
    let two: [__m512i; SIDE] = std::array::from_fn(|at| {
        let (a, b) = (line[at & !1], line[at | 1]);
        if at & 1 == 0 { _mm512_unpacklo_epi32(a, b) } else { _mm512_unpackhi_epi32(a, b) }
    });
    let four: [__m512i; SIDE] = std::array::from_fn(|at| {
        let (group, which) = (at & !3, at & 3);
        let (a, b) = (two[group + which / 2], two[group + 2 + which / 2]);
        if which & 1 == 0 { _mm512_unpacklo_epi64(a, b) } else { _mm512_unpackhi_epi64(a, b) }
    });
    // `four[4 g + w]` has in quarter `q` the numbers `4 q + w` of lines `4 g ..`: quarters are exchanged with groups.
    for which in 0..4 {
        let [a, b, c, d] = std::array::from_fn(|group| four[4 * group + which]);
        let (ab_low, ab_high) =
            (_mm512_shuffle_i32x4::<0b01_00_01_00>(a, b), _mm512_shuffle_i32x4::<0b11_10_11_10>(a, b));
        let (cd_low, cd_high) =
            (_mm512_shuffle_i32x4::<0b01_00_01_00>(c, d), _mm512_shuffle_i32x4::<0b11_10_11_10>(c, d));
        let quarters = [
            _mm512_shuffle_i32x4::<0b10_00_10_00>(ab_low, cd_low),
            _mm512_shuffle_i32x4::<0b11_01_11_01>(ab_low, cd_low),
            _mm512_shuffle_i32x4::<0b10_00_10_00>(ab_high, cd_high),
            _mm512_shuffle_i32x4::<0b11_01_11_01>(ab_high, cd_high),
        ];
        for (quarter, numbers) in quarters.into_iter().enumerate() {
            // SAFETY: a line of a tile has 64 bytes.
            unsafe { _mm512_storeu_si512(tile.0[4 * quarter + which].as_mut_ptr().cast(), numbers) };
        }
    }
}
