//! Li & Liang's own code: an embedding `wte` and a network `control_trans`, with tanh between two layers or three.
//! Behind GPT-2's prefix the text's positions go on, since they follow the cache; BART counts its own tokens alone. Keys
//! as in XiangLi1999/PrefixTuning: gpt2/train_control.py, seq2seq/prefixTuning.py.

use super::{Stored, network, only, own_task, shape_at, unshifted};
use crate::adapters::{AdapterState, PrefixState};
use crate::config::TaskRecord;
use crate::error::Result;
use crate::models::{ModelShape, Site};

/// Endings of `wte` and `control_trans` for each site of BART.
const BART: [(Site, &str); 3] = [(Site::Encoder, "_enc"), (Site::Decoder, ""), (Site::Cross, "2")];

pub(super) fn is_gpt2(stored: &Stored) -> bool {
    root(stored, "").is_some()
}

pub(super) fn is_bart(stored: &Stored) -> bool {
    root(stored, "2").is_some() || root(stored, "_enc").is_some()
}

pub(super) fn gpt2(stored: &Stored, like: &[(Site, ModelShape)]) -> Result<AdapterState> {
    let prefix = at(stored, "", only(like)?)?;
    Ok(AdapterState::new(TaskRecord::of(own_task(like)), [prefix]))
}

pub(super) fn bart(stored: &Stored, like: &[(Site, ModelShape)]) -> Result<AdapterState> {
    let mut prefixes = Vec::new();
    for (site, suffix) in BART {
        if root(stored, suffix).is_some() {
            prefixes.push(at(stored, suffix, (site, shape_at(like, site)?))?);
        }
    }
    Ok(unshifted(AdapterState::new(TaskRecord::of(own_task(like)), prefixes)))
}

fn at(stored: &Stored, suffix: &str, place: (Site, &ModelShape)) -> Result<PrefixState> {
    let root = root(stored, suffix).unwrap_or_default();
    network::prefix(stored, place, &format!("{root}wte{suffix}.weight"), &format!("{root}control_trans{suffix}"))
}

/// Beginning of the names of a prefix: nothing, or the module that holds it.
fn root<'a>(stored: &'a Stored, suffix: &str) -> Option<&'a str> {
    let name = format!("control_trans{suffix}");
    stored.root_of(&format!("{name}.0.weight")).or_else(|| stored.root_of(&name))
}
