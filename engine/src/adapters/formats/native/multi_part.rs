//! An adapter of several parts, as a folder of the workbench's own: PEFT trains one method at a time. `peft_type` is
//! `COMBINED`, which PEFT refuses; each part is a folder below, in the form that it has alone.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::adapters::formats::malformed;
use crate::adapters::formats::native::unread;
use crate::adapters::methods::PartState;
use crate::adapters::methods::head::HeadState;
use crate::adapters::state::AdapterState;
use crate::config::TaskRecord;
use crate::error::{EngineError, IoAction, Result, json_reason};
use crate::files::{self, Kind, write_json};
use crate::sentence;

/// The `peft_type`.
pub(crate) const KIND: &str = "COMBINED";

/// `adapter_config.json`.
#[derive(Serialize, Deserialize)]
struct MultiPartConfig {
    base_model_name_or_path: Option<String>,
    /// Folders below.
    parts: Vec<String>,
    peft_type: String,
    task: TaskRecord,
}

/// Parts that may be folders of their own. Biases are with the matrices they stand beside, the head with the first.
const NAMES: [&str; 4] = ["prefix", "prompt", "lora", "weights"];

/// Reads each part with `read_part`.
///
/// # Errors
/// A file is missing or damaged, or a part has parts of its own.
pub(crate) fn read(
    folder: &Path,
    json: &Value,
    read_part: impl Fn(&Path) -> Result<AdapterState>,
) -> Result<AdapterState> {
    let path = folder.join("adapter_config.json");
    let config: MultiPartConfig =
        serde_json::from_value(json.clone()).map_err(|error| malformed(&path, json_reason(&error)))?;
    let notices = unread::keys(json, &config);
    let (task, base_model) = (config.task, config.base_model_name_or_path);
    let mut whole = AdapterState { notices, task, base_model, ..AdapterState::default() };
    let mut parts = config.parts;
    parts.dedup();
    if let Some(other) = parts.iter().find(|part| !NAMES.contains(&part.as_str())) {
        return Err(malformed(&path, sentence!("it has a part {other:?}, which is not known", other)));
    }
    for part in parts {
        let below = folder.join(part);
        let kind = files::read_to_string(&below.join("adapter_config.json"), Kind::Settings).unwrap_or_default();
        if kind.contains(&format!("\"{KIND}\"")) {
            return Err(malformed(&path, sentence!("a part has parts of its own")));
        }
        let read = read_part(&below)?;
        read.parts.into_iter().for_each(|part| whole.push(part));
        whole.notices.extend(read.notices);
    }
    Ok(whole)
}

/// The folder that a part goes to; `None` for the head and for words before a prompt.
fn name_of(part: &PartState, adapter: &AdapterState) -> Option<&'static str> {
    let name = match part {
        // PEFT keeps biases, and modules that are trained whole, with the matrices.
        PartState::Weights(_) if adapter.lora().is_some() => "lora",
        part => part.name(),
    };
    NAMES.into_iter().find(|known| *known == name)
}

/// The folders of an adapter.
fn names(adapter: &AdapterState) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = adapter.parts.iter().filter_map(|part| name_of(part, adapter)).collect();
    names.dedup();
    names
}

/// Whether an adapter is of several methods.
pub(crate) fn is_of_several(adapter: &AdapterState) -> bool {
    names(adapter).len() > 1
}

/// Writes the parts with `write_part`.
///
/// # Errors
/// The folder cannot be written to.
pub(crate) fn write(
    adapter: &AdapterState,
    folder: &Path,
    write_part: impl Fn(&AdapterState, &Path) -> Result<()>,
) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(EngineError::io(IoAction::Create, folder))?;
    let parts = names(adapter);
    for (at, name) in parts.iter().enumerate() {
        let own = adapter.parts.iter().filter(|part| name_of(part, adapter) == Some(*name)).cloned();
        let mut part = AdapterState::new(adapter.task.clone(), own);
        part.base_model.clone_from(&adapter.base_model);
        if at == 0 {
            part.push(HeadState(adapter.head().to_vec()));
        }
        write_part(&part, &folder.join(name))?;
    }
    let config = MultiPartConfig {
        base_model_name_or_path: adapter.base_model.clone(),
        parts: parts.into_iter().map(str::to_owned).collect(),
        peft_type: KIND.to_owned(),
        task: adapter.task.clone(),
    };
    write_json(&folder.join("adapter_config.json"), &config)
}
