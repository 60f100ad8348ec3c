//! Operands of products in bf16: rounded, and made tiles of.

use std::ops::Range;

use half::bf16;
use rayon::prelude::*;

use super::tiles::{DEPTH, LeftTiles, SIDE, Tile};
use super::{MOST_TERMS, PANEL};
use crate::nn::cpu::lanes::{prefetch, vectorized};
use crate::nn::cpu::matrix::Matrix;

/// A number that can be rounded to bf16.
pub(in crate::nn::cpu) trait Rounded: Copy + Send + Sync + 'static {
    /// Up to 32 numbers with zeros after them: themselves where they are such a line, else rounded into the scratch.
    fn line<'a>(numbers: &'a [Self], scratch: &'a mut Line) -> &'a Line;

    /// As [`tiles_of`] of its numbers.
    fn tiles(tiles: &mut [[Tile; 2]], matrix: Matrix<'_, Self>);

    /// As [`rows_of`] of its numbers.
    fn rows(tiles: &mut [Tile], matrix: Matrix<'_, Self>);
}

/// Terms of a row or a column, or numbers of a panel's columns.
type Line = [u16; DEPTH];

impl Rounded for f32 {
    #[inline(always)]
    fn line<'a>(numbers: &'a [f32], scratch: &'a mut Line) -> &'a Line {
        fill(scratch, numbers, round);
        scratch
    }

    fn tiles(tiles: &mut [[Tile; 2]], matrix: Matrix<'_, f32>) {
        tiles_of_f32(tiles, matrix);
    }

    fn rows(tiles: &mut [Tile], matrix: Matrix<'_, f32>) {
        rows_of_f32(tiles, matrix);
    }
}

impl Rounded for bf16 {
    #[inline(always)]
    fn line<'a>(numbers: &'a [bf16], scratch: &'a mut Line) -> &'a Line {
        let bits: &[u16] = bytemuck::cast_slice(numbers);
        bits.first_chunk().unwrap_or_else(|| {
            fill(scratch, bits, |x| x);
            scratch
        })
    }

    fn tiles(tiles: &mut [[Tile; 2]], matrix: Matrix<'_, bf16>) {
        tiles_of_bf16(tiles, matrix);
    }

    fn rows(tiles: &mut [Tile], matrix: Matrix<'_, bf16>) {
        rows_of_bf16(tiles, matrix);
    }
}

vectorized! {
    fn tiles_of_f32(tiles: &mut [[Tile; 2]], matrix: Matrix<'_, f32>) {
        tiles_of(tiles, matrix);
    }

    fn rows_of_f32(tiles: &mut [Tile], matrix: Matrix<'_, f32>) {
        rows_of(tiles, matrix);
    }

    fn tiles_of_bf16(tiles: &mut [[Tile; 2]], matrix: Matrix<'_, bf16>) {
        tiles_of(tiles, matrix);
    }

    fn rows_of_bf16(tiles: &mut [Tile], matrix: Matrix<'_, bf16>) {
        rows_of(tiles, matrix);
    }
}

/// The nearest bf16, of two equally near ones the even; what is no number stays none.
#[inline(always)]
pub(in crate::nn::cpu) fn round(x: f32) -> u16 {
    let bits = x.to_bits();
    let nearest = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    let quiet = bits >> 16 | 0x40;
    (if x.is_nan() { quiet } else { nearest }) as u16
}

/// The left operand of a product, rounded, 16 rows after 16 rows.
#[derive(Default)]
pub(in crate::nn::cpu) struct Left {
    tiles: Vec<Tile>,
    /// Tiles of a row.
    depth: usize,
}

impl Left {
    pub(super) fn round<T: Rounded>(&mut self, matrix: Matrix<'_, T>) {
        let [rows, terms] = matrix.shape();
        self.depth = terms.div_ceil(DEPTH);
        self.tiles.resize(rows.div_ceil(SIDE) * self.depth, Tile::ZERO);
        self.tiles.par_chunks_mut(self.depth.max(1)).enumerate().for_each(|(index, tiles)| {
            T::rows(tiles, matrix.rows(index * SIDE..rows.min((index + 1) * SIDE)));
        });
    }

    /// The tiles of 16 rows from one on, and of the next 16 if there are any.
    pub(super) fn tiles(&self, row: usize) -> LeftTiles<'_> {
        let tiles = &self.tiles[row / SIDE * self.depth..];
        let (above, rest) = tiles.split_at(self.depth);
        [above, &rest[..self.depth.min(rest.len())]]
    }
}

/// The right operand of a product, however it is kept.
pub(in crate::nn::cpu) trait Right: Copy + Sync {
    /// Rows, which are the terms of sums, and columns.
    fn shape(self) -> [usize; 2];

    /// Columns that are made tiles of together.
    fn most_columns(self) -> usize;

    /// The tiles of some terms of some columns: panel after panel, each from the first term to the last.
    fn tiles(self, tiles: &mut [[Tile; 2]], terms: Range<usize>, columns: Range<usize>);
}

impl<T: Rounded> Right for Matrix<'_, T> {
    fn shape(self) -> [usize; 2] {
        Matrix::shape(self)
    }

    fn most_columns(self) -> usize {
        // More than a cache line of each row, here and in the result.
        4 * PANEL
    }

    fn tiles(self, tiles: &mut [[Tile; 2]], terms: Range<usize>, columns: Range<usize>) {
        let matrix = self.rows(terms).columns(columns);
        let ([n_terms, n_columns], depth) = (Matrix::shape(matrix), tiles.len());
        let depth = depth / n_columns.div_ceil(PANEL).max(1);
        debug_assert!(n_terms <= MOST_TERMS, "terms that fit the cache");
        for (index, tiles) in tiles.chunks_exact_mut(depth.max(1)).enumerate() {
            let range = index * PANEL..n_columns.min((index + 1) * PANEL);
            T::tiles(tiles, matrix.columns(range));
        }
    }
}

/// Rows between what is read and what is asked for ahead: they lie too far apart for the processor to foresee them.
const AHEAD: usize = 32;

/// 16 rows, or fewer with zeros below them.
#[inline(always)]
fn rows_of<T: Rounded>(tiles: &mut [Tile], matrix: Matrix<'_, T>) {
    let ([rows, terms], [_, column_stride]) = (matrix.shape(), matrix.strides());
    for row in 0..SIDE {
        if row >= rows {
            tiles.iter_mut().for_each(|tile| tile.0[row] = [0; DEPTH]);
        } else if column_stride == 1 {
            for (tile, numbers) in tiles.iter_mut().zip(matrix.row(row).chunks(DEPTH)) {
                tile.0[row] = *T::line(numbers, &mut [0; DEPTH]);
            }
        } else {
            let numbers = matrix.rows(row..row + 1).flat();
            for (tile, first) in tiles.iter_mut().zip((0..terms).step_by(DEPTH)) {
                let mut line = [numbers[0]; DEPTH];
                let n = DEPTH.min(terms - first);
                let apart = numbers[first * column_stride..].iter().step_by(column_stride);
                line[..n].iter_mut().zip(apart).for_each(|(out, &x)| *out = x);
                tile.0[row] = *T::line(&line[..n], &mut [0; DEPTH]);
            }
        }
    }
}

/// A panel of up to 32 columns.
#[inline(always)]
fn tiles_of<T: Rounded>(tiles: &mut [[Tile; 2]], matrix: Matrix<'_, T>) {
    let [terms, _] = matrix.shape();
    let starts = (0..terms).step_by(DEPTH);
    if let [stride, 1] = matrix.strides() {
        for (tiles, first) in tiles.iter_mut().zip(starts) {
            for pair in 0..SIDE {
                let mut scratch = [[0; DEPTH]; 2];
                let [above, below] = &mut scratch;
                let at = first + 2 * pair;
                let line = |at: usize| if at < terms { matrix.row(at) } else { &[] };
                for ahead in AHEAD..AHEAD + 2 {
                    prefetch(matrix.flat(), (at + ahead) * stride);
                }
                let lines = [T::line(line(at), above), T::line(line(at + 1), below)];
                let [left, right] = tiles;
                interleave(lines, [&mut left.0[pair], &mut right.0[pair]]);
            }
        }
    } else {
        let columns = matrix.transposed();
        let [n, _] = columns.shape();
        for (tiles, first) in tiles.iter_mut().zip(starts) {
            let end = terms.min(first + DEPTH);
            for (half, tile) in tiles.iter_mut().enumerate() {
                let mut scratch = [[0; DEPTH]; SIDE];
                let mut column = half * SIDE;
                let lines = scratch.each_mut().map(|scratch| {
                    let numbers = if column < n { &columns.row(column)[first..end] } else { &[] };
                    column += 1;
                    T::line(numbers, scratch)
                });
                transpose(lines, tile);
            }
        }
    }
}

/// Numbers one from each line in turn, 16 pairs and 16 more.
#[inline(always)]
fn interleave([above, below]: [&Line; 2], out: [&mut Line; 2]) {
    for (half, out) in out.into_iter().enumerate() {
        let (pairs, _) = out.as_chunks_mut::<2>();
        let (above, below) = (&above[half * SIDE..][..SIDE], &below[half * SIDE..][..SIDE]);
        for ((pair, &above), &below) in pairs.iter_mut().zip(above).zip(below) {
            *pair = [above, below];
        }
    }
}

/// Numbers made bits, and zeros after them.
#[inline(always)]
fn fill<T: Copy>(line: &mut Line, numbers: &[T], bits: impl Fn(T) -> u16) {
    if let Some(numbers) = numbers.first_chunk::<DEPTH>() {
        line.iter_mut().zip(numbers).for_each(|(out, &x)| *out = bits(x));
    } else {
        line.fill(0);
        line.iter_mut().zip(numbers).for_each(|(out, &x)| *out = bits(x));
    }
}

/// Pairs of 16 lines, line by line of pairs.
#[cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "calling a function for features that were just detected")
)]
#[inline(always)]
fn transpose(lines: [&Line; SIDE], tile: &mut Tile) {
    #[cfg(target_arch = "x86_64")]
    if crate::nn::cpu::lanes::has_avx512() {
        // SAFETY: its features were detected.
        return unsafe { super::dot_pairs::transpose(lines, tile) };
    }
    for (pair, out) in tile.0.iter_mut().enumerate() {
        for (line, out) in lines.iter().zip(out.as_chunks_mut::<2>().0) {
            out.copy_from_slice(&line[2 * pair..][..2]);
        }
    }
}
