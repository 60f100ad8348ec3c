//! Products with matrices in blocks of few bits.
//!
//! For many rows, each thread unpacks a piece of the matrix that its cache holds and multiplies it; for the few of
//! decoding, each number is multiplied where it is unpacked. The pieces follow from the sizes alone, so that sums do not
//! depend on the number of threads.

use std::ops::Range;

use rayon::prelude::*;

use super::buffer::Buffer;
use super::matrix::{Matrix, MatrixMut, Onto, product_here};
use super::packed_kernels::{add_rows, dots, unpack};
use crate::nn::packed::{BlockType, PackedShape};

/// Up to this many rows, numbers are multiplied where they are unpacked.
const FEW: usize = 16;

/// As [`FEW`], where rows of the matrix are summed.
const FEW_SUMS: usize = 4;

/// Rows, or columns, of the result that a thread computes from start to end.
const STRIP: usize = 256;

/// Strips of a narrower matrix, so that there are some for every thread.
const STRIPS: usize = 8;

/// Numbers along the sum that are unpacked at a time: half a megabyte for a strip, and whole blocks of every kind.
const PIECE: usize = 512;

/// Bytes of blocks that a thread reads from start to end.
const SHARE: usize = 32 * 1024;

/// Up to so many bytes of blocks, times rows, the calling thread is done before others are awake.
const ALONE: usize = 384 * 1024;

/// Parts of a matrix whose rows are summed.
const PARTS: usize = 8;

/// A matrix, row by row in whole blocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackedRows<'a> {
    block: BlockType,
    rows: usize,
    columns: usize,
    bytes: &'a [u8],
}

impl<'a> PackedRows<'a> {
    pub(super) fn new(PackedShape { block, rows, columns }: PackedShape, bytes: &'a [u8]) -> Self {
        let row_bytes = block.row_bytes(columns).expect("rows are whole blocks");
        assert!(columns > 0 && rows * row_bytes == bytes.len(), "the bytes are those of the blocks");
        Self { block, rows, columns, bytes }
    }

    pub(super) fn block(self) -> BlockType {
        self.block
    }

    pub(super) fn shape(self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    pub(super) fn row_bytes(self) -> usize {
        self.columns / self.block.numbers() * self.block.bytes()
    }

    /// The blocks of a row.
    #[inline(always)]
    pub(super) fn row(self, row: usize) -> &'a [u8] {
        let bytes = self.row_bytes();
        &self.bytes[row * bytes..][..bytes]
    }

    pub(super) fn rows(self, range: Range<usize>) -> Self {
        let bytes = self.row_bytes();
        Self { rows: range.len(), bytes: &self.bytes[range.start * bytes..range.end * bytes], ..self }
    }

    /// Every number, `out [rows, columns]`.
    pub(super) fn unpack(self, out: &mut [f32]) {
        assert_eq!(out.len(), self.rows * self.columns, "a place for every number");
        let share = (SHARE / self.row_bytes()).max(1);
        out.par_chunks_mut(share * self.columns).enumerate().for_each(|(index, out)| {
            let first = index * share;
            unpack(out, self.rows(first..(first + share).min(self.rows)), 0..self.columns);
        });
    }

    /// Some columns, in f32 in the scratch.
    fn piece(self, columns: Range<usize>, scratch: &mut [f32]) -> Matrix<'_> {
        let scratch = &mut scratch[..self.rows * columns.len()];
        unpack(scratch, self, columns.clone());
        Matrix::dense(scratch, self.rows, columns.len())
    }
}

/// `out = x · weightᵀ + bias`, all of it written.
///
/// `x [n, d_in]`, `weight [d_out, d_in]`, `bias [d_out]`, `out [n, d_out]`.
pub(super) fn product_with_rows(out: &mut [f32], x: Matrix<'_>, weight: PackedRows<'_>, bias: Option<&[f32]>) {
    let [n, d_in] = x.shape();
    let [d_out, columns] = weight.shape();
    assert_eq!(d_in, columns, "the inner sizes agree");
    if n == 0 || d_out == 0 {
        return;
    }
    let out = MatrixMut::dense(out, n, d_out);
    if n <= FEW {
        // Whole groups of four rows, as `dots` takes them.
        let alone = n * weight.bytes.len() <= ALONE;
        let share = if alone { d_out } else { (SHARE / weight.row_bytes()).max(1).next_multiple_of(4) };
        let part = |(rows, mut out): (Range<usize>, MatrixMut<'_>)| {
            dots(&mut out, x, weight.rows(rows.clone()));
            for row in 0..if bias.is_some() { n } else { 0 } {
                let bias = bias.map_or(&[] as &[f32], |bias| &bias[rows.clone()]);
                out.row_mut(row).iter_mut().zip(bias).for_each(|(out, bias)| *out += bias);
            }
        };
        return each_strip(out, share, part);
    }
    each_strip(out, strip(d_out, 16), |(rows, mut out)| {
        let (height, weight) = (rows.len(), weight.rows(rows.clone()));
        let mut scratch = Buffer::any(height * PIECE.min(d_in));
        for row in 0..if bias.is_some() { n } else { 0 } {
            out.row_mut(row).copy_from_slice(bias.map_or(&[], |bias| &bias[rows.clone()]));
        }
        for start in (0..d_in).step_by(PIECE) {
            let columns = start..d_in.min(start + PIECE);
            let piece = weight.piece(columns.clone(), &mut scratch);
            let onto = if start == 0 && bias.is_none() { Onto::Fresh } else { Onto::Sum };
            product_here(out.again(), onto, 1.0, x.columns(columns), piece.transposed());
        }
    });
}

/// `out = x · weight`, all of it written.
///
/// `x [n, d_out]`, `weight [d_out, d_in]`, `out [n, d_in]`.
pub(super) fn transposed_product(out: &mut [f32], x: Matrix<'_>, weight: PackedRows<'_>) {
    let [n, d_out] = x.shape();
    let [rows, d_in] = weight.shape();
    assert_eq!(d_out, rows, "the inner sizes agree");
    if n == 0 || rows == 0 {
        return out.fill(0.0);
    }
    if n <= FEW_SUMS {
        return sum_of_rows(out, x, weight);
    }
    let width = strip(d_in, weight.block().numbers());
    each_strip(MatrixMut::dense(out, n, d_in), width, |(columns, mut out)| {
        let mut scratch = Buffer::any(PIECE.min(rows) * columns.len());
        for start in (0..rows).step_by(PIECE) {
            let summed = start..rows.min(start + PIECE);
            let piece = weight.rows(summed.clone()).piece(columns.clone(), &mut scratch);
            let onto = if start == 0 { Onto::Fresh } else { Onto::Sum };
            product_here(out.again(), onto, 1.0, x.columns(summed), piece);
        }
    });
}

/// As [`transposed_product`] for a few rows; each part of the matrix is summed apart.
fn sum_of_rows(out: &mut [f32], x: Matrix<'_>, weight: PackedRows<'_>) {
    let [n, rows] = x.shape();
    let [_, d_in] = weight.shape();
    let share = rows.div_ceil(PARTS);
    let starts: Vec<usize> = (0..rows).step_by(share).collect();
    let parts: Vec<Vec<f32>> = starts
        .into_par_iter()
        .map(|start| {
            let summed = start..rows.min(start + share);
            let mut part = vec![0.0; n * d_in];
            add_rows(&mut part, x.columns(summed.clone()), weight.rows(summed));
            part
        })
        .collect();
    out.fill(0.0);
    for part in parts {
        out.iter_mut().zip(part).for_each(|(out, part)| *out += part);
    }
}

/// Rows of the matrix in f32, `out [ids, columns]`.
pub(super) fn embed(out: &mut [f32], weight: PackedRows<'_>, ids: &[usize]) {
    let [_, columns] = weight.shape();
    let share = (SHARE / weight.row_bytes()).max(1);
    out.par_chunks_mut(share * columns).zip(ids.par_chunks(share)).for_each(|(out, ids)| {
        for (out, &id) in out.chunks_exact_mut(columns).zip(ids) {
            unpack(out, weight.rows(id..id + 1), 0..columns);
        }
    });
}

/// Columns of a result that a thread computes, a multiple of `unit`.
fn strip(columns: usize, unit: usize) -> usize {
    columns.div_ceil(STRIPS).clamp(64, STRIP).next_multiple_of(unit)
}

/// Does the work for each strip of columns, on all threads; a single one right here.
fn each_strip<'a>(out: MatrixMut<'a>, width: usize, work: impl Fn((Range<usize>, MatrixMut<'a>)) + Sync + Send) {
    let [_, columns] = out.shape();
    if columns <= width {
        return work((0..columns, out));
    }
    let (mut strips, mut rest) = (Vec::with_capacity(columns.div_ceil(width)), out);
    for start in (0..columns).step_by(width) {
        let end = columns.min(start + width);
        let (strip, after) = rest.split_at_column(end - start);
        strips.push((start..end, strip));
        rest = after;
    }
    strips.into_par_iter().for_each(work);
}
