//! Products with a packed matrix of any size on a GPU: which kernel computes them, and in how many parts.
//!
//! - Up to 8 rows, as in decoding, are bound by reading the matrix: it is read once and unpacked in registers.
//! - Up to 128 rows in f32 go tile by tile. Each tile of 64 rows unpacks the matrix anew, at most twice here.
//! - More rows, and those in 16 bits, are multiplied by burn's product, tuned for the device, with a bounded number of
//!   rows of the matrix unpacked at a time: writing and reading those is little beside so many products.

use std::ops::Range;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::Slice;

use super::PackedKernels;
use super::few_rows::MAX_ROWS;
use crate::nn::Precision;
use crate::nn::composed;
use crate::nn::composed::cross_entropy::{Head, cross_entropy_of_head};
use crate::nn::cross_entropy::HeadSettings;
use crate::nn::kernels::Kernels;
use crate::nn::packed::{PackedPart, PackedParts, PackedShape};

/// Numbers of a matrix that may be unpacked at once: 64 MiB of them in f32; in tests so few that there are several parts.
const MAX_UNPACKED: usize = if cfg!(test) { 1 << 11 } else { 1 << 24 };

/// Rows of the other operand up to which a product goes tile by tile.
const MAX_TILED: usize = 128;

/// `x [n, columns] · matrixᵀ`, `[n, rows]`.
pub(in crate::nn) fn product<B: Kernels + PackedKernels>(
    x: FloatTensor<B>,
    matrix: &PackedParts<B>,
    precision: Precision,
) -> FloatTensor<B> {
    let columns = matrix.iter().flat_map(|part| part_product::<B>(&x, part, precision)).collect();
    side_by_side::<B>(columns)
}

/// `grad [n, rows] · matrix`, `[n, columns]`.
pub(in crate::nn) fn transposed_product<B: Kernels + PackedKernels>(
    grad: FloatTensor<B>,
    matrix: &PackedParts<B>,
    precision: Precision,
) -> FloatTensor<B> {
    let terms = matrix.iter().flat_map(|part| {
        let grad = columns_of::<B>(&grad, part.first..part.first + part.shape.rows);
        part_transposed_product::<B>(&grad, part, precision)
    });
    terms.reduce(B::float_add).expect("a matrix has rows")
}

/// The rows that `ids [n]` name, in f32, `[n, columns]`.
pub(in crate::nn) fn rows_at<B: PackedKernels>(matrix: &PackedParts<B>, ids: IntTensor<B>) -> FloatTensor<B> {
    // Of the rows of other parts each gives zeros.
    let terms = matrix.iter().map(|part| B::unpacked_rows_at(part.words.clone(), part.shape, part.first, ids.clone()));
    terms.reduce(B::float_add).expect("a matrix has rows")
}

/// The loss at the labels of a packed head: of each row, `[n]`, and with `with_grad` its gradient by `hidden`,
/// `[n, d_model]`.
pub(in crate::nn) fn cross_entropy_at_labels<B: Kernels + PackedKernels>(
    hidden: FloatTensor<B>,
    (head, bias): (PackedParts<B>, Option<FloatTensor<B>>),
    targets: IntTensor<B>,
    HeadSettings { precision, softcap }: HeadSettings,
    with_grad: bool,
) -> (FloatTensor<B>, Option<FloatTensor<B>>) {
    cross_entropy_of_head::<B>(hidden, &PackedHead::<B> { head, precision }, (bias, softcap), targets, with_grad)
}

/// A vocabulary that stays packed.
struct PackedHead<B: PackedKernels> {
    head: PackedParts<B>,
    precision: Precision,
}

impl<B: Kernels + PackedKernels> Head<B> for PackedHead<B> {
    fn vocab_size(&self) -> usize {
        let [vocab_size, _] = self.head.dims();
        vocab_size
    }

    fn logits(&self, hidden: FloatTensor<B>) -> FloatTensor<B> {
        product::<B>(hidden, &self.head, self.precision)
    }

    fn mixed(&self, weights: FloatTensor<B>) -> FloatTensor<B> {
        transposed_product::<B>(weights, &self.head, self.precision)
    }

    fn rows_at(&self, ids: IntTensor<B>) -> FloatTensor<B> {
        rows_at::<B>(&self.head, ids)
    }
}

/// The product with a part, as columns that lie side by side.
fn part_product<B: Kernels + PackedKernels>(
    x: &FloatTensor<B>,
    part: &PackedPart<B>,
    precision: Precision,
) -> Vec<FloatTensor<B>> {
    let [n, _] = x.shape().dims();
    if n <= MAX_ROWS {
        return vec![B::few_rows_product(x.clone(), part.words.clone(), part.shape)];
    }
    if n <= MAX_TILED && precision == Precision::F32 {
        return vec![B::tiled_product(x.clone(), part.words.clone(), part.shape)];
    }
    let columns = row_ranges(part.shape).map(|rows| {
        let rows = B::unpacked_rows(part.words.clone(), part.shape, rows, precision);
        composed::product::<B>(x.clone(), B::float_transpose(rows), precision)
    });
    columns.collect()
}

/// The product with the transpose of a part, as terms of a sum.
fn part_transposed_product<B: Kernels + PackedKernels>(
    grad: &FloatTensor<B>,
    part: &PackedPart<B>,
    precision: Precision,
) -> Vec<FloatTensor<B>> {
    let [n, _] = grad.shape().dims();
    if n <= MAX_TILED && precision == Precision::F32 {
        return vec![B::tiled_transposed_product(grad.clone(), part.words.clone(), part.shape)];
    }
    let terms = row_ranges(part.shape).map(|rows| {
        let grad = columns_of::<B>(grad, rows.clone());
        let rows = B::unpacked_rows(part.words.clone(), part.shape, rows, precision);
        composed::product::<B>(grad, rows, precision)
    });
    terms.collect()
}

fn columns_of<B: Backend>(matrix: &FloatTensor<B>, columns: Range<usize>) -> FloatTensor<B> {
    let [_, all] = matrix.shape().dims();
    if columns == (0..all) {
        return matrix.clone();
    }
    B::float_slice(matrix.clone(), &[Slice::full(), Slice::from(columns)])
}

fn side_by_side<B: Backend>(mut parts: Vec<FloatTensor<B>>) -> FloatTensor<B> {
    if parts.len() == 1 { parts.remove(0) } else { B::float_cat(parts, 1) }
}

/// All rows, as many at a time as may be unpacked at once.
fn row_ranges(matrix: PackedShape) -> impl Iterator<Item = Range<usize>> {
    let at_once = (MAX_UNPACKED / matrix.columns).max(1);
    (0..matrix.rows).step_by(at_once).map(move |start| start..(start + at_once).min(matrix.rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::BlockType;

    #[test]
    fn parts_of_a_matrix_are_all_its_rows_and_no_part_is_too_large() {
        for (rows, columns) in [(1, 32), (70, 96), (64, 2048), (3, 4096)] {
            let parts: Vec<_> = row_ranges(PackedShape { block: BlockType::Q4_0, rows, columns }).collect();
            assert_eq!(parts.iter().cloned().flatten().collect::<Vec<_>>(), (0..rows).collect::<Vec<_>>());
            assert!(parts.iter().all(|part| part.len() == 1 || part.len() * columns <= MAX_UNPACKED), "{parts:?}");
        }
    }
}
