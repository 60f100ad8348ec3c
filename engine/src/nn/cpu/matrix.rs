//! Views of matrices inside larger buffers, and their products.
//!
//! A view that can be written is split, never shared, so threads fill the parts of one buffer without copies and
//! without overlap.
#![expect(unsafe_code, reason = "disjoint strided views of one buffer, and the gemm crate's raw interface")]

use std::marker::PhantomData;
use std::ops::Range;

use gemm::Parallelism;

/// A matrix that is read.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// `data` starts at the first element.
    pub(super) fn new(data: &'a [f32], [rows, columns]: [usize; 2], [row_stride, column_stride]: [usize; 2]) -> Self {
        if rows > 0 && columns > 0 {
            let last = (rows - 1) * row_stride + (columns - 1) * column_stride;
            assert!(last < data.len(), "the matrix lies within its buffer");
        }
        Self { data, rows, columns, row_stride, column_stride }
    }

    /// Rows of `columns` numbers, one after the other.
    pub(super) fn dense(data: &'a [f32], rows: usize, columns: usize) -> Self {
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
    pub(super) fn flat(self) -> &'a [f32] {
        self.data
    }

    /// A row whose numbers are neighbours.
    #[inline]
    pub(super) fn row(self, row: usize) -> &'a [f32] {
        assert!(self.column_stride == 1 && row < self.rows, "a dense row within the matrix");
        &self.data[row * self.row_stride..][..self.columns]
    }
}

/// A matrix that is written; its columns are neighbours.
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

/// What becomes of what the destination held.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Into {
    /// It is overwritten, and never read.
    Fresh,
    /// The product is added to it.
    Sum,
}

/// Who computes a product.
#[derive(Clone, Copy)]
pub(super) enum By {
    /// The calling thread, where the caller has its own parallel loop.
    OneThread,
    /// All of rayon's threads.
    AllThreads,
}

/// `out = scale · left · right`, or `out += …`.
pub(super) fn product(out: &mut MatrixMut<'_>, into: Into, scale: f32, left: Matrix<'_>, right: Matrix<'_>, by: By) {
    assert_eq!([left.rows, right.columns], out.shape(), "the product has the shape of its destination");
    assert_eq!(left.columns, right.rows, "the inner sizes agree");
    if left.columns == 0 || out.rows == 0 || out.columns == 0 {
        if into == Into::Fresh {
            (0..out.rows).for_each(|row| out.row_mut(row).fill(0.0));
        }
        return;
    }
    let parallelism = match by {
        By::OneThread => Parallelism::None,
        By::AllThreads => Parallelism::Rayon(0),
    };
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
            into == Into::Sum,
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
            parallelism,
        );
    }
}
