//! The class or the number of a text, or the class of a token: the scores that the trained head gives.

use burn::tensor::{Device, Tensor};

use super::{on_device, rows_at};
use crate::data::TokenBatch;
use crate::error::{EngineError, Result};
use crate::models::{Conditioning, Model};
use crate::sentence;

pub(super) fn logits(
    model: &Model,
    conditioning: &Conditioning,
    batch: &TokenBatch,
    hidden: Tensor<3>,
    device: &Device,
) -> Result<Tensor<2>> {
    let Some(head) = &conditioning.head else {
        return Err(EngineError::AdapterMismatch { reason: sentence!("it has no head that names classes") });
    };
    let places = batch.labeled().into_iter().map(|(at, _)| at);
    let rows = places.clone().map(|at| batch.row_of(at));
    let vectors = match (model, batch.task) {
        (Model::Encoder(model), task) if task.is_of_texts() => {
            let rows = rows.map(|row| row as i32).collect();
            model.text_vector(hidden).select(0, on_device(rows, device))
        }
        // Only the last token of a text has seen all of it.
        (Model::Causal(model), task) if task.is_of_texts() => {
            let last = rows.map(|row| row * batch.seq + batch.last_of(row));
            model.class_vectors(rows_at(hidden, last, device))
        }
        (Model::Seq2Seq(model), _) => model.class_vectors(rows_at(hidden, places, device)),
        _ => rows_at(hidden, places, device),
    };
    Ok(head.logits(vectors))
}
