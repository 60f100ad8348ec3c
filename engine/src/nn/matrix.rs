//! Matrices of a model: linear layers, tables of embeddings, heads.

use burn::backend::Dispatch;
use burn::tensor::{DType, Device, Int, Tensor};

use super::linear::embed;
use super::ops::{FrozenOps, Optional};
use super::precision::Precision;

/// A matrix of a model, and the numbers in which it is multiplied.
#[derive(Clone, Debug)]
pub struct FrozenMatrix {
    storage: Storage,
    precision: Precision,
}

/// The numbers of a matrix as they are kept.
#[derive(Clone, Debug)]
enum Storage {
    /// Every number, in f32 or in 16 bits either way, whatever it is multiplied in.
    Dense(Tensor<2>),
}

impl FrozenMatrix {
    /// The matrix of these numbers, tracked where it is trained.
    pub fn new(values: Tensor<2>, precision: Precision) -> Self {
        Self { storage: Storage::Dense(values), precision }
    }

    /// The numbers in which it is multiplied.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Rows and columns.
    pub fn dims(&self) -> [usize; 2] {
        let Storage::Dense(values) = &self.storage;
        values.dims()
    }

    /// Where it is.
    pub fn device(&self) -> Device {
        let Storage::Dense(values) = &self.storage;
        values.device()
    }

    /// The numbers in which it is kept.
    pub fn dtype(&self) -> DType {
        let Storage::Dense(values) = &self.storage;
        values.dtype()
    }

    /// Every number of it, as it is kept.
    pub fn dense(&self) -> Tensor<2> {
        let Storage::Dense(values) = &self.storage;
        values.clone()
    }

    /// `x · matrix + bias`
    ///
    /// # Shapes
    /// - `x`: `[batch, seq, rows]`
    /// - returns `[batch, seq, columns]`
    pub fn matmul(&self, x: Tensor<3>, bias: Option<&Tensor<1>>) -> Tensor<3> {
        let Storage::Dense(values) = &self.storage;
        let bias = match bias {
            Some(bias) => Optional::Some(bias.clone().into_dispatch()),
            None => Optional::None,
        };
        let (x, values) = (x.into_dispatch(), values.clone().into_dispatch());
        Tensor::from_dispatch(Dispatch::frozen_linear(x, values, bias, self.precision))
    }

    /// Some of its rows, in f32, `[batch, seq, columns]`.
    pub fn embed(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        let Storage::Dense(values) = &self.storage;
        embed(values, ids)
    }

    /// The view with rows and columns exchanged.
    pub fn transpose(&self) -> Self {
        self.clone().map(Tensor::transpose)
    }

    /// The same with other numbers.
    pub(crate) fn map(self, change: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Self {
        let Storage::Dense(values) = self.storage;
        Self::new(change(values), self.precision)
    }
}

/// Multiplied in f32.
impl From<Tensor<2>> for FrozenMatrix {
    fn from(values: Tensor<2>) -> Self {
        Self::new(values, Precision::F32)
    }
}

/// Multiplied in f32.
impl From<&Tensor<2>> for FrozenMatrix {
    fn from(values: &Tensor<2>) -> Self {
        values.clone().into()
    }
}

impl From<&FrozenMatrix> for FrozenMatrix {
    fn from(matrix: &FrozenMatrix) -> Self {
        matrix.clone()
    }
}

/// `lhs · rhs` of matrices in f32, rounded to a precision first; either may be tracked, and their gradients are products
/// in it too.
pub(super) fn product(lhs: Tensor<2>, rhs: Tensor<2>, precision: Precision) -> Tensor<2> {
    match precision {
        Precision::F32 => lhs.matmul(rhs),
        Precision::F16 | Precision::Bf16 => {
            Tensor::from_dispatch(Dispatch::matmul_16bit(lhs.into_dispatch(), rhs.into_dispatch(), precision))
        }
    }
}
