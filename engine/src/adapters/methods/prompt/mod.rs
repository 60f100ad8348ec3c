//! Prompt tuning: trained embeddings among those of the text; with an encoder between, P-tuning v1.
//! Lester et al. 2021, "The Power of Scale for Parameter-Efficient Prompt Tuning"; Liu et al. 2021, "GPT Understands, Too".
//! Shared by tasks, times a matrix of low rank for each: Wang et al. 2023, "Multitask Prompt Tuning Enables
//! Parameter-Efficient Transfer Learning".
//! Layout as in huggingface/peft: src/peft/tuners/{prompt_tuning,p_tuning,multitask_prompt_tuning}/model.py.

pub mod init;
mod state;

use std::borrow::Cow;

use burn::tensor::{Tensor, activation};

pub use self::state::{PromptState, PromptTasksState};
use crate::adapters::parameters::{Parameter, Trainables, floats};
use crate::config::PromptEncoderKind;
use crate::error::Result;

/// The sizes of a soft prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct PromptShape {
    /// Soft tokens.
    pub n_virtual: usize,
    /// Rows of the matrix. For a model that reads a source and writes a target PEFT keeps twice as many as it uses.
    pub n_rows: usize,
    /// Width of an embedding.
    pub width: usize,
    /// The network between trained embeddings and the prompt.
    pub encoder: Option<PromptEncoderShape>,
    /// Layers and heads of the model, of the encoder where there is a decoder too.
    pub of_model: Option<[usize; 2]>,
    /// The tasks that share the prompt.
    pub tasks: Option<PromptTasksShape>,
}

/// The sizes of what tells tasks apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PromptTasksShape {
    /// Tasks.
    pub n_tasks: usize,
    /// Rank of a task's matrix.
    pub ranks: usize,
}

/// The sizes of the network of P-tuning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PromptEncoderShape {
    /// Its layers.
    pub kind: PromptEncoderKind,
    /// Width of the hidden layers, in each direction.
    pub hidden: usize,
    /// Layers of the LSTM.
    pub layers: usize,
}

/// A soft prompt in training.
pub struct SoftPrompt {
    /// Its sizes.
    pub shape: PromptShape,
    /// What is trained, in the order of [`PromptShape::parameter_shapes`].
    pub parameters: Vec<Parameter>,
}

impl PromptShape {
    /// A prompt that is its own parameters, for a model of one stack.
    pub fn alone(n_virtual: usize, width: usize) -> Self {
        Self { n_virtual, n_rows: n_virtual, width, encoder: None, of_model: None, tasks: None }
    }

    /// Names and shapes of what is trained; linear weights are `[d_out, d_in]`, an LSTM's as torch keeps them.
    pub fn parameter_shapes(&self) -> Vec<(Cow<'static, str>, Vec<usize>)> {
        let d = self.width;
        let mut shapes = vec![(Cow::Borrowed("embedding.weight"), vec![self.n_rows, d])];
        if let Some(PromptTasksShape { n_tasks, ranks }) = self.tasks {
            shapes.push((Cow::Borrowed("prefix_task_cols"), vec![n_tasks, self.n_rows, ranks]));
            shapes.push((Cow::Borrowed("prefix_task_rows"), vec![n_tasks, ranks, d]));
        }
        let Some(PromptEncoderShape { kind, hidden: h, layers }) = self.encoder else { return shapes };
        let linears = match kind {
            PromptEncoderKind::Mlp => vec![(0, h, d), (2, h, h), (4, d, h)],
            PromptEncoderKind::Tanh => vec![(0, h, d), (2, d, h)],
            PromptEncoderKind::Lstm => vec![(0, 2 * h, 2 * h), (2, d, 2 * h)],
        };
        if kind == PromptEncoderKind::Lstm {
            for layer in 0..layers {
                let d_in = if layer == 0 { d } else { 2 * h };
                for direction in ["", "_reverse"] {
                    let parts = [
                        ("weight_ih", vec![4 * h, d_in]),
                        ("weight_hh", vec![4 * h, h]),
                        ("bias_ih", vec![4 * h]),
                        ("bias_hh", vec![4 * h]),
                    ];
                    let named =
                        parts.map(|(part, shape)| (Cow::Owned(format!("lstm_head.{part}_l{layer}{direction}")), shape));
                    shapes.extend(named);
                }
            }
        }
        for (at, d_out, d_in) in linears {
            shapes.push((Cow::Owned(format!("mlp_head.{at}.weight")), vec![d_out, d_in]));
            shapes.push((Cow::Owned(format!("mlp_head.{at}.bias")), vec![d_out]));
        }
        shapes
    }
}

impl SoftPrompt {
    /// The embeddings, `[n_rows, width]`; with tasks those of each behind those of the one before, `[n_tasks * n_virtual,
    /// width]`.
    pub fn matrix(&self, leaves: &Trainables) -> Tensor<2> {
        let PromptShape { n_virtual, n_rows, width, tasks, .. } = self.shape;
        if let Some(PromptTasksShape { n_tasks, ranks }) = tasks {
            let cols = leaves.shaped(1, [n_tasks, n_rows, ranks]);
            let rows = leaves.shaped(2, [n_tasks, ranks, width]);
            return of_tasks(leaves.shaped(0, [n_rows, width]), cols, rows, n_virtual);
        }
        match self.before_last(leaves) {
            Some(hidden) => linear(leaves, self.parameters.len() - 2, hidden, width),
            None => leaves.shaped(0, [n_rows, width]),
        }
    }

    /// What the last layer of the network reads, `[n_rows, its width]`; `None` without a network.
    pub(crate) fn before_last(&self, leaves: &Trainables) -> Option<Tensor<2>> {
        let PromptShape { n_rows, width, encoder, .. } = self.shape;
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
    pub fn to_state(&self) -> Result<PromptState> {
        let PromptShape { n_virtual, n_rows, width, tasks, of_model, .. } = self.shape;
        if let Some(PromptTasksShape { n_tasks, ranks }) = tasks {
            let [values, cols, rows] = [0, 1, 2].map(|index| self.parameters[index].to_vec());
            let tasks = Some(PromptTasksState { n_tasks, ranks, cols: cols?, rows: rows? });
            return Ok(PromptState { n_virtual, n_rows, width, values: values?, of_model, tasks });
        }
        let values = floats(self.matrix(&Trainables::untracked(&self.parameters)))?;
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
fn linear(leaves: &Trainables, at: usize, x: Tensor<2>, d_out: usize) -> Tensor<2> {
    let [_, d_in] = x.dims();
    x.matmul(leaves.shaped(at, [d_out, d_in]).transpose()) + leaves.shaped(at + 1, [1, d_out])
}

/// One layer of an LSTM over a sequence, `[n, d_in]` to `[n, 2 * hidden]`: forwards, then backwards.
fn both_directions(leaves: &Trainables, at: usize, x: Tensor<2>, hidden: usize) -> Tensor<2> {
    let forwards = one_direction(leaves, at, x.clone(), hidden, false);
    let backwards = one_direction(leaves, at + 4, x, hidden, true);
    Tensor::cat(vec![forwards, backwards], 1)
}

/// Gates in torch's order: input, forget, cell, output.
fn one_direction(leaves: &Trainables, at: usize, x: Tensor<2>, h: usize, backwards: bool) -> Tensor<2> {
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
