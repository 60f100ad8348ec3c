//! ChatGLM's P-tuning: `transformer.prefix_encoder`, flat or behind a network. The model counts positions from the input
//! ids alone, so the text's begin at 0. Keys as in THUDM/ChatGLM-6B: ptuning/main.py.

use super::{Stored, network, only, own_task};
use crate::adapters::FoldedAdapter;
use crate::config::TaskRecord;
use crate::error::Result;
use crate::models::{ModelShape, Site};
use crate::nn::positions::Positions;

const ROOT: &str = "transformer.prefix_encoder.";

pub(super) fn is_one(stored: &Stored) -> bool {
    stored.contains(&format!("{ROOT}embedding.weight"))
}

pub(super) fn read(stored: &Stored, like: &[(Site, ModelShape)]) -> Result<FoldedAdapter> {
    let (site, shape) = only(like)?;
    let prefix = network::prefix(stored, &format!("{ROOT}embedding.weight"), &format!("{ROOT}trans"), shape)?;
    Ok(FoldedAdapter {
        prefixes: vec![(site, prefix)],
        task: TaskRecord::of(own_task(like)),
        positions: Positions::Unshifted,
        ..FoldedAdapter::default()
    })
}
