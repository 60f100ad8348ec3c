//! PEFT's matrices, out.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{BART_ROOT, KIND, MODEL, T5_CLASSIFIER_ROOT, TOKEN_ROWS, is_of_pair};
use crate::Sentence;
use crate::adapters::formats::peft::{PEFT_VERSION, TASK, class_modules, task_type};
use crate::adapters::methods::lora::patterns::Patterns;
use crate::adapters::methods::lora::{LoraMatrices, LoraState, TokenRows, transposed};
use crate::adapters::state::AdapterState;
use crate::config::{LoraBias, LoraConfig};
use crate::error::{EngineError, IoAction, Result};
use crate::files::write_json;
use crate::weights::{Floats, write_floats};

/// Writes the folder as PEFT's `save_pretrained` does.
///
/// # Errors
/// The folder cannot be written to.
pub(crate) fn write(adapter: &AdapterState, lora: &LoraState, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(EngineError::io(IoAction::Create, folder))?;
    let LoraConfig { rank, alpha, dropout, rank_stabilized, bias, .. } = &lora.config;
    let mut keys = unused();
    let (rank_pattern, alpha_pattern) = patterns(lora)?;
    let written = json!({
        "alpha_pattern": alpha_pattern,
        "base_model_name_or_path": adapter.base_model,
        "bias": match bias {
            LoraBias::None => "none",
            LoraBias::All => "all",
            LoraBias::LoraOnly => "lora_only",
        },
        "fan_in_fan_out": lora.fan_in_fan_out,
        "lora_alpha": whole(*alpha),
        "lora_dropout": dropout,
        "modules_to_save": modules_to_save(adapter, lora),
        "peft_type": KIND,
        "peft_version": PEFT_VERSION,
        "r": rank,
        "rank_pattern": rank_pattern,
        "target_modules": written_targets(lora),
        "task_type": task_type(adapter.task.task),
        "trainable_token_indices": token_indices(lora),
        "use_rslora": rank_stabilized,
    });
    if let Some(residual) = lora.residual {
        keys.insert("init_lora_weights".to_owned(), json!(residual.name()));
    }
    keys.extend(written.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
    keys.sort_keys();
    if !adapter.task.task.writes() {
        write_json(&folder.join(TASK), &adapter.task)?;
    }
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    write_floats(&folder.join("adapter_model.safetensors"), &tensors(adapter, lora), Some(metadata))?;
    write_json(&folder.join("adapter_config.json"), &Value::Object(keys))
}

fn tensors(adapter: &AdapterState, lora: &LoraState) -> Floats {
    let is_classifier = adapter.head().iter().any(|(name, ..)| is_of_pair(name));
    let model = |module: &str| {
        let is_of_t5 = is_classifier && !module.starts_with(BART_ROOT);
        if is_of_t5 { format!("{MODEL}{T5_CLASSIFIER_ROOT}{module}") } else { format!("{MODEL}{module}") }
    };
    let mut tensors = Floats::new();
    for LoraMatrices { name, rank, d_in, d_out, a, b, is_embeddings, .. } in &lora.layers {
        let [first, second] = match is_embeddings {
            false => [
                ("lora_A.weight", (vec![*rank, *d_in], a.clone())),
                ("lora_B.weight", (vec![*d_out, *rank], b.clone())),
            ],
            // The table is looked up in, so that its first matrix is the one with a column for each token.
            true => [
                ("lora_embedding_A", (vec![*rank, *d_out], transposed(b, [*d_out, *rank]))),
                ("lora_embedding_B", (vec![*d_in, *rank], transposed(a, [*rank, *d_in]))),
            ],
        };
        tensors.extend([first, second].map(|(end, tensor)| (format!("{}.{end}", model(name)), tensor)));
    }
    for TokenRows { table, tokens, width, values } in &lora.rows {
        tensors.insert(format!("{}{TOKEN_ROWS}", model(table)), (vec![tokens.len(), *width], values.clone()));
    }
    for (name, shape, values) in adapter.weights().iter().chain(&lora.base_copies) {
        let (module, end) = name.rsplit_once('.').unwrap_or((name, "weight"));
        let below = if lora.layers.iter().any(|layer| layer.name == module) { ".base_layer" } else { "" };
        tensors.insert(format!("{}{below}.{end}", model(module)), (shape.clone(), values.clone()));
    }
    for (name, shape, values) in adapter.head() {
        tensors.insert(format!("{MODEL}{name}"), (shape.clone(), values.clone()));
    }
    tensors
}

/// Modules that are trained whole, the head that names classes among them.
fn modules_to_save(adapter: &AdapterState, lora: &LoraState) -> Option<Vec<String>> {
    let head = class_modules(adapter);
    let modules: Vec<String> =
        lora.config.modules_to_save.iter().cloned().chain(head.iter().map(|&name| name.to_owned())).collect();
    (!modules.is_empty()).then_some(modules)
}

/// A list where no table is named: PEFT takes the model's input embeddings.
fn token_indices(lora: &LoraState) -> Value {
    let tokens = &lora.config.trained_tokens;
    match tokens.get("") {
        _ if tokens.is_empty() => Value::Null,
        Some(list) if tokens.len() == 1 => json!(list),
        _ => json!(tokens),
    }
}

/// Ranks and alphas other than the common ones: the settings' own, or layer by layer where those do not say them.
fn patterns(lora: &LoraState) -> Result<(Map<String, Value>, Map<String, Value>)> {
    let config = &lora.config;
    let named = |field| move |reason: Sentence| EngineError::Setting { field, reason };
    let ranks = Patterns::new(&config.rank_pattern).map_err(named("lora.rank_pattern"))?;
    let alphas = Patterns::new(&config.alpha_pattern).map_err(named("lora.alpha_pattern"))?;
    let is_said = |layer: &LoraMatrices| {
        let alpha = alphas.for_name(&layer.name).unwrap_or(config.alpha);
        let scale = config.scale(layer.rank, alpha);
        ranks.for_name(&layer.name).unwrap_or(config.rank) == layer.rank && (layer.scale - scale).abs() < 1e-9 * scale
    };
    if lora.layers.iter().all(is_said) {
        let ranks = config.rank_pattern.iter().map(|(name, rank)| (name.clone(), json!(rank))).collect();
        return Ok((ranks, config.alpha_pattern.iter().map(|(name, alpha)| (name.clone(), whole(*alpha))).collect()));
    }
    let root = |n: usize| if config.rank_stabilized { (n as f64).sqrt() } else { n as f64 };
    let rank_of = |layer: &LoraMatrices| (layer.name.clone(), json!(layer.rank));
    let alpha_of = |layer: &LoraMatrices| (layer.name.clone(), whole(layer.scale * root(layer.rank)));
    Ok((lora.layers.iter().map(rank_of).collect(), lora.layers.iter().map(alpha_of).collect()))
}

/// PEFT finds layers by the ends of their names; where those would find more, whole names are written.
fn written_targets(lora: &LoraState) -> Value {
    let plain = |target: &String| target.chars().all(|c| c.is_alphanumeric() || "._".contains(c));
    match &lora.config.targets {
        Some(targets) if targets.iter().all(plain) => json!(targets),
        Some(_) => json!(lora.layers.iter().map(|layer| &layer.name).collect::<Vec<_>>()),
        None => {
            let mut names: Vec<&str> = lora.layers.iter().filter_map(|layer| layer.name.rsplit('.').next()).collect();
            names.sort_unstable();
            names.dedup();
            json!(names)
        }
    }
}

/// Without a fraction where there is none, as Python writes integers.
fn whole(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 1e15 { json!(number as i64) } else { json!(number) }
}

/// The keys of PEFT that say nothing here, with the values that say nothing.
fn unused() -> Map<String, Value> {
    let nothing = [
        "alora_invocation_tokens",
        "arrow_config",
        "auto_mapping",
        "corda_config",
        "eva_config",
        "exclude_modules",
        "kasa_config",
        "layer_replication",
        "layers_pattern",
        "layers_to_transform",
        "lora_ga_config",
        "megatron_config",
        "monteclora_config",
        "revision",
        "target_parameters",
        "use_bdlora",
        "velora_config",
    ];
    let mut keys: Map<String, Value> = nothing.into_iter().map(|key| (key.to_owned(), Value::Null)).collect();
    let rest = json!({
        "ensure_weight_tying": false,
        "inference_mode": true,
        "init_lora_weights": true,
        "loftq_config": {},
        "lora_bias": false,
        "megatron_core": "megatron.core",
        "qalora_group_size": 16,
        "use_dora": false,
        "use_qalora": false,
    });
    keys.extend(rest.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
    keys
}
