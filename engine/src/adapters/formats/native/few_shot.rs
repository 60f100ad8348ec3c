//! Words before every prompt, in a folder of the workbench's own, so that they stand beside what was trained in every
//! comparison; `peft_type` is `TEXT`, which PEFT refuses.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::adapters::formats::malformed;
use crate::adapters::formats::native::unread;
use crate::adapters::methods::few_shot::FewShotState;
use crate::adapters::state::AdapterState;
use crate::config::TaskRecord;
use crate::error::{EngineError, IoAction, Result, json_reason};
use crate::files::write_json;

/// The `peft_type`.
pub(crate) const KIND: &str = "TEXT";

/// `adapter_config.json`.
#[derive(Serialize, Deserialize)]
struct TextAdapterConfig {
    base_model_name_or_path: Option<String>,
    peft_type: String,
    #[serde(default)]
    task: TaskRecord,
    text: String,
}

pub(crate) fn read(folder: &Path, json: serde_json::Value) -> Result<AdapterState> {
    let path = folder.join("adapter_config.json");
    let config: TextAdapterConfig =
        serde_json::from_value(json.clone()).map_err(|error| malformed(&path, json_reason(&error)))?;
    Ok(AdapterState {
        notices: unread::keys(&json, &config),
        base_model: config.base_model_name_or_path,
        ..AdapterState::new(config.task, [FewShotState(config.text)])
    })
}

pub(crate) fn write(adapter: &AdapterState, text: &str, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(EngineError::io(IoAction::Create, folder))?;
    let config = TextAdapterConfig {
        base_model_name_or_path: adapter.base_model.clone(),
        peft_type: KIND.to_owned(),
        task: adapter.task.clone(),
        text: text.to_owned(),
    };
    write_json(&folder.join("adapter_config.json"), &config)
}
