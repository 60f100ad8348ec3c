//! The token under a mask: the scores of the checkpoint's own head.

use burn::tensor::{Device, Tensor};

use super::rows_at;
use crate::data::TokenBatch;
use crate::error::{EngineError, Result};
use crate::models::Model;
use crate::sentence;

pub(super) fn logits(model: &Model, batch: &TokenBatch, hidden: Tensor<3>, device: &Device) -> Result<Tensor<2>> {
    let encoder = model.encoder()?;
    let Some(head) = encoder.mask_head() else {
        return Err(EngineError::TaskShape {
            architecture: encoder.shape().architecture,
            wanted: sentence!("a model that fills masks: its checkpoint has no such head"),
        });
    };
    Ok(head.logits(rows_at(hidden, batch.labeled().into_iter().map(|(at, _)| at), device)))
}
