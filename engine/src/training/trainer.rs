//! One optimizer step: gradients over micro-batches, clipping, and what the optimizer makes of them.

use burn::tensor::{Device, Tensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::adapters::{Adapter, AdapterSpec, Parameter};
use crate::config::{OptimizerConfig, RunConfig, TrainingConfig, WeightDecayOn};
use crate::data::TokenBatch;
use crate::error::{EngineError, Result};
use crate::models::{BaseDropout, BaseModel, DropoutRates};
use crate::nn::floats;
use crate::sentence;
use crate::training::gradient_checkpointing;
use crate::training::group_rates::rate_factors;
use crate::training::hidden_slots::HiddenSlots;
use crate::training::loss::summed_nll;
use crate::training::optimizer_state::{OptimizerState, take};
use crate::training::teacher::Teacher;

/// An adapter in training with its optimizer.
pub struct Trainer {
    /// The trained adapter.
    pub adapter: Adapter,
    /// Steps done.
    pub step: usize,
    /// The optimizer that is applied to the gradients.
    pub optimizer: OptimizerConfig,
    /// The parameters that its weight decay shrinks.
    pub weight_decay_on: WeightDecayOn,
    /// The optimizer's memory of each parameter, in the parameters' order.
    pub optimizer_state: Vec<OptimizerState>,
    /// Whether blocks are run again in the backward pass, so that the forward pass keeps nothing but what enters them.
    pub gradient_checkpointing: bool,
    /// Factor of the learning rate of each parameter, in the parameters' order; empty: 1 for all.
    pub rate_factors: Vec<f64>,
    /// Dropout of the base model itself, at the rates of its configuration.
    pub base_dropout: Option<DropoutRates>,
    /// Slots that rows do not see.
    pub hidden_slots: HiddenSlots,
    /// Whose distributions are learned in place of the labels.
    pub teacher: Option<Teacher>,
}

/// Hyperparameters of one optimizer step.
#[derive(Clone, Copy, Debug)]
pub struct StepSettings {
    /// The rate of this step.
    pub learning_rate: f64,
    /// Largest norm of the gradient.
    pub max_grad_norm: Option<f64>,
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
    /// A trainer before its first step, whose weight decay shrinks every parameter.
    pub fn new(adapter: Adapter, optimizer: OptimizerConfig) -> Self {
        let fresh = |p: &Parameter| OptimizerState::fresh(&optimizer, &p.shape, &p.value.device());
        let optimizer_state = adapter.parameters().map(fresh).collect();
        Self {
            adapter,
            step: 0,
            optimizer,
            weight_decay_on: WeightDecayOn::All,
            optimizer_state,
            gradient_checkpointing: false,
            rate_factors: Vec::new(),
            base_dropout: None,
            hidden_slots: HiddenSlots::default(),
            teacher: None,
        }
    }

    /// The same as the settings of a run have it: who decays, at whose rate, and what is kept or left out on the way.
    pub fn of_run(self, config: &RunConfig, spec: &AdapterSpec, base: &BaseModel) -> Self {
        let TrainingConfig { gradient_checkpointing, weight_decay_on, base_dropout, .. } = config.training;
        Self {
            gradient_checkpointing,
            weight_decay_on,
            rate_factors: rate_factors(config, spec),
            base_dropout: base_dropout.then(|| base.folder().dropout()),
            ..self
        }
    }

    /// The gradient of the weighted sum over some micro-batches; the weight is what one of its labeled tokens counts.
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
            let taught = self.teacher.as_ref().map(|teacher| teacher.teach(base, batch, device)).transpose()?;
            let batch = taught.as_ref().unwrap_or(batch);
            let leaves = self.adapter.requires_grad();
            let mut conditioning = self.adapter.conditioning(&leaves, &mut random);
            conditioning.slots_of_rows = self.hidden_slots.seen(batch, &mut random, device);
            conditioning.dropout = self.base_dropout.map(|rates| BaseDropout { rates, draw: random.random() });
            let (weighted, gradients) = match self.gradient_checkpointing {
                true => gradient_checkpointing::backward(base, &conditioning, (batch, *token_weight), device)?,
                false => {
                    let tuned = base.with_overrides(&conditioning.tuned)?;
                    let (nll, _) = summed_nll(tuned.as_ref().unwrap_or(base), &conditioning, batch, device)?;
                    let weighted = nll * *token_weight;
                    let gradients = weighted.backward();
                    (weighted.inner(), gradients)
                }
            };
            let of_batch = leaves.gradients(&gradients);
            total = match total.is_empty() {
                true => of_batch,
                false => total.into_iter().zip(of_batch).map(|(sum, g)| sum + g).collect(),
            };
            loss += scalar(weighted)?;
        }
        Gradient::new(loss, total)
    }

    /// One step on an effective batch; nothing changes when the loss or the gradient is not finite.
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
        self.step += 1;
        let parameters = self.adapter.parameters_mut().zip(&mut self.optimizer_state);
        let rule = (&self.optimizer, self.weight_decay_on);
        gradient.apply(
            rule,
            (self.step, settings.learning_rate, &self.rate_factors),
            settings.max_grad_norm,
            parameters,
        );
        Ok((loss, norm))
    }
}

impl Gradient {
    /// A gradient with its norm.
    ///
    /// # Errors
    /// The device failed.
    pub fn new(loss: f64, of_parameters: Vec<Tensor<1>>) -> Result<Self> {
        let mut squares = 0.0;
        for gradient in &of_parameters {
            squares += scalar(gradient.clone().powi_scalar(2).sum())?;
        }
        Ok(Self { loss, norm: squares.sqrt(), of_parameters })
    }

    /// One step, counted from 1, after clipping, each parameter at the rate times its factor, where there are some. The clipping factor is torch's: `clip_norm / (norm + 1e-6)`, at most 1.
    pub fn apply<'a>(
        self,
        (optimizer, weight_decay_on): (&OptimizerConfig, WeightDecayOn),
        (step, learning_rate, factors): (usize, f64, &[f64]),
        max_grad_norm: Option<f64>,
        parameters: impl Iterator<Item = (&'a mut Parameter, &'a mut OptimizerState)>,
    ) {
        let factor = max_grad_norm.map_or(1.0, |most| (most / (self.norm + 1e-6)).min(1.0));
        let rates = factors.iter().copied().chain(std::iter::repeat(1.0)).map(|of_group| learning_rate * of_group);
        for (((parameter, optimizer_state), grad), rate) in parameters.zip(self.of_parameters).zip(rates) {
            let grad = if factor < 1.0 { grad * factor } else { grad };
            let value = take(&mut parameter.value);
            let shrinks = weight_decay_on.shrinks(&parameter.name, &parameter.shape);
            let optimizer = if shrinks { *optimizer } else { optimizer.without_decay() };
            parameter.value = optimizer_state.step(&optimizer, &parameter.shape, (step, rate), value, grad);
        }
    }
}

/// The number in a tensor of one.
fn scalar(tensor: Tensor<1>) -> Result<f64> {
    let values = floats(tensor)?;
    values.first().map(|&value| f64::from(value)).ok_or_else(|| EngineError::Computation(sentence!("an empty result")))
}
