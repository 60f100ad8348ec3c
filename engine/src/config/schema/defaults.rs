//! Defaults of a new run: read from the structures themselves, so that they are written nowhere twice.

use std::path::PathBuf;

use serde_json::Value;

use super::{Kind, Setting, at, put};
use crate::config::{
    DataConfig, DistillationConfig, FewShotConfig, FullConfig, MethodConfig, OptimizerConfig, PrefixConfig,
    PromptConfig, PromptEncoder, PromptTasks, Reparameterization, RunConfig, Schedule, WeightsConfig,
};

/// The value of a setting in a new run that does not say it, or in one that has the table around it; `None` where a value
/// must be said, and for tables.
pub fn default_value(setting: &Setting) -> Option<Value> {
    if matches!(setting.key, "model" | "data.train") {
        return None;
    }
    let runs = new_runs();
    let written = runs.iter().find_map(|tree| at(tree, setting.key).cloned());
    written.or_else(|| left_out(setting, &runs)).filter(|_| setting.kind != Kind::Table)
}

/// The default of a setting that a run's `config.json` has only where it is another; `None` for those that are always
/// written, and for those that are nothing where they are not said.
pub fn default_if_left_out(setting: &Setting) -> Option<Value> {
    let runs = new_runs();
    let is_written = runs.iter().any(|tree| at(tree, setting.key).is_some());
    if is_written { None } else { left_out(setting, &runs) }
}

/// The default of a setting that is written only where it is another: what is not written when it is said.
fn left_out(setting: &Setting, runs: &[Value]) -> Option<Value> {
    let said: Vec<Value> = match setting.kind {
        Kind::Choice(words) => words.iter().map(|&word| word.into()).collect(),
        Kind::Flag => vec![false.into(), true.into()],
        Kind::Count(least, _) => vec![least.into()],
        Kind::Entries(_) => vec![Value::Array(Vec::new()), Value::Object(serde_json::Map::new())],
        Kind::Number(..) => vec![0.0.into()],
        Kind::Text | Kind::Words | Kind::Path | Kind::Table => Vec::new(),
    };
    let is_left_out = |value: &Value| {
        runs.iter().any(|run| {
            let mut run = run.clone();
            put(&mut run, setting.key, value.clone());
            let again = serde_json::from_value::<RunConfig>(run).and_then(serde_json::to_value);
            again.is_ok_and(|again| at(&again, setting.key).is_none())
        })
    };
    said.into_iter().find(is_left_out)
}

/// New runs that between them have every table.
fn new_runs() -> Vec<Value> {
    let plain = RunConfig::new(PathBuf::new(), DataConfig::new(""));
    let network = Some(Reparameterization::default());
    let methods = [
        MethodConfig::Prefix(PrefixConfig { reparameterization: network, ..PrefixConfig::default() }),
        MethodConfig::Prompt(PromptConfig { tasks: Some(PromptTasks::default()), ..PromptConfig::default() }),
        MethodConfig::Prompt(PromptConfig { encoder: Some(PromptEncoder::default()), ..PromptConfig::default() }),
        MethodConfig::lora(),
        MethodConfig::Full(FullConfig::default()),
        MethodConfig::FewShot(FewShotConfig::default()),
    ];
    let mut runs = vec![plain.clone()];
    runs.extend(methods.map(|method| {
        let beside = matches!(method, MethodConfig::Prefix(_) | MethodConfig::Prompt(_));
        RunConfig { method, lora: beside.then(Default::default), ..plain.clone() }
    }));
    runs.push(RunConfig { weights: Some(WeightsConfig::default()), ..plain.clone() });
    let mut taught = plain.clone();
    taught.training.distillation = Some(DistillationConfig::default());
    runs.push(taught);
    for (optimizer, schedule) in OptimizerConfig::all().into_iter().cycle().zip(Schedule::all()) {
        let mut run = plain.clone();
        (run.training.optimizer, run.training.schedule) = (optimizer, schedule);
        runs.push(run);
    }
    // A run of settings is always JSON.
    runs.iter().map(|run| serde_json::to_value(run).unwrap_or_default()).collect()
}

/// Runs that between them say every setting.
#[cfg(test)]
pub(super) fn examples() -> Vec<Value> {
    use serde_json::json;

    let mut runs = new_runs();
    let said = json!({
        "precision": "f16",
        "quantization": "q8_0",
        "task": "causal",
        "head": "new",
        "data.name": "n",
        "data.more": [{ "train": "m.csv" }],
        "data.mixing": "even",
        "data.heads": "each",
        "data.task_column": "k",
        "data.train_rows": 100.0,
        "data.candidates": "classes",
        "data.verbalizer": { "0": "bad" },
        "data.candidates_file": "c",
        "data.candidate_score": "token",
        "data.choice_column": "c",
        "data.stride": 64,
        "training.candidate_loss": "among",
        "training.warmup_steps": 0,
        "training.head_learning_rate": 1e-4,
        "training.base_dropout": true,
        "training.group_by_length": false,
        "training.packing": true,
    });
    let base = runs.remove(0);
    let with = |settings: &[(&str, Value)]| {
        let mut tree = base.clone();
        for (key, value) in said.as_object().into_iter().flatten() {
            put(&mut tree, key, value.clone());
        }
        put(&mut tree, "method", json!({}));
        settings.iter().for_each(|(key, value)| put(&mut tree, key, value.clone()));
        // As serde writes it, so that no example says what no run has.
        let config: RunConfig = serde_json::from_value(tree).unwrap();
        serde_json::to_value(config).unwrap()
    };
    let lora = json!({
        "targets": ["c_attn"], "rank_pattern": { "c_attn": 4 }, "alpha_pattern": { "c_attn": 8.0 },
        "modules_to_save": ["ln_f"], "trained_tokens": { "": [7] }, "init": { "type": "adapter", "path": "a" },
    });
    let mut lora_beside = lora.clone();
    lora_beside["learning_rate"] = 1e-3.into();
    let mut lora_method = lora;
    lora_method["type"] = "lora".into();
    let network = ("method.reparameterization", json!({ "hidden_layers": 2 }));
    let words = json!({ "type": "words", "text": "a" });
    let adapter = json!({ "type": "adapter", "path": "a" });
    let prefix = [
        ("method.type", json!("prefix")),
        ("method.init", words.clone()),
        ("method.sites", json!(["encoder"])),
        ("method.layers", json!([0, 1])),
        ("method.infix", json!(true)),
    ];
    let (shown, hidden) = (json!({ "type": "demonstrations" }), ("method.leave_one_out", json!(true)));
    let prompt = ("method.type", json!("prompt"));
    let exact = json!({ "init": { "type": "exact", "task": "t" } });
    runs.extend([
        with(&[&prefix[..], &[("method.n_frozen", json!(1)), ("lora", lora_beside)]].concat()),
        with(&[&prefix[..], &[network]].concat()),
        with(&[("method.type", json!("prefix")), ("method.init", adapter.clone())]),
        with(&[prompt.clone(), ("method.template", json!("(3, a, 3, b)")), ("method.init", words)]),
        with(&[prompt.clone(), ("method.tasks", exact), ("method.init", adapter)]),
        with(&[prompt, ("method.encoder", json!({ "width": 8 }))]),
        with(&[("method.type", json!("prefix")), ("method.init", json!({ "type": "uniform" }))]),
        with(&[("method.type", json!("prefix")), ("method.init", json!({ "type": "common" }))]),
        with(&[("method.type", json!("prefix")), ("method.init", shown), ("method.slot_dropout", json!(0.05)), hidden]),
        with(&[("method.type", json!("prompt")), ("method.init", json!({ "type": "uniform" }))]),
        with(&[("method.type", json!("prompt")), ("method.init", json!({ "type": "common" }))]),
        with(&[("method", lora_method)]),
        with(&[("method", json!({ "type": "full", "top_layers": 1, "modules": ["attn"] }))]),
        with(&[
            ("method.type", json!("prefix")),
            ("weights", json!({ "top_layers": 1, "modules": ["attn"], "learning_rate": 1e-5 })),
        ]),
        with(&[("method", json!({ "type": "few_shot" }))]),
    ]);
    runs
}
