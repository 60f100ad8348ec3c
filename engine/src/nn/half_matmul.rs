//! Products of matrices of 16 bits on a GPU, with the result in f32.
//!
//! burn's own product gives the type of its operands, so that f16 would overflow at 65504 and be rounded a second time;
//! its kernels sum in f32 anyway, and write f32 where they are asked to.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, backend_extension};
use burn::tensor::{DType, Shape};
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::matmul::{MatmulStrategy, matmul};

/// Below burn's fusion, which knows only what comes out and runs it in its turn.
#[backend_extension(Cube, Fusion)]
pub(super) trait HalfMatmul: Backend {
    /// `[m, k] · [k, n]` of one type, in f32.
    #[fusion(dtype = DType::F32, shape = product_shape(lhs, rhs))]
    fn half_matmul(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl HalfMatmul for CubeBackend {
    fn half_matmul(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>) -> FloatTensor<Self> {
        matmul(lhs, rhs, None, MatmulStrategy::default(), DType::F32).expect("there is a kernel for every shape")
    }
}

fn product_shape(lhs: &Shape, rhs: &Shape) -> Shape {
    let ([m, _], [_, n]) = (lhs.dims(), rhs.dims());
    Shape::new([m, n])
}
