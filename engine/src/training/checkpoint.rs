//! A checkpoint: an adapter that PEFT reads, and beside it all that an exact continuation needs.
//!
//! Random draws and data order follow from the seed and the step, so the step is all there is to remember of them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::adapters::{Adapter, AdapterSpec, Parameter, Spec, formats};
use crate::config::{MethodConfig, OptimizerConfig};
use crate::error::{EngineError, IoAction, Result};
use crate::files::{self, Kind, write_folder, write_json};
use crate::nn::floats;
use crate::sentence;
use crate::training::optimizer_state::{OptimizerState, StateTensor};
use crate::training::origin::Origin;
use crate::training::trainer::Trainer;
use crate::weights::{read_floats, write_floats};

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointState {
    /// Steps done.
    pub step: usize,
    /// Best validation figure so far and its step.
    pub best: Option<(f64, usize)>,
    /// The name of that figure.
    #[serde(default = "loss")]
    pub best_metric: String,
    /// Evaluations since then.
    pub without_improvement: usize,
    /// The last step whose evaluation is complete, samples included.
    pub evaluated: Option<usize>,
    /// SHA-256 of the base weights.
    pub model_hash: String,
    /// Origin of the run beside its weights; `None` in checkpoints of older versions.
    #[serde(default)]
    pub origin: Option<Origin>,
}

impl CheckpointState {
    /// Before the first step.
    pub fn new(model_hash: String) -> Self {
        let best_metric = loss();
        Self { step: 0, best: None, best_metric, without_improvement: 0, evaluated: None, model_hash, origin: None }
    }
}

/// Of checkpoints from when nothing else could be the best.
fn loss() -> String {
    "loss".to_owned()
}

const TENSORS: &str = "state.safetensors";
const STATE: &str = "state.json";

/// Writes a checkpoint folder that is whole or not there.
///
/// # Errors
/// The folder cannot be written to, or the device failed.
pub fn write(
    folder: &Path,
    trainer: &Trainer,
    state: &CheckpointState,
    config: &MethodConfig,
    base_model: &str,
) -> Result<()> {
    write_folder(folder, |draft| {
        formats::write(&trainer.adapter.to_state(base_model)?, draft, Some(config))?;
        let mut tensors = BTreeMap::new();
        for ((name, parameter), optimizer_state) in trainer.adapter.named_parameters().zip(&trainer.optimizer_state) {
            for StateTensor { kind, shape, value } in optimizer_state.tensors() {
                tensors.insert(format!("{kind}/{name}"), (shape.clone(), floats(value.clone())?));
            }
            tensors.insert(format!("param/{name}"), (parameter.shape.clone(), parameter.to_vec()?));
        }
        for (name, parameter) in trainer.adapter.named_fixed() {
            tensors.insert(format!("fixed/{name}"), (parameter.shape.clone(), parameter.to_vec()?));
        }
        write_floats(&draft.join(TENSORS), &tensors, None)?;
        write_json(&draft.join(STATE), state)
    })
}

/// Reads a checkpoint back.
///
/// # Errors
/// A file is missing or damaged, or holds tensors of other shapes, or the optimizer_state is another optimizer's.
pub fn read(
    folder: &Path,
    spec: &AdapterSpec,
    optimizer: &OptimizerConfig,
    device: &Device,
) -> Result<(Trainer, CheckpointState)> {
    let state: CheckpointState = files::read_json(&folder.join(STATE), Kind::RunRecord, sentence!("the checkpoint"))?;
    let mut tensors = read_floats(&folder.join(TENSORS))?;
    let mut take = |kind: &str, key: &str, name: &Cow<'static, str>, shape: &[usize]| -> Result<Parameter> {
        let key = format!("{kind}/{key}");
        let (found, values) = tensors.remove(&key).ok_or(EngineError::WeightMissing { name: key.clone() })?;
        if found != shape {
            return Err(EngineError::WeightShape { name: key, expected: shape.to_vec(), found });
        }
        Ok(Parameter::new(name.clone(), found, values, device))
    };
    let (mut parts, mut optimizer_state) = (Vec::new(), Vec::new());
    for part in &spec.parts {
        let before = part.key(spec.n_sites());
        let mut parameters = Vec::new();
        for (name, shape) in part.parameter_shapes() {
            let key = format!("{before}{name}");
            parameters.push(take("param", &key, &name, &shape)?);
            let remembered = |kind: &'static str, shape: &[usize]| match take(kind, &key, &name, shape) {
                Err(EngineError::WeightMissing { .. }) => Err(EngineError::Resume(sentence!(
                    "its checkpoint has nothing of what {optimizer} remembers, it was trained with another optimizer",
                    optimizer = optimizer.name()
                ))),
                read => read.map(|parameter| parameter.value),
            };
            optimizer_state.push(OptimizerState::read(optimizer, &shape, remembered)?);
        }
        for (name, shape) in part.fixed_shapes() {
            let key = format!("{before}{name}");
            parameters.push(take("fixed", &key, &name, &shape)?);
        }
        parts.push(part.with_parameters(parameters));
    }
    let adapter = Adapter { parts, task: spec.task.clone() };
    let trainer = Trainer { step: state.step, optimizer_state, ..Trainer::new(adapter, *optimizer) };
    Ok((trainer, state))
}

/// Removes what only a continuation needs; the adapter stays, for looking at.
///
/// # Errors
/// A file cannot be removed.
pub fn keep_adapter_only(folder: &Path) -> Result<()> {
    for name in [TENSORS, STATE] {
        let path = folder.join(name);
        if path.exists() {
            std::fs::remove_file(&path).map_err(EngineError::io(IoAction::Remove, &path))?;
        }
    }
    Ok(())
}
