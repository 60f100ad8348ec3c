//! Names of an experiment and of its runs that nobody typed: they say what varies.

use std::path::Path;

use engine::config::RunConfig;
use engine::experiment::{Axis, Member};
use serde_json::Value;

use super::plan::varied;
use crate::format::scientific;
use crate::workspace::{dataset_name, method_summary, model_name};

/// The name of an experiment: `n_virtual × seed · records`; numbered where another has it.
pub(super) fn of_experiment(axes: &[Axis], config: &RunConfig, taken: &[&str]) -> String {
    let word = |key: &str| match key {
        "method.init" => "init".to_owned(),
        "data.train" => "dataset".to_owned(),
        key => last(key).to_owned(),
    };
    let what: Vec<String> = varied(axes).map(word).collect();
    let rows = match varied(axes).any(|key| key == "data.train") {
        true => String::new(),
        false => format!(" · {}", dataset_name(&config.data.train)),
    };
    let name = format!("{}{rows}", what.join(" × "));
    if !taken.contains(&name.as_str()) {
        return name;
    }
    let numbered = (2..).map(|n| format!("{name} #{n}")).find(|name| !taken.contains(&name.as_str()));
    numbered.unwrap_or(name)
}

/// Names the runs by what differs: whose they are is said beside it.
pub(super) fn give(runs: &mut [(Member, RunConfig)]) {
    let mut names: Vec<String> = Vec::new();
    for (member, config) in runs.iter_mut() {
        let parts: Vec<String> = member.values.iter().filter_map(|(key, value)| part(key, value, config)).collect();
        let name = parts.join(", ");
        let alike = names.iter().filter(|other| **other == name).count();
        member.name = if alike == 0 { name.clone() } else { format!("{name} #{}", alike + 1) };
        names.push(name);
        config.name.clone_from(&member.name);
    }
}

/// What a value says in a few words; nothing where another says it.
fn part(key: &str, value: &Value, config: &RunConfig) -> Option<String> {
    let path = || value.as_str().map(Path::new);
    match key {
        "method" => Some(method_summary(config)),
        "lora" | "weights" | "data.validation" => None,
        "model" => path().map(model_name),
        "data.train" => path().map(dataset_name),
        "method.init" => value["type"].as_str().map(str::to_owned),
        _ => Some(match value {
            Value::String(word) => format!("{} {word}", last(key)),
            Value::Number(number) if number.is_f64() => {
                format!("{} {}", last(key), scientific(number.as_f64().unwrap_or_default()))
            }
            other => format!("{} {other}", last(key)),
        }),
    }
}

fn last(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}
