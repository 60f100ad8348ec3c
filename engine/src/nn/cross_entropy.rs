//! The loss at the labeled positions, without ever holding the logits of a batch.

use burn::tensor::{Int, Tensor};

use super::matrix::FrozenMatrix;

/// The negative log-likelihood of each target, in nats.
///
/// The vocabulary product is done in blocks. When `hidden` is tracked the same pass computes the gradient of each
/// row, `softmax · head - head[target]`, so that the backward scales what was saved and no logit is computed twice.
///
/// # Shapes
/// - `hidden`: `[n, d_model]`, the labeled positions only
/// - `head`: `[vocab_size, d_model]`, a constant, usually the token embedding
/// - `targets`: `[n]`, in `0..vocab_size`
/// - returns `[n]`
pub fn cross_entropy_at_labels(hidden: Tensor<2>, head: impl Into<FrozenMatrix>, targets: Tensor<1, Int>) -> Tensor<1> {
    let head = head.into();
    assert_eq!(hidden.dims()[0], targets.dims()[0], "one target for each hidden state");
    head.cross_entropy(hidden, targets)
}
