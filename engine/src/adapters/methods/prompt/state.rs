//! A soft prompt as an adapter keeps it: embeddings without the network they came from.

use burn::tensor::{Device, Tensor, TensorData};
use sha2::{Digest, Sha256};

use crate::adapters::methods::prompt::of_tasks;
use crate::adapters::methods::{PartState, SavedPart};
use crate::adapters::state::{AdapterState, ModelNames, bytes};
use crate::config::{MethodConfig, PromptConfig, PromptTasks};
use crate::error::{EngineError, Result};
use crate::models::Conditioning;
use crate::{Sentence, sentence};

/// A soft prompt without the network behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct PromptState {
    /// Soft tokens.
    pub n_virtual: usize,
    /// Rows of the matrix; PEFT keeps twice as many for a model that reads a source and writes a target.
    pub n_rows: usize,
    /// Width of an embedding.
    pub width: usize,
    /// `[n_rows, width]`, row by row.
    pub values: Vec<f32>,
    /// Layers and heads of the model, which PEFT writes down beside it.
    pub of_model: Option<[usize; 2]>,
    /// The tasks that share it.
    pub tasks: Option<PromptTasksState>,
}

/// Matrices that make the prompts of tasks of a shared one.
#[derive(Clone, Debug, PartialEq)]
pub struct PromptTasksState {
    /// Tasks.
    pub n_tasks: usize,
    /// Rank of a task's matrix.
    pub ranks: usize,
    /// `[n_tasks, n_rows, ranks]`
    pub cols: Vec<f32>,
    /// `[n_tasks, ranks, width]`
    pub rows: Vec<f32>,
}

impl SavedPart for PromptState {
    fn n_virtual(&self) -> usize {
        self.n_virtual
    }

    fn method(&self, adapter: &AdapterState) -> Option<MethodConfig> {
        let named = |tasks: &PromptTasksState| PromptTasks { ranks: tasks.ranks, ..PromptTasks::default() };
        let tasks = self.tasks.as_ref().map(named);
        Some(MethodConfig::Prompt(PromptConfig { n_virtual: adapter.n_virtual(), tasks, ..PromptConfig::default() }))
    }

    fn hash(&self, _: bool, digest: &mut Sha256) {
        digest.update(bytes(&self.values));
        if let Some(tasks) = &self.tasks {
            digest.update(bytes(&tasks.cols));
            digest.update(bytes(&tasks.rows));
        }
    }

    fn describe(&self, _: &AdapterState, kept_by: &Sentence) -> Vec<Sentence> {
        let slots = self.n_virtual;
        vec![match &self.tasks {
            None => sentence!("a soft prompt of {kept_by}: {slots} tokens", kept_by, slots),
            Some(tasks) => {
                let n_tasks = tasks.n_tasks;
                sentence!("a soft prompt of {kept_by}: {slots} tokens of {n_tasks} tasks", kept_by, slots, n_tasks)
            }
        }]
    }

    fn condition(&self, device: &Device, conditioning: &mut Conditioning) {
        let Self { n_virtual, n_rows, width, .. } = *self;
        let tensor = |values: &[f32]| Tensor::<1>::from_data(TensorData::new(values.to_vec(), [values.len()]), device);
        let shared = tensor(&self.values).reshape([n_rows, width]);
        conditioning.soft_prompt = Some(match &self.tasks {
            None => shared,
            Some(PromptTasksState { n_tasks, ranks, cols, rows }) => {
                let cols = tensor(cols).reshape([*n_tasks, n_rows, *ranks]);
                of_tasks(shared, cols, tensor(rows).reshape([*n_tasks, *ranks, width]), n_virtual)
            }
        });
    }

    fn check_names(&self, _: &AdapterState, model: &ModelNames) -> Result<()> {
        let here = model.embedding_width;
        if self.width == here {
            return Ok(());
        }
        Err(EngineError::AdapterMismatch {
            reason: sentence!(
                "its soft tokens are {width} numbers wide, the model's embeddings {here}",
                width = self.width,
                here
            ),
        })
    }
}

impl AdapterState {
    /// The adapter's soft prompt.
    pub fn prompt(&self) -> Option<&PromptState> {
        self.parts.iter().find_map(|part| match part {
            PartState::Prompt(prompt) => Some(prompt),
            _ => None,
        })
    }

    /// Soft tokens that stand in the text.
    pub fn n_soft(&self) -> usize {
        self.prompt().map_or(0, |prompt| prompt.n_virtual)
    }

    /// Whether its soft tokens are others for each of several tasks.
    pub fn has_tasks(&self) -> bool {
        self.prompt().is_some_and(|prompt| prompt.tasks.is_some())
    }

    /// The first soft token of a task, which has to be named where there are several.
    ///
    /// # Errors
    /// [`EngineError::Setting`] with the names that there are.
    pub fn first_soft(&self, task: Option<&str>) -> Result<usize> {
        let Some(tasks) = self.prompt().and_then(|prompt| prompt.tasks.as_ref()) else { return Ok(0) };
        let names = &self.task.tasks;
        let index = match task {
            None => Some(0).filter(|_| tasks.n_tasks == 1),
            Some(task) => names.iter().position(|name| name == task).filter(|&index| index < tasks.n_tasks),
        };
        let reason = || sentence!("the adapter's tasks are {names}: name one of them", names = names.join(", "));
        let index = index.ok_or_else(|| EngineError::Setting { field: "task", reason: reason() })?;
        Ok(index * self.n_soft())
    }
}
