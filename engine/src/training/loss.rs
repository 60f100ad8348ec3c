//! The loss of a batch, at labelled positions only: what each kind of model computes, and what they share.

mod seq2seq;

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::config::LossReduction;
use crate::data::TokenBatch;
use crate::error::Result;
use crate::models::{CausalModel, Conditioning, Input, Model, n_virtual};
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
/// The batch is made for another kind of model.
pub fn summed_nll(
    model: &Model,
    conditioning: &Conditioning,
    batch: &TokenBatch,
    device: &Device,
) -> Result<(Tensor<1>, usize)> {
    let hidden = hidden(model, conditioning, batch, device)?;
    let [_, _, width] = hidden.dims();
    let rows = hidden.reshape([batch.batch * batch.seq, width]);
    let labelled = batch.labelled();
    let n = labelled.len();
    let (at, targets): (Vec<i32>, Vec<i32>) = labelled.into_iter().map(|(at, token)| (at as i32, token)).unzip();
    let on_device = |values: Vec<i32>| Tensor::<1, Int>::from_data(TensorData::new(values, [n]), device);
    let predictors = rows.select(0, on_device(at)); // [n, head width]
    Ok((label_nll(predictors, model.head(), on_device(targets)).sum(), n))
}

/// What the head makes logits of, for every position of a batch, `[batch, seq, head width]`.
///
/// # Errors
/// The batch is made for another kind of model.
pub fn hidden(model: &Model, conditioning: &Conditioning, batch: &TokenBatch, device: &Device) -> Result<Tensor<3>> {
    match model {
        Model::Causal(model) => Ok(causal(model.as_ref(), conditioning, batch, device)),
        Model::Seq2Seq(model) => seq2seq::hidden(model.as_ref(), conditioning, batch, device),
    }
}

/// Hidden states of a text behind its prefix.
fn causal(model: &dyn CausalModel, conditioning: &Conditioning, batch: &TokenBatch, device: &Device) -> Tensor<3> {
    let past = conditioning.decoder.as_deref();
    let shape = [batch.batch, batch.seq];
    let n_virtual = n_virtual(past);
    let n_positions = model.shape().n_positions;
    let input = Input {
        tokens: Tensor::from_data(TensorData::new(batch.tokens.clone(), shape), device),
        positions: positions(&batch.mask, shape, n_virtual, n_positions, Counting::Columns, device),
        key_mask: key_mask(&batch.mask, shape, n_virtual, device),
    };
    model.hidden(&input, past, None)
}
