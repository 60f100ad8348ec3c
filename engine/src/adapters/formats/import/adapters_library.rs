//! The adapters library: `prefix_tunings.<name>.<location>`, flat or behind a network, and an `adapter_config.json` that
//! is not PEFT's. The slots join keys and values inside of attention, so the text's positions begin at 0. Keys as in
//! adapter-hub/adapters: src/adapters/methods/prefix_tuning.py.

use std::collections::BTreeSet;

use super::{Stored, network, own_task, shape_at, unshifted};
use crate::adapters::AdapterState;
use crate::config::TaskRecord;
use crate::error::{EngineError, Result};
use crate::models::{ModelShape, Site};
use crate::{Sentence, sentence};

const POOL: &str = "prefix_tunings.";
const LOCATIONS: [(Site, &str); 3] =
    [(Site::Encoder, "encoder_prefix"), (Site::Decoder, "self_prefix"), (Site::Cross, "cross_prefix")];

pub(super) fn is_one(stored: &Stored) -> bool {
    stored.shapes().any(|(name, _)| name.contains(POOL))
}

pub(super) fn read(stored: &Stored, like: &[(Site, ModelShape)]) -> Result<AdapterState> {
    let notices = check(stored)?;
    let of_pool = |name: &str| {
        let (before, after) = name.split_once(POOL)?;
        let (adapter, _) = after.split_once('.')?;
        Some(format!("{before}{POOL}{adapter}."))
    };
    let roots: BTreeSet<String> = stored.shapes().filter_map(|(name, _)| of_pool(name)).collect();
    let mut roots = roots.into_iter();
    let (Some(root), None) = (roots.next(), roots.next()) else {
        return Err(stored.malformed(sentence!("it holds several adapters: save one of them alone")));
    };
    let mut prefixes = Vec::new();
    for (location, name) in LOCATIONS {
        let root = format!("{root}{name}.");
        if !stored.shapes().any(|(name, _)| name.starts_with(&root)) {
            continue;
        }
        // A model of one stack has one place, whatever it is called.
        let (site, shape) = match like {
            [(site, shape)] if location == Site::Decoder => (*site, shape),
            _ => (location, shape_at(like, location)?),
        };
        let (embedding, layers) = (format!("{root}wte.weight"), format!("{root}control_trans"));
        prefixes.push(network::prefix(stored, (site, shape), &embedding, &layers)?);
    }
    if prefixes.is_empty() {
        return Err(stored.malformed(sentence!("{root} has a prefix at no place that is known here", root)));
    }
    let adapter = unshifted(AdapterState::new(TaskRecord::of(own_task(like)), prefixes));
    Ok(AdapterState { notices, ..adapter })
}

/// Keys of its `config` that say nothing once there are numbers: sizes, and how it was trained.
const HARMLESS: [&str; 9] = [
    "bottleneck_size",
    "cross_prefix",
    "dropout",
    "encoder_prefix",
    "flat",
    "init_weights_seed",
    "prefix_length",
    "shared_gating",
    "selfattn_prefix",
];

/// Refuses by name what would be computed otherwise, and says which keys nobody here knows.
fn check(stored: &Stored) -> Result<Vec<Sentence>> {
    let Some(json) = stored.json("adapter_config.json")? else { return Ok(Vec::new()) };
    let mut unknown = Vec::new();
    for (key, value) in json.get("config").and_then(serde_json::Value::as_object).into_iter().flatten() {
        let is_off = value.is_null() || value == false || value.as_array().is_some_and(Vec::is_empty);
        let refuse = || {
            let kind = "adapters library".to_owned();
            Err(EngineError::AdapterOption { kind, option: Sentence::verbatim(format!("{key} = {value}")) })
        };
        match key.as_str() {
            "architecture" if value != "prefix_tuning" => return refuse(),
            "non_linearity" if value != "tanh" => return refuse(),
            "use_gating" | "leave_out" if !is_off => return refuse(),
            "architecture" | "non_linearity" | "use_gating" | "leave_out" => {}
            known if HARMLESS.contains(&known) || is_off => {}
            _ => unknown.push(sentence!("adapter_config.json says {key}, which is not known here", key)),
        }
    }
    Ok(unknown)
}
