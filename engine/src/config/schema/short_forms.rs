//! Short forms of a tree of settings, brought into the form of [`RunConfig`](crate::config::RunConfig).

use serde_json::{Map, Value};

use super::{Kind, SETTINGS, at, put};

/// Tables that may be written as the name of their type alone.
const BY_NAME: [&str; 6] =
    ["method", "method.init", "method.tasks.init", "lora.init", "training.schedule", "training.optimizer"];

/// Pairs of which one being said leaves the other out.
pub const RIVALS: [(&str, &str); 2] =
    [("training.steps", "training.epochs"), ("training.warmup_steps", "training.warmup_ratio")];

/// Writes short forms out: `"none"`, `init = "zero"`, a method without its type.
pub fn write_out(tree: &mut Value) {
    for setting in SETTINGS.iter().filter(|setting| setting.optional) {
        let says = |word: &str| at(tree, setting.key).and_then(Value::as_str) == Some(word);
        let off = at(tree, setting.key) == Some(&Value::Bool(false));
        if says("none") || (setting.kind == Kind::Table && off) {
            put(tree, setting.key, Value::Null);
        } else if setting.kind == Kind::Table && at(tree, setting.key) == Some(&Value::Bool(true)) {
            put(tree, setting.key, Value::Object(Map::new()));
        }
    }
    for key in BY_NAME {
        if let Some(Value::String(name)) = at(tree, key) {
            let name = name.clone();
            put(tree, key, Value::Object(Map::from_iter([("type".to_owned(), Value::String(name))])));
        }
    }
    if at(tree, "method").is_some() && at(tree, "method.type").is_none() {
        put(tree, "method.type", "prefix".into());
    }
    if at(tree, "method.init").is_some() && at(tree, "method.init.type").is_none() {
        let says = |name: &str| at(tree, &format!("method.init.{name}")).is_some();
        let kind = match () {
            () if says("path") => "adapter",
            () if says("bound") => "uniform",
            () if says("first") => "common",
            () if says("shots") => "demonstrations",
            () => "words",
        };
        put(tree, "method.init.type", kind.into());
    }
    if at(tree, "lora.init.path").is_some() && at(tree, "lora.init.type").is_none() {
        put(tree, "lora.init.type", "adapter".into());
    }
}
