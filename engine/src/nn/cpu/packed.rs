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
pub(super) const FEW: usize = 16;

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

/// Shares of a matrix whose rows are summed.
const SHARES: usize = 8;

/// Numbers that a thread unpacks from start to end.
const EMBEDDED: usize = 32 * 1024;

/// A matrix, or a part of one, row by row in whole blocks.
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

    /// Some columns, in f32 in the scratch.
    pub(super) fn piece(self, columns: Range<usize>, scratch: &mut [f32]) -> Matrix<'_> {
        let scratch = &mut scratch[..self.rows * columns.len()];
        unpack(scratch, self, columns.clone());
        Matrix::dense(scratch, self.rows, columns.len())
    }
}

/// Rows and columns of parts one below the other.
pub(super) fn shape_of(parts: &[PackedRows<'_>]) -> [usize; 2] {
    let columns = parts.first().map_or(0, |part| part.columns);
    assert!(parts.iter().all(|part| part.columns == columns), "parts of a matrix have one width");
    [parts.iter().map(|part| part.rows).sum(), columns]
}

/// The parts of a matrix that some of its rows lie in: the rows of each part, and where they begin among those asked for.
pub(super) fn parts_of<'a>(
    parts: &'a [PackedRows<'a>],
    rows: Range<usize>,
) -> impl Iterator<Item = (PackedRows<'a>, usize)> {
    let mut first = 0;
    parts.iter().filter_map(move |part| {
        let (start, end) = (rows.start.max(first), rows.end.min(first + part.rows));
        let own = (start < end).then(|| (part.rows(start - first..end - first), start - rows.start));
        first += part.rows;
        own
    })
}

/// `out = x · weightᵀ`, all of it written.
///
/// `x [n, d_in]`, `weight [d_out, d_in]` in parts one below the other, `out [n, d_out]`.
pub(super) fn product_with_rows(out: &mut [f32], x: Matrix<'_>, weight: &[PackedRows<'_>]) {
    let [n, d_in] = x.shape();
    let [d_out, columns] = shape_of(weight);
    assert_eq!(d_in, columns, "the inner sizes agree");
    if n == 0 {
        return;
    }
    let alone = n * weight.iter().map(|part| part.bytes.len()).sum::<usize>() <= ALONE;
    let mut rest = MatrixMut::dense(out, n, d_out);
    let mut strips = Vec::new();
    for part in weight {
        // Where numbers are multiplied as they are unpacked, whole groups of four rows.
        let height = match n {
            ..=FEW if alone => part.rows.max(1),
            ..=FEW => (SHARE / part.row_bytes()).max(1).next_multiple_of(4),
            _ => strip(part.rows, 16),
        };
        for start in (0..part.rows).step_by(height) {
            let end = part.rows.min(start + height);
            let (strip, after) = rest.split_at_column(end - start);
            strips.push((part.rows(start..end), strip));
            rest = after;
        }
    }
    match n {
        ..=FEW if alone => strips.into_iter().for_each(|(weight, mut out)| dots(&mut out, x, weight)),
        ..=FEW => strips.into_par_iter().for_each(|(weight, mut out)| dots(&mut out, x, weight)),
        _ => strips.into_par_iter().for_each(|(weight, out)| product_with_strip(out, x, weight)),
    }
}

/// As [`product_with_rows`], by the calling thread.
fn product_with_strip(mut out: MatrixMut<'_>, x: Matrix<'_>, weight: PackedRows<'_>) {
    let [height, d_in] = weight.shape();
    let mut scratch = Buffer::any(height * PIECE.min(d_in));
    for start in (0..d_in).step_by(PIECE) {
        let columns = start..d_in.min(start + PIECE);
        let piece = weight.piece(columns.clone(), &mut scratch);
        let onto = if start == 0 { Onto::Fresh } else { Onto::Sum };
        product_here(out.again(), onto, 1.0, x.columns(columns), piece.transposed());
    }
}

/// `out = x · weight`, all of it written.
///
/// `x [n, d_out]`, `weight [d_out, d_in]` in parts one below the other, `out [n, d_in]`.
pub(super) fn transposed_product(out: &mut [f32], x: Matrix<'_>, weight: &[PackedRows<'_>]) {
    let [n, d_out] = x.shape();
    let [rows, d_in] = shape_of(weight);
    assert_eq!(d_out, rows, "the inner sizes agree");
    if n == 0 || rows == 0 {
        return out.fill(0.0);
    }
    if n <= FEW_SUMS {
        return sum_of_rows(out, x, weight);
    }
    // Whole blocks of every part.
    let width = strip(d_in, weight.iter().map(|part| part.block.numbers()).max().unwrap_or(1));
    let (mut rest, mut strips) = (MatrixMut::dense(out, n, d_in), Vec::new());
    for start in (0..d_in).step_by(width) {
        let end = d_in.min(start + width);
        let (strip, after) = rest.split_at_column(end - start);
        strips.push((start..end, strip));
        rest = after;
    }
    strips.into_par_iter().for_each(|(columns, mut out)| {
        let mut scratch = Buffer::any(PIECE.min(rows) * columns.len());
        for start in (0..rows).step_by(PIECE) {
            for (part, first) in parts_of(weight, start..rows.min(start + PIECE)) {
                let first = start + first;
                let onto = if first == 0 { Onto::Fresh } else { Onto::Sum };
                let x = x.columns(first..first + part.rows);
                product_here(out.again(), onto, 1.0, x, part.piece(columns.clone(), &mut scratch));
            }
        }
    });
}

/// As [`transposed_product`] for a few rows; each share of the matrix is summed apart.
fn sum_of_rows(out: &mut [f32], x: Matrix<'_>, weight: &[PackedRows<'_>]) {
    let [rows, d_in] = shape_of(weight);
    let [n, _] = x.shape();
    let share = rows.div_ceil(SHARES);
    let starts: Vec<usize> = (0..rows).step_by(share).collect();
    let sums: Vec<Vec<f32>> = starts
        .into_par_iter()
        .map(|start| {
            let mut sum = vec![0.0; n * d_in];
            for (part, first) in parts_of(weight, start..rows.min(start + share)) {
                let first = start + first;
                add_rows(&mut sum, x.columns(first..first + part.rows), part);
            }
            sum
        })
        .collect();
    out.fill(0.0);
    for sum in sums {
        out.iter_mut().zip(sum).for_each(|(out, sum)| *out += sum);
    }
}

/// Rows of the matrix in f32, `out [ids, columns]`.
pub(super) fn embed(out: &mut [f32], weight: &[PackedRows<'_>], ids: &[usize]) {
    let [rows, columns] = shape_of(weight);
    let share = (EMBEDDED / columns.max(1)).max(1);
    out.par_chunks_mut((share * columns).max(1)).zip(ids.par_chunks(share)).for_each(|(out, ids)| {
        for (out, &id) in out.chunks_exact_mut(columns).zip(ids) {
            assert!(id < rows, "a token is one of the vocabulary");
            for (row, _) in parts_of(weight, id..id + 1) {
                unpack(out, row, 0..columns);
            }
        }
    });
}

/// Every number, `out [rows, columns]`.
pub(super) fn unpack_all(out: &mut [f32], weight: &[PackedRows<'_>]) {
    let [rows, columns] = shape_of(weight);
    assert_eq!(out.len(), rows * columns, "a place for every number");
    let share = (EMBEDDED / columns.max(1)).max(1);
    out.par_chunks_mut((share * columns).max(1)).enumerate().for_each(|(index, out)| {
        let start = index * share;
        for (part, first) in parts_of(weight, start..rows.min(start + share)) {
            unpack(&mut out[first * columns..][..part.rows * columns], part, 0..columns);
        }
    });
}

/// Columns of a result that a thread computes, a multiple of `unit`.
fn strip(columns: usize, unit: usize) -> usize {
    columns.div_ceil(STRIPS).clamp(64, STRIP).next_multiple_of(unit)
}
