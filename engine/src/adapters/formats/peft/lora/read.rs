//! PEFT's matrices, in: settings, tensors, and what was trained beside the matrices.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::{BASE_COPY, KIND, MODEL, T5_CLASSIFIER_ROOT, TOKEN_ROWS, is_of_pair};
use crate::adapters::formats::malformed;
use crate::adapters::formats::peft::{read_head, read_task_of, task_type};
use crate::adapters::formats::tensors::Tensors;
use crate::adapters::methods::PartState;
use crate::adapters::methods::full::WeightsState;
use crate::adapters::methods::head::HeadState;
use crate::adapters::methods::lora::patterns::Patterns;
use crate::adapters::methods::lora::{LoraMatrices, LoraState, Residual, TokenRows, transposed};
use crate::adapters::state::AdapterState;
use crate::config::{LoraBias, LoraConfig, LoraInit, Task, TaskRecord};
use crate::error::{EngineError, Result};
use crate::models::is_class_head;
use crate::weights::NamedTensor;
use crate::{Sentence, sentence};

pub(crate) fn read(folder: &Path, json: &Value, tensors: &mut Tensors) -> Result<AdapterState> {
    let residual = residual(json)?;
    let config_path = folder.join("adapter_config.json");
    let config = settings(json, &config_path)?;
    // PEFT saves a head's bias three times where biases are trained.
    tensors.forget(|name| name.contains(".modules_to_save.") || name.contains(".original_module."));
    let prefixed = |root: &str| format!("{MODEL}{root}");
    if tensors.names().iter().any(|name| name.strip_prefix(MODEL).is_some_and(is_of_pair)) {
        tensors.rename(|name| name.strip_prefix(&prefixed(T5_CLASSIFIER_ROOT)).map(prefixed));
    }
    let alphas = Patterns::new(&config.alpha_pattern)
        .map_err(|reason| malformed(&config_path, sentence!("alpha_pattern: {reason}", reason)))?;
    let layers = matrices(tensors, &config, &alphas)?;
    let rows = token_rows(tensors, &config)?;
    if layers.is_empty() && rows.is_empty() {
        return Err(malformed(&tensors.path, sentence!("it has no matrices")));
    }
    refuse_tied(json, &config, &layers)?;
    let head = read_head(tensors, MODEL)?;
    let base_copies = base_copies(tensors)?;
    let weights = weights(tensors)?;
    let text = |key: &str| json.get(key).and_then(Value::as_str);
    let task = match text("task_type") {
        Some(kind) if Some(kind) == task_type(Task::Seq2Seq) => TaskRecord::of(Task::Seq2Seq),
        kind => read_task_of(folder, kind, &head)?,
    };
    let fan_in_fan_out = json.get("fan_in_fan_out").and_then(Value::as_bool).unwrap_or(false);
    let lora = LoraState { config, fan_in_fan_out, layers, rows, residual, base_copies };
    let parts = [PartState::from(lora), WeightsState(weights).into(), HeadState(head).into()];
    let base_model = text("base_model_name_or_path").map(str::to_owned);
    Ok(AdapterState { base_model, ..AdapterState::new(task, parts) })
}

/// The part of the base model that the matrices began as. It matters to what is added only where PEFT takes it out of
/// the base model, each time that it loads them.
fn residual(json: &Value) -> Result<Option<Residual>> {
    let Some(init) = json.get("init_lora_weights") else { return Ok(None) };
    match init.as_str() {
        None | Some("gaussian" | "eva" | "orthogonal" | "lora_ga" | "mica") => Ok(None),
        Some(kind) if kind.eq_ignore_ascii_case(Residual::Olora.name()) => Ok(Some(Residual::Olora)),
        Some(kind) if kind == Residual::Pissa.name() => Ok(Some(Residual::Pissa)),
        // `pissa_niter_4` draws its part at random, `corda` needs the rows it was computed on, `loftq` a quantized model.
        Some(other) => Err(option(sentence!("init_lora_weights = {other:?}", other))),
    }
}

/// PEFT's `ensure_weight_tying` is for what is trained of tied embeddings alone.
fn refuse_tied(json: &Value, config: &LoraConfig, layers: &[LoraMatrices]) -> Result<()> {
    let is_asked = json.get("ensure_weight_tying").and_then(Value::as_bool) == Some(true);
    if is_asked && (!config.modules_to_save.is_empty() || layers.iter().any(|layer| layer.is_embeddings)) {
        return Err(option(sentence!("ensure_weight_tying = true")));
    }
    Ok(())
}

fn option(option: Sentence) -> EngineError {
    EngineError::AdapterOption { kind: KIND.to_owned(), option }
}

fn settings(json: &Value, path: &Path) -> Result<LoraConfig> {
    let number = |key: &str, default: f64| json.get(key).and_then(Value::as_f64).unwrap_or(default);
    let config_of = |key: &str| json.get(key).and_then(Value::as_object).into_iter().flatten();
    let positive = |key: &str, value: &Value| {
        let number = value.as_f64().filter(|number| number.is_finite() && *number > 0.0);
        number.ok_or_else(|| {
            malformed(path, sentence!("the number for {key:?} is {value}, and must be positive and finite", key, value))
        })
    };
    let alpha_of = |(key, value): (&String, &Value)| Ok((key.clone(), positive(key, value)?));
    let rank_of = |(key, value): (&String, &Value)| Ok((key.clone(), positive(key, value)? as usize));
    // A head that names classes is among them whether it is asked for or not.
    let mut modules_to_save = names(json.get("modules_to_save")).unwrap_or_default();
    modules_to_save.retain(|module| !is_class_head(&format!("{module}.")));
    Ok(LoraConfig {
        rank: json.get("r").and_then(Value::as_u64).unwrap_or(8) as usize,
        alpha: number("lora_alpha", 8.0),
        dropout: number("lora_dropout", 0.0),
        targets: names(json.get("target_modules")).map(|mut targets| {
            // PEFT keeps a set, in any order.
            targets.sort();
            targets
        }),
        rank_stabilized: json.get("use_rslora").and_then(Value::as_bool).unwrap_or(false),
        bias: match json.get("bias").and_then(Value::as_str) {
            None | Some("none") => LoraBias::None,
            Some("all") => LoraBias::All,
            Some("lora_only") => LoraBias::LoraOnly,
            Some(other) => return Err(malformed(path, sentence!("bias is {other:?}", other))),
        },
        rank_pattern: config_of("rank_pattern").map(rank_of).collect::<Result<_>>()?,
        alpha_pattern: config_of("alpha_pattern").map(alpha_of).collect::<Result<_>>()?,
        modules_to_save,
        trained_tokens: trained_tokens(json.get("trainable_token_indices"), path)?,
        learning_rate: None,
        init: LoraInit::Fresh,
    })
}

/// A list of names, or one pattern.
fn names(value: Option<&Value>) -> Option<Vec<String>> {
    match value? {
        Value::String(pattern) => Some(vec![pattern.clone()]),
        Value::Array(names) => Some(names.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        _ => None,
    }
}

/// The tokens of each table; a list is of the model's input embeddings, whatever they are called.
fn trained_tokens(value: Option<&Value>, path: &Path) -> Result<BTreeMap<String, Vec<u32>>> {
    let tokens = |list: &Value| {
        let token = |token: &Value| token.as_u64().and_then(|token| u32::try_from(token).ok());
        let tokens = list.as_array().and_then(|list| list.iter().map(token).collect::<Option<Vec<u32>>>());
        let tokens = tokens.filter(|tokens| tokens.iter().collect::<BTreeSet<_>>().len() == tokens.len());
        let reason = || sentence!("trainable_token_indices has {list}, which are not different tokens", list);
        tokens.ok_or_else(|| malformed(path, reason()))
    };
    match value {
        None | Some(Value::Null) => Ok(BTreeMap::new()),
        Some(Value::Object(tables)) => tables.iter().map(|(table, list)| Ok((table.clone(), tokens(list)?))).collect(),
        Some(list) => Ok(BTreeMap::from([(String::new(), tokens(list)?)])),
    }
}

/// The two matrices of each layer. Those of a table of embeddings are named otherwise, and lie the other way round.
fn matrices(tensors: &mut Tensors, config: &LoraConfig, alphas: &Patterns<f64>) -> Result<Vec<LoraMatrices>> {
    let mut layers = Vec::new();
    for stored in tensors.names() {
        let of_layer = stored.strip_suffix(".lora_A.weight").map(|module| (module, false));
        let of_table = || stored.strip_suffix(".lora_embedding_A").map(|module| (module, true));
        let Some((module, is_embeddings)) = of_layer.or_else(of_table) else { continue };
        let name = module.strip_prefix(MODEL).unwrap_or(module).to_owned();
        let [first, second] = match is_embeddings {
            false => ["lora_A.weight", "lora_B.weight"],
            true => ["lora_embedding_A", "lora_embedding_B"],
        };
        let ([rank, reads], a) = tensors.take_matrix(&format!("{module}.{first}"))?;
        let ([makes, other], b) = tensors.take_matrix(&format!("{module}.{second}"))?;
        if other != rank {
            return Err(malformed(
                &tensors.path,
                sentence!("the ranks of {name} are {rank} and {other}", name, rank, other),
            ));
        }
        let scale = config.scale(rank, alphas.for_name(&name).unwrap_or(config.alpha));
        layers.push(match is_embeddings {
            false => LoraMatrices { name, rank, d_in: reads, d_out: makes, a, b, scale, is_embeddings },
            true => {
                let (a, b) = (transposed(&b, [makes, rank]), transposed(&a, [rank, reads]));
                LoraMatrices { name, rank, d_in: makes, d_out: reads, a, b, scale, is_embeddings }
            }
        });
    }
    Ok(layers)
}

/// Rows of tables for single tokens.
fn token_rows(tensors: &mut Tensors, config: &LoraConfig) -> Result<Vec<TokenRows>> {
    let mut all = Vec::new();
    for stored in tensors.names() {
        let Some(module) = stored.strip_suffix(TOKEN_ROWS) else { continue };
        let table = module.strip_prefix(MODEL).unwrap_or(module).to_owned();
        let tokens = config.tokens_of(&table).cloned();
        let ([rows, width], values) = tensors.take_matrix(&stored)?;
        let tokens = tokens.filter(|tokens| tokens.len() == rows);
        let reason = || {
            sentence!(
                "{stored} has {rows} rows, and trainable_token_indices does not name as many tokens",
                stored,
                rows
            )
        };
        let tokens = tokens.ok_or_else(|| malformed(&tensors.path, reason()))?;
        all.push(TokenRows { table, tokens, width, values });
    }
    Ok(all)
}

/// Copies of the base model's own matrices, which PEFT keeps beside those of embeddings and heads.
fn base_copies(tensors: &mut Tensors) -> Result<Vec<NamedTensor>> {
    let mut copies = Vec::new();
    for stored in tensors.names() {
        let Some(module) = stored.strip_suffix(BASE_COPY) else { continue };
        let (shape, values) = tensors.take(&stored)?;
        copies.push((format!("{}.weight", module.strip_prefix(MODEL).unwrap_or(module)), shape, values));
    }
    Ok(copies)
}

/// Weights that were trained too: biases, and modules that were trained whole. PEFT calls the bias of a layer with matrices by
/// what is below it. Whether the model has them is seen when they are placed.
fn weights(tensors: &mut Tensors) -> Result<Vec<NamedTensor>> {
    let mut weights = Vec::new();
    for stored in tensors.names() {
        let is_of_method = stored.contains(".lora_") || stored.contains(".token_adapter.");
        let is_weight = stored.ends_with(".weight") || stored.ends_with(".bias");
        if is_of_method || !is_weight {
            continue;
        }
        let (shape, values) = tensors.take(&stored)?;
        weights.push((stored.strip_prefix(MODEL).unwrap_or(&stored).replace(".base_layer.", "."), shape, values));
    }
    Ok(weights)
}
