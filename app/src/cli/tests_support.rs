//! What the tests of several commands need.

use engine::config::{DataConfig, RunConfig};

use super::Global;

pub(super) fn config() -> RunConfig {
    RunConfig::new("/models/tiny", DataConfig::new("/sets/records/train.jsonl"))
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
