//! An adapter of several parts, as a folder of the workbench's own: PEFT trains one method at a time. `peft_type` is
//! `COMBINED`, which PEFT refuses; each part is a folder below, in the form that it has alone.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::adapters::formats::native::unread;
use crate::adapters::state::{FoldedAdapter, malformed};
use crate::config::{MethodConfig, TaskRecord};
use crate::error::{EngineError, IoAction, Result};
use crate::files::{self, Kind, write_json};
use crate::models::{ModelShape, Site};
use crate::{Sentence, sentence};

/// The `peft_type`.
pub(crate) const KIND: &str = "COMBINED";

/// `adapter_config.json`.
#[derive(Serialize, Deserialize)]
struct CombinedConfig {
    base_model_name_or_path: Option<String>,
    /// Folders below.
    parts: Vec<PartName>,
    peft_type: String,
    task: TaskRecord,
}

/// A part, and the folder it is in. The head goes with the first.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PartName {
    Prefix,
    Prompt,
    /// Matrices, with the biases beside them.
    Lora,
    Weights,
}

impl PartName {
    fn folder(self) -> &'static str {
        match self {
            Self::Prefix => "prefix",
            Self::Prompt => "prompt",
            Self::Lora => "lora",
            Self::Weights => "weights",
        }
    }
}

pub(crate) fn read(folder: &Path, json: &Value, like: Option<&[(Site, ModelShape)]>) -> Result<FoldedAdapter> {
    let path = folder.join("adapter_config.json");
    let config: CombinedConfig =
        serde_json::from_value(json.clone()).map_err(|error| malformed(&path, Sentence::verbatim(error)))?;
    let notices = unread::keys(json, &config);
    let mut whole = FoldedAdapter {
        notices,
        task: config.task,
        base_model: config.base_model_name_or_path,
        ..FoldedAdapter::default()
    };
    for part in config.parts {
        let below = folder.join(part.folder());
        let kind = files::read_to_string(&below.join("adapter_config.json"), Kind::Settings).unwrap_or_default();
        if kind.contains(&format!("\"{KIND}\"")) {
            return Err(malformed(&path, sentence!("a part has parts of its own")));
        }
        let read = FoldedAdapter::read(&below, like)?;
        whole.prefixes.extend(read.prefixes);
        whole.n_frozen = whole.n_frozen.max(read.n_frozen);
        whole.prompt = whole.prompt.or(read.prompt);
        whole.lora = whole.lora.or(read.lora);
        whole.weights.extend(read.weights);
        whole.head.extend(read.head);
        whole.notices.extend(read.notices);
    }
    Ok(whole)
}

pub(crate) fn write(adapter: &FoldedAdapter, folder: &Path, config: Option<&MethodConfig>) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(EngineError::io(IoAction::Create, folder))?;
    let empty = || FoldedAdapter {
        task: adapter.task.clone(),
        base_model: adapter.base_model.clone(),
        ..FoldedAdapter::default()
    };
    let mut parts = Vec::new();
    if !adapter.prefixes.is_empty() {
        parts.push((
            PartName::Prefix,
            FoldedAdapter { prefixes: adapter.prefixes.clone(), n_frozen: adapter.n_frozen, ..empty() },
        ));
    }
    if adapter.prompt.is_some() {
        parts.push((PartName::Prompt, FoldedAdapter { prompt: adapter.prompt.clone(), ..empty() }));
    }
    match &adapter.lora {
        Some(_) => {
            let (lora, weights) = (adapter.lora.clone(), adapter.weights.clone());
            parts.push((PartName::Lora, FoldedAdapter { lora, weights, ..empty() }));
        }
        None if !adapter.weights.is_empty() => {
            parts.push((PartName::Weights, FoldedAdapter { weights: adapter.weights.clone(), ..empty() }));
        }
        None => {}
    }
    if let Some((_, first)) = parts.first_mut() {
        first.head.clone_from(&adapter.head);
    }
    for (name, part) in &parts {
        part.write(&folder.join(name.folder()), config)?;
    }
    let config = CombinedConfig {
        base_model_name_or_path: adapter.base_model.clone(),
        parts: parts.iter().map(|(name, _)| *name).collect(),
        peft_type: KIND.to_owned(),
        task: adapter.task.clone(),
    };
    write_json(&folder.join("adapter_config.json"), &config)
}
