//! A text before every prompt, an instruction and examples: what a prompt can do without training. It has a folder of the
//! workbench's own, so that it stands beside what was trained in every comparison; `peft_type` is `TEXT`, which PEFT refuses.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Sentence;
use crate::adapters::formats::native::unread;
use crate::adapters::state::{FoldedAdapter, malformed};
use crate::config::TaskRecord;
use crate::error::{EngineError, IoAction, Result};
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

pub(crate) fn read(folder: &Path, json: serde_json::Value) -> Result<FoldedAdapter> {
    let path = folder.join("adapter_config.json");
    let config: TextAdapterConfig =
        serde_json::from_value(json.clone()).map_err(|error| malformed(&path, Sentence::verbatim(error)))?;
    Ok(FoldedAdapter {
        notices: unread::keys(&json, &config),
        text: Some(config.text),
        task: config.task,
        base_model: config.base_model_name_or_path,
        ..FoldedAdapter::default()
    })
}

pub(crate) fn write(adapter: &FoldedAdapter, text: &str, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(EngineError::io(IoAction::Create, folder))?;
    let config = TextAdapterConfig {
        base_model_name_or_path: adapter.base_model.clone(),
        peft_type: KIND.to_owned(),
        task: adapter.task.clone(),
        text: text.to_owned(),
    };
    write_json(&folder.join("adapter_config.json"), &config)
}
