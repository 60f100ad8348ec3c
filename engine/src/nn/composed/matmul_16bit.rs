//! Products whose operands are rounded to 16 bits.
//!
//! f16 ends at 65504 and loses bits below 6e-5, where gradients are. So each row of the left operand and each column of
//! the right one is scaled by a power of two of its own, found on the device from its largest number, and the product is
//! scaled back. Nothing is kept from step to step, nothing waits for the host, and a row's numbers do not depend on
//! those of other rows.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::FloatDType;

use crate::nn::kernels::Kernels;
use crate::nn::precision::Precision;

/// Where the largest number of a row is brought: between 3/4 and 3/2 of this. Behind it f16 has 28 powers of two.
const TOP: f64 = 16_384.0;

/// Rows with nothing larger are not scaled further: 2^-100.
const LEAST: f64 = 7.888_609_052_210_118e-31;

/// `lhs [m, k] · rhs [k, n]` in f32. An operand that is stored in the 16 bits already is taken as it is.
pub(in crate::nn) fn matmul_16bit<B: Kernels>(
    lhs: FloatTensor<B>,
    rhs: FloatTensor<B>,
    precision: Precision,
) -> FloatTensor<B> {
    let (lhs, rows) = narrowed::<B>(lhs, precision, 1); // scale [m, 1]
    let (rhs, columns) = narrowed::<B>(rhs, precision, 0); // scale [1, n]
    let product = B::product_of_narrow(lhs, rhs);
    [rows, columns].into_iter().flatten().fold(product, B::float_mul)
}

/// A matrix in 16 bits, and what undoes its scale. `axis` is the one that is summed over.
fn narrowed<B: Backend>(
    matrix: FloatTensor<B>,
    precision: Precision,
    axis: usize,
) -> (FloatTensor<B>, Option<FloatTensor<B>>) {
    let narrow = match precision {
        Precision::F32 => return (matrix, None),
        Precision::F16 => FloatDType::F16,
        Precision::Bf16 => FloatDType::BF16,
    };
    if matrix.dtype() == precision.dtype() {
        return (matrix, None);
    }
    let matrix = B::float_cast(matrix, FloatDType::F32);
    if precision == Precision::Bf16 {
        return (B::float_cast(matrix, narrow), None);
    }
    let largest = B::float_max_abs_dim(matrix.clone(), axis);
    let power = power_of_two::<B>(B::float_clamp_min(largest, LEAST.into()));
    let scale = B::float_mul_scalar(B::float_recip(power.clone()), TOP.into());
    let undo = B::float_mul_scalar(power, TOP.recip().into());
    (B::float_cast(B::float_mul(matrix, scale), narrow), Some(undo))
}

/// The power of two nearest to a positive number: scaling by it rounds nothing.
///
/// Beside a number 2^23 times as large only the first of its bits is left. Whether a device rounds `x · 2^23 + x` once or
/// twice makes no difference to it.
fn power_of_two<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let beside = B::float_mul_scalar(x.clone(), 8_388_609.0.into()); // (2^23 + 1) x
    B::float_sub(beside.clone(), B::float_sub(beside, x))
}
