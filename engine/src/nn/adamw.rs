//! The optimizer's step.
//!
//! Loshchilov & Hutter 2019, "Decoupled Weight Decay Regularization", as `torch.optim.AdamW` computes it.

use burn::backend::Dispatch;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::ops::FrozenOps;

/// The constants of AdamW; the learning rate comes with each step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdamW {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled: the parameter shrinks by `learning_rate * weight_decay` before the update.
    pub weight_decay: f64,
}

impl Default for AdamW {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01 }
    }
}

/// One step, counted from 1: returns the parameter and both moments after it.
///
/// Takes plain, untracked tensors of one shape. On the CPU it is one pass, in place where the caller gave up its
/// copies.
pub fn adamw_step<const D: usize>(
    cfg: &AdamW,
    step: usize,
    learning_rate: f64,
    param: Tensor<D>,
    grad: Tensor<D>,
    first: Tensor<D>,
    second: Tensor<D>,
) -> (Tensor<D>, Tensor<D>, Tensor<D>) {
    let (param, first, second) = Dispatch::adamw(
        param.into_dispatch(),
        grad.into_dispatch(),
        first.into_dispatch(),
        second.into_dispatch(),
        AdamWStep::new(cfg, step, learning_rate),
    );
    (Tensor::from_dispatch(param), Tensor::from_dispatch(first), Tensor::from_dispatch(second))
}

/// The numbers of one step, with the bias corrections folded in.
#[derive(Clone, Copy, Debug)]
pub(super) struct AdamWStep {
    pub(super) beta1: f64,
    pub(super) beta2: f64,
    pub(super) epsilon: f64,
    /// `1 - learning_rate * weight_decay`
    pub(super) keep: f64,
    /// `learning_rate / (1 - beta1^step)`
    pub(super) step_size: f64,
    /// `1 / sqrt(1 - beta2^step)`
    pub(super) root_correction: f64,
}

impl AdamWStep {
    fn new(cfg: &AdamW, step: usize, learning_rate: f64) -> Self {
        let exponent = i32::try_from(step).unwrap_or(i32::MAX);
        Self {
            beta1: cfg.beta1,
            beta2: cfg.beta2,
            epsilon: cfg.epsilon,
            keep: 1.0 - learning_rate * cfg.weight_decay,
            step_size: learning_rate / (1.0 - cfg.beta1.powi(exponent)),
            root_correction: (1.0 - cfg.beta2.powi(exponent)).sqrt().recip(),
        }
    }
}
