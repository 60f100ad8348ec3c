//! The right one among candidates: cross-entropy over their scores, each the log-likelihood of its tokens or what a head gives
//! it. Schick & Schütze 2021 (PET) over the label words at a mask; transformers' `…ForMultipleChoice` over the choices of a
//! row.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use super::{causal, masked, on_device, rows_at};
use crate::config::Task;
use crate::data::{Contest, TokenBatch};
use crate::error::{EngineError, Result};
use crate::models::{Conditioning, Model};
use crate::nn::head_logits;
use crate::sentence;

/// The score of a place without a candidate: as a probability it is 0.
const NONE: f32 = -1e30;

/// Sum over the contests of the negative log-probability of the right candidate, `[1]`.
pub(super) fn summed_nll(
    model: &Model,
    conditioning: &Conditioning,
    (batch, contest): (&TokenBatch, &Contest),
    hidden: Tensor<3>,
    device: &Device,
) -> Result<Tensor<1>> {
    let (scores, right) = match contest {
        Contest::Tokens { options, right } => {
            let logits = masked::logits(model, batch, hidden, device)?; // [n, vocab_size]
            (logits.select(1, on_device(options.clone(), device)), right)
        }
        Contest::Rows { sizes, right, factors } => {
            let scores = row_scores(model, conditioning, (batch, factors), hidden, device)?;
            (side_by_side(scores, sizes, device), right)
        }
    };
    let n = right.len();
    let right: Tensor<2, Int> = on_device(right.iter().map(|&right| right as i32).collect(), device).reshape([n, 1]);
    Ok(log_softmax(scores, 1).gather(1, right).sum().neg())
}

/// The score of each row of a batch, `[batch]`: what the head gives its text, or the summed log-probability of its labels
/// times its factor.
pub(crate) fn row_scores(
    model: &Model,
    conditioning: &Conditioning,
    (batch, factors): (&TokenBatch, &[f32]),
    hidden: Tensor<3>,
    device: &Device,
) -> Result<Tensor<1>> {
    if batch.task == Task::MultipleChoice {
        let Some(head) = &conditioning.head else {
            return Err(EngineError::AdapterMismatch { reason: sentence!("it has no head that scores a choice") });
        };
        let vectors = model.encoder()?.text_vector(hidden); // [batch, d_model]
        return Ok(head.logits(vectors).reshape([batch.batch]));
    }
    let labeled = batch.labeled();
    let n = labeled.len();
    let mut of_row = vec![0.0_f32; batch.batch * n];
    for (label, (at, _)) in labeled.iter().enumerate() {
        let row = batch.row_of(*at);
        of_row[row * n + label] = -factors.get(row).copied().unwrap_or(1.0);
    }
    let of_row: Tensor<2> = Tensor::from_data(TensorData::new(of_row, [batch.batch, n]), device);
    let nll = label_nll(model, batch, hidden, device)?;
    Ok(of_row.matmul(nll.reshape([n, 1])).reshape([batch.batch]))
}

/// The negative log-likelihood of each label, `[n]`, in nats.
pub(crate) fn label_nll(model: &Model, batch: &TokenBatch, hidden: Tensor<3>, device: &Device) -> Result<Tensor<1>> {
    if batch.task.writes() {
        return causal::nll_by_label(model, batch, hidden, device);
    }
    let labels: Vec<i32> = batch.labeled().into_iter().map(|(_, token)| token).collect();
    let n = labels.len();
    let logits = masked::logits(model, batch, hidden, device)?;
    let labels: Tensor<2, Int> = on_device(labels, device).reshape([n, 1]);
    Ok(log_softmax(logits, 1).gather(1, labels).neg().reshape([n]))
}

/// The logits of every token at the place of each label, `[n, vocab_size]`.
pub(crate) fn vocabulary_logits(
    model: &Model,
    batch: &TokenBatch,
    hidden: Tensor<3>,
    device: &Device,
) -> Result<Tensor<2>> {
    if batch.task.writes() {
        let places = batch.labeled().into_iter().map(|(at, _)| at);
        return Ok(head_logits(rows_at(hidden, places, device), model.head()?));
    }
    masked::logits(model, batch, hidden, device)
}

/// Scores that stand one behind the other, `[sum of the sizes]`, as a line for each contest, `[contests, largest size]`.
fn side_by_side(scores: Tensor<1>, sizes: &[usize], device: &Device) -> Tensor<2> {
    let widest = sizes.iter().copied().max().unwrap_or(0);
    let (mut places, mut missing, mut begin) = (Vec::new(), Vec::new(), 0);
    for &size in sizes {
        for at in 0..widest {
            places.push(if at < size { (begin + at) as i32 } else { 0 });
            missing.push(at >= size);
        }
        begin += size;
    }
    let shape = [sizes.len(), widest];
    let missing: Tensor<2, Bool> = Tensor::from_data(TensorData::new(missing, shape), device);
    scores.select(0, on_device(places, device)).reshape(shape).mask_fill(missing, NONE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::floats;

    #[test]
    fn contests_of_different_size_stand_side_by_side() {
        let device = crate::device::cpu();
        let scores = Tensor::<1>::from_data(TensorData::new(vec![1.0_f32, 2.0, 3.0, 4.0, 5.0], [5]), &device);
        let table = side_by_side(scores, &[2, 3], &device);
        assert_eq!(floats(table).unwrap(), [1.0, 2.0, NONE, 3.0, 4.0, 5.0]);
    }
}
