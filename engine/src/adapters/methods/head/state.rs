//! The trained head of a task with classes as an adapter keeps it.

use burn::tensor::{Device, Tensor, TensorData};
use sha2::{Digest, Sha256};

use crate::adapters::methods::{PartState, SavedPart};
use crate::adapters::state::{AdapterState, bytes};
use crate::config::MethodConfig;
use crate::error::{EngineError, Result};
use crate::models::{ClassHead, Conditioning, Model};
use crate::weights::NamedTensor;
use crate::{Sentence, sentence};

/// Tensors of a head, called as transformers calls them.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadState(pub Vec<NamedTensor>);

impl SavedPart for HeadState {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A head stands beside what was trained, or alone.
    fn method(&self, _: &AdapterState) -> Option<MethodConfig> {
        None
    }

    fn hash(&self, _: bool, digest: &mut Sha256) {
        self.0.iter().for_each(|(.., values)| digest.update(bytes(values)));
    }

    fn describe(&self, _: &AdapterState, _: &Sentence) -> Vec<Sentence> {
        vec![sentence!("a head")]
    }

    /// It needs the model's own layers: [`AdapterState::class_head`].
    fn condition(&self, _: &Device, _: &mut Conditioning) {}
}

impl AdapterState {
    /// The trained head of a task with classes.
    pub fn head(&self) -> &[NamedTensor] {
        let head = self.parts.iter().find_map(|part| match part {
            PartState::Head(head) => Some(head.0.as_slice()),
            _ => None,
        });
        head.unwrap_or_default()
    }

    /// The head as this model has it; `None` for a task without classes.
    ///
    /// # Errors
    /// [`EngineError::AdapterMismatch`] when the adapter has no head, or one of other layers or sizes.
    pub fn class_head(&self, model: &Model, device: &Device) -> Result<Option<ClassHead>> {
        if !self.task.task.has_head() {
            return Ok(None);
        }
        let kind = model.head_kind(self.task.task)?;
        let n_classes = self.task.n_scores();
        let mismatch = |reason: Sentence| EngineError::AdapterMismatch { reason };
        let mut weights = Vec::new();
        for (name, shape) in kind.parameter_shapes(model.head_width(), n_classes) {
            let found = self.head().iter().find(|(found, ..)| found == name);
            let (_, found, values) = found.ok_or_else(|| mismatch(sentence!("its head has no {name:?}", name)))?;
            if *found != shape {
                return Err(mismatch(sentence!(
                    "{name:?} of its head has shape {found}, the model needs {shape}",
                    name,
                    found,
                    shape
                )));
            }
            let n = values.len();
            weights.push(Tensor::from_data(TensorData::new(values.clone(), [n]), device));
        }
        Ok(Some(ClassHead { kind, n_classes, weights, blocks: self.task.blocks() }))
    }
}
