//! Matrices of a model: linear layers, tables of embeddings, heads.

use burn::backend::Dispatch;
use burn::tensor::{DType, Device, Int, Tensor};

use super::cross_entropy::HeadSettings;
use super::linear::embed;
use super::ops::{FrozenOps, Optional};
use super::packed::{PackedMatrix, PackedWeight, Side};
use super::precision::Precision;

/// A matrix of a model, and the numbers in which it is multiplied.
#[derive(Clone, Debug)]
pub struct FrozenMatrix {
    storage: Storage,
    precision: Precision,
}

/// The numbers of a matrix as they are kept.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "most matrices are dense, and a box would be one more step to each")]
enum Storage {
    /// Every number, in f32 or in 16 bits either way, whatever it is multiplied in.
    Dense(Tensor<2>),
    /// Rows in blocks of few bits, or the view of them with rows and columns exchanged.
    Packed { rows: PackedMatrix, is_transposed: bool },
}

impl FrozenMatrix {
    /// The matrix of these numbers, tracked where it is trained.
    pub fn new(values: Tensor<2>, precision: Precision) -> Self {
        Self { storage: Storage::Dense(values), precision }
    }

    /// A matrix whose rows are in blocks, each part below the one before; it stays so.
    ///
    /// # Panics
    /// Without a part, or with parts of different widths.
    pub fn packed(parts: Vec<PackedWeight>, precision: Precision, device: &Device) -> Self {
        let rows = PackedMatrix::new(parts, device);
        Self { storage: Storage::Packed { rows, is_transposed: false }, precision }
    }

    /// The numbers in which it is multiplied.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Rows and columns.
    pub fn dims(&self) -> [usize; 2] {
        match &self.storage {
            Storage::Dense(values) => values.dims(),
            Storage::Packed { rows, is_transposed } => {
                let [n_rows, columns] = rows.dims();
                if *is_transposed { [columns, n_rows] } else { [n_rows, columns] }
            }
        }
    }

    /// Where it is.
    pub fn device(&self) -> Device {
        match &self.storage {
            Storage::Dense(values) => values.device(),
            Storage::Packed { rows, .. } => rows.device(),
        }
    }

    /// The numbers in which it is kept; `None` for blocks.
    pub fn dtype(&self) -> Option<DType> {
        match &self.storage {
            Storage::Dense(values) => Some(values.dtype()),
            Storage::Packed { .. } => None,
        }
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        match &self.storage {
            Storage::Dense(values) => values.dims().iter().product::<usize>() * values.dtype().size(),
            Storage::Packed { rows, .. } => rows.bytes(),
        }
    }

    /// Every number of it: as it is kept, or out of its blocks in f32.
    pub fn dense(&self) -> Tensor<2> {
        match &self.storage {
            Storage::Dense(values) => values.clone(),
            Storage::Packed { rows, is_transposed: false } => rows.unpacked(),
            Storage::Packed { rows, is_transposed: true } => rows.unpacked().transpose(),
        }
    }

    /// `x · matrix + bias`
    ///
    /// # Shapes
    /// - `x`: `[batch, seq, rows]`
    /// - returns `[batch, seq, columns]`
    pub fn matmul(&self, x: Tensor<3>, bias: Option<&Tensor<1>>) -> Tensor<3> {
        let (rows, side) = match &self.storage {
            Storage::Dense(values) => return dense_matmul(x, values.clone(), bias, self.precision),
            Storage::Packed { rows, is_transposed: true } => (rows, Side::Transposed),
            Storage::Packed { rows, is_transposed: false } => (rows, Side::Plain),
        };
        let product = rows.product(x, side, self.precision);
        match bias {
            Some(bias) => product + bias.clone().reshape([1, 1, -1]),
            None => product,
        }
    }

    /// Some of its rows, in f32, `[batch, seq, columns]`.
    pub fn embed(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        match &self.storage {
            Storage::Dense(values) => embed(values, ids),
            Storage::Packed { rows, is_transposed: false } => rows.embed(ids),
            Storage::Packed { is_transposed: true, .. } => embed(&self.dense(), ids),
        }
    }

    /// The loss of each row of `hidden [n, columns]` at its target, with the matrix as head, `[n]`.
    pub(super) fn cross_entropy(
        &self,
        hidden: Tensor<2>,
        bias: Optional<Dispatch>,
        targets: Tensor<1, Int>,
        settings: HeadSettings,
    ) -> Tensor<1> {
        let head = match &self.storage {
            Storage::Packed { rows, is_transposed: false } => {
                return rows.cross_entropy(hidden, bias, targets, settings);
            }
            _ => self.dense(),
        };
        Tensor::from_dispatch(Dispatch::frozen_cross_entropy(
            hidden.into_dispatch(),
            head.into_dispatch(),
            bias,
            targets.into_dispatch(),
            settings,
        ))
    }

    /// The view with rows and columns exchanged.
    pub fn transpose(&self) -> Self {
        let storage = match &self.storage {
            Storage::Dense(values) => Storage::Dense(values.clone().transpose()),
            Storage::Packed { rows, is_transposed } => {
                Storage::Packed { rows: rows.clone(), is_transposed: !is_transposed }
            }
        };
        Self { storage, precision: self.precision }
    }

    /// The same with other numbers, where it has each of its own; blocks stay as they are.
    pub(crate) fn map(self, change: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Self {
        match self.storage {
            Storage::Dense(values) => Self::new(change(values), self.precision),
            Storage::Packed { .. } => self,
        }
    }
}

fn dense_matmul(x: Tensor<3>, values: Tensor<2>, bias: Option<&Tensor<1>>, precision: Precision) -> Tensor<3> {
    let bias = match bias {
        Some(bias) => Optional::Some(bias.clone().into_dispatch()),
        None => Optional::None,
    };
    Tensor::from_dispatch(Dispatch::frozen_linear(x.into_dispatch(), values.into_dispatch(), bias, precision))
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
