//! Views of matrices inside larger buffers, and their products.
//!
//! A view that can be written is split, never shared, so threads fill the parts of one buffer without copies and
//! without overlap.
#![expect(unsafe_code, reason = "disjoint strided views of one buffer, and the gemm crate's raw interface")]

use std::marker::PhantomData;
use std::ops::Range;

use gemm::Parallelism;
use rayon::prelude::*;

use super::lanes::LANES;

/// A matrix that is read.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a, T = f32> {
    data: &'a [T],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a, T: Copy> Matrix<'a, T> {
    /// `data` starts at the first element.
    pub(super) fn new(data: &'a [T], [rows, columns]: [usize; 2], [row_stride, column_stride]: [usize; 2]) -> Self {
        if rows > 0 && columns > 0 {
            let last = (rows - 1) * row_stride + (columns - 1) * column_stride;
            assert!(last < data.len(), "the matrix lies within its buffer");
        }
        Self { data, rows, columns, row_stride, column_stride }
    }

    /// Rows of `columns` numbers, one after the other.
    pub(super) fn dense(data: &'a [T], rows: usize, columns: usize) -> Self {
        Self::new(data, [rows, columns], [columns, 1])
    }

    pub(super) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    pub(super) fn rows(self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.rows, "rows within the matrix");
        let start = (range.start * self.row_stride).min(self.data.len());
        Self { data: &self.data[start..], rows: range.len(), ..self }
    }

    pub(super) fn columns(self, range: Range<usize>) -> Self {
        self.transposed().rows(range).transposed()
    }

    pub(super) fn shape(self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    pub(super) fn strides(self) -> [usize; 2] {
        [self.row_stride, self.column_stride]
    }

    /// The buffer from the first element on, to be read with the strides.
    pub(super) fn flat(self) -> &'a [T] {
        self.data
    }

    /// A row whose numbers are neighbors.
    #[inline]
    pub(super) fn row(self, row: usize) -> &'a [T] {
        assert!(self.column_stride == 1 && row < self.rows, "a dense row within the matrix");
        &self.data[row * self.row_stride..][..self.columns]
    }
}

/// A matrix that is written; its columns are neighbors.
pub(super) struct MatrixMut<'a> {
    start: *mut f32,
    rows: usize,
    columns: usize,
    row_stride: usize,
    buffer: PhantomData<&'a mut [f32]>,
}

// SAFETY: a `MatrixMut` is the only way to its elements, as `&mut [f32]` is.
unsafe impl Send for MatrixMut<'_> {}

impl<'a> MatrixMut<'a> {
    /// Rows of `columns` numbers, one after the other.
    pub(super) fn dense(data: &'a mut [f32], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns)
    }

    /// Rows of `columns` numbers that start `row_stride` apart.
    pub(super) fn strided(data: &'a mut [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        assert!(columns <= row_stride || rows <= 1, "rows do not overlap");
        if rows > 0 {
            assert!((rows - 1) * row_stride + columns <= data.len(), "the matrix lies within its buffer");
        }
        Self { start: data.as_mut_ptr(), rows, columns, row_stride, buffer: PhantomData }
    }

    /// Parts of `width` columns, from left to right.
    pub(super) fn split_columns(self, width: usize) -> impl Iterator<Item = Self> {
        assert!(width > 0 && self.columns.is_multiple_of(width), "columns divide into parts");
        let parts = self.columns / width;
        (0..parts).map(move |part| Self {
            // SAFETY: column `part * width` exists, and the parts share no column.
            start: unsafe { self.start.add(part * width) },
            rows: self.rows,
            columns: width,
            row_stride: self.row_stride,
            buffer: PhantomData,
        })
    }

    /// Parts of `height` rows, from top to bottom; the last may be lower.
    pub(super) fn split_rows(self, height: usize) -> impl Iterator<Item = Self> {
        (0..self.rows).step_by(height).map(move |first| Self {
            // SAFETY: row `first` exists, and the parts share no row.
            start: unsafe { self.start.add(first * self.row_stride) },
            rows: height.min(self.rows - first),
            columns: self.columns,
            row_stride: self.row_stride,
            buffer: PhantomData,
        })
    }

    /// The columns before `column` and the rest.
    pub(super) fn split_at_column(self, column: usize) -> (Self, Self) {
        assert!(column <= self.columns, "a column of the matrix");
        let part = |start: usize, columns: usize| Self {
            // SAFETY: `start` is at most one past the last column, and the parts share no column.
            start: unsafe { self.start.add(start) },
            rows: self.rows,
            columns,
            row_stride: self.row_stride,
            buffer: PhantomData,
        };
        (part(0, column), part(column, self.columns - column))
    }

    /// The same view, while `self` waits.
    pub(super) fn again(&mut self) -> MatrixMut<'_> {
        self.rows_mut(0..self.rows)
    }

    /// Some of the rows, while `self` waits.
    pub(super) fn rows_mut(&mut self, range: Range<usize>) -> MatrixMut<'_> {
        assert!(range.start <= range.end && range.end <= self.rows, "rows within the matrix");
        let skip = if range.is_empty() { 0 } else { range.start * self.row_stride };
        MatrixMut {
            // SAFETY: the first of the rows is within the matrix, and `self` is borrowed meanwhile.
            start: unsafe { self.start.add(skip) },
            rows: range.len(),
            columns: self.columns,
            row_stride: self.row_stride,
            buffer: PhantomData,
        }
    }

    /// Some of the columns, while `self` waits.
    pub(super) fn columns_mut(&mut self, range: Range<usize>) -> MatrixMut<'_> {
        assert!(range.start <= range.end && range.end <= self.columns, "columns within the matrix");
        MatrixMut {
            // SAFETY: the first of the columns is within the matrix, and `self` is borrowed meanwhile.
            start: unsafe { self.start.add(range.start) },
            rows: self.rows,
            columns: range.len(),
            row_stride: self.row_stride,
            buffer: PhantomData,
        }
    }

    #[inline]
    pub(super) fn row_mut(&mut self, row: usize) -> &mut [f32] {
        assert!(row < self.rows, "a row of the matrix");
        // SAFETY: the row lies within the buffer, and `self` is borrowed meanwhile.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(row * self.row_stride), self.columns) }
    }

    pub(super) fn shape(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }
}

/// Treatment of what the destination held.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Onto {
    /// It is overwritten, and never read.
    Fresh,
    /// The product is added to it.
    Sum,
}

/// Multiplications of a product that are worth waking a thread.
const WORTH_THREADS: usize = 1 << 20;

/// Narrower parts of a product would pack their factors more often than they use them.
const NARROWEST: usize = 192;

/// As [`NARROWEST`], for rows.
const LOWEST: usize = 64;

/// `out = scale · left · right`, or `out += …`, computed by all threads.
///
/// The destination is cut into parts that one thread computes from start to end, about two for each thread: 8 % faster
/// than the gemm crate's own threads, which wait for each other at every block.
pub(super) fn product(out: MatrixMut<'_>, onto: Onto, scale: f32, left: Matrix<'_>, right: Matrix<'_>) {
    let [rows, columns] = out.shape();
    let threads = rayon::current_num_threads();
    if threads == 1 || rows * columns * left.columns < WORTH_THREADS {
        return product_here(out, onto, scale, left, right);
    }
    let across = (2 * threads).min(columns / NARROWEST).max(1);
    let down = (2 * threads).div_ceil(across).min(rows / LOWEST).max(1);
    let width = columns.div_ceil(across).next_multiple_of(LANES);
    let height = rows.div_ceil(down).next_multiple_of(LANES);
    let mut parts = Vec::new();
    for (of_left, out) in out.split_rows(height).enumerate() {
        let left = left.rows(of_left * height..rows.min((of_left + 1) * height));
        let mut rest = out;
        for start in (0..columns).step_by(width) {
            let end = columns.min(start + width);
            let (part, after) = rest.split_at_column(end - start);
            parts.push((part, left, right.columns(start..end)));
            rest = after;
        }
    }
    parts.into_par_iter().for_each(|(out, left, right)| product_here(out, onto, scale, left, right));
}

/// `out = scale · left · right`, or `out += …`, computed by the calling thread.
pub(super) fn product_here(mut out: MatrixMut<'_>, onto: Onto, scale: f32, left: Matrix<'_>, right: Matrix<'_>) {
    assert_eq!([left.rows, right.columns], out.shape(), "the product has the shape of its destination");
    assert_eq!(left.columns, right.rows, "the inner sizes agree");
    if left.columns == 0 || out.rows == 0 || out.columns == 0 {
        if onto == Onto::Fresh {
            (0..out.rows).for_each(|row| out.row_mut(row).fill(0.0));
        }
        return;
    }
    // SAFETY: each view was checked to lie within its buffer when it was made, the destination is borrowed mutably and
    // so overlaps neither factor, and the shapes agree.
    unsafe {
        gemm::gemm(
            out.rows,
            out.columns,
            left.columns,
            out.start,
            1,
            out.row_stride as isize,
            onto == Onto::Sum,
            left.data.as_ptr(),
            left.column_stride as isize,
            left.row_stride as isize,
            right.data.as_ptr(),
            right.column_stride as isize,
            right.row_stride as isize,
            1.0,
            scale,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
