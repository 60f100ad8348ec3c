//! A checkpoint: an adapter that PEFT reads, and beside it all that an exact continuation needs.
//!
//! Random draws and data order follow from the seed and the step, so the step is all there is to remember of them.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::adapters::parameters::floats;
use crate::adapters::{Adapter, Head, HeadShape, Parameter, Prefix, PrefixShape};
use crate::config::{OptimizerConfig, PrefixConfig, TaskRecord};
use crate::error::{EngineError, Result};
use crate::models::Site;
use crate::training::memory::{Memory, Remembered};
use crate::training::optimizer::Trainer;
use crate::weights::{read_floats, write_floats, write_json};

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointState {
    /// Steps done.
    pub step: usize,
    /// Best validation loss so far and its step.
    pub best: Option<(f64, usize)>,
    /// Evaluations since then.
    pub without_improvement: usize,
    /// The last step whose evaluation is complete, samples included.
    pub evaluated: Option<usize>,
    /// SHA-256 of the base weights.
    pub model_hash: String,
}

impl CheckpointState {
    /// Before the first step.
    pub fn new(model_hash: String) -> Self {
        Self { step: 0, best: None, without_improvement: 0, evaluated: None, model_hash }
    }
}

/// The sizes of what a run trains, before any number is known.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterPlan {
    /// Where a prefix stands, and its sizes.
    pub sites: Vec<(Site, PrefixShape)>,
    /// For tasks with classes.
    pub head: Option<HeadShape>,
    /// What is learned.
    pub task: TaskRecord,
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
    config: &PrefixConfig,
    base_model: &str,
) -> Result<()> {
    let parent = folder.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(EngineError::io("create", parent))?;
    let draft =
        tempfile::Builder::new().prefix(".draft-").tempdir_in(parent).map_err(EngineError::io("create", parent))?;
    trainer.adapter.fold(base_model)?.write(draft.path(), Some(config))?;
    let mut tensors = BTreeMap::new();
    for ((name, parameter), memory) in trainer.adapter.named_parameters().zip(&trainer.memory) {
        for Remembered { kind, shape, value } in memory.tensors() {
            tensors.insert(format!("{kind}/{name}"), (shape.clone(), floats(value.clone())?));
        }
        tensors.insert(format!("param/{name}"), (parameter.shape.clone(), parameter.to_vec()?));
    }
    write_floats(&draft.path().join(TENSORS), &tensors, None)?;
    write_json(&draft.path().join(STATE), state)?;
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(EngineError::io("replace", folder))?;
    }
    let draft = draft.keep();
    std::fs::rename(&draft, folder).map_err(EngineError::io("write", folder))
}

/// Reads a checkpoint back.
///
/// # Errors
/// A file is missing or damaged, or holds tensors of other shapes, or the memory is another optimizer's.
pub fn read(
    folder: &Path,
    plan: &AdapterPlan,
    config: &PrefixConfig,
    optimizer: &OptimizerConfig,
    device: &Device,
) -> Result<(Trainer, CheckpointState)> {
    let path = folder.join(STATE);
    let text = std::fs::read_to_string(&path).map_err(EngineError::io("read", &path))?;
    let state: CheckpointState = serde_json::from_str(&text).map_err(|error| EngineError::Malformed {
        what: "the checkpoint",
        path: path.clone(),
        reason: error.to_string(),
    })?;
    let mut tensors = read_floats(&folder.join(TENSORS))?;
    let alone = plan.sites.len() == 1;
    let mut take = |kind: &str, key: &str, name: &'static str, shape: &[usize]| -> Result<Parameter> {
        let key = format!("{kind}/{key}");
        let (found, values) = tensors.remove(&key).ok_or(EngineError::WeightMissing { name: key.clone() })?;
        if found != shape {
            return Err(EngineError::WeightShape { name: key, expected: shape.to_vec(), found });
        }
        Ok(Parameter::new(name, found, values, device))
    };
    let (mut prefixes, mut memory) = (Vec::new(), Vec::new());
    let mut taken = |parts: Vec<(String, &'static str, Vec<usize>)>| -> Result<Vec<Parameter>> {
        let mut parameters = Vec::new();
        for (key, name, shape) in parts {
            parameters.push(take("param", &key, name, &shape)?);
            let remembered = |kind: &'static str, shape: &[usize]| match take(kind, &key, name, shape) {
                Err(EngineError::WeightMissing { .. }) => Err(EngineError::Resume(format!(
                    "its checkpoint has nothing of what {} remembers, it was trained with another optimizer",
                    optimizer.name()
                ))),
                read => read.map(|parameter| parameter.value),
            };
            memory.push(Memory::read(optimizer, &shape, remembered)?);
        }
        Ok(parameters)
    };
    for &(site, sizes) in &plan.sites {
        let parts = Prefix::parameter_shapes(&sizes, config).into_iter();
        let parts = parts.map(|(name, shape)| (Adapter::name(site, alone, name), name, shape)).collect();
        prefixes.push((site, Prefix::new(sizes, config, taken(parts)?)));
    }
    let head = match plan.head {
        Some(shape) => {
            let parts = shape.parameter_shapes().into_iter();
            let parts = parts.map(|(name, shape)| (name.to_owned(), name, shape)).collect();
            Some(Head { shape, parameters: taken(parts)? })
        }
        None => None,
    };
    let adapter = Adapter { prefixes, head, task: plan.task.clone() };
    Ok((Trainer { adapter, step: state.step, optimizer: *optimizer, memory }, state))
}

/// Removes what only a continuation needs; the adapter stays, for looking at.
///
/// # Errors
/// A file cannot be removed.
pub fn keep_adapter_only(folder: &Path) -> Result<()> {
    for name in [TENSORS, STATE] {
        let path = folder.join(name);
        if path.exists() {
            std::fs::remove_file(&path).map_err(EngineError::io("remove", &path))?;
        }
    }
    Ok(())
}
