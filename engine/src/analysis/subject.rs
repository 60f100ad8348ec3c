//! What is looked at: an adapter before its model, and rows on which it is looked at.

use std::rc::Rc;

use crate::adapters::AdapterState;
use crate::config::Task;
use crate::data::{Example, TokenBatch};
use crate::error::Result;
use crate::loaded_model::LoadedModel;
use crate::models::{Conditioning, Hooks, Model};
use crate::training::loss;

use super::question::Analysis;

/// An adapter before its model, and rows.
pub struct Subject {
    /// The model as it was.
    pub model: Rc<LoadedModel>,
    /// The adapter.
    pub adapter: AdapterState,
    /// What it gives the model.
    pub conditioning: Conditioning,
    /// The model with the weights that the adapter changes, where it changes some.
    pub tuned: Option<Model>,
    /// The adapter as it began, if that is known.
    pub initial: Option<AdapterState>,
    /// Another adapter of the same model to hold it against.
    pub other: Option<AdapterState>,
    /// Rows behind what the adapter puts before them, of its task.
    pub rows: Vec<Example>,
    /// The same rows as the base model reads them.
    pub bare: Vec<Example>,
    /// What is learned of a row.
    pub task: Task,
    /// Earlier states of the adapter with the steps that were done, in order, where the question is about them.
    pub checkpoints: Vec<(usize, AdapterState)>,
    /// The classes, each with its word; none where there are no classes.
    pub words: Vec<(String, String)>,
}

impl Subject {
    /// The model that the adapter is put before.
    pub fn tuned_model(&self) -> &Model {
        self.tuned.as_ref().unwrap_or(&self.model.model)
    }

    /// Some of the rows, padded to one length.
    pub fn batch(&self, rows: &[usize]) -> TokenBatch {
        TokenBatch::new(&self.rows, rows, self.model.tokenizer.pad(), self.task)
    }

    /// The same rows as the base model reads them.
    pub fn bare_batch(&self, rows: &[usize]) -> TokenBatch {
        TokenBatch::new(&self.bare, rows, self.model.tokenizer.pad(), self.task)
    }

    /// A pass over some of the rows with the adapter, under hooks.
    ///
    /// # Errors
    /// The model cannot read such rows.
    pub fn run(&self, batch: &TokenBatch, hooks: Option<&mut dyn Hooks>) -> Result<burn::tensor::Tensor<3>> {
        let rows = loss::rows_of(batch, &self.conditioning);
        self.tuned_model().hidden(&rows, &self.conditioning, hooks, &self.model.device)
    }
}

/// A question that is answered step by step.
pub trait Investigation {
    /// Does a bounded piece of work; the answer after the last.
    ///
    /// # Errors
    /// The question has no answer for this adapter, or the device failed.
    fn step(&mut self, subject: &Subject) -> Result<Option<Analysis>>;

    /// The share that is done, 0 to 1.
    fn share(&self) -> f32;
}
