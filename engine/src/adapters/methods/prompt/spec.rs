//! The sizes of a soft prompt, and of the network behind it.

use std::borrow::Cow;

use crate::adapters::methods::init::InitContext;
use crate::adapters::methods::prompt::SoftPrompt;
use crate::adapters::methods::{AdapterPart, Method, NamedShape, PartSpec, Spec};
use crate::adapters::parameters::Parameter;
use crate::config::{PromptConfig, PromptEncoderKind, PromptInit, PromptTasks, TaskFactors, TaskRecord};
use crate::error::Result;
use crate::models::ModelFacts;

/// The sizes of a soft prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct PromptSpec {
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
    /// Initial values.
    pub init: PromptInit,
    /// Initial values of the matrices of tasks.
    pub factors: Option<TaskFactors>,
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
    /// The layers of the network.
    pub kind: PromptEncoderKind,
    /// Width of the hidden layers, in each direction.
    pub hidden: usize,
    /// Layers of the LSTM.
    pub layers: usize,
}

impl PromptSpec {
    /// A prompt that is its own parameters, for a model of one stack.
    pub fn alone(n_virtual: usize, width: usize) -> Self {
        let (init, n_rows) = (PromptInit::Random, n_virtual);
        Self { n_virtual, n_rows, width, encoder: None, of_model: None, tasks: None, init, factors: None }
    }
}

impl Spec for PromptSpec {
    /// Linear weights are `[d_out, d_in]`, an LSTM's as torch keeps them.
    fn parameter_shapes(&self) -> Vec<NamedShape> {
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

    /// A network is folded away, the factors of tasks are not.
    fn stored(&self) -> usize {
        if self.tasks.is_some() { self.trained() } else { self.n_rows * self.width }
    }

    fn key(&self, _: usize) -> String {
        "prompt.".to_owned()
    }

    fn with_parameters(&self, parameters: Vec<Parameter>) -> AdapterPart {
        AdapterPart::Prompt(SoftPrompt { spec: self.clone(), parameters })
    }

    fn initial(&self, from: &InitContext<'_>) -> Result<AdapterPart> {
        SoftPrompt::initial(self, from).map(AdapterPart::Prompt)
    }
}

impl Method for PromptConfig {
    fn specs(&self, model: &dyn ModelFacts, task: &TaskRecord) -> Result<Vec<PartSpec>> {
        let width = model.embedding_width();
        let encoder = self.encoder.as_ref().map(|encoder| PromptEncoderShape {
            kind: encoder.kind,
            hidden: encoder.width.unwrap_or(width),
            layers: encoder.layers,
        });
        // Before rows are read there is one.
        let n_tasks = task.tasks.len().max(1);
        let sizes = |tasks: &PromptTasks| PromptTasksShape { n_tasks, ranks: tasks.ranks };
        Ok(vec![PartSpec::Prompt(PromptSpec {
            n_virtual: self.n_virtual,
            n_rows: if model.is_seq2seq() { 2 * self.n_virtual } else { self.n_virtual },
            width,
            encoder,
            of_model: model.layers_and_heads(),
            tasks: self.tasks.as_ref().map(sizes),
            init: self.init.clone(),
            factors: self.tasks.as_ref().map(|tasks| tasks.init.clone()),
        })])
    }
}
