//! Two ways of reading the same labels, held against each other: the likelihood that each gives a label, and how far the
//! whole distribution of one lies from the other's.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::to_host;
use crate::data::TokenBatch;
use crate::error::{EngineError, Result};
use crate::models::{Conditioning, Model};
use crate::nn::{Head, head_logits};
use crate::sentence;
use crate::training::loss;

/// Labels whose logits are held at once.
const AT_ONCE: usize = 32;

/// Hidden states at the places of a batch's labels, and the labels.
pub(super) struct AtLabels {
    hidden: Tensor<2>, // [n, head width]
    head: Head,
    targets: Vec<i32>,
    /// The row of the batch, counted from 0, that each label is of.
    pub(super) rows: Vec<usize>,
}

/// A label, in nats.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct LabelScore {
    /// Negative log-likelihood with the first.
    pub(super) first: f64,
    /// Negative log-likelihood with the second.
    pub(super) second: f64,
    /// KL(first ‖ second) of all tokens that could stand there.
    pub(super) kl: f64,
}

impl AtLabels {
    /// Reads a batch.
    ///
    /// # Errors
    /// The model writes no tokens, or cannot read such rows.
    pub(super) fn read(
        model: &Model,
        conditioning: &Conditioning,
        batch: &TokenBatch,
        device: &Device,
    ) -> Result<Self> {
        let hidden = loss::hidden(model, conditioning, batch, device)?;
        let [n_rows, seq, width] = hidden.dims();
        let (places, targets): (Vec<usize>, Vec<i32>) = batch.labeled().into_iter().unzip();
        let rows = places.iter().map(|&place| batch.row_of(place)).collect();
        let at = ints(places.iter().map(|&place| place as i32).collect(), device);
        let hidden = hidden.reshape([n_rows * seq, width]).select(0, at);
        Ok(Self { hidden, head: model.head()?, targets, rows })
    }

    /// Each label with these states and with others of the same labels.
    ///
    /// # Errors
    /// The labels are not the same, or the device failed.
    pub(super) fn beside(&self, other: &Self) -> Result<Vec<LabelScore>> {
        if self.targets != other.targets {
            let reason = sentence!("rows have other labels with it than without, so that they cannot be compared");
            return Err(EngineError::AdapterMismatch { reason });
        }
        let mut scores = Vec::with_capacity(self.targets.len());
        for begin in (0..self.targets.len()).step_by(AT_ONCE) {
            let end = (begin + AT_ONCE).min(self.targets.len());
            let (first, second) = (self.log_probabilities(begin..end), other.log_probabilities(begin..end));
            let kl = (first.clone().exp() * (first.clone() - second.clone())).sum_dim(1);
            let targets = ints(self.targets[begin..end].to_vec(), &kl.device()).reshape([end - begin, 1]);
            let label = |of: Tensor<2>| to_host(of.gather(1, targets.clone()));
            let (first, second, kl) = (label(first)?, label(second)?, to_host(kl)?);
            let score = |((first, second), kl): ((&f32, &f32), &f32)| LabelScore {
                first: -f64::from(*first),
                second: -f64::from(*second),
                kl: f64::from(*kl),
            };
            scores.extend(first.iter().zip(&second).zip(&kl).map(score));
        }
        Ok(scores)
    }

    fn log_probabilities(&self, labels: std::ops::Range<usize>) -> Tensor<2> {
        let [_, width] = self.hidden.dims();
        log_softmax(head_logits(self.hidden.clone().slice([labels, 0..width]), &self.head), 1)
    }
}

fn ints(values: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), device)
}
