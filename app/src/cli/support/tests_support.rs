//! Shared by the tests of several commands.

use engine::config::{DataConfig, RunConfig};

use crate::cli::Global;

pub(in crate::cli) fn config() -> RunConfig {
    RunConfig::new("/models/tiny", DataConfig::new("/sets/records/train.jsonl"))
}

pub(in crate::cli) fn global(set: &[&str]) -> Global {
    Global {
        workspace: None,
        device: None,
        precision: None,
        quantization: None,
        json: false,
        set: set.iter().map(|text| (*text).to_owned()).collect(),
    }
}
