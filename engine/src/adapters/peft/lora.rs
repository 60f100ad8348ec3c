//! Matrices of low rank in PEFT's form, `LORA`.
//! huggingface/peft: src/peft/tuners/lora/config.py, src/peft/utils/save_and_load.py.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{PEFT_VERSION, TASK, read_head, read_task_of, task_type};
use crate::adapters::folded::{FoldedAdapter, FoldedLora, LoraMatrices, NamedTensor, malformed};
use crate::adapters::patterns::Patterns;
use crate::config::{LoraBias, LoraConfig, LoraInit, Task, TaskRecord};
use crate::error::{EngineError, Result};
use crate::weights::{Floats, read_floats, write_floats, write_json};

/// The `peft_type`.
pub(super) const KIND: &str = "LORA";
/// Before the names of the model's modules.
const MODEL: &str = "base_model.model.";

/// Settings of PEFT that change what is computed and that we do not compute, with the values that leave them out.
const REFUSED: [(&str, Value); 6] = [
    ("use_dora", Value::Bool(false)),
    ("lora_bias", Value::Bool(false)),
    ("use_qalora", Value::Bool(false)),
    ("use_bdlora", Value::Bool(false)),
    ("trainable_token_indices", Value::Null),
    ("layer_replication", Value::Null),
];

pub(super) fn read(folder: &Path, json: &Value) -> Result<FoldedAdapter> {
    for (key, left_out) in REFUSED {
        if let Some(value) = json.get(key).filter(|value| !value.is_null() && **value != left_out) {
            return Err(EngineError::AdapterType(format!("{KIND} with {key} = {value}")));
        }
    }
    let config_path = folder.join("adapter_config.json");
    let number = |key: &str, default: f64| json.get(key).and_then(Value::as_f64).unwrap_or(default);
    let text = |key: &str| json.get(key).and_then(Value::as_str);
    let config_of = |key: &str| json.get(key).and_then(Value::as_object).into_iter().flatten();
    let positive = |key: &str, value: &Value| {
        let number = value.as_f64().filter(|number| number.is_finite() && *number > 0.0);
        number.ok_or_else(|| malformed(&config_path, format!("the number for {key:?} is {value}")))
    };
    let alpha_of = |(key, value): (&String, &Value)| Ok((key.clone(), positive(key, value)?));
    let rank_of = |(key, value): (&String, &Value)| Ok((key.clone(), positive(key, value)? as usize));
    let config = LoraConfig {
        rank: json.get("r").and_then(Value::as_u64).unwrap_or(8) as usize,
        alpha: number("lora_alpha", 8.0),
        dropout: number("lora_dropout", 0.0),
        targets: targets(json.get("target_modules")),
        rank_stabilised: json.get("use_rslora").and_then(Value::as_bool).unwrap_or(false),
        bias: match text("bias") {
            None | Some("none") => LoraBias::None,
            Some("all") => LoraBias::All,
            Some("lora_only") => LoraBias::LoraOnly,
            Some(other) => return Err(malformed(&config_path, format!("bias is {other:?}"))),
        },
        rank_pattern: config_of("rank_pattern").map(rank_of).collect::<Result<_>>()?,
        alpha_pattern: config_of("alpha_pattern").map(alpha_of).collect::<Result<_>>()?,
        init: LoraInit::Fresh,
    };
    let path = folder.join("adapter_model.safetensors");
    let mut tensors = read_floats(&path)?;
    // PEFT saves a head's bias three times where biases are trained.
    tensors.retain(|name, _| !name.contains(".modules_to_save.") && !name.contains(".original_module."));
    let alphas = Patterns::new(&config.alpha_pattern)
        .map_err(|reason| malformed(&config_path, format!("alpha_pattern: {reason}")))?;
    let layers = matrices(&mut tensors, &config, &alphas, &path)?;
    let weights = biases(&mut tensors, &path)?;
    let head = read_head(&path, tensors, MODEL)?;
    let task = match text("task_type") {
        Some(kind) if Some(kind) == task_type(Task::Seq2Seq) => TaskRecord::of(Task::Seq2Seq),
        kind => read_task_of(folder, kind, &head)?,
    };
    let fan_in_fan_out = json.get("fan_in_fan_out").and_then(Value::as_bool).unwrap_or(false);
    Ok(FoldedAdapter {
        lora: Some(FoldedLora { config, fan_in_fan_out, layers }),
        weights,
        head,
        task,
        base_model: text("base_model_name_or_path").map(str::to_owned),
        ..FoldedAdapter::default()
    })
}

/// A list of names, or one pattern.
fn targets(value: Option<&Value>) -> Option<Vec<String>> {
    match value? {
        Value::String(pattern) => Some(vec![pattern.clone()]),
        Value::Array(names) => {
            let mut names: Vec<String> = names.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            // PEFT keeps a set, in any order.
            names.sort();
            Some(names)
        }
        _ => None,
    }
}

fn matrices(
    tensors: &mut Floats,
    config: &LoraConfig,
    alphas: &Patterns<f64>,
    path: &Path,
) -> Result<Vec<LoraMatrices>> {
    let names: Vec<String> = tensors.keys().filter(|name| name.contains(".lora_")).cloned().collect();
    let mut layers = Vec::new();
    for stored in &names {
        let Some(module) = stored.strip_suffix(".lora_A.weight") else {
            if stored.ends_with(".lora_B.weight") {
                continue;
            }
            return Err(EngineError::AdapterType(format!("{KIND} with {stored}")));
        };
        let name = module.strip_prefix(MODEL).unwrap_or(module).to_owned();
        let mut take = |side: &str| -> Result<(usize, usize, Vec<f32>)> {
            let key = format!("{module}.lora_{side}.weight");
            let (dims, values) = tensors.remove(&key).ok_or_else(|| malformed(path, format!("{key} is missing")))?;
            match dims.as_slice() {
                &[rows, columns] if rows > 0 && columns > 0 && values.iter().all(|x| x.is_finite()) => {
                    Ok((rows, columns, values))
                }
                dims => Err(malformed(path, format!("{key} is no matrix of finite numbers: {dims:?}"))),
            }
        };
        let (rank, d_in, a) = take("A")?;
        let (d_out, other, b) = take("B")?;
        if other != rank {
            return Err(malformed(path, format!("the ranks of {name} are {rank} and {other}")));
        }
        let alpha = alphas.for_name(&name).unwrap_or(config.alpha);
        let scale = config.scale(rank, alpha);
        layers.push(LoraMatrices { name, rank, d_in, d_out, a, b, scale });
    }
    if layers.is_empty() {
        return Err(malformed(path, "it has no matrices".to_owned()));
    }
    Ok(layers)
}

/// Biases that were trained too; PEFT calls those of a layer with matrices by what is below it.
fn biases(tensors: &mut Floats, path: &Path) -> Result<Vec<NamedTensor>> {
    let is_bias = |name: &&String| name.ends_with(".bias") && !is_head(name);
    let names: Vec<String> = tensors.keys().filter(is_bias).cloned().collect();
    let mut biases = Vec::new();
    for stored in names {
        let Some((shape, values)) = tensors.remove(&stored) else { continue };
        if values.iter().any(|x| !x.is_finite()) {
            return Err(malformed(path, format!("{stored:?} holds a number that is not finite")));
        }
        let name = stored.strip_prefix(MODEL).unwrap_or(&stored).replace(".base_layer.", ".");
        biases.push((name, shape, values));
    }
    Ok(biases)
}

/// Whether a tensor is one of a head.
fn is_head(name: &str) -> bool {
    let name = name.strip_prefix(MODEL).unwrap_or(name);
    ["classifier.", "pre_classifier.", "score."].iter().any(|module| name.starts_with(module))
}

pub(crate) fn write(adapter: &FoldedAdapter, lora: &FoldedLora, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(EngineError::io("create", folder))?;
    let LoraConfig { rank, alpha, dropout, rank_stabilised, bias, .. } = &lora.config;
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
        "modules_to_save": (!adapter.head.is_empty()).then_some(["classifier", "score"]),
        "peft_type": KIND,
        "peft_version": PEFT_VERSION,
        "r": rank,
        "rank_pattern": rank_pattern,
        "target_modules": written_targets(lora),
        "task_type": task_type(adapter.task.task),
        "use_rslora": rank_stabilised,
    });
    keys.extend(written.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
    keys.sort_keys();
    let mut tensors = BTreeMap::new();
    for LoraMatrices { name, rank, d_in, d_out, a, b, .. } in &lora.layers {
        tensors.insert(format!("{MODEL}{name}.lora_A.weight"), (vec![*rank, *d_in], a.clone()));
        tensors.insert(format!("{MODEL}{name}.lora_B.weight"), (vec![*d_out, *rank], b.clone()));
    }
    for (name, shape, values) in &adapter.weights {
        let module = name.strip_suffix(".bias").unwrap_or(name);
        let below = if lora.layers.iter().any(|layer| layer.name == module) { ".base_layer" } else { "" };
        tensors.insert(format!("{MODEL}{module}{below}.bias"), (shape.clone(), values.clone()));
    }
    for (name, shape, values) in &adapter.head {
        tensors.insert(format!("{MODEL}{name}"), (shape.clone(), values.clone()));
    }
    if !adapter.task.task.writes() {
        write_json(&folder.join(TASK), &adapter.task)?;
    }
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    write_floats(&folder.join("adapter_model.safetensors"), &tensors, Some(metadata))?;
    write_json(&folder.join("adapter_config.json"), &Value::Object(keys))
}

/// Ranks and alphas other than the common ones: the settings' own, or layer by layer where those do not say them.
fn patterns(lora: &FoldedLora) -> Result<(Map<String, Value>, Map<String, Value>)> {
    let config = &lora.config;
    let named = |field| move |reason: String| EngineError::Setting { field, reason };
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
    let root = |n: usize| if config.rank_stabilised { (n as f64).sqrt() } else { n as f64 };
    let rank_of = |layer: &LoraMatrices| (layer.name.clone(), json!(layer.rank));
    let alpha_of = |layer: &LoraMatrices| (layer.name.clone(), whole(layer.scale * root(layer.rank)));
    Ok((lora.layers.iter().map(rank_of).collect(), lora.layers.iter().map(alpha_of).collect()))
}

/// PEFT finds layers by the ends of their names; where those would find more, whole names are written.
fn written_targets(lora: &FoldedLora) -> Value {
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
        "trainable_token_indices",
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
