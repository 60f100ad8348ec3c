//! Matrices that say something of the base model's own weights: what they began as a part of, and copies of it.

use crate::adapters::methods::lora::transposed;
use crate::adapters::methods::lora::{LoraMatrices, LoraState};
use crate::error::{EngineError, Result};
use crate::models::ModelFolder;
use crate::models::{LinearName, WeightName, tied_head};
use crate::weights::NamedTensor;
use crate::{Sentence, sentence};

impl LoraState {
    /// Takes out of the base model's weights what the matrices began as, and gives away copies of weights that are none.
    ///
    /// # Errors
    /// A weight is not there or cannot be read.
    pub(crate) fn on_base(&mut self, folder: &ModelFolder) -> Result<Vec<NamedTensor>> {
        if self.residual.is_none() && self.base_copies.is_empty() {
            return Ok(Vec::new());
        }
        let base = Base::of(folder);
        let others = base.other_than(std::mem::take(&mut self.base_copies))?;
        base.take_out(self)?;
        Ok(others)
    }
}

fn mismatch<T>(reason: Sentence) -> Result<T> {
    Err(EngineError::AdapterMismatch { reason })
}

/// The weights of a base model as its files have them.
struct Base<'a> {
    folder: &'a ModelFolder,
    linears: Vec<LinearName>,
    weights: Vec<WeightName>,
    tied: Option<WeightName>,
}

impl<'a> Base<'a> {
    fn of(folder: &'a ModelFolder) -> Self {
        let (linears, weights) = (folder.list_linears(), folder.list_weights());
        let tied = tied_head(&linears, &weights);
        Self { folder, linears, weights, tied }
    }

    fn is_tied_head(&self, name: &str) -> bool {
        self.tied.as_ref().is_some_and(|head| head.name == name)
    }

    /// The weight that adapters call so; of a tied head the table's.
    fn weight(&self, name: &str) -> Option<&WeightName> {
        match &self.tied {
            Some(head) if head.name == name => self.weights.iter().find(|weight| weight.stored == head.stored),
            _ => self.weights.iter().find(|weight| ends_as(name, &weight.name)),
        }
    }

    /// Those of some copies that are none. PEFT loads them into the model, where a tied head and its table are one.
    fn other_than(&self, copies: Vec<NamedTensor>) -> Result<Vec<NamedTensor>> {
        let mut others = Vec::new();
        for (name, shape, values) in copies {
            let Some(weight) = self.weight(&name).filter(|weight| weight.shape == shape) else {
                return mismatch(sentence!(
                    "it has a copy of {name} of shape {shape}, which this model does not have",
                    name,
                    shape
                ));
            };
            if self.folder.files().values(&weight.stored, &weight.shape)? != values {
                let name = if self.is_tied_head(&name) { weight.name.clone() } else { name };
                others.push((name, shape, values));
            }
        }
        Ok(others)
    }

    /// Takes out of the weights what the matrices began as: these become as many again, at the same scale.
    fn take_out(&self, lora: &mut LoraState) -> Result<()> {
        let Some(residual) = lora.residual.take() else { return Ok(()) };
        for layer in lora.layers.iter_mut().filter(|layer| !layer.is_embeddings) {
            let LoraMatrices { d_in, d_out, .. } = *layer;
            let name = format!("{}.weight", layer.name);
            let is_it = |weight: &&WeightName| weight.shape == [d_out, d_in] || weight.shape == [d_in, d_out];
            let Some(weight) = self.weight(&name).filter(is_it).filter(|_| !self.is_tied_head(&name)) else {
                return mismatch(sentence!(
                    "it takes a part out of {name}, [{d_out}, {d_in}], which this model does not have",
                    name,
                    d_out,
                    d_in
                ));
            };
            let values = self.folder.files().values(&weight.stored, &weight.shape)?;
            let is_in_out = |linear: &LinearName| linear.is_in_out && ends_as(&layer.name, &linear.name);
            *layer = match self.linears.iter().any(is_in_out) {
                true => residual.beside(layer, &transposed(&values, [d_in, d_out]))?,
                false => residual.beside(layer, &values)?,
            };
        }
        let config = &mut lora.config;
        let factor = if config.rank_stabilized { 2.0_f64.sqrt() } else { 2.0 };
        (config.rank, config.alpha) = (2 * config.rank, factor * config.alpha);
        config.rank_pattern.values_mut().for_each(|rank| *rank *= 2);
        config.alpha_pattern.values_mut().for_each(|alpha| *alpha *= factor);
        Ok(())
    }
}

/// Whether a name is that of a weight, which files may call without what stands before it.
fn ends_as(name: &str, known: &str) -> bool {
    name == known || name.ends_with(&format!(".{known}"))
}
