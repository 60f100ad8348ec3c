//! The weights of the model that are trained.

use std::borrow::Cow;
use std::path::PathBuf;

use crate::adapters::methods::full::{TunedWeights, modules};
use crate::adapters::methods::init::InitContext;
use crate::adapters::methods::lora::is_of_a_head;
use crate::adapters::methods::{AdapterPart, Method, NamedShape, PartSpec, Spec};
use crate::adapters::parameters::Parameter;
use crate::config::{FullConfig, Task, TaskRecord};
use crate::error::{EngineError, Result};
use crate::models::{LayerPosition, ModelFacts, WeightName};
use crate::sentence;

/// Weights of the model that are trained.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightsSpec {
    /// The weights.
    pub weights: Vec<WeightName>,
    /// The adapter whose weights they begin as, where it has them; `None`: the model's own.
    pub starts_from: Option<PathBuf>,
}

impl From<Vec<WeightName>> for WeightsSpec {
    fn from(weights: Vec<WeightName>) -> Self {
        Self { weights, starts_from: None }
    }
}

impl Spec for WeightsSpec {
    fn parameter_shapes(&self) -> Vec<NamedShape> {
        self.weights.iter().map(|weight| (Cow::Owned(weight.name.clone()), weight.shape.clone())).collect()
    }

    fn with_parameters(&self, parameters: Vec<Parameter>) -> AdapterPart {
        AdapterPart::Weights(TunedWeights { spec: self.clone(), parameters })
    }

    fn initial(&self, from: &InitContext<'_>) -> Result<AdapterPart> {
        let begun = self.starts_from.as_deref().map(|path| from.warm_start.at(path)).transpose()?;
        let begun = begun.map_or(&[][..], |adapter| adapter.weights());
        let own = |weight: &WeightName| {
            let values = match begun.iter().find(|(name, ..)| *name == weight.name) {
                Some((.., values)) => values.clone(),
                None => from.model.values(weight)?,
            };
            Ok(Parameter::new(weight.name.clone(), weight.shape.clone(), values, from.device))
        };
        Ok(self.with_parameters(self.weights.iter().map(own).collect::<Result<_>>()?))
    }
}

impl Method for FullConfig {
    /// All that the task reads, or those of the top blocks and what comes behind.
    fn specs(&self, model: &dyn ModelFacts, task: &TaskRecord) -> Result<Vec<PartSpec>> {
        let first = match self.top_layers {
            Some(0) => return Ok(Vec::new()),
            Some(top_layers) => Some(model.n_layers().saturating_sub(top_layers)),
            None => None,
        };
        let (is_seq2seq, is_encoder) = (model.is_seq2seq(), model.is_encoder());
        let chosen = |weight: &&WeightName| {
            let on_top = !is_seq2seq || weight.name.contains("decoder");
            let is_deep = |first| match LayerPosition::of(&weight.name) {
                LayerPosition::Embedding => false,
                LayerPosition::Block(block) => block >= first,
                LayerPosition::Head => true,
            };
            (!is_encoder || is_read(weight, task.task)) && first.is_none_or(|first| on_top && is_deep(first))
        };
        let weights: Vec<WeightName> = model.weight_names().iter().filter(chosen).cloned().collect();
        let weights = self.of_modules(weights)?;
        Ok((!weights.is_empty()).then(|| PartSpec::Weights(weights.into())).into_iter().collect())
    }
}

impl FullConfig {
    /// Those of some weights that are in the modules named.
    fn of_modules(&self, mut weights: Vec<WeightName>) -> Result<Vec<WeightName>> {
        let Some(names) = &self.modules else { return Ok(weights) };
        if let Some(name) = names.iter().find(|name| !weights.iter().any(|weight| modules::names(name, &weight.name))) {
            let is_in_block = |weight: &&WeightName| matches!(LayerPosition::of(&weight.name), LayerPosition::Block(_));
            let example = weights.iter().find(is_in_block).or(weights.first());
            let example = example.map_or_else(String::new, |weight| weight.name.clone());
            let reason = sentence!(
                "no weight that can be trained is in a module called {name:?}; a name here is for example {example}",
                name,
                example
            );
            return Err(EngineError::Setting { field: "modules", reason });
        }
        weights.retain(|weight| names.iter().any(|name| modules::names(name, &weight.name)));
        Ok(weights)
    }
}

/// Whether a task of an encoder reads a weight: of its own heads each task reads its own, and a decay would change the
/// others.
fn is_read(weight: &WeightName, task: Task) -> bool {
    (task == Task::MaskedFill || !is_of_a_head(&weight.name))
        && (task.is_of_texts() || !weight.name.contains("pooler."))
}
