//! Each token from the one before it: the loss of a model that goes on with a text or writes one from a source.

use burn::tensor::{Device, Tensor};

use super::{hidden, on_device, rows_at};
use crate::data::TokenBatch;
use crate::error::Result;
use crate::models::{Conditioning, Model};
use crate::nn::label_nll;

pub(super) fn summed_nll(
    model: &Model,
    conditioning: &Conditioning,
    batch: &TokenBatch,
    device: &Device,
) -> Result<(Tensor<1>, usize)> {
    let head = model.head()?;
    let labelled = batch.labelled();
    let hidden = hidden(model, conditioning, batch, device)?; // [batch, seq, head width]
    let predictors = rows_at(hidden, labelled.iter().map(|(at, _)| *at), device); // [n, head width]
    let targets = on_device(labelled.iter().map(|(_, token)| *token).collect(), device);
    Ok((label_nll(predictors, head, targets).sum(), labelled.len()))
}
