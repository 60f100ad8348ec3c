//! The workbench's own form of an adapter folder, for an encoder with a decoder: one prefix for each site, where PEFT has
//! room for one and shares its pairs among layers.
//!
//! It has `peft_type` `PREFIX_BY_SITE`, which PEFT refuses, the sizes of each site under `sites`, and a tensor
//! `<site>.prompt_embeddings` for each, laid out as PEFT's, each layer with the pair of its own number.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::adapters::formats::malformed;
use crate::adapters::formats::native::unread;
use crate::adapters::formats::peft::task_type;
use crate::adapters::formats::tensors::Tensors;
use crate::adapters::methods::prefix::{PrefixShape, PrefixState};
use crate::adapters::state::AdapterState;
use crate::config::{PrefixConfig, Task, TaskRecord};
use crate::error::{EngineError, IoAction, Result, json_reason};
use crate::files::write_json;
use crate::models::Site;
use crate::sentence;
use crate::weights::write_floats;

/// The `peft_type`.
pub(crate) const KIND: &str = "PREFIX_BY_SITE";

/// `adapter_config.json`.
#[derive(Serialize, Deserialize)]
struct BySiteConfig {
    base_model_name_or_path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    num_frozen_tokens: Option<usize>,
    num_virtual_tokens: usize,
    peft_type: String,
    prefix_projection: bool,
    sites: BTreeMap<Site, SiteConfig>,
    task_type: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct SiteConfig {
    head_dim: usize,
    num_attention_heads: usize,
    num_layers: usize,
}

pub(crate) fn read(folder: &Path, json: serde_json::Value) -> Result<AdapterState> {
    let path = folder.join("adapter_config.json");
    let config: BySiteConfig =
        serde_json::from_value(json.clone()).map_err(|error| malformed(&path, json_reason(&error)))?;
    let notices = unread::keys(&json, &config);
    let mut tensors = Tensors::read(folder)?;
    let path = tensors.path.clone();
    let mut prefixes = Vec::new();
    let n_frozen = config.num_frozen_tokens.unwrap_or(0).min(config.num_virtual_tokens);
    for (site, SiteConfig { head_dim, num_attention_heads, num_layers }) in config.sites {
        let ([n_virtual, row], flat) = tensors.take_matrix(&tensor_name(site))?;
        let sizes = [2, num_layers, num_attention_heads, head_dim];
        if sizes.into_iter().try_fold(1_usize, usize::checked_mul) != Some(row) {
            let reason = sentence!("rows of {row} numbers do not fit the layers and heads of the {site}", row, site);
            return Err(malformed(&path, reason));
        }
        if n_virtual != config.num_virtual_tokens {
            let reason = sentence!(
                "{n_virtual} rows, but num_virtual_tokens is {num_virtual_tokens}",
                n_virtual,
                num_virtual_tokens = config.num_virtual_tokens
            );
            return Err(malformed(&path, reason));
        }
        let shape = PrefixShape { n_virtual, n_layers: num_layers, n_kv_heads: num_attention_heads, d_head: head_dim };
        prefixes.push(PrefixState { site, shape, n_frozen, flat });
    }
    if prefixes.is_empty() {
        return Err(malformed(&path, sentence!("it names no site")));
    }
    tensors.finish()?;
    let base_model = config.base_model_name_or_path;
    Ok(AdapterState { base_model, notices, ..AdapterState::new(TaskRecord::of(Task::Seq2Seq), prefixes) })
}

pub(crate) fn write(adapter: &AdapterState, folder: &Path, config: Option<&PrefixConfig>) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(EngineError::io(IoAction::Create, folder))?;
    let (mut sites, mut tensors) = (BTreeMap::new(), BTreeMap::new());
    for prefix in adapter.prefixes() {
        let PrefixShape { n_virtual, n_layers, n_kv_heads, d_head } = prefix.shape;
        sites.insert(
            prefix.site,
            SiteConfig { head_dim: d_head, num_attention_heads: n_kv_heads, num_layers: n_layers },
        );
        tensors.insert(tensor_name(prefix.site), (vec![n_virtual, prefix.shape.row()], prefix.flat.clone()));
    }
    let config = BySiteConfig {
        base_model_name_or_path: adapter.base_model.clone(),
        num_frozen_tokens: Some(adapter.n_frozen()).filter(|&n| n > 0),
        num_virtual_tokens: adapter.n_virtual(),
        peft_type: KIND.to_owned(),
        prefix_projection: config.is_some_and(|config| config.reparameterization.is_some()),
        sites,
        task_type: task_type(adapter.task.task).map(str::to_owned),
    };
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    write_floats(&folder.join("adapter_model.safetensors"), &tensors, Some(metadata))?;
    write_json(&folder.join("adapter_config.json"), &config)
}

fn tensor_name(site: Site) -> String {
    format!("{}.prompt_embeddings", site.name())
}
