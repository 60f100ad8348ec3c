//! The loops over blocks, in the vectors that the processor at hand has.

use std::marker::PhantomData;
use std::ops::Range;

use super::lanes::prefetch;
use super::matrix::{Matrix, MatrixMut};
use super::packed::PackedRows;
use super::simd::{self, SimdWork};
use crate::nn::packed::{self, LANES, Layout, Simd, with_layout};

/// `out[i][j]` is the product of row `i` of `x` and row `j` of the matrix.
pub(super) fn dots(out: &mut MatrixMut<'_>, x: Matrix<'_>, weight: PackedRows<'_>) {
    let [n, _] = x.shape();
    let mut done = 0;
    while done < n {
        let next = match n - done {
            1 => 1,
            2 | 3 => 2,
            _ => 4,
        };
        let rows = done..done + next;
        let (out, x) = (out.rows_mut(rows.clone()), x.rows(rows));
        match next {
            1 => with_layout!(weight.block(), dots_of_one(out, x, weight)),
            2 => with_layout!(weight.block(), dots_of_two(out, x, weight)),
            _ => with_layout!(weight.block(), dots_of_four(out, x, weight)),
        }
        done += next;
    }
}

/// `out += x · weight`, `out [n, columns]`, `x [n, rows]`.
pub(super) fn add_rows(out: &mut [f32], x: Matrix<'_>, weight: PackedRows<'_>) {
    with_layout!(weight.block(), add_rows_of(out, x, weight));
}

/// The numbers of some columns, `out [rows, columns]`; columns start and end with blocks.
pub(super) fn unpack(out: &mut [f32], weight: PackedRows<'_>, columns: Range<usize>) {
    with_layout!(weight.block(), unpack_of(out, weight, columns));
}

fn dots_of_one<L: Layout>(out: MatrixMut<'_>, x: Matrix<'_>, weight: PackedRows<'_>) {
    simd::run(Dots::<L, 1, 4>::new(out, x, weight));
}

fn dots_of_two<L: Layout>(out: MatrixMut<'_>, x: Matrix<'_>, weight: PackedRows<'_>) {
    simd::run(Dots::<L, 2, 2>::new(out, x, weight));
}

fn dots_of_four<L: Layout>(out: MatrixMut<'_>, x: Matrix<'_>, weight: PackedRows<'_>) {
    simd::run(Dots::<L, 4, 1>::new(out, x, weight));
}

fn add_rows_of<L: Layout>(out: &mut [f32], x: Matrix<'_>, weight: PackedRows<'_>) {
    simd::run(AddRows::<L> { out, x, weight, layout: PhantomData });
}

fn unpack_of<L: Layout>(out: &mut [f32], weight: PackedRows<'_>, columns: Range<usize>) {
    simd::run(Unpack::<L> { out, weight, columns, layout: PhantomData });
}

/// Products of `N` rows with `M` rows of the matrix at a time: four sums that do not wait for each other.
struct Dots<'a, L, const N: usize, const M: usize> {
    out: MatrixMut<'a>,
    x: [&'a [f32]; N],
    weight: PackedRows<'a>,
    layout: PhantomData<L>,
}

impl<'a, L: Layout, const N: usize, const M: usize> Dots<'a, L, N, M> {
    fn new(out: MatrixMut<'a>, x: Matrix<'a>, weight: PackedRows<'a>) -> Self {
        Self { out, x: std::array::from_fn(|row| x.row(row)), weight, layout: PhantomData }
    }
}

impl<L: Layout, const N: usize, const M: usize> SimdWork for Dots<'_, L, N, M> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let (bytes, numbers) = (L::TYPE.bytes(), L::TYPE.numbers());
        let [rows, columns] = self.weight.shape();
        let x = self.x.map(|x| pairs(&x[..columns]));
        let ahead = M * self.weight.row_bytes();
        for first in (0..rows).step_by(M) {
            // The last group may take its last row more than once.
            let group: [&[u8]; M] = std::array::from_fn(|row| self.weight.row((first + row).min(rows - 1)));
            let mut sums = [[simd.splat(0.0); M]; N];
            for at in 0..columns / numbers {
                for (row, blocks) in group.iter().enumerate() {
                    let block = &blocks[at * bytes..][..bytes];
                    // The same place of the rows that come next.
                    for line in (0..bytes).step_by(64) {
                        prefetch(block, ahead + line);
                    }
                    let scales = L::scales(simd, block);
                    for part in 0..numbers / (2 * LANES) {
                        let [low, high] = L::numbers(simd, block, &scales, part);
                        for (sums, x) in sums.iter_mut().zip(x) {
                            let [x_low, x_high] = &x[at * (numbers / (2 * LANES)) + part];
                            sums[row] = simd.mul_add(low, simd.load(x_low), sums[row]);
                            sums[row] = simd.mul_add(high, simd.load(x_high), sums[row]);
                        }
                    }
                }
            }
            for (n, sums) in sums.into_iter().enumerate() {
                for (out, sum) in self.out.row_mut(n)[first..].iter_mut().zip(sums) {
                    *out = simd.sum(sum);
                }
            }
        }
    }
}

/// Rows of the matrix, each times a number of every row of `x`, onto the rows of `out`.
struct AddRows<'a, L> {
    out: &'a mut [f32],
    x: Matrix<'a>,
    weight: PackedRows<'a>,
    layout: PhantomData<L>,
}

impl<L: Layout> SimdWork for AddRows<'_, L> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (bytes, numbers) = (L::TYPE.bytes(), L::TYPE.numbers());
        let ([n, _], [rows, columns]) = (self.x.shape(), self.weight.shape());
        for row in 0..rows {
            let blocks = self.weight.row(row).chunks_exact(bytes);
            for (at, block) in blocks.enumerate() {
                for line in (0..bytes).step_by(64) {
                    prefetch(block, 4 * self.weight.row_bytes() + line);
                }
                let scales = L::scales(simd, block);
                for part in 0..numbers / (2 * LANES) {
                    let [low, high] = L::numbers(simd, block, &scales, part);
                    let start = at * numbers + part * 2 * LANES;
                    for i in 0..n {
                        let factor = simd.splat(self.x.row(i)[row]);
                        let out = &mut self.out[i * columns + start..][..2 * LANES];
                        let [out_low, out_high] = &mut out.as_chunks_mut::<LANES>().0[..2] else { return };
                        simd.store(simd.mul_add(low, factor, simd.load(out_low)), out_low);
                        simd.store(simd.mul_add(high, factor, simd.load(out_high)), out_high);
                    }
                }
            }
        }
    }
}

/// Some columns of every row, in f32.
struct Unpack<'a, L> {
    out: &'a mut [f32],
    weight: PackedRows<'a>,
    columns: Range<usize>,
    layout: PhantomData<L>,
}

impl<L: Layout> SimdWork for Unpack<'_, L> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (bytes, numbers) = (L::TYPE.bytes(), L::TYPE.numbers());
        let Range { start, end } = self.columns;
        assert!(start.is_multiple_of(numbers) && end.is_multiple_of(numbers), "columns start and end with blocks");
        for (row, out) in self.out.chunks_exact_mut((end - start).max(1)).enumerate() {
            let blocks = &self.weight.row(row)[start / numbers * bytes..end / numbers * bytes];
            packed::unpack::<L, S>(simd, blocks, out);
        }
    }
}

/// The numbers as they are multiplied: two vectors at a time.
#[inline(always)]
fn pairs(numbers: &[f32]) -> &[[[f32; LANES]; 2]] {
    numbers.as_chunks::<LANES>().0.as_chunks::<2>().0
}
