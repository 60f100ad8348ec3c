//! Products with a packed matrix of any size on a GPU: which kernel computes them, and in how many parts.
//!
//! - Up to 8 rows, as in decoding, are bound by reading the matrix: it is read once and unpacked in registers.
//! - Up to 128 rows in f32 go tile by tile. Each tile of 64 rows unpacks the matrix anew, at most twice here.
//! - More rows, and those in 16 bits, are multiplied by burn's product, tuned for the device, with a bounded number of
//!   rows of the matrix unpacked at a time: writing and reading those is little beside so many products.

use std::ops::Range;

use burn::backend::TensorMetadata;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::tensor::Slice;

use super::PackedKernels;
use super::few_rows::MAX_ROWS;
use crate::nn::Precision;
use crate::nn::composed;
use crate::nn::composed::cross_entropy::{Head, cross_entropy_of_head};
use crate::nn::kernels::Kernels;
use crate::nn::packed::PackedShape;

/// Numbers of a matrix that may be unpacked at once: 64 MiB of them in f32.
const MAX_UNPACKED: usize = 1 << 24;

/// Rows of the other operand up to which a product goes tile by tile.
const MAX_TILED: usize = 128;

/// `x [n, columns] · matrixᵀ`, `[n, rows]`.
pub(in crate::nn) fn product<B: Kernels + PackedKernels>(
    x: FloatTensor<B>,
    words: IntTensor<B>,
    matrix: PackedShape,
    precision: Precision,
) -> FloatTensor<B> {
    let [n, _] = x.shape().dims();
    if n <= MAX_ROWS {
        return B::few_rows_product(x, words, matrix);
    }
    if n <= MAX_TILED && precision == Precision::F32 {
        return B::tiled_product(x, words, matrix);
    }
    let parts = row_ranges(matrix).map(|rows| {
        let part = B::unpacked_rows(words.clone(), matrix, rows, precision);
        composed::product::<B>(x.clone(), B::float_transpose(part), precision)
    });
    let mut parts: Vec<_> = parts.collect();
    if parts.len() == 1 { parts.remove(0) } else { B::float_cat(parts, 1) }
}

/// `grad [n, rows] · matrix`, `[n, columns]`.
pub(in crate::nn) fn transposed_product<B: Kernels + PackedKernels>(
    grad: FloatTensor<B>,
    words: IntTensor<B>,
    matrix: PackedShape,
    precision: Precision,
) -> FloatTensor<B> {
    let [n, _] = grad.shape().dims();
    if n <= MAX_TILED && precision == Precision::F32 {
        return B::tiled_transposed_product(grad, words, matrix);
    }
    let parts = row_ranges(matrix).map(|rows| {
        let part = B::unpacked_rows(words.clone(), matrix, rows.clone(), precision);
        let grad = B::float_slice(grad.clone(), &[Slice::full(), Slice::from(rows)]);
        composed::product::<B>(grad, part, precision)
    });
    parts.reduce(B::float_add).expect("a matrix has rows")
}

/// The rows that `ids [n]` name, in f32, `[n, columns]`.
pub(in crate::nn) fn rows_at<B: PackedKernels>(
    words: IntTensor<B>,
    matrix: PackedShape,
    ids: IntTensor<B>,
) -> FloatTensor<B> {
    B::unpacked_rows_at(words, matrix, ids)
}

/// The loss at the labels of a packed head: of each row, `[n]`, and with `with_grad` its gradient by `hidden`,
/// `[n, d_model]`.
pub(in crate::nn) fn cross_entropy_at_labels<B: Kernels + PackedKernels>(
    hidden: FloatTensor<B>,
    words: IntTensor<B>,
    matrix: PackedShape,
    targets: IntTensor<B>,
    precision: Precision,
    with_grad: bool,
) -> (FloatTensor<B>, Option<FloatTensor<B>>) {
    let head = PackedHead::<B> { words, matrix, precision };
    cross_entropy_of_head::<B>(hidden, &head, targets, with_grad)
}

/// A vocabulary that stays packed.
struct PackedHead<B: PackedKernels> {
    words: IntTensor<B>,
    matrix: PackedShape,
    precision: Precision,
}

impl<B: Kernels + PackedKernels> Head<B> for PackedHead<B> {
    fn vocab_size(&self) -> usize {
        self.matrix.rows
    }

    fn logits(&self, hidden: FloatTensor<B>) -> FloatTensor<B> {
        product::<B>(hidden, self.words.clone(), self.matrix, self.precision)
    }

    fn mixed(&self, weights: FloatTensor<B>) -> FloatTensor<B> {
        transposed_product::<B>(weights, self.words.clone(), self.matrix, self.precision)
    }

    fn rows_at(&self, ids: IntTensor<B>) -> FloatTensor<B> {
        rows_at::<B>(self.words.clone(), self.matrix, ids)
    }
}

/// All rows, as many at a time as may be unpacked at once.
fn row_ranges(matrix: PackedShape) -> impl Iterator<Item = Range<usize>> {
    let at_once = (MAX_UNPACKED / matrix.columns).max(1);
    (0..matrix.rows).step_by(at_once).map(move |start| start..(start + at_once).min(matrix.rows))
}
