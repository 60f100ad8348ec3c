//! The first and the last token of an answer: two scores for each token of a row, each a choice among its tokens.
//! huggingface/transformers: `BertForQuestionAnswering` and its like. There the padding of a batch is among the choices;
//! here a row does not depend on those beside it, and rows of one length have the same loss.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use crate::data::{IGNORE_INDEX, TokenBatch};
use crate::error::{EngineError, Result};
use crate::models::Conditioning;
use crate::sentence;

/// The score of padding.
const IMPOSSIBLE: f32 = -1e30;

/// Scores of the first and the last token of an answer, `[2 · batch, seq]`: of each row the first token's, then the last
/// one's. Padding cannot be either.
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

/// Sum of the negative log-likelihoods of the labels, `[1]`, and how many there are.
pub(super) fn summed_nll(logits: Tensor<2>, batch: &TokenBatch, device: &Device) -> (Tensor<1>, usize) {
    let ends = ends(batch);
    let choices: Vec<i32> = (0..2 * batch.batch as i32).collect();
    let (kept, labels): (Vec<i32>, Vec<i32>) =
        choices.into_iter().zip(ends).filter(|(_, label)| *label != IGNORE_INDEX).unzip();
    let n = kept.len();
    let index = |values: Vec<i32>| Tensor::<1, Int>::from_data(TensorData::new(values, [n]), device);
    let log_probabilities = log_softmax(logits.select(0, index(kept)), 1); // [n, seq]
    let of_labels = log_probabilities.gather(1, index(labels).reshape([n, 1]));
    (-of_labels.sum(), n)
}

/// The labels of a batch, of each row where its answer begins and where it ends: they stand at its first two positions.
pub(crate) fn ends(batch: &TokenBatch) -> Vec<i32> {
    let rows = batch.labels.chunks_exact(batch.seq.max(1));
    rows.flat_map(|row| [0, 1].map(|at| row.get(at).copied().unwrap_or(IGNORE_INDEX))).collect()
}
