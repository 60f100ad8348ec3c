//! The loss of a batch, at labelled positions only.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::config::LossReduction;
use crate::data::TokenBatch;
use crate::error::Result;
use crate::models::{Conditioning, Input, Model, n_virtual};
use crate::nn::label_nll;
use crate::nn::positions::{Counting, key_mask, positions};

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
/// # Errors
/// The model has another task shape.
pub fn summed_nll(
    model: &Model,
    conditioning: &Conditioning,
    batch: &TokenBatch,
    device: &Device,
) -> Result<(Tensor<1>, usize)> {
    let model = model.causal()?;
    let past = conditioning.decoder.as_deref();
    let shape = [batch.batch, batch.seq];
    let n_virtual = n_virtual(past);
    let n_positions = model.shape().n_positions;
    let input = Input {
        tokens: Tensor::from_data(TensorData::new(batch.tokens.clone(), shape), device),
        positions: positions(&batch.mask, shape, n_virtual, n_positions, Counting::Columns, device),
        key_mask: key_mask(&batch.mask, shape, n_virtual, device),
    };
    let labelled = batch.labelled();
    let n = labelled.len();
    let hidden = model.hidden(&input, past, None); // [batch, seq, d_model]
    let rows = hidden.reshape([batch.batch * batch.seq, model.shape().d_model]);
    let (at, targets): (Vec<i32>, Vec<i32>) = labelled.into_iter().map(|(at, token)| (at as i32, token)).unzip();
    let on_device = |values: Vec<i32>| Tensor::<1, Int>::from_data(TensorData::new(values, [n]), device);
    let predictors = rows.select(0, on_device(at)); // [n, d_model]
    Ok((label_nll(predictors, model.head(), on_device(targets)).sum(), n))
}
