//! Soft-capping composed from burn's operations: numbers within a bound, and how fast they still grow there.

use burn::backend::Backend;
use burn::backend::tensor::FloatTensor;

/// `cap · tanh(x / cap)`
pub(super) fn capped<B: Backend>(x: FloatTensor<B>, cap: f32) -> FloatTensor<B> {
    let bounded = B::float_tanh(B::float_div_scalar(x, cap.into()));
    B::float_mul_scalar(bounded, cap.into())
}

/// The slope where `capped` came out: `1 - (capped / cap)²`.
pub(super) fn cap_slope<B: Backend>(capped: FloatTensor<B>, cap: f32) -> FloatTensor<B> {
    let bounded = B::float_div_scalar(capped, cap.into());
    let square = B::float_mul(bounded.clone(), bounded);
    B::float_add_scalar(B::float_neg(square), 1.0.into())
}
