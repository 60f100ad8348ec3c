//! The settings of a run that was trained elsewhere.

use std::path::PathBuf;

use engine::bundle;
use engine::config::{RunConfig, WeightsConfig};
use engine::protocol::AdapterFacts;

use super::names::last_name;

/// The known settings of a run that was trained elsewhere: model, name, prefix length, how its rows were written.
pub fn imported_config(found: &AdapterFacts, model: PathBuf, name: Option<String>) -> RunConfig {
    let mut data = engine::config::DataConfig::new("");
    if let Some(template) = found.about.as_ref().and_then(|about| about.template.clone()) {
        data.prompt_template = template.prompt_template;
        data.target_template = template.target_template;
        data.begin_token = template.begin_token;
        data.chat = template.chat;
    }
    let mut config = RunConfig::new(model, data);
    config.quantization = found.about.as_ref().map(|about| about.quantization).unwrap_or_default();
    let ours = found.path.extension().is_some_and(|ending| ending == bundle::ENDING);
    let stem = found.path.file_stem().filter(|_| ours);
    config.name =
        name.unwrap_or_else(|| stem.map_or_else(|| last_name(&found.path), |stem| stem.to_string_lossy().into_owned()));
    config.method = found.method.clone();
    config.lora.clone_from(&found.lora);
    config.weights = found.weights.then(WeightsConfig::default);
    config
}
