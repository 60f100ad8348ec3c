//! Matrices of a model: linear layers, tables of embeddings, heads.

use std::ops::Deref;

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use super::ops::FrozenOps;
use super::precision::Precision;

/// A matrix, and the numbers in which it is multiplied. It may be stored in 16 bits either way.
#[derive(Clone, Debug)]
pub struct FrozenMatrix {
    /// Its numbers.
    pub values: Tensor<2>,
    /// In which it is multiplied.
    pub precision: Precision,
}

impl FrozenMatrix {
    /// The view with rows and columns exchanged.
    pub fn transpose(&self) -> Self {
        Self { values: self.values.clone().transpose(), precision: self.precision }
    }
}

impl Deref for FrozenMatrix {
    type Target = Tensor<2>;

    fn deref(&self) -> &Tensor<2> {
        &self.values
    }
}

/// Multiplied in f32.
impl From<Tensor<2>> for FrozenMatrix {
    fn from(values: Tensor<2>) -> Self {
        Self { values, precision: Precision::F32 }
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
            Tensor::from_dispatch(Dispatch::narrowed_product(lhs.into_dispatch(), rhs.into_dispatch(), precision))
        }
    }
}
