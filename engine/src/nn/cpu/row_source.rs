//! Matrices that are read some rows at a time, however they are kept and multiplied.

use std::ops::Range;

use super::matrix::{Matrix, MatrixMut, Onto, product};
use super::narrow::{self, Rounded};
use super::packed::{PackedRows, parts_of, shape_of, unpack_all};
use super::packed_operand::PackedOperand;
use super::stored::Stored;
use crate::nn::packed::Side;

/// Numbers that are widened or unpacked at a time: they are read again while they are near.
const MOST_NUMBERS: usize = 1 << 21;

/// A matrix whose rows can be multiplied, and had in f32.
pub(super) trait RowSource: Copy + Sync {
    /// Some rows, as they are multiplied.
    type Part<'a>: Part
    where
        Self: 'a;

    /// Rows and columns.
    fn shape(self) -> [usize; 2];

    /// Rows to be asked for at a time.
    fn most_rows(self) -> usize;

    /// Some rows to be multiplied; the scratch is theirs meanwhile.
    fn part<'a>(self, rows: Range<usize>, scratch: &'a mut Vec<f32>) -> Self::Part<'a>
    where
        Self: 'a;

    /// Some rows in f32: themselves where they are, else made in the scratch.
    fn in_f32<'a>(self, rows: Range<usize>, scratch: &'a mut Vec<f32>) -> Matrix<'a>
    where
        Self: 'a;
}

/// Some rows of a matrix.
pub(super) trait Part {
    /// `out = x · rowsᵀ`
    fn dots(&self, out: MatrixMut<'_>, x: Matrix<'_>);

    /// `out = weights · rows`, or `out += …`
    fn mix(&self, out: MatrixMut<'_>, onto: Onto, weights: Matrix<'_>);
}

/// In f32.
impl Part for Matrix<'_> {
    fn dots(&self, out: MatrixMut<'_>, x: Matrix<'_>) {
        product(out, Onto::Fresh, 1.0, x, self.transposed());
    }

    fn mix(&self, out: MatrixMut<'_>, onto: Onto, weights: Matrix<'_>) {
        product(out, onto, 1.0, weights, *self);
    }
}

/// Multiplied in bf16.
#[derive(Clone, Copy)]
pub(super) struct InBf16<M>(pub(super) M);

impl<T: Rounded> Part for InBf16<Matrix<'_, T>> {
    fn dots(&self, out: MatrixMut<'_>, x: Matrix<'_>) {
        narrow::product(out, narrow::Onto::Fresh, x, self.0.transposed());
    }

    fn mix(&self, out: MatrixMut<'_>, onto: Onto, weights: Matrix<'_>) {
        narrow::product(out, onto.into(), weights, self.0);
    }
}

impl Part for InBf16<PackedOperand<'_>> {
    fn dots(&self, out: MatrixMut<'_>, x: Matrix<'_>) {
        narrow::product(out, narrow::Onto::Fresh, x, self.0.on(Side::Transposed));
    }

    fn mix(&self, out: MatrixMut<'_>, onto: Onto, weights: Matrix<'_>) {
        narrow::product(out, onto.into(), weights, self.0.on(Side::Plain));
    }
}

impl<T: Stored + Rounded> RowSource for InBf16<Matrix<'_, T>> {
    type Part<'a>
        = InBf16<Matrix<'a, T>>
    where
        Self: 'a;

    fn shape(self) -> [usize; 2] {
        Matrix::shape(self.0)
    }

    fn most_rows(self) -> usize {
        usize::MAX
    }

    fn part<'a>(self, rows: Range<usize>, _: &'a mut Vec<f32>) -> InBf16<Matrix<'a, T>>
    where
        Self: 'a,
    {
        InBf16(self.0.rows(rows))
    }

    fn in_f32<'a>(self, rows: Range<usize>, scratch: &'a mut Vec<f32>) -> Matrix<'a>
    where
        Self: 'a,
    {
        self.0.in_f32(rows, scratch)
    }
}

impl RowSource for InBf16<&[PackedRows<'_>]> {
    type Part<'a>
        = InBf16<PackedOperand<'a>>
    where
        Self: 'a;

    fn shape(self) -> [usize; 2] {
        shape_of(self.0)
    }

    fn most_rows(self) -> usize {
        usize::MAX
    }

    fn part<'a>(self, rows: Range<usize>, _: &'a mut Vec<f32>) -> InBf16<PackedOperand<'a>>
    where
        Self: 'a,
    {
        InBf16(PackedOperand::new(self.0, rows))
    }

    fn in_f32<'a>(self, rows: Range<usize>, scratch: &'a mut Vec<f32>) -> Matrix<'a>
    where
        Self: 'a,
    {
        self.0.in_f32(rows, scratch)
    }
}

impl<T: Stored> RowSource for Matrix<'_, T> {
    type Part<'a>
        = Matrix<'a>
    where
        Self: 'a;

    fn shape(self) -> [usize; 2] {
        Matrix::shape(self)
    }

    fn most_rows(self) -> usize {
        if T::BLOCK == usize::MAX { usize::MAX } else { few_numbers(Matrix::shape(self)) }
    }

    fn part<'a>(self, rows: Range<usize>, scratch: &'a mut Vec<f32>) -> Matrix<'a>
    where
        Self: 'a,
    {
        self.in_f32(rows, scratch)
    }

    fn in_f32<'a>(self, rows: Range<usize>, scratch: &'a mut Vec<f32>) -> Matrix<'a>
    where
        Self: 'a,
    {
        T::widened(self.rows(rows), scratch)
    }
}

/// Parts one below the other.
impl RowSource for &[PackedRows<'_>] {
    type Part<'a>
        = Matrix<'a>
    where
        Self: 'a;

    fn shape(self) -> [usize; 2] {
        shape_of(self)
    }

    fn most_rows(self) -> usize {
        few_numbers(shape_of(self))
    }

    fn part<'a>(self, rows: Range<usize>, scratch: &'a mut Vec<f32>) -> Matrix<'a>
    where
        Self: 'a,
    {
        self.in_f32(rows, scratch)
    }

    fn in_f32<'a>(self, rows: Range<usize>, scratch: &'a mut Vec<f32>) -> Matrix<'a>
    where
        Self: 'a,
    {
        let ([_, columns], n) = (shape_of(self), rows.len());
        scratch.resize(n * columns, 0.0);
        let asked: Vec<PackedRows<'_>> = parts_of(self, rows).map(|(part, _)| part).collect();
        unpack_all(scratch, &asked);
        Matrix::dense(scratch, n, columns)
    }
}

/// Rows of few numbers in all, in whole vectors of logits.
fn few_numbers([_, columns]: [usize; 2]) -> usize {
    (MOST_NUMBERS / columns.max(1)).next_multiple_of(64).max(64)
}
