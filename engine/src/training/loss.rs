//! The loss of a batch, at labelled positions only.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::config::LossReduction;
use crate::data::TokenBatch;
use crate::models::{CausalModel, Input};
use crate::nn::positions::{key_mask, positions};
use crate::nn::{LayerKv, label_nll, past_length};

/// The micro-batches of an effective batch, each with what one of its labelled tokens counts in the loss.
pub fn weighted(reduction: LossReduction, batches: Vec<TokenBatch>) -> Vec<(TokenBatch, f64)> {
    let count: usize = match reduction {
        LossReduction::TokenMean => batches.iter().map(TokenBatch::n_labels).sum(),
        LossReduction::SentenceSum => batches.iter().map(|batch| batch.batch).sum(),
    };
    let weight = 1.0 / count.max(1) as f64;
    batches.into_iter().map(|batch| (batch, weight)).collect()
}

/// Sum of the negative log-likelihoods of a batch's labels in nats, `[1]`, and how many labels there are.
///
/// `past` is the prefix, if any, `[1 or batch, n_kv_heads, n_virtual, d_head]` in each layer.
pub fn summed_nll(
    model: &dyn CausalModel,
    past: Option<&[LayerKv]>,
    batch: &TokenBatch,
    device: &Device,
) -> (Tensor<1>, usize) {
    let shape = [batch.batch, batch.seq];
    let n_virtual = past_length(past);
    let n_positions = model.shape().n_positions;
    let input = Input {
        tokens: Tensor::from_data(TensorData::new(batch.tokens.clone(), shape), device),
        positions: positions(&batch.mask, shape, n_virtual, n_positions, model.counting(), device),
        key_mask: key_mask(&batch.mask, shape, n_virtual, device),
    };
    let labelled = batch.labelled();
    let n = labelled.len();
    let hidden = model.hidden(&input, past, None); // [batch, seq, d_out]
    let [_, d_out] = model.head().dims();
    let rows = hidden.reshape([batch.batch * batch.seq, d_out]);
    let (at, targets): (Vec<i32>, Vec<i32>) = labelled.into_iter().map(|(at, token)| (at as i32, token)).unzip();
    let on_device = |values: Vec<i32>| Tensor::<1, Int>::from_data(TensorData::new(values, [n]), device);
    let predictors = rows.select(0, on_device(at)); // [n, d_out]
    (label_nll(predictors, model.head(), on_device(targets)).sum(), n)
}
