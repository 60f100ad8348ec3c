//! Layer norm with frozen scale and shift.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use super::ops::FrozenOps;

/// Layer norm over the last axis, with the biased variance and frozen parameters.
///
/// Its backward keeps the input alone; mean and deviation are cheaper to compute again than to keep.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    /// Scale, `[d_model]`
    pub gamma: Tensor<1>,
    /// Shift, `[d_model]`
    pub beta: Tensor<1>,
    /// Added to the variance.
    pub epsilon: f64,
}

impl LayerNorm {
    /// # Shapes
    /// - `x`: `[batch, seq, d_model]`
    /// - returns `[batch, seq, d_model]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        Tensor::from_dispatch(Dispatch::frozen_layer_norm(
            x.into_dispatch(),
            self.gamma.clone().into_dispatch(),
            self.beta.clone().into_dispatch(),
            self.epsilon,
        ))
    }
}
