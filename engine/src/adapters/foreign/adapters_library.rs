//! The adapters library: `prefix_tunings.<name>.<location>`, flat or behind a network, and an `adapter_config.json` that
//! is not PEFT's. The slots join keys and values inside of attention, so the text's positions begin at 0. Keys as in
//! adapter-hub/adapters: src/adapters/methods/prefix_tuning.py.

use std::collections::BTreeSet;

use super::{Stored, network, own_task, shape_at};
use crate::adapters::FoldedAdapter;
use crate::config::TaskRecord;
use crate::error::{EngineError, Result};
use crate::models::{ModelShape, Site};
use crate::nn::positions::Positions;

const POOL: &str = "prefix_tunings.";
const LOCATIONS: [(Site, &str); 3] =
    [(Site::Encoder, "encoder_prefix"), (Site::Decoder, "self_prefix"), (Site::Cross, "cross_prefix")];

pub(super) fn is_one(stored: &Stored) -> bool {
    stored.shapes().any(|(name, _)| name.contains(POOL))
}

pub(super) fn read(stored: &Stored, like: &[(Site, ModelShape)]) -> Result<FoldedAdapter> {
    check(stored)?;
    let of_pool = |name: &str| {
        let (before, after) = name.split_once(POOL)?;
        let (adapter, _) = after.split_once('.')?;
        Some(format!("{before}{POOL}{adapter}."))
    };
    let roots: BTreeSet<String> = stored.shapes().filter_map(|(name, _)| of_pool(name)).collect();
    let mut roots = roots.into_iter();
    let (Some(root), None) = (roots.next(), roots.next()) else {
        return Err(stored.malformed("it holds several adapters: save one of them alone".to_owned()));
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
        prefixes.push((
            site,
            network::prefix(stored, &format!("{root}wte.weight"), &format!("{root}control_trans"), shape)?,
        ));
    }
    if prefixes.is_empty() {
        return Err(stored.malformed(format!("{root} has a prefix at no place that is known here")));
    }
    let task = TaskRecord::of(own_task(like));
    Ok(FoldedAdapter { prefixes, task, positions: Positions::Unshifted, ..FoldedAdapter::default() })
}

/// Refuses by name what would be computed otherwise.
fn check(stored: &Stored) -> Result<()> {
    let Some(json) = stored.json("adapter_config.json")? else { return Ok(()) };
    let Some(config) = json.get("config").filter(|config| config.is_object()) else { return Ok(()) };
    let text = |key: &str| config.get(key).and_then(serde_json::Value::as_str);
    let refuse = |what: String| Err(EngineError::AdapterType(format!("{what} of the adapters library")));
    match (text("architecture"), text("non_linearity")) {
        (Some(other), _) if other != "prefix_tuning" => refuse(other.to_owned()),
        (_, Some(other)) if other != "tanh" => refuse(format!("prefix_tuning with non_linearity {other}")),
        _ if config.get("use_gating") == Some(&true.into()) => refuse("prefix_tuning with use_gating".to_owned()),
        _ => Ok(()),
    }
}
