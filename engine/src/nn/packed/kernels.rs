//! Forward and backward with packed matrices on plain tensors. The default bodies unpack a matrix in front of its product
//! and drop it behind; a backend that reads the blocks as it multiplies overrides them.

use burn::backend::tensor::{FloatTensor, IntTensor};

use super::matrix::{PackedForm, Side};
use crate::nn::composed;
use crate::nn::kernels::Kernels;
use crate::nn::precision::Precision;

/// The kernels of one backend.
pub(in crate::nn) trait PackedKernels: Kernels {
    /// Every number in f32, `[rows, columns]`.
    fn unpack(words: IntTensor<Self>, form: PackedForm) -> FloatTensor<Self>;

    /// `x [batch, seq, d]` times the matrix or its transpose.
    fn product(
        x: FloatTensor<Self>,
        words: IntTensor<Self>,
        form: PackedForm,
        side: Side,
        precision: Precision,
    ) -> FloatTensor<Self> {
        let matrix = Self::unpack(words, form);
        let matrix = match side {
            Side::Transposed => Self::float_transpose(matrix),
            Side::Plain => matrix,
        };
        composed::linear::<Self>(x, matrix, None, precision)
    }

    /// Its rows `ids [n]` in f32, `[n, columns]`.
    fn select(words: IntTensor<Self>, ids: IntTensor<Self>, form: PackedForm) -> FloatTensor<Self> {
        Self::float_select(Self::unpack(words, form), 0, ids)
    }

    /// The loss of each row of `hidden [n, columns]` at its target, `[n]`, with the matrix as head; with `with_grad` its
    /// gradient by `hidden`.
    fn label_nll(
        hidden: FloatTensor<Self>,
        words: IntTensor<Self>,
        targets: IntTensor<Self>,
        (form, precision): (PackedForm, Precision),
        with_grad: bool,
    ) -> (FloatTensor<Self>, Option<FloatTensor<Self>>) {
        Self::cross_entropy_at_labels(hidden, Self::unpack(words, form), targets, precision, with_grad)
    }
}
