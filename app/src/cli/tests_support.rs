//! What the tests of several commands need.

use std::path::PathBuf;

use engine::config::{DataConfig, RunConfig};

use super::Global;
use crate::workspace::new_config;

pub(super) fn config() -> RunConfig {
    new_config(PathBuf::from("/models/tiny"), DataConfig::new("/sets/records/train.jsonl"))
}

pub(super) fn global(set: &[&str]) -> Global {
    Global {
        workspace: None,
        device: None,
        precision: None,
        json: false,
        set: set.iter().map(|text| (*text).to_owned()).collect(),
    }
}
