//! Trained weights of the model itself as an adapter keeps them.

use burn::tensor::{Device, Tensor, TensorData};
use sha2::{Digest, Sha256};

use crate::adapters::methods::{PartState, SavedPart};
use crate::adapters::state::{AdapterState, ModelNames, bytes};
use crate::config::{FullConfig, MethodConfig};
use crate::error::{EngineError, Result};
use crate::models::{Conditioning, is_shared_table};
use crate::weights::NamedTensor;
use crate::{Sentence, sentence};

/// Weights in place of the model's own, called as its modules are.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightsState(pub Vec<NamedTensor>);

impl SavedPart for WeightsState {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn method(&self, _: &AdapterState) -> Option<MethodConfig> {
        Some(MethodConfig::Full(FullConfig::default()))
    }

    fn hash(&self, _: bool, digest: &mut Sha256) {
        self.0.iter().for_each(|(.., values)| digest.update(bytes(values)));
    }

    fn describe(&self, _: &AdapterState, kept_by: &Sentence) -> Vec<Sentence> {
        let n = self.0.len();
        vec![sentence!("{n} trained {n:weight|weights} of {kept_by}", n, kept_by)]
    }

    fn condition(&self, device: &Device, conditioning: &mut Conditioning) {
        for (name, shape, values) in &self.0 {
            let values = Tensor::from_data(TensorData::new(values.clone(), [values.len()]), device);
            conditioning.tuned.replaced.insert(name.clone(), (shape.clone(), values));
        }
    }

    fn check_names(&self, adapter: &AdapterState, model: &ModelNames) -> Result<()> {
        let mismatch = |reason: Sentence| Err(EngineError::AdapterMismatch { reason });
        for (name, shape, _) in &self.0 {
            let Some(known) = model.weights.iter().chain(&model.tied).find(|weight| weight.name == *name) else {
                return mismatch(sentence!("it has the weight {name}, which this model does not have", name));
            };
            if adapter.lora().is_some() && is_shared_table(name) {
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
        Ok(())
    }
}

impl AdapterState {
    /// Weights in place of the model's own.
    pub fn weights(&self) -> &[NamedTensor] {
        let weights = self.parts.iter().find_map(|part| match part {
            PartState::Weights(weights) => Some(weights.0.as_slice()),
            _ => None,
        });
        weights.unwrap_or_default()
    }

    /// The same without weights in place of the model's own.
    #[must_use]
    pub fn without_weights(mut self) -> Self {
        self.parts.retain(|part| !matches!(part, PartState::Weights(_)));
        self
    }
}
