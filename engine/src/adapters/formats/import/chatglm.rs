//! ChatGLM's P-tuning: `transformer.prefix_encoder`, flat or behind a network. The model counts positions from the input
//! ids alone, so the text's begin at 0. Keys as in THUDM/ChatGLM-6B: ptuning/main.py.

use super::{Stored, network, only, own_task, unshifted};
use crate::adapters::AdapterState;
use crate::adapters::formats::chatglm::EMBEDDING;
use crate::config::TaskRecord;
use crate::error::Result;
use crate::models::{ModelShape, Site};

/// The network behind the embedding, where there is one.
const NETWORK: &str = "transformer.prefix_encoder.trans";

pub(super) fn is_one(stored: &Stored) -> bool {
    stored.contains(EMBEDDING)
}

pub(super) fn read(stored: &Stored, like: &[(Site, ModelShape)]) -> Result<AdapterState> {
    let place = only(like)?;
    let prefix = network::prefix(stored, place, EMBEDDING, NETWORK)?;
    Ok(unshifted(AdapterState::new(TaskRecord::of(own_task(like)), [prefix])))
}
