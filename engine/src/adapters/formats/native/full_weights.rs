//! Trained weights of the model itself, and heads that stand alone, as a folder of the workbench's own: PEFT has no form
//! for them. `peft_type` is `WEIGHTS`, which PEFT refuses; tensors are called as the model's own modules are.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::adapters::formats::malformed;
use crate::adapters::formats::native::unread;
use crate::adapters::formats::peft::task_type;
use crate::adapters::formats::tensors::Tensors;
use crate::adapters::methods::PartState;
use crate::adapters::methods::full::WeightsState;
use crate::adapters::methods::head::HeadState;
use crate::adapters::state::AdapterState;
use crate::config::TaskRecord;
use crate::error::{EngineError, IoAction, Result, json_reason};
use crate::files::write_json;
use crate::weights::{NamedTensor, write_floats};

/// The `peft_type`.
pub(crate) const KIND: &str = "WEIGHTS";
/// Before the names of a head's tensors, which are not the model's.
const HEAD: &str = "head:";

/// `adapter_config.json`.
#[derive(Serialize, Deserialize)]
struct WeightsConfig {
    base_model_name_or_path: Option<String>,
    peft_type: String,
    #[serde(default)]
    task: TaskRecord,
    task_type: Option<String>,
}

pub(crate) fn read(folder: &Path, json: serde_json::Value) -> Result<AdapterState> {
    let path = folder.join("adapter_config.json");
    let config: WeightsConfig =
        serde_json::from_value(json.clone()).map_err(|error| malformed(&path, json_reason(&error)))?;
    let notices = unread::keys(&json, &config);
    let (mut weights, mut head) = (Vec::<NamedTensor>::new(), Vec::<NamedTensor>::new());
    let mut tensors = Tensors::read(folder)?;
    for name in tensors.names() {
        let (shape, values) = tensors.take(&name)?;
        match name.strip_prefix(HEAD) {
            Some(name) => head.push((name.to_owned(), shape, values)),
            None => weights.push((name, shape, values)),
        }
    }
    let parts = [PartState::from(WeightsState(weights)), HeadState(head).into()];
    let base_model = config.base_model_name_or_path;
    Ok(AdapterState { base_model, notices, ..AdapterState::new(config.task, parts) })
}

pub(crate) fn write(adapter: &AdapterState, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(EngineError::io(IoAction::Create, folder))?;
    let config = WeightsConfig {
        base_model_name_or_path: adapter.base_model.clone(),
        peft_type: KIND.to_owned(),
        task: adapter.task.clone(),
        task_type: task_type(adapter.task.task).map(str::to_owned),
    };
    let mut tensors = BTreeMap::new();
    for (name, shape, values) in adapter.weights() {
        tensors.insert(name.clone(), (shape.clone(), values.clone()));
    }
    for (name, shape, values) in adapter.head() {
        tensors.insert(format!("{HEAD}{name}"), (shape.clone(), values.clone()));
    }
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    write_floats(&folder.join("adapter_model.safetensors"), &tensors, Some(metadata))?;
    write_json(&folder.join("adapter_config.json"), &config)
}
