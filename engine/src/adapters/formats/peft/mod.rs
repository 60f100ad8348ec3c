//! PEFT's adapter folder, in and out: `adapter_config.json` and `adapter_model.safetensors`.
//!
//! PEFT stores one prefix. For an encoder with a decoder it is the decoder's, and layer i reads pair 2i mod L.
//! Layout as in huggingface/peft: src/peft/utils/save_and_load.py.

mod keys;
pub(crate) mod lora;
pub(crate) mod prompt;

pub(crate) use self::prompt::encoder as prompt_encoder;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::adapters::formats::malformed;
use crate::adapters::formats::tensors::Tensors;
use crate::adapters::methods::PartState;
use crate::adapters::methods::head::HeadState;
use crate::adapters::methods::prefix::{PrefixShape, PrefixState, peft_pairs};
use crate::adapters::state::AdapterState;
use crate::config::{MAX_CLASSES, PrefixConfig, Task, TaskRecord};
use crate::error::{EngineError, IoAction, Result, json_reason};
use crate::files::{self, Kind, write_json};
use crate::models::{ModelShape, Site, is_class_head};
use crate::sentence;
use crate::weights::{NamedTensor, write_floats};

/// `adapter_config.json` of a prefix, with PEFT's keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are PEFT's")]
pub struct PeftConfig {
    #[serde(default)]
    pub auto_mapping: Option<serde_json::Value>,
    #[serde(default)]
    pub base_model_name_or_path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder_hidden_size: Option<usize>,
    #[serde(default)]
    pub inference_mode: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_weights: Option<Option<String>>,
    #[serde(default)]
    pub modules_to_save: Option<Vec<String>>,
    #[serde(default)]
    pub num_attention_heads: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_frozen_tokens: Option<usize>,
    #[serde(default)]
    pub num_layers: Option<usize>,
    #[serde(default)]
    pub num_transformer_submodules: Option<usize>,
    pub num_virtual_tokens: usize,
    pub peft_type: String,
    #[serde(default)]
    pub peft_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix_projection: Option<bool>,
    #[serde(default)]
    pub revision: Option<String>,
    #[serde(default)]
    pub task_type: Option<String>,
    #[serde(default)]
    pub token_dim: Option<usize>,
}

/// The version of PEFT whose files ours equal.
const PEFT_VERSION: &str = "0.21.2";

/// The `peft_type`.
pub(crate) const KIND: &str = "PREFIX_TUNING";
/// The `peft_type` of a prefix whose first slots are not trained.
/// huggingface/peft: src/peft/tuners/cartridge/config.py.
const CARTRIDGE: &str = "CARTRIDGE";
/// Names and order of an adapter's classes, which PEFT's files do not have.
const TASK: &str = "task.json";
/// Before the names of a head's tensors.
const HEAD: &str = "base_model.";

/// The kinds of adapter that are read and written.
pub(crate) const KINDS: [&str; 6] = [KIND, CARTRIDGE, prompt::PROMPT, prompt::P_TUNING, prompt::MULTITASK, lora::KIND];

/// Reads the folder of a configuration of one of [`KINDS`]; `like` are the sites of the model it is for.
pub(crate) fn read(
    folder: &Path,
    json: serde_json::Value,
    like: Option<&[(Site, ModelShape)]>,
) -> Result<AdapterState> {
    let (keys, is_lora, is_prompt) = match json.get("peft_type").and_then(serde_json::Value::as_str) {
        Some(lora::KIND) => (&keys::LORA, true, false),
        Some(prompt::PROMPT | prompt::P_TUNING | prompt::MULTITASK) => (&keys::PROMPT, false, true),
        _ => (&keys::PREFIX, false, false),
    };
    let notices = keys.account(&json)?;
    let mut tensors = Tensors::read(folder)?;
    let read = match (is_lora, is_prompt) {
        (true, _) => lora::read(folder, &json, &mut tensors),
        (_, true) => prompt::read(folder, &json, &mut tensors),
        _ => read_prefix(folder, json, &mut tensors, like),
    }?;
    if let Some((name, ..)) = read.head().first().filter(|_| !read.task.task.has_head()) {
        return Err(EngineError::AdapterTensors { tensors: name.clone(), path: tensors.path });
    }
    tensors.finish()?;
    Ok(AdapterState { notices, ..read })
}

fn read_prefix(
    folder: &Path,
    json: serde_json::Value,
    tensors: &mut Tensors,
    like: Option<&[(Site, ModelShape)]>,
) -> Result<AdapterState> {
    let path = folder.join("adapter_config.json");
    let config: PeftConfig = serde_json::from_value(json).map_err(|error| malformed(&path, json_reason(&error)))?;
    let seq2seq = config.task_type.as_deref() == task_type(Task::Seq2Seq);
    let n_submodules = config.num_transformer_submodules.unwrap_or(if seq2seq { 2 } else { 1 });
    if !(1..=2).contains(&n_submodules) {
        let option = sentence!("num_transformer_submodules = {n_submodules}", n_submodules);
        return Err(EngineError::AdapterOption { kind: config.peft_type, option });
    }
    let site = match like {
        Some([(site, _)]) => *site,
        _ => Site::Decoder,
    };
    let like = like.into_iter().flatten().find(|(other, _)| *other == site).map(|(_, shape)| shape);
    let ([n_virtual, row], flat) = tensors.take_matrix("prompt_embeddings")?;
    let path = tensors.path.clone();
    if n_virtual != config.num_virtual_tokens {
        let reason = sentence!(
            "{n_virtual} rows, but num_virtual_tokens is {num_virtual_tokens}",
            n_virtual,
            num_virtual_tokens = config.num_virtual_tokens
        );
        return Err(malformed(&path, reason));
    }
    let shape = shape_of(&config, n_virtual, row, like).ok_or_else(|| {
        malformed(&path, sentence!("rows of {row} numbers do not fit the layers and heads of adapter_config.json", row))
    })?;
    // PEFT freezes one where its file does not say.
    let n_frozen = if config.peft_type == CARTRIDGE { config.num_frozen_tokens.unwrap_or(1) } else { 0 };
    if n_frozen > n_virtual {
        return Err(malformed(
            &path,
            sentence!("{n_virtual} rows, but num_frozen_tokens is {n_frozen}", n_virtual, n_frozen),
        ));
    }
    let mut prefix = PrefixState { site, shape, n_frozen, flat };
    let head = read_head(tensors, HEAD)?;
    let mut task = read_task_of(folder, config.task_type.as_deref(), &head)?;
    if n_submodules == 2 {
        if task.task.has_head() {
            let option = sentence!("{task} by an encoder with a decoder", task = task.task);
            return Err(EngineError::AdapterOption { kind: KIND.to_owned(), option });
        }
        let n_layers = like.map_or(shape.n_layers, |model| model.n_layers);
        if n_layers > shape.n_layers {
            let reason = sentence!(
                "it has {n_layers} layers, the decoder {layers}",
                n_layers = shape.n_layers,
                layers = n_layers
            );
            return Err(EngineError::AdapterMismatch { reason });
        }
        prefix = spread(&prefix, n_layers);
        task = TaskRecord::of(Task::Seq2Seq);
    }
    let parts = [PartState::from(prefix), HeadState(head).into()];
    Ok(AdapterState { base_model: config.base_model_name_or_path, ..AdapterState::new(task, parts) })
}

/// Writes the folder as PEFT's `save_pretrained` does: same keys, names, shapes and formats. `prefix` is what is stored of
/// the adapter's only one.
pub(crate) fn write(
    adapter: &AdapterState,
    prefix: &PrefixState,
    folder: &Path,
    config: Option<&PrefixConfig>,
) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(EngineError::io(IoAction::Create, folder))?;
    let mlp = config.and_then(|config| config.reparameterization.as_ref());
    let task = adapter.task.task;
    let PrefixShape { n_virtual, n_layers, n_kv_heads, .. } = prefix.shape;
    let is_cartridge = prefix.n_frozen > 0;
    let config = PeftConfig {
        auto_mapping: None,
        base_model_name_or_path: adapter.base_model.clone(),
        encoder_hidden_size: (!is_cartridge).then(|| mlp.and_then(|mlp| mlp.width).unwrap_or(prefix.shape.d_kv())),
        inference_mode: true,
        init_weights: (!is_cartridge).then_some(None),
        modules_to_save: head_modules(adapter),
        num_attention_heads: Some(n_kv_heads),
        num_frozen_tokens: is_cartridge.then_some(prefix.n_frozen),
        num_layers: Some(n_layers),
        num_transformer_submodules: Some(if task == Task::Seq2Seq { 2 } else { 1 }),
        num_virtual_tokens: n_virtual,
        peft_type: if is_cartridge { CARTRIDGE } else { KIND }.to_owned(),
        peft_version: Some(PEFT_VERSION.to_owned()),
        prefix_projection: (!is_cartridge).then_some(mlp.is_some()),
        revision: None,
        task_type: task_type(task).map(str::to_owned),
        token_dim: Some(prefix.shape.d_kv()),
    };
    let dims = vec![n_virtual, prefix.shape.row()];
    let mut tensors = BTreeMap::from([("prompt_embeddings".to_owned(), (dims, prefix.flat.clone()))]);
    for (name, shape, values) in adapter.head() {
        tensors.insert(format!("{HEAD}{name}"), (shape.clone(), values.clone()));
    }
    if !task.writes() {
        write_json(&folder.join(TASK), &adapter.task)?;
    }
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    write_floats(&folder.join("adapter_model.safetensors"), &tensors, Some(metadata))?;
    write_json(&folder.join("adapter_config.json"), &config)
}

/// The modules of a head, which PEFT names twice, whichever of them there is.
fn head_modules(adapter: &AdapterState) -> Option<Vec<String>> {
    let names: &[&str] = match adapter.task.task {
        Task::QuestionAnswering => &["qa_outputs"],
        _ => class_modules(adapter),
    };
    (!names.is_empty()).then(|| names.repeat(2).iter().map(|&name| name.to_owned()).collect())
}

/// The modules of a head, if there is one: those that PEFT adds by itself, behind one that it must be told of.
fn class_modules(adapter: &AdapterState) -> &'static [&'static str] {
    match adapter.head().first() {
        None => &[],
        Some((name, ..)) if name.starts_with("classification_head.") => &["classification_head", "classifier", "score"],
        Some(_) => &["classifier", "score"],
    }
}

/// Gives each of `n_layers` layers the pair that PEFT gives it.
fn spread(stored: &PrefixState, n_layers: usize) -> PrefixState {
    let width = 2 * stored.shape.d_kv();
    let pairs = peft_pairs(n_layers, stored.shape.n_layers);
    let of_row = |row: &[f32]| pairs.iter().flat_map(|&pair| row[pair * width..(pair + 1) * width].to_vec()).collect();
    let flat: Vec<Vec<f32>> = stored.flat.chunks_exact(stored.shape.row()).map(of_row).collect();
    PrefixState { shape: PrefixShape { n_layers, ..stored.shape }, flat: flat.concat(), ..*stored }
}

/// The pairs that PEFT would have to hold, and whether that is exact. A pair that no layer takes is zero.
pub(crate) fn gather(prefix: &PrefixState) -> (PrefixState, bool) {
    let n_layers = prefix.shape.n_layers;
    let width = 2 * prefix.shape.d_kv();
    let pairs = peft_pairs(n_layers, n_layers);
    let mut flat = Vec::with_capacity(prefix.flat.len());
    for row in prefix.flat.chunks_exact(prefix.shape.row()) {
        for stored in 0..n_layers {
            let takers: Vec<usize> = (0..n_layers).filter(|&layer| pairs[layer] == stored).collect();
            let mean = |at: usize| {
                let sum: f32 = takers.iter().map(|layer| row[layer * width + at]).sum();
                sum / takers.len().max(1) as f32
            };
            flat.extend((0..width).map(mean));
        }
    }
    let stored = PrefixState { flat, ..*prefix };
    let exact = spread(&stored, n_layers).flat == prefix.flat;
    (stored, exact)
}

/// The name of a parameter while PEFT trains it, the adapter being called `default`.
pub(crate) fn name_in_training(parameter: &str) -> String {
    for matrix in [".lora_A.", ".lora_B."] {
        if let Some((module, rest)) = parameter.split_once(matrix) {
            return format!("{HEAD}model.{module}{matrix}default.{rest}");
        }
    }
    if [".lora_embedding_A", ".lora_embedding_B", ".trainable_tokens_delta"].iter().any(|end| parameter.ends_with(end))
    {
        return format!("{HEAD}model.{parameter}.default");
    }
    match parameter.split_once('.') {
        Some((module, rest)) if is_class_head(&format!("{module}.")) => {
            format!("{HEAD}{module}.modules_to_save.default.{rest}")
        }
        _ => format!("prompt_encoder.default.{parameter}"),
    }
}

/// PEFT's name of a task; it has none for filling masks and for choices.
pub(crate) fn task_type(task: Task) -> Option<&'static str> {
    match task {
        Task::Causal => Some("CAUSAL_LM"),
        Task::Seq2Seq => Some("SEQ_2_SEQ_LM"),
        Task::SequenceClassification | Task::Regression => Some("SEQ_CLS"),
        Task::TokenClassification => Some("TOKEN_CLS"),
        Task::QuestionAnswering => Some("QUESTION_ANS"),
        Task::MaskedFill | Task::MultipleChoice => None,
    }
}

/// The head that names classes, under `root` in a file.
fn read_head(tensors: &mut Tensors, root: &str) -> Result<Vec<NamedTensor>> {
    let mut head = Vec::new();
    for stored in tensors.names() {
        let Some(name) = stored.strip_prefix(root).filter(|name| is_class_head(name)) else { continue };
        let (shape, values) = tensors.take(&stored)?;
        head.push((name.to_owned(), shape, values));
    }
    Ok(head)
}

/// Reads the task that the folder states; classes that only PEFT knows get transformers' names for them.
fn read_task_of(folder: &Path, kind: Option<&str>, head: &[NamedTensor]) -> Result<TaskRecord> {
    let path = folder.join(TASK);
    if path.is_file() {
        return files::read_json(&path, Kind::Settings, sentence!("the adapter's task"));
    }
    let tasks = [Task::SequenceClassification, Task::TokenClassification, Task::QuestionAnswering];
    let Some(task) = tasks.into_iter().find(|task| kind == task_type(*task)) else {
        return Ok(TaskRecord::default());
    };
    if task == Task::QuestionAnswering {
        return Ok(TaskRecord::of(task));
    }
    let last =
        ["score.weight", "classifier.out_proj.weight", "classifier.weight", "classification_head.out_proj.weight"];
    let last = last.iter().find_map(|last| head.iter().find(|(name, ..)| name == last));
    let n_classes = last.and_then(|(_, shape, _)| shape.first()).copied().unwrap_or(0);
    if n_classes > MAX_CLASSES {
        return Err(malformed(
            &path,
            sentence!(
                "its head has {n_classes} classes, more than {max_classes}",
                n_classes,
                max_classes = MAX_CLASSES
            ),
        ));
    }
    // As transformers reads a head of one score.
    if task == Task::SequenceClassification && n_classes == 1 {
        return Ok(TaskRecord::of(Task::Regression));
    }
    let classes = (0..n_classes).map(|class| format!("LABEL_{class}")).collect();
    Ok(TaskRecord { classes, ..TaskRecord::of(task) })
}

/// The sizes a config implies; PEFT fills missing ones from the model.
fn shape_of(config: &PeftConfig, n_virtual: usize, row: usize, like: Option<&ModelShape>) -> Option<PrefixShape> {
    let n_layers = config.num_layers.or(like.map(|model| model.n_layers)).filter(|&n| n > 0)?;
    let d_kv = config.token_dim.unwrap_or(row / n_layers.checked_mul(2)?);
    let n_kv_heads = config.num_attention_heads.or(like.map(|model| model.n_kv_heads)).filter(|&n| n > 0)?;
    let fits = n_layers.checked_mul(2)?.checked_mul(d_kv)? == row && d_kv.is_multiple_of(n_kv_heads);
    fits.then(|| PrefixShape { n_virtual, n_layers, n_kv_heads, d_head: d_kv / n_kv_heads })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peft_seq2seq_layers_read_pair_2i_mod_l() {
        assert_eq!(peft_pairs(2, 2), [0, 0]);
        assert_eq!(peft_pairs(3, 3), [0, 2, 1]);
        assert_eq!(peft_pairs(12, 12)[..8], [0, 2, 4, 6, 8, 10, 0, 2]);
        let shape = PrefixShape { n_virtual: 2, n_layers: 3, n_kv_heads: 1, d_head: 2 };
        let stored = &PrefixState::new(Site::Decoder, shape, (0..shape.stored()).map(|i| i as f32).collect());
        let first_key = |prefix: &PrefixState, layer: usize| prefix.flat[layer * 4];
        let taken = spread(stored, 3);
        assert_eq!([0, 1, 2].map(|layer| first_key(&taken, layer)), [0, 2, 1].map(|pair| first_key(stored, pair)));
        assert_eq!(spread(stored, 2).flat.len(), 2 * 2 * 4, "a shorter decoder takes what it needs");
    }
}
