//! The first and the last token of an answer: two scores for each token of a row, each a choice among its tokens.
//! huggingface/transformers: `BertForQuestionAnswering` and its like. There the padding of a batch is among the choices;
//! here a row does not depend on those beside it, and rows of one length have the same loss.

use burn::tensor::{Bool, Device, Tensor, TensorData};

use crate::data::TokenBatch;
use crate::error::{EngineError, Result};
use crate::models::Conditioning;
use crate::sentence;

/// The score of padding.
const IMPOSSIBLE: f32 = -1e30;

/// Scores of the first and the last token of an answer, `[2 · batch, seq]`: of each row the first token's, then the last
/// one's, in the order of [`TokenBatch::labeled`], whose labels are positions. Padding cannot be either.
///
/// # Shapes
/// - `hidden`: `[batch, seq, d_model]`
///
/// # Errors
/// The adapter has no head.
pub(super) fn logits(
    conditioning: &Conditioning,
    batch: &TokenBatch,
    hidden: Tensor<3>,
    device: &Device,
) -> Result<Tensor<2>> {
    let Some(head) = &conditioning.head else {
        return Err(EngineError::AdapterMismatch { reason: sentence!("it has no head that finds answers") });
    };
    let [rows, seq, d_model] = hidden.dims();
    let scores = head.logits(hidden.reshape([rows * seq, d_model])); // [batch · seq, 2]
    let scores = scores.reshape([rows, seq, 2]).swap_dims(1, 2).reshape([2 * rows, seq]);
    let padding = batch.mask.chunks_exact(seq.max(1)).flat_map(|row| [row, row]).flatten().map(|&real| real == 0.0);
    let padding = TensorData::new(padding.collect::<Vec<bool>>(), [2 * rows, seq]);
    Ok(scores.mask_fill(Tensor::<2, Bool>::from_data(padding, device), IMPOSSIBLE))
}
