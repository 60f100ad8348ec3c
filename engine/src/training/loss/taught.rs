//! The tokens that a teacher says, each as much as it is probable: `− Σ p_teacher(t) · log p(t)` over its most probable tokens.
//! The rest of the teacher's distribution is left out, and what is left is not scaled up, as in Cartridges and PEFT's example.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::{on_device, rows_at};
use crate::data::{Taught, TokenBatch};
use crate::error::Result;
use crate::models::Model;
use crate::nn::head_logits;

pub(super) fn summed(
    model: &Model,
    (batch, taught): (&TokenBatch, &Taught),
    hidden: Tensor<3>, // [batch, seq, head width]
    device: &Device,
) -> Result<(Tensor<1>, usize)> {
    let places = batch.labeled().into_iter().map(|(at, _)| at);
    let n = places.len();
    let predictors = rows_at(hidden, places, device); // [n, head width]
    let said = log_softmax(head_logits(predictors, model.head()?), 1); // [n, vocab_size]
    let tokens: Tensor<2, Int> = on_device(taught.tokens.clone(), device).reshape([n, taught.top_k]);
    let probabilities: Tensor<2> =
        Tensor::from_data(TensorData::new(taught.probabilities.clone(), [n, taught.top_k]), device);
    Ok(((said.gather(1, tokens) * probabilities).sum().neg(), n))
}
