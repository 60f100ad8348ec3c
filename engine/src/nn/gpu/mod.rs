//! Packed matrices on a GPU.
//!
//! A packed matrix is there as its bytes, in words of 32 bits with the first byte lowest and zeros behind the last byte:
//! a tensor of one axis in u32. Kernels of ours unpack what they need of it on the way; none needs numbers of 16 bits or
//! subgroups, which a device may lack, and none has more than 256 units in a workgroup or 16 KiB of shared memory.

mod few_rows;
mod products;
mod quad;
mod tiled;
mod unpack;

use std::ops::Range;

use burn::backend::ops::IntTensorOps;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, backend_extension};
use burn::tensor::{DType, IntDType, Shape};
use burn_cubecl::CubeBackend;

use super::Precision;
use super::packed::PackedShape;

pub(super) use products::{cross_entropy_at_labels, product, rows_at, transposed_product};

/// What kernels of ours compute of a packed matrix, below burn's fusion, which knows only what comes out and runs it in
/// its turn.
#[backend_extension(Cube, Fusion)]
pub(super) trait PackedKernels: Backend {
    /// Some rows in numbers of a precision, `[rows, columns]`.
    #[fusion(dtype = precision.dtype(), shape = Shape::new([rows.len(), matrix.columns]))]
    fn unpacked_rows(
        words: IntTensor<Self>,
        matrix: PackedShape,
        rows: Range<usize>,
        precision: Precision,
    ) -> FloatTensor<Self>;

    /// The rows that `ids [n]` name where the first one's number is `first`, in f32, `[n, columns]`: zeros for those that
    /// are not of this matrix.
    #[fusion(dtype = DType::F32, shape = Shape::new([ids.num_elements(), matrix.columns]))]
    fn unpacked_rows_at(
        words: IntTensor<Self>,
        matrix: PackedShape,
        first: usize,
        ids: IntTensor<Self>,
    ) -> FloatTensor<Self>;

    /// `x [n, columns] · matrixᵀ` for a few rows, `[n, rows]`.
    #[fusion(dtype = DType::F32, shape = Shape::new([x[0], matrix.rows]))]
    fn few_rows_product(x: FloatTensor<Self>, words: IntTensor<Self>, matrix: PackedShape) -> FloatTensor<Self>;

    /// `x [n, columns] · matrixᵀ` for any number of rows, `[n, rows]`.
    #[fusion(dtype = DType::F32, shape = Shape::new([x[0], matrix.rows]))]
    fn tiled_product(x: FloatTensor<Self>, words: IntTensor<Self>, matrix: PackedShape) -> FloatTensor<Self>;

    /// `grad [n, rows] · matrix`, `[n, columns]`.
    #[fusion(dtype = DType::F32, shape = Shape::new([grad[0], matrix.columns]))]
    fn tiled_transposed_product(
        grad: FloatTensor<Self>,
        words: IntTensor<Self>,
        matrix: PackedShape,
    ) -> FloatTensor<Self>;
}

impl PackedKernels for CubeBackend {
    fn unpacked_rows(
        words: IntTensor<Self>,
        matrix: PackedShape,
        rows: Range<usize>,
        precision: Precision,
    ) -> FloatTensor<Self> {
        unpack::unpack_rows(words, matrix, rows, precision)
    }

    fn unpacked_rows_at(
        words: IntTensor<Self>,
        matrix: PackedShape,
        first: usize,
        ids: IntTensor<Self>,
    ) -> FloatTensor<Self> {
        unpack::unpack_rows_at(words, matrix, first, Self::int_cast(ids, IntDType::I32))
    }

    fn few_rows_product(x: FloatTensor<Self>, words: IntTensor<Self>, matrix: PackedShape) -> FloatTensor<Self> {
        few_rows::few_rows_product(x, words, matrix)
    }

    fn tiled_product(x: FloatTensor<Self>, words: IntTensor<Self>, matrix: PackedShape) -> FloatTensor<Self> {
        tiled::tiled_product(x, words, matrix, false)
    }

    fn tiled_transposed_product(
        grad: FloatTensor<Self>,
        words: IntTensor<Self>,
        matrix: PackedShape,
    ) -> FloatTensor<Self> {
        tiled::tiled_product(grad, words, matrix, true)
    }
}
