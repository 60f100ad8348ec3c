//! ChatGLM's P-tuning: `transformer.prefix_encoder`, flat or behind a network. The model counts positions from the input
//! ids alone, so the text's begin at 0. Keys as in THUDM/ChatGLM-6B: ptuning/main.py.

use super::{Stored, network, only, own_task, unshifted};
use crate::adapters::AdapterState;
use crate::config::TaskRecord;
use crate::error::Result;
use crate::models::{ModelShape, Site};

const ROOT: &str = "transformer.prefix_encoder.";

pub(super) fn is_one(stored: &Stored) -> bool {
    stored.contains(&format!("{ROOT}embedding.weight"))
}

pub(super) fn read(stored: &Stored, like: &[(Site, ModelShape)]) -> Result<AdapterState> {
    let place = only(like)?;
    let prefix = network::prefix(stored, place, &format!("{ROOT}embedding.weight"), &format!("{ROOT}trans"))?;
    Ok(unshifted(AdapterState::new(TaskRecord::of(own_task(like)), [prefix])))
}
