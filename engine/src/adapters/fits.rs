//! An adapter on the model that it is for: each of its tensors has its place there, or is refused by name.

use crate::adapters::methods::full::WeightsState;
use crate::adapters::state::{AdapterState, ModelNames};
use crate::config::Task;
use crate::error::{EngineError, Result};
use crate::models::ModelFolder;
use crate::models::{BaseModel, ModelShape, Site, tied_head};
use crate::sentence;

impl AdapterState {
    /// Refuses a model of another kind or shape, with the numbers.
    ///
    /// # Errors
    /// [`EngineError::AdapterMismatch`].
    pub fn check_fits(&self, sites: &[(Site, ModelShape)]) -> Result<()> {
        let seq2seq = sites.len() > 1;
        // Either kind of model says something of a whole text.
        let wanted = match self.task.task {
            Task::SequenceClassification | Task::Regression | Task::MultipleChoice => seq2seq,
            task => task == Task::Seq2Seq,
        };
        if seq2seq != wanted {
            let reason = match seq2seq {
                true => sentence!("it is for a model of one stack, this is an encoder with a decoder"),
                false => sentence!("it is for an encoder with a decoder, this is a model of one stack"),
            };
            return Err(EngineError::AdapterMismatch { reason });
        }
        let seen_by = self.placement.layers.as_deref();
        self.prefixes().try_for_each(|prefix| prefix.check_fits(sites, seen_by))
    }

    /// The adapter as it stands on this model: what is said of the model's own weights is worked out, and everything has a
    /// place.
    ///
    /// # Errors
    /// [`EngineError::AdapterMismatch`] where the model does not have what it changes, by name.
    pub fn placed(self, model: &BaseModel) -> Result<Self> {
        let adapter = self.on_base(model.folder())?;
        let (linears, weights) = (model.linears(), model.weights());
        let (tied, [_, embedding_width]) = (tied_head(&linears, &weights), model.embedding_dims());
        let names = ModelNames { linears, weights, tied, embedding_width };
        adapter.parts.iter().try_for_each(|part| part.saved().check_names(&adapter, &names))?;
        Ok(adapter)
    }

    /// The adapter without anything that only the base model's own weights can tell: matrices that began as a part of them
    /// stand beside what is taken out of them, copies of them are gone. What is no copy is a weight like others.
    ///
    /// # Errors
    /// A weight is not there or cannot be read.
    pub fn on_base(mut self, folder: &ModelFolder) -> Result<Self> {
        if let Some(lora) = self.lora_mut() {
            let others = lora.on_base(folder)?;
            self.push(WeightsState(others));
        }
        Ok(self)
    }
}
