//! What a backend computes with packed matrices, on plain tensors.

use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Cube, TensorMetadata};
use burn::tensor::Shape;

use super::parts::{PackedPart, PackedParts};
use crate::nn::cross_entropy::HeadSettings;
use crate::nn::gpu;
use crate::nn::kernels::Kernels;
use crate::nn::precision::Precision;

/// What is multiplied with a packed matrix `m [rows, columns]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::nn) enum Side {
    /// `x [.., columns] · mᵀ`, as a linear layer does it.
    Transposed,
    /// `x [.., rows] · m`, as its backward does it.
    Plain,
}

impl Side {
    /// Of the gradient.
    pub(in crate::nn) fn other(self) -> Self {
        match self {
            Self::Transposed => Self::Plain,
            Self::Plain => Self::Transposed,
        }
    }
}

/// The kernels of one backend.
pub(in crate::nn) trait PackedBackend: Kernels {
    /// Every number in f32, `[rows, columns]`.
    fn unpack(matrix: PackedParts<Self>) -> FloatTensor<Self>;

    /// `x [batch, seq, d]` times the matrix or its transpose.
    fn packed_matmul(
        x: FloatTensor<Self>,
        matrix: PackedParts<Self>,
        side: Side,
        precision: Precision,
    ) -> FloatTensor<Self>;

    /// Its rows `ids [n]` in f32, `[n, columns]`.
    fn rows_at(matrix: PackedParts<Self>, ids: IntTensor<Self>) -> FloatTensor<Self>;

    /// The loss of each row of `hidden [n, columns]` at its target, `[n]`, with the matrix as head, beside its bias; with `with_grad` its
    /// gradient by `hidden`.
    fn label_nll(
        hidden: FloatTensor<Self>,
        head: (PackedParts<Self>, Option<FloatTensor<Self>>),
        targets: IntTensor<Self>,
        settings: HeadSettings,
        with_grad: bool,
    ) -> (FloatTensor<Self>, Option<FloatTensor<Self>>);
}

impl PackedBackend for Cube {
    fn unpack(matrix: PackedParts<Self>) -> FloatTensor<Self> {
        let part = |PackedPart { words, shape, .. }: &PackedPart<Self>| {
            <Self as gpu::PackedKernels>::unpacked_rows(words.clone(), *shape, 0..shape.rows, Precision::F32)
        };
        Self::float_cat(matrix.iter().map(part).collect(), 0)
    }

    fn packed_matmul(
        x: FloatTensor<Self>,
        matrix: PackedParts<Self>,
        side: Side,
        precision: Precision,
    ) -> FloatTensor<Self> {
        let [batch, seq, d] = x.shape().dims();
        let x = Self::float_reshape(x, Shape::new([batch * seq, d]));
        let [rows, columns] = matrix.dims();
        let (out, width) = match side {
            Side::Transposed => (gpu::product::<Self>(x, &matrix, precision), rows),
            Side::Plain => (gpu::transposed_product::<Self>(x, &matrix, precision), columns),
        };
        Self::float_reshape(out, Shape::new([batch, seq, width]))
    }

    fn rows_at(matrix: PackedParts<Self>, ids: IntTensor<Self>) -> FloatTensor<Self> {
        gpu::rows_at::<Self>(&matrix, ids)
    }

    fn label_nll(
        hidden: FloatTensor<Self>,
        head: (PackedParts<Self>, Option<FloatTensor<Self>>),
        targets: IntTensor<Self>,
        settings: HeadSettings,
        with_grad: bool,
    ) -> (FloatTensor<Self>, Option<FloatTensor<Self>>) {
        gpu::cross_entropy_at_labels::<Self>(hidden, head, targets, settings, with_grad)
    }
}
