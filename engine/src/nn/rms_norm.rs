//! RMS norm with a frozen scale.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use super::ops::FrozenOps;

/// Division by the root mean square over the last axis, then a frozen scale. Its backward keeps the input alone.
#[derive(Clone, Debug)]
pub struct RmsNorm {
    /// Scale, `[d]`
    pub gamma: Tensor<1>,
    /// Added to the mean square.
    pub epsilon: f64,
}

impl RmsNorm {
    /// # Shapes
    /// - `x`: `[batch, seq, d]`
    /// - returns `[batch, seq, d]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let (x, gamma) = (x.into_dispatch(), self.gamma.clone().into_dispatch());
        Tensor::from_dispatch(Dispatch::frozen_rms_norm(x, gamma, self.epsilon))
    }
}
