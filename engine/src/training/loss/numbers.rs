//! The number of a text: the squared error of the one score that the trained head gives (torch: `MSELoss`).

use burn::tensor::{Device, Tensor, TensorData};

use super::Scored;
use crate::data::TokenBatch;
use crate::error::Result;
use crate::nn::floats;

/// Sum of the squared errors of a batch, `[1]`.
///
/// # Shapes
/// - `logits`: `[n, 1]`, of the n rows
pub(super) fn squared_error(logits: Tensor<2>, batch: &TokenBatch, device: &Device) -> Tensor<1> {
    let wanted = TensorData::new(batch.targets.clone(), [batch.targets.len(), 1]);
    let error = logits - Tensor::from_data(wanted, device);
    (error.clone() * error).sum()
}

/// The same of numbers that are looked at.
pub(super) fn score(logits: Tensor<2>, batch: &TokenBatch) -> Result<Scored> {
    let numbers = floats(logits)?;
    let error = |(guess, wanted): (&f32, &f32)| (f64::from(*guess) - f64::from(*wanted)).powi(2);
    Ok(Scored {
        nll: numbers.iter().zip(&batch.targets).map(error).sum(),
        labels: numbers.len(),
        predicted: Vec::new(),
        log_probabilities: Vec::new(),
        spans: Vec::new(),
        numbers,
    })
}
