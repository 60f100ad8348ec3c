//! The memory of an optimizer for one parameter, and the steps that it makes of gradients.
//!
//! AdamW, Adam and SGD as torch.optim computes them, Adafactor as huggingface/transformers:
//! src/transformers/optimization.py does, with the rate given from outside.

use burn::tensor::{Device, Tensor};

use crate::config::{AdafactorConfig, AdamConfig, OptimizerConfig, SgdConfig};
use crate::error::Result;
use crate::nn::{AdamW, adamw_step};

/// The memory of an optimizer for one parameter.
#[derive(Clone, Debug)]
pub struct OptimizerState(Vec<StateTensor>);

/// One tensor of a memory.
#[derive(Clone, Debug)]
pub struct StateTensor {
    /// Kind of the tensor: `first`, `second`, `squares`, `rows`, `columns`, `momentum`.
    pub kind: &'static str,
    /// Shape of the tensor.
    pub shape: Vec<usize>,
    /// Numbers of the tensor, flat, on the device.
    pub value: Tensor<1>,
}

impl OptimizerState {
    /// Before the first step, of a parameter of this shape.
    pub fn fresh(optimizer: &OptimizerConfig, shape: &[usize], device: &Device) -> Self {
        let zeros = |(kind, shape): (_, Vec<usize>)| {
            let value = Tensor::zeros([shape.iter().product::<usize>()], device);
            StateTensor { kind, shape, value }
        };
        Self(kept(optimizer, shape).into_iter().map(zeros).collect())
    }

    /// As `read` gives each of its tensors, by kind and shape.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn read(
        optimizer: &OptimizerConfig,
        shape: &[usize],
        mut read: impl FnMut(&'static str, &[usize]) -> Result<Tensor<1>>,
    ) -> Result<Self> {
        let one = |(kind, shape): (&'static str, Vec<usize>)| {
            let value = read(kind, &shape)?;
            Ok(StateTensor { kind, shape, value })
        };
        kept(optimizer, shape).into_iter().map(one).collect::<Result<_>>().map(Self)
    }

    /// The tensors that a checkpoint keeps.
    pub fn tensors(&self) -> &[StateTensor] {
        &self.0
    }

    /// A parameter after one step, counted from 1; the memory goes on.
    ///
    /// `shape` is the parameter's, which is flat like its gradient.
    pub fn step(
        &mut self,
        optimizer: &OptimizerConfig,
        shape: &[usize],
        (step, learning_rate): (usize, f64),
        value: Tensor<1>,
        gradient: Tensor<1>,
    ) -> Tensor<1> {
        match optimizer {
            OptimizerConfig::AdamW(adam) => self.adam(adam, adam.weight_decay, (step, learning_rate), value, gradient),
            OptimizerConfig::Adam(adam) => {
                let gradient = with_decay(gradient, &value, adam.weight_decay);
                self.adam(adam, 0.0, (step, learning_rate), value, gradient)
            }
            OptimizerConfig::Adafactor(adafactor) => {
                self.adafactor(adafactor, shape, (step, learning_rate), value, gradient)
            }
            OptimizerConfig::Sgd(sgd) => self.sgd(sgd, learning_rate, value, gradient),
        }
    }

    fn adam(
        &mut self,
        &AdamConfig { beta1, beta2, epsilon, .. }: &AdamConfig,
        weight_decay: f64,
        (step, learning_rate): (usize, f64),
        value: Tensor<1>,
        gradient: Tensor<1>,
    ) -> Tensor<1> {
        let [first, second] = &mut self.0[..] else { unreachable!("Adam remembers two tensors") };
        let constants = AdamW { beta1, beta2, epsilon, weight_decay };
        let moments = (take(&mut first.value), take(&mut second.value));
        let (value, m, v) = adamw_step(&constants, step, learning_rate, value, gradient, moments.0, moments.1);
        (first.value, second.value) = (m, v);
        value
    }

    fn adafactor(
        &mut self,
        adafactor: &AdafactorConfig,
        shape: &[usize],
        (step, learning_rate): (usize, f64),
        value: Tensor<1>,
        gradient: Tensor<1>,
    ) -> Tensor<1> {
        // All that a parameter is scaled by stays on the device: reading it back would wait for each of them.
        let rate = match adafactor.scale_parameter {
            true => root_mean_square(&value).clamp_min(adafactor.epsilon_scale) * learning_rate,
            false => Tensor::full([1], learning_rate, &value.device()),
        };
        let keep = 1.0 - (step as f64).powf(adafactor.decay_rate);
        let mean = |memory: Tensor<3>, now: Tensor<3>| memory * keep + now * (1.0 - keep);
        let squares = gradient.clone().powi_scalar(2) + adafactor.epsilon;
        let update = match &mut self.0[..] {
            [rows, columns, ..] if rows.kind == "rows" => {
                let [blocks, n_rows, n_columns] = blocks(shape);
                let squares = squares.reshape([blocks, n_rows, n_columns]);
                let of_rows = mean(take(&mut rows.value).reshape([blocks, n_rows, 1]), squares.clone().mean_dim(2));
                let of_columns = mean(take(&mut columns.value).reshape([blocks, 1, n_columns]), squares.mean_dim(1));
                rows.value = of_rows.clone().reshape([blocks * n_rows]);
                columns.value = of_columns.clone().reshape([blocks * n_columns]);
                let of_rows = of_rows.clone() / of_rows.mean_dim(1);
                let update = gradient.reshape([blocks, n_rows, n_columns]);
                let update = update / of_rows.sqrt() / of_columns.sqrt(); // [blocks, n_rows, n_columns]
                update.reshape([blocks * n_rows * n_columns])
            }
            [memory, ..] => {
                memory.value = take(&mut memory.value) * keep + squares * (1.0 - keep);
                gradient / memory.value.clone().sqrt()
            }
            [] => unreachable!("Adafactor remembers squares"),
        };
        let too_large = (root_mean_square(&update) / adafactor.clip_threshold).clamp_min(1.0);
        let mut update = update * (rate.clone() / too_large);
        if let Some(beta1) = adafactor.beta1
            && let Some(momentum) = self.0.last_mut()
        {
            momentum.value = take(&mut momentum.value) * beta1 + update * (1.0 - beta1);
            update = momentum.value.clone();
        }
        let shrunk =
            if adafactor.weight_decay > 0.0 { value.clone() - value * (rate * adafactor.weight_decay) } else { value };
        shrunk - update
    }

    fn sgd(&mut self, sgd: &SgdConfig, learning_rate: f64, value: Tensor<1>, gradient: Tensor<1>) -> Tensor<1> {
        let mut direction = with_decay(gradient, &value, sgd.weight_decay);
        if let [momentum] = &mut self.0[..] {
            momentum.value = take(&mut momentum.value) * sgd.momentum + direction.clone();
            direction = match sgd.nesterov {
                true => direction + momentum.value.clone() * sgd.momentum,
                false => momentum.value.clone(),
            };
        }
        value - direction * learning_rate
    }
}

/// Takes a tensor out of its place, so that its memory has one owner and can be written over.
pub(super) fn take(tensor: &mut Tensor<1>) -> Tensor<1> {
    let device = tensor.device();
    std::mem::replace(tensor, Tensor::empty([0], &device))
}

/// The tensors remembered of a parameter, by kind and shape.
fn kept(optimizer: &OptimizerConfig, shape: &[usize]) -> Vec<(&'static str, Vec<usize>)> {
    let all = || shape.to_vec();
    match optimizer {
        OptimizerConfig::AdamW(_) | OptimizerConfig::Adam(_) => vec![("first", all()), ("second", all())],
        OptimizerConfig::Adafactor(adafactor) => {
            let mut kept = match shape {
                [above @ .., rows, columns] => {
                    vec![("rows", [above, &[*rows]].concat()), ("columns", [above, &[*columns]].concat())]
                }
                _ => vec![("squares", all())],
            };
            kept.extend(adafactor.beta1.map(|_| ("momentum", all())));
            kept
        }
        OptimizerConfig::Sgd(sgd) if sgd.momentum > 0.0 => vec![("momentum", all())],
        OptimizerConfig::Sgd(_) => Vec::new(),
    }
}

/// A shape of two axes or more as blocks of rows and columns.
fn blocks(shape: &[usize]) -> [usize; 3] {
    match shape {
        [above @ .., rows, columns] => [above.iter().product(), *rows, *columns],
        _ => [1, 1, shape.iter().product()],
    }
}

fn with_decay(gradient: Tensor<1>, value: &Tensor<1>, weight_decay: f64) -> Tensor<1> {
    if weight_decay > 0.0 { gradient + value.clone() * weight_decay } else { gradient }
}

/// Of all numbers, as a tensor of one.
fn root_mean_square(tensor: &Tensor<1>) -> Tensor<1> {
    tensor.clone().powi_scalar(2).mean().sqrt()
}
