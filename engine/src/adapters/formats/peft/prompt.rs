//! Soft prompts in PEFT's form: `PROMPT_TUNING`, `P_TUNING`, whose network PEFT evaluates and does not keep, and
//! `MULTITASK_PROMPT_TUNING`. huggingface/peft: src/peft/tuners/{prompt_tuning,p_tuning,multitask_prompt_tuning}/config.py.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{HEAD, PEFT_VERSION, TASK, head_modules, read_head, read_task_of, task_type};
use crate::adapters::formats::malformed;
use crate::adapters::formats::tensors::Tensors;
use crate::adapters::methods::PartState;
use crate::adapters::methods::head::HeadState;
use crate::adapters::methods::prompt::{PromptEncoderShape, PromptState, PromptTasksState};
use crate::adapters::state::AdapterState;
use crate::config::{MethodConfig, PromptEncoderKind, PromptInit, Task, TaskRecord};
use crate::error::{EngineError, IoAction, Result, json_reason};
use crate::files::{self, Kind, write_json};
use crate::sentence;
use crate::weights::write_floats;

/// The `peft_type` of a prompt that is its own parameters.
pub(crate) const PROMPT: &str = "PROMPT_TUNING";
/// The `peft_type` of a prompt that a network made.
pub(crate) const P_TUNING: &str = "P_TUNING";
/// The `peft_type` of a prompt that tasks share.
pub(crate) const MULTITASK: &str = "MULTITASK_PROMPT_TUNING";
/// The factors of tasks.
const FACTORS: [&str; 2] = ["prefix_task_cols", "prefix_task_rows"];

pub(crate) fn read(folder: &Path, config: &Value, tensors: &mut Tensors) -> Result<AdapterState> {
    let number = |key: &str| config.get(key).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    let text = |key: &str| config.get(key).and_then(Value::as_str);
    let n_virtual = number("num_virtual_tokens");
    let ([n_rows, width], values) = tensors.take_matrix("prompt_embeddings")?;
    let seq2seq = text("task_type") == task_type(Task::Seq2Seq);
    let n_submodules = number("num_transformer_submodules").unwrap_or(if seq2seq { 2 } else { 1 });
    let n_virtual = n_virtual.filter(|&n| n > 0).ok_or_else(|| {
        malformed(&folder.join("adapter_config.json"), sentence!("num_virtual_tokens is missing or 0"))
    })?;
    if n_submodules == 0 || n_virtual.checked_mul(n_submodules) != Some(n_rows) {
        let reason = sentence!(
            "{n_rows} rows, but num_virtual_tokens is {n_virtual} for {n_submodules} submodules",
            n_rows,
            n_virtual,
            n_submodules
        );
        return Err(malformed(&tensors.path, reason));
    }
    let tasks = match text("peft_type") {
        Some(MULTITASK) => Some(factors(tensors, [n_rows, width])?),
        _ => None,
    };
    let head = read_head(tensors, HEAD)?;
    let mut task = match seq2seq && !folder.join(TASK).is_file() {
        true => TaskRecord::of(Task::Seq2Seq),
        false => read_task_of(folder, text("task_type"), &head)?,
    };
    let of_model = number("num_layers").zip(number("num_attention_heads")).map(<[usize; 2]>::from);
    let n_tasks = tasks.as_ref().map_or(0, |tasks| tasks.n_tasks);
    if task.tasks.len() != n_tasks {
        task.tasks = (0..n_tasks).map(|index| index.to_string()).collect();
    }
    let prompt = PromptState { n_virtual, n_rows, width, values, of_model, tasks };
    let base_model = text("base_model_name_or_path").map(str::to_owned);
    Ok(AdapterState { base_model, ..AdapterState::new(task, [PartState::from(prompt), HeadState(head).into()]) })
}

/// The factors of a file, whose shapes say how many tasks there are.
fn factors(tensors: &mut Tensors, [n_rows, width]: [usize; 2]) -> Result<PromptTasksState> {
    let [(of_cols, cols), (of_rows, rows)] = [tensors.take(FACTORS[0])?, tensors.take(FACTORS[1])?];
    match (of_cols.as_slice(), of_rows.as_slice()) {
        (&[n_tasks, found, ranks], &[again, same, wide])
            if (found, wide) == (n_rows, width) && (n_tasks, ranks) == (again, same) && n_tasks > 0 && ranks > 0 =>
        {
            Ok(PromptTasksState { n_tasks, ranks, cols, rows })
        }
        _ => {
            let reason = sentence!(
                "factors of {of_cols:?} and {of_rows:?} do not fit a prompt of {n_rows} rows",
                of_cols,
                of_rows,
                n_rows
            );
            Err(malformed(&tensors.path, reason))
        }
    }
}

/// The network that a folder says the prompt was trained through; none for a prompt that is its own parameters.
///
/// # Errors
/// The folder's configuration is missing or damaged.
pub(crate) fn encoder(folder: &Path) -> Result<Option<PromptEncoderShape>> {
    let path = folder.join("adapter_config.json");
    let text = files::read_to_string(&path, Kind::Settings)?;
    let config: Value = serde_json::from_str(&text).map_err(|error| malformed(&path, json_reason(&error)))?;
    if config.get("peft_type").and_then(Value::as_str) != Some(P_TUNING) {
        return Ok(None);
    }
    let number = |key: &str| config.get(key).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    let kind = match config.get("encoder_reparameterization_type").and_then(Value::as_str) {
        Some("LSTM") => PromptEncoderKind::Lstm,
        _ => PromptEncoderKind::Mlp,
    };
    let hidden = number("encoder_hidden_size").or(number("token_dim"));
    let hidden = hidden.ok_or_else(|| malformed(&path, sentence!("it has no encoder_hidden_size")))?;
    Ok(Some(PromptEncoderShape { kind, hidden, layers: number("encoder_num_layers").unwrap_or(2) }))
}

pub(crate) fn write(
    adapter: &AdapterState,
    prompt: &PromptState,
    folder: &Path,
    config: Option<&MethodConfig>,
) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(EngineError::io(IoAction::Create, folder))?;
    let task = adapter.task.task;
    let PromptState { n_virtual, n_rows, width, of_model, .. } = *prompt;
    let method = match config {
        Some(MethodConfig::Prompt(method)) => Some(method),
        _ => None,
    };
    // PEFT has two networks; what another made is a prompt like any.
    let encoder = method.and_then(|method| method.encoder.as_ref());
    let encoder = encoder.filter(|encoder| encoder.kind != PromptEncoderKind::Tanh);
    let mut keys = Map::new();
    let common = json!({
        "auto_mapping": null,
        "base_model_name_or_path": adapter.base_model,
        "inference_mode": true,
        "modules_to_save": head_modules(adapter),
        "num_attention_heads": of_model.map(|[_, heads]| heads),
        "num_layers": of_model.map(|[layers, _]| layers),
        "num_transformer_submodules": n_rows / n_virtual.max(1),
        "num_virtual_tokens": n_virtual,
        "peft_type": match (encoder, &prompt.tasks) {
            (Some(_), _) => P_TUNING,
            (None, Some(_)) => MULTITASK,
            (None, None) => PROMPT,
        },
        "peft_version": PEFT_VERSION,
        "revision": null,
        "task_type": task_type(task),
        "token_dim": width,
    });
    let own = match encoder {
        Some(encoder) => json!({
            "encoder_dropout": 0.0,
            "encoder_hidden_size": encoder.width.unwrap_or(width),
            "encoder_num_layers": encoder.layers,
            "encoder_reparameterization_type": match encoder.kind {
                PromptEncoderKind::Lstm => "LSTM",
                PromptEncoderKind::Mlp | PromptEncoderKind::Tanh => "MLP",
            },
        }),
        // The tokenizer that PEFT would ask for is not needed once there are numbers.
        None => json!({
            "prompt_tuning_init": match method.map(|method| &method.init) {
                Some(PromptInit::Vocabulary) if prompt.tasks.is_none() => "SAMPLE_VOCAB",
                _ => "RANDOM",
            },
            "prompt_tuning_init_text": null,
            "tokenizer_kwargs": null,
            "tokenizer_name_or_path": null,
        }),
    };
    let of_tasks = match &prompt.tasks {
        Some(PromptTasksState { n_tasks, ranks, .. }) => json!({
            "num_ranks": ranks,
            "num_tasks": n_tasks,
            "prompt_tuning_init_state_dict_path": null,
            "prompt_tuning_init_task": 0,
        }),
        None => Value::Null,
    };
    for part in [common, own, of_tasks] {
        keys.extend(part.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
    }
    keys.sort_keys();
    let mut tensors = BTreeMap::from([("prompt_embeddings".to_owned(), (vec![n_rows, width], prompt.values.clone()))]);
    if let Some(PromptTasksState { n_tasks, ranks, cols, rows }) = &prompt.tasks {
        tensors.insert(FACTORS[0].to_owned(), (vec![*n_tasks, n_rows, *ranks], cols.clone()));
        tensors.insert(FACTORS[1].to_owned(), (vec![*n_tasks, *ranks, width], rows.clone()));
    }
    for (name, shape, values) in adapter.head() {
        tensors.insert(format!("{HEAD}{name}"), (shape.clone(), values.clone()));
    }
    if !task.writes() || !adapter.task.tasks.is_empty() {
        write_json(&folder.join(TASK), &adapter.task)?;
    }
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    write_floats(&folder.join("adapter_model.safetensors"), &tensors, Some(metadata))?;
    write_json(&folder.join("adapter_config.json"), &Value::Object(keys))
}
