//! The loss at the labeled positions, without ever holding the logits of a batch.

use burn::tensor::{Int, Tensor};

use super::head::Head;
use super::ops::Optional;
use super::precision::Precision;

/// Numbers of a head that are no tensors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct HeadSettings {
    /// The numbers in which the vocabulary is multiplied.
    pub(super) precision: Precision,
    /// Bound of the logits.
    pub(super) softcap: Option<f32>,
}

/// The negative log-likelihood of each target, in nats.
///
/// The vocabulary product is done in blocks. When `hidden` is tracked the same pass computes the gradient of each
/// row, `softmax · head - head[target]`, so that the backward scales what was saved and no logit is computed twice; where
/// logits have a bound, each of both terms times its slope.
///
/// # Shapes
/// - `hidden`: `[n, d_model]`, the labeled positions only
/// - `head`: of `[vocab_size, d_model]`, a constant, usually the token embedding
/// - `targets`: `[n]`, in `0..vocab_size`
/// - returns `[n]`
pub fn cross_entropy_at_labels(hidden: Tensor<2>, head: impl Into<Head>, targets: Tensor<1, Int>) -> Tensor<1> {
    let Head { matrix, bias, softcap } = head.into();
    assert_eq!(hidden.dims()[0], targets.dims()[0], "one target for each hidden state");
    let bias = match bias {
        Some(bias) => Optional::Some(bias.into_dispatch()),
        None => Optional::None,
    };
    let settings = HeadSettings { precision: matrix.precision(), softcap };
    matrix.cross_entropy(hidden, bias, targets, settings)
}
