//! Matrices that are read some rows at a time, however they are kept.

use std::ops::Range;

use super::matrix::Matrix;
use super::packed::{PackedRows, parts_of, shape_of, unpack_all};
use super::stored::Stored;

/// Numbers that are widened or unpacked at a time: they are read again while they are near.
const MOST_NUMBERS: usize = 1 << 21;

/// A matrix whose rows can be had in f32.
pub(super) trait RowSource: Copy + Sync {
    /// Rows and columns.
    fn shape(self) -> [usize; 2];

    /// Rows to be asked for at a time.
    fn most_rows(self) -> usize;

    /// Some rows in f32: themselves where they are, else made in the scratch.
    fn in_f32<'a>(self, rows: Range<usize>, scratch: &'a mut Vec<f32>) -> Matrix<'a>
    where
        Self: 'a;
}

impl<T: Stored> RowSource for Matrix<'_, T> {
    fn shape(self) -> [usize; 2] {
        Matrix::shape(self)
    }

    fn most_rows(self) -> usize {
        if T::BLOCK == usize::MAX { usize::MAX } else { few_numbers(Matrix::shape(self)) }
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
    fn shape(self) -> [usize; 2] {
        shape_of(self)
    }

    fn most_rows(self) -> usize {
        few_numbers(shape_of(self))
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
