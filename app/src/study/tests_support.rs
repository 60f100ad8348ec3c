//! Runs for the tests of this folder.

use std::sync::Arc;

use engine::config::schema::put;
use engine::config::{DataConfig, RunConfig};
use serde_json::Value;

use crate::store::RunRow;
use crate::workspace::{RunId, method_summary};

/// A run with these settings, as its folder would have them.
pub(crate) fn run(id: &str, settings: &[(&str, Value)]) -> RunRow {
    let config = RunConfig::new("/models/tiny", DataConfig::new("/sets/records/train.jsonl"));
    let mut tree = serde_json::to_value(config).unwrap();
    settings.iter().for_each(|(key, value)| put(&mut tree, key, value.clone()));
    let config: RunConfig = serde_json::from_value(tree).unwrap();
    RunRow {
        id: RunId(id.into()),
        name: id.into(),
        method: method_summary(&config),
        n_virtual: config.method.n_virtual(),
        settings: Arc::new(serde_json::to_value(config).unwrap()),
        ..RunRow::example()
    }
}
