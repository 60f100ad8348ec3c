//! A soft prompt in training: its parameters, and how they become embeddings.

use burn::tensor::{Tensor, activation};
use rand::Rng;

use crate::adapters::methods::prompt::{
    PromptEncoderShape, PromptSpec, PromptState, PromptTasksShape, PromptTasksState,
};
use crate::adapters::methods::{PartState, Spec, Trained};
use crate::adapters::parameters::{GradParams, Parameter};
use crate::config::PromptEncoderKind;
use crate::error::Result;
use crate::models::Conditioning;
use crate::nn::floats;

/// A soft prompt in training.
pub struct SoftPrompt {
    /// Sizes of the soft prompt.
    pub spec: PromptSpec,
    /// The trained parameters, in the order of [`Spec::parameter_shapes`].
    pub parameters: Vec<Parameter>,
}

impl Trained for SoftPrompt {
    fn spec(&self) -> &dyn Spec {
        &self.spec
    }

    fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut [Parameter] {
        &mut self.parameters
    }

    fn condition(&self, leaves: &GradParams, _: Option<&mut dyn Rng>, conditioning: &mut Conditioning) {
        conditioning.soft_prompt = Some(self.matrix(leaves));
    }

    fn to_state(&self) -> Result<PartState> {
        self.folded().map(PartState::from)
    }
}

impl SoftPrompt {
    /// The embeddings, `[n_rows, width]`; with tasks those of each behind those of the one before, `[n_tasks * n_virtual,
    /// width]`.
    pub fn matrix(&self, leaves: &GradParams) -> Tensor<2> {
        let PromptSpec { n_virtual, n_rows, width, tasks, .. } = self.spec;
        if let Some(PromptTasksShape { n_tasks, ranks }) = tasks {
            let cols = leaves.shaped(1, [n_tasks, n_rows, ranks]);
            let rows = leaves.shaped(2, [n_tasks, ranks, width]);
            return of_tasks(leaves.shaped(0, [n_rows, width]), cols, rows, n_virtual);
        }
        match self.last_hidden(leaves) {
            Some(hidden) => linear(leaves, self.parameters.len() - 2, hidden, width),
            None => leaves.shaped(0, [n_rows, width]),
        }
    }

    /// Input of the last layer of the network, `[n_rows, its width]`; `None` without a network.
    pub(crate) fn last_hidden(&self, leaves: &GradParams) -> Option<Tensor<2>> {
        let PromptSpec { n_rows, width, encoder, .. } = self.spec;
        let embedding = leaves.shaped(0, [n_rows, width]);
        let PromptEncoderShape { kind, hidden: h, layers } = encoder?;
        Some(match kind {
            PromptEncoderKind::Mlp => {
                let hidden = activation::relu(linear(leaves, 1, embedding, h));
                activation::relu(linear(leaves, 3, hidden, h))
            }
            PromptEncoderKind::Tanh => activation::tanh(linear(leaves, 1, embedding, h)),
            PromptEncoderKind::Lstm => {
                let read = (0..layers).fold(embedding, |x, layer| both_directions(leaves, 1 + 8 * layer, x, h));
                activation::relu(linear(leaves, 1 + 8 * layers, read, 2 * h))
            }
        })
    }

    /// The prompt without the network behind it.
    ///
    /// # Errors
    /// The device failed.
    pub fn folded(&self) -> Result<PromptState> {
        let PromptSpec { n_virtual, n_rows, width, tasks, of_model, .. } = self.spec;
        if let Some(PromptTasksShape { n_tasks, ranks }) = tasks {
            let [values, cols, rows] = [0, 1, 2].map(|index| self.parameters[index].to_vec());
            let tasks = Some(PromptTasksState { n_tasks, ranks, cols: cols?, rows: rows? });
            return Ok(PromptState { n_virtual, n_rows, width, values: values?, of_model, tasks });
        }
        let values = floats(self.matrix(&GradParams::detached(&self.parameters)))?;
        Ok(PromptState { n_virtual, n_rows, width, values, of_model, tasks: None })
    }
}

/// A shared prompt times the matrix of each task, cut to the rows that stand in a text.
///
/// # Shapes
/// - `shared`: `[n_rows, width]`
/// - `cols`: `[n_tasks, n_rows, ranks]`
/// - `rows`: `[n_tasks, ranks, width]`
/// - returns `[n_tasks * n_virtual, width]`
pub(crate) fn of_tasks(shared: Tensor<2>, cols: Tensor<3>, rows: Tensor<3>, n_virtual: usize) -> Tensor<2> {
    let [n_tasks, _, width] = rows.dims();
    let matrices = cols.matmul(rows); // [n_tasks, n_rows, width]
    let prompts = matrices * shared.unsqueeze_dim::<3>(0);
    prompts.narrow(1, 0, n_virtual).reshape([n_tasks * n_virtual, width])
}

/// A linear layer of the parameters at a place.
fn linear(leaves: &GradParams, at: usize, x: Tensor<2>, d_out: usize) -> Tensor<2> {
    let [_, d_in] = x.dims();
    x.matmul(leaves.shaped(at, [d_out, d_in]).transpose()) + leaves.shaped(at + 1, [1, d_out])
}

/// One layer of an LSTM over a sequence, `[n, d_in]` to `[n, 2 * hidden]`: forwards, then backwards.
fn both_directions(leaves: &GradParams, at: usize, x: Tensor<2>, hidden: usize) -> Tensor<2> {
    let forwards = one_direction(leaves, at, x.clone(), hidden, false);
    let backwards = one_direction(leaves, at + 4, x, hidden, true);
    Tensor::cat(vec![forwards, backwards], 1)
}

/// Gates in torch's order: input, forget, cell, output.
fn one_direction(leaves: &GradParams, at: usize, x: Tensor<2>, h: usize, backwards: bool) -> Tensor<2> {
    let [n, d_in] = x.dims();
    let device = x.device();
    let biases = leaves.shaped(at + 2, [1, 4 * h]) + leaves.shaped(at + 3, [1, 4 * h]);
    let read = x.matmul(leaves.shaped(at, [4 * h, d_in]).transpose()) + biases; // [n, 4 * hidden]
    let again = leaves.shaped(at + 1, [4 * h, h]).transpose(); // [hidden, 4 * hidden]
    let (mut state, mut cell) = (Tensor::<2>::zeros([1, h], &device), Tensor::<2>::zeros([1, h], &device));
    let mut states = Vec::with_capacity(n);
    for step in 0..n {
        let row = if backwards { n - 1 - step } else { step };
        let gates = read.clone().narrow(0, row, 1) + state.matmul(again.clone());
        let gate = |index: usize| gates.clone().narrow(1, index * h, h);
        let kept = activation::sigmoid(gate(1)) * cell;
        cell = kept + activation::sigmoid(gate(0)) * activation::tanh(gate(2));
        state = activation::sigmoid(gate(3)) * activation::tanh(cell.clone());
        states.push(state.clone());
    }
    if backwards {
        states.reverse();
    }
    Tensor::cat(states, 0)
}
