//! One optimizer step: gradients over micro-batches, clipping, AdamW.

use burn::tensor::{Device, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::adapters::parameters::floats;
use crate::adapters::{Adapter, Parameter};
use crate::config::AdamWConfig;
use crate::data::TokenBatch;
use crate::error::{EngineError, Result};
use crate::models::BaseModel;
use crate::nn::{AdamW, adamw_step};
use crate::training::loss::summed_nll;

/// An adapter in training with its optimizer's memory.
pub struct Trainer {
    /// What is trained.
    pub adapter: Adapter,
    /// Steps done.
    pub step: usize,
    /// Means of gradients, flat, in the order of the parameters.
    pub first: Vec<Tensor<1>>,
    /// Means of squared gradients.
    pub second: Vec<Tensor<1>>,
}

/// What one step needs to know beside the data.
#[derive(Clone, Copy, Debug)]
pub struct StepSettings {
    /// AdamW's constants.
    pub optimizer: AdamWConfig,
    /// The rate of this step.
    pub learning_rate: f64,
    /// Largest norm of the gradient.
    pub clip_norm: Option<f64>,
    /// Together with the step, decides the dropout.
    pub seed: u64,
}

/// Loss and gradients at the present parameters.
pub struct Gradient {
    /// The weighted loss.
    pub loss: f64,
    /// Norm over all parameters, before clipping.
    pub norm: f64,
    /// In the order of the parameters, untracked.
    pub of_parameters: Vec<Tensor<1>>,
}

impl Trainer {
    /// A trainer before its first step.
    pub fn new(adapter: Adapter) -> Self {
        let zeros = |p: &Parameter| p.value.zeros_like();
        let first = adapter.parameters().map(zeros).collect();
        let second = adapter.parameters().map(zeros).collect();
        Self { adapter, step: 0, first, second }
    }

    /// The gradient of the weighted sum over some micro-batches; the weight is what one of its labelled tokens counts.
    ///
    /// # Errors
    /// The device failed, or the loss is not finite.
    pub fn gradient(
        &self,
        base: &BaseModel,
        batches: &[(TokenBatch, f64)],
        seed: u64,
        device: &Device,
    ) -> Result<Gradient> {
        let mut total: Vec<Tensor<1>> = Vec::new();
        let mut loss = 0.0;
        // Dropout follows from seed and step alone, so that a resumed run draws what an uninterrupted one does.
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(self.step as u64 + 1);
        for (batch, token_weight) in batches {
            let leaves = self.adapter.tracked();
            let conditioning = self.adapter.conditioning(&leaves, &mut random);
            let tuned = base.tuned(&conditioning.tuned)?;
            let (nll, _) = summed_nll(tuned.as_ref().unwrap_or(base), &conditioning, batch, device)?;
            let weighted = nll * *token_weight;
            let gradients = weighted.backward();
            let of_batch = leaves.gradients(&gradients);
            total = match total.is_empty() {
                true => of_batch,
                false => total.into_iter().zip(of_batch).map(|(sum, g)| sum + g).collect(),
            };
            loss += scalar(weighted.inner())?;
        }
        let mut squares = 0.0;
        for gradient in &total {
            squares += scalar(gradient.clone().powi_scalar(2).sum())?;
        }
        Ok(Gradient { loss, norm: squares.sqrt(), of_parameters: total })
    }

    /// One AdamW step on an effective batch; nothing changes when the loss or the gradient is not finite.
    ///
    /// # Errors
    /// The device failed, or the run diverged.
    pub fn step(
        &mut self,
        model: &BaseModel,
        batches: &[(TokenBatch, f64)],
        settings: &StepSettings,
        device: &Device,
    ) -> Result<(f64, f64)> {
        let gradient = self.gradient(model, batches, settings.seed, device)?;
        if !gradient.loss.is_finite() || !gradient.norm.is_finite() {
            return Err(EngineError::Diverged { step: self.step + 1 });
        }
        let (loss, norm) = (gradient.loss, gradient.norm);
        self.apply(gradient, settings);
        Ok((loss, norm))
    }

    /// Clips and applies a gradient. The clipping factor is torch's: `max_norm / (norm + 1e-6)`, at most 1.
    fn apply(&mut self, gradient: Gradient, settings: &StepSettings) {
        self.step += 1;
        let factor = settings.clip_norm.map_or(1.0, |most| (most / (gradient.norm + 1e-6)).min(1.0));
        let AdamWConfig { beta1, beta2, epsilon, weight_decay } = settings.optimizer;
        let adamw = AdamW { beta1, beta2, epsilon, weight_decay };
        let parameters = self.adapter.parameters_mut().zip(gradient.of_parameters);
        for (i, (parameter, grad)) in parameters.enumerate() {
            let grad = if factor < 1.0 { grad * factor } else { grad };
            let (value, first, second) = adamw_step(
                &adamw,
                self.step,
                settings.learning_rate,
                take(&mut parameter.value),
                grad,
                take(&mut self.first[i]),
                take(&mut self.second[i]),
            );
            parameter.value = value;
            self.first[i] = first;
            self.second[i] = second;
        }
    }
}

/// Takes a tensor out of its place, so that its memory has one owner and can be written over.
fn take(tensor: &mut Tensor<1>) -> Tensor<1> {
    let device = tensor.device();
    std::mem::replace(tensor, Tensor::empty([0], &device))
}

/// The number in a tensor of one.
fn scalar(tensor: Tensor<1>) -> Result<f64> {
    let values = floats(tensor)?;
    values.first().map(|&value| f64::from(value)).ok_or_else(|| EngineError::Computation("an empty result".to_owned()))
}
