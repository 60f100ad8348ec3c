//! An adapter on the model that it is for: each of its tensors has its place there, or is refused by name.

use crate::adapters::formats::peft::transposed;
use crate::adapters::state::{FoldedAdapter, FoldedLora, LoraMatrices, NamedTensor};
use crate::error::{EngineError, Result};
use crate::models::folder::ModelFolder;
use crate::models::{BaseModel, LinearName, Role, WeightName, is_shared_table, tied_head};
use crate::{Sentence, sentence};

fn mismatch<T>(reason: Sentence) -> Result<T> {
    Err(EngineError::AdapterMismatch { reason })
}

impl FoldedAdapter {
    /// The adapter as it stands on this model: what is said of the model's own weights is worked out, and everything has a
    /// place.
    ///
    /// # Errors
    /// [`EngineError::AdapterMismatch`] where the model does not have what it changes, by name.
    pub fn placed(self, model: &BaseModel) -> Result<Self> {
        let adapter = self.on_base(model.folder())?;
        adapter.check_weights(model)?;
        Ok(adapter)
    }

    /// The adapter without anything that only the base model's own weights can tell: matrices that began as a part of them
    /// stand beside what is taken out of them, copies of them are gone. What is no copy is a weight like others.
    ///
    /// # Errors
    /// A weight is not there or cannot be read.
    pub fn on_base(mut self, folder: &ModelFolder) -> Result<Self> {
        if let Some(lora) = self.lora.as_mut().filter(|lora| lora.residual.is_some() || !lora.base_copies.is_empty()) {
            let base = Base::of(folder);
            let others = base.other_than(std::mem::take(&mut lora.base_copies))?;
            self.weights.extend(others);
            base.take_out(lora)?;
        }
        Ok(self)
    }

    /// Refuses a model that does not have the layers and weights it changes, by name.
    ///
    /// # Errors
    /// [`EngineError::AdapterMismatch`].
    fn check_weights(&self, model: &BaseModel) -> Result<()> {
        let (linears, weights) = (model.linears(), model.weights());
        for layer in self.lora.iter().flat_map(|lora| &lora.layers) {
            check_layer(layer, &linears, weights.iter().any(|weight| weight.name == format!("{}.weight", layer.name)))?;
        }
        let tied = tied_head(&linears, &weights);
        for (name, shape, _) in &self.weights {
            let Some(known) = weights.iter().chain(&tied).find(|weight| weight.name == *name) else {
                return mismatch(sentence!("it has the weight {name}, which this model does not have", name));
            };
            if self.lora.is_some() && is_shared_table(name) {
                return mismatch(sentence!("it has {name}, of which PEFT trains a copy that nothing reads", name));
            }
            if known.shape != *shape {
                let here = &known.shape;
                return mismatch(match (here.as_slice(), shape.as_slice()) {
                    ([tokens, width], [others, wide]) if width == wide => sentence!(
                        "{name} has rows for {others} tokens there and for {tokens} here: give the model that has as many, or \
                         merge the two with the program that made it",
                        name,
                        others,
                        tokens
                    ),
                    _ => sentence!("{name} has shape {shape} there, {here} here", name, shape, here),
                });
            }
        }
        for rows in self.lora.iter().flat_map(|lora| &lora.rows) {
            let table = format!("{}.weight", rows.table);
            if !weights.iter().any(|weight| weight.name == table && weight.shape.get(1) == Some(&rows.width)) {
                return mismatch(sentence!(
                    "it has rows of {table}, which this model does not have as wide or as its own",
                    table
                ));
            }
            if !linears.iter().any(|linear| linear.name == rows.table && linear.role != Role::Layer) {
                return mismatch(sentence!(
                    "it has rows of {table}, which is neither the model's embeddings nor its head",
                    table
                ));
            }
        }
        let [_, width] = model.embedding_dims();
        match &self.prompt {
            Some(prompt) if prompt.width != width => mismatch(sentence!(
                "its soft tokens are {width} numbers wide, the model's embeddings {here}",
                width = prompt.width,
                here = width
            )),
            _ => Ok(()),
        }
    }
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
        let (linears, weights) = (folder.known_linears(), folder.known_weights());
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
    fn take_out(&self, lora: &mut FoldedLora) -> Result<()> {
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
        let factor = if config.rank_stabilised { 2.0_f64.sqrt() } else { 2.0 };
        (config.rank, config.alpha) = (2 * config.rank, factor * config.alpha);
        config.rank_pattern.values_mut().for_each(|rank| *rank *= 2);
        config.alpha_pattern.values_mut().for_each(|alpha| *alpha *= factor);
        Ok(())
    }
}

fn check_layer(layer: &LoraMatrices, linears: &[LinearName], is_a_weight: bool) -> Result<()> {
    let LoraMatrices { name, d_in, d_out, is_embeddings, .. } = layer;
    let Some(known) = linears.iter().find(|linear| linear.name == *name) else {
        return mismatch(match is_a_weight {
            true => sentence!("it has matrices for {name}, beside which none are computed here", name),
            false => sentence!("it has matrices for {name}, which this model does not have", name),
        });
    };
    if *is_embeddings != (known.role == Role::Embeddings) {
        return mismatch(sentence!(
            "its matrices for {name} are of another kind of layer than it is in this model",
            name
        ));
    }
    if (known.d_in, known.d_out) != (*d_in, *d_out) {
        let (reads, makes) = (known.d_in, known.d_out);
        return mismatch(sentence!(
            "{name} reads {d_in} and makes {d_out} numbers there, {reads} and {makes} here",
            name,
            d_in,
            d_out,
            reads,
            makes
        ));
    }
    Ok(())
}

/// Whether a name is that of a weight, which files may call without what stands before it.
fn ends_as(name: &str, known: &str) -> bool {
    name == known || name.ends_with(&format!(".{known}"))
}
