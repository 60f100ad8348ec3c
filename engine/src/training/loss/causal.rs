//! Each token from the one before it: the loss of a model that goes on with a text or writes one from a source.

use burn::tensor::{Device, Tensor};

use super::{on_device, rows_at};
use crate::data::TokenBatch;
use crate::error::Result;
use crate::models::Model;
use crate::nn::cross_entropy_at_labels;

pub(super) fn summed_nll(
    model: &Model,
    batch: &TokenBatch,
    hidden: Tensor<3>, // [batch, seq, head width]
    device: &Device,
) -> Result<(Tensor<1>, usize)> {
    let nll = nll_by_label(model, batch, hidden, device)?;
    let [n] = nll.dims();
    Ok((nll.sum(), n))
}

/// Of each label, `[n]`.
pub(super) fn nll_by_label(
    model: &Model,
    batch: &TokenBatch,
    hidden: Tensor<3>, // [batch, seq, head width]
    device: &Device,
) -> Result<Tensor<1>> {
    let head = model.head()?;
    let labeled = batch.labeled();
    let predictors = rows_at(hidden, labeled.iter().map(|(at, _)| *at), device); // [n, head width]
    let targets = on_device(labeled.iter().map(|(_, token)| *token).collect(), device);
    Ok(cross_entropy_at_labels(predictors, head, targets))
}
