//! An adapter taken into the weights of its base model: a plain checkpoint that needs no adapter any more.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::View;
use serde_json::{Value, json};

use crate::adapters::methods::PartState;
use crate::adapters::state::{AdapterState, PrefixPlacement};
use crate::config::Task;
use crate::error::{EngineError, IoAction, Result, json_reason};
use crate::files::{self, Kind, write_json};
use crate::models::load::{PACKED_FILES, PACKED_OPTIONS, model_options};
use crate::models::{BaseModel, WeightName, class_prefix, tied_head};
use crate::{Sentence, sentence};

/// Files beside the weights that belong to a checkpoint, by their ends.
const BESIDE: [&str; 5] = ["json", "txt", "model", "jinja", "md"];

/// An adapter in two: what weights can hold, and what stands before the text with the head that reads behind it. The second
/// is none where everything is weights.
///
/// # Errors
/// [`EngineError::NotMerged`] where nothing of it is weights.
pub fn apart(adapter: &AdapterState) -> Result<(AdapterState, Option<AdapterState>)> {
    if adapter.sites().is_empty() && adapter.prompt().is_none() && adapter.text().is_none() {
        return Ok((adapter.clone(), None));
    }
    let is_inside = |part: &PartState| matches!(part, PartState::Lora(_) | PartState::Weights(_));
    let (mut inside, mut before) = (adapter.clone(), adapter.clone());
    inside.parts.retain(is_inside);
    before.parts.retain(|part| !is_inside(part));
    if inside.parts.is_empty() {
        return Err(no_weights());
    }
    inside.placement = PrefixPlacement::default();
    Ok((inside, Some(before)))
}

/// Writes a checkpoint folder, whole or not at all, in the bits in which the base model's files have each weight.
/// Matrices of low rank are added as `W + scale · B A`, weights that were trained stand in place of the model's own, the
/// head of a task goes with them. What was in blocks of few bits is written in f32. `beside` writes what else a folder needs
/// where the model is one file.
///
/// # Errors
/// The adapter has keys and values or embeddings, which no weight can hold, or several heads; `to` exists; a file cannot be written.
pub fn merge(
    base: &BaseModel,
    adapter: &AdapterState,
    to: &Path,
    beside: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    check(base, adapter, to)?;
    let changed = changed(base, adapter)?;
    let parent = to.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(EngineError::io(IoAction::Create, parent))?;
    let draft = tempfile::Builder::new()
        .prefix(".draft-")
        .tempdir_in(parent)
        .map_err(EngineError::io(IoAction::Create, parent))?;
    beside(draft.path())?;
    copy_beside(base, adapter, changed.head.is_some(), draft.path())?;
    let path = draft.path().join("model.safetensors");
    let mut tensors: Vec<(String, Stored<'_>)> = Vec::new();
    for (name, dtype, shape, bytes) in base.folder().files().stored() {
        let bytes = match changed.weights.get(name) {
            Some(values) => Cow::Owned(narrowed(values, dtype)),
            None => bytes,
        };
        tensors.push((name.to_owned(), Stored { dtype, shape: shape.to_vec(), bytes }));
    }
    // A pooler that the files lack was drawn, and trained all the same.
    let drawn = base.weights().into_iter().filter(|weight| !base.folder().files().contains(&weight.stored));
    for WeightName { stored, shape, .. } in drawn {
        if let Some(values) = changed.weights.get(&stored) {
            let bytes = Cow::Owned(narrowed(values, Dtype::F32));
            tensors.push((stored, Stored { dtype: Dtype::F32, shape, bytes }));
        }
    }
    if let Some((WeightName { name, stored, shape }, values)) = &changed.head {
        let table = tensors.iter().find(|(other, _)| other == stored).map(|(_, table)| table.dtype);
        let dtype = table.unwrap_or(Dtype::F32);
        tensors.retain(|(known, _)| known != name);
        let bytes = Cow::Owned(narrowed(values, dtype));
        tensors.push((name.clone(), Stored { dtype, shape: shape.clone(), bytes }));
    }
    for (name, shape, values) in adapter.head() {
        let bytes = Cow::Owned(narrowed(values, Dtype::F32));
        tensors.retain(|(known, _)| known != name);
        tensors.push((name.clone(), Stored { dtype: Dtype::F32, shape: shape.clone(), bytes }));
    }
    let metadata = std::collections::HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize_to_file(tensors, Some(metadata), &path)
        .map_err(|error| EngineError::Computation(sentence!("safetensors: {error}", error)))?;
    std::fs::rename(draft.keep(), to).map_err(EngineError::io(IoAction::Write, to))
}

fn no_weights() -> EngineError {
    let reason = sentence!("a prefix, a soft prompt or words stand before the text and are no part of any weight");
    EngineError::NotMerged { reason }
}

/// Refuses what no checkpoint can hold, and a place that is taken.
pub(super) fn check(base: &BaseModel, adapter: &AdapterState, to: &Path) -> Result<()> {
    if !adapter.sites().is_empty() || adapter.prompt().is_some() || adapter.text().is_some() {
        return Err(no_weights());
    }
    if !adapter.task.heads.is_empty() {
        let reason = sentence!("it has a head for each of several datasets, and a checkpoint has one");
        return Err(EngineError::NotMerged { reason });
    }
    if let Some(bits) = base.folder().files().row_bits() {
        let reason = sentence!(
            "the model's matrices are whole numbers of {bits} bits, which hold no small change: merge it into the model in \
             16 bits",
            bits
        );
        return Err(EngineError::NotMerged { reason });
    }
    if to.exists() {
        let reason = sentence!("{to} is there already", to);
        return Err(EngineError::Setting { field: "to", reason });
    }
    Ok(())
}

/// A tensor as it will stand in the file.
struct Stored<'a> {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Cow<'a, [u8]>,
}

impl View for Stored<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Weights that differ from the base model's.
#[derive(Default)]
pub(super) struct Changed {
    /// Weights by the names of the files.
    pub(super) weights: BTreeMap<String, Vec<f32>>,
    /// A head that was the table of embeddings and is not any more.
    pub(super) head: Option<(WeightName, Vec<f32>)>,
}

/// The weights with everything that an adapter changes of them.
pub(super) fn changed(base: &BaseModel, adapter: &AdapterState) -> Result<Changed> {
    let (weights, linears) = (base.weights(), base.linears());
    let find = |name: &str| {
        let missing =
            || EngineError::AdapterMismatch { reason: sentence!("the model's files do not hold {name}", name) };
        weights.iter().find(|weight| weight.name == name).ok_or_else(missing)
    };
    let tied = tied_head(&linears, &weights);
    let is_tied = |name: &str| tied.as_ref().is_some_and(|head| head.name == name);
    let mut changed = Changed::default();
    for (name, _, values) in adapter.weights().iter().filter(|(name, ..)| !is_tied(name)) {
        changed.weights.insert(find(name)?.stored.clone(), values.clone());
    }
    let Some(lora) = adapter.lora() else { return Ok(changed) };
    for rows in &lora.rows {
        let weight = find(&format!("{}.weight", rows.table))?;
        let mut values = changed.take(base, weight)?;
        rows.put_in(&mut values);
        changed.weights.insert(weight.stored.clone(), values);
    }
    if let Some(head) = &tied {
        changed.head = untied(base, adapter, head, &changed)?.map(|values| (head.clone(), values));
    }
    for layer in lora.layers.iter().filter(|layer| !is_tied(&format!("{}.weight", layer.name))) {
        let weight = find(&format!("{}.weight", layer.name))?;
        let mut values = changed.take(base, weight)?;
        let is_in_out = linears.iter().any(|linear| linear.name == layer.name && linear.is_in_out);
        layer.add_to(&mut values, is_in_out);
        changed.weights.insert(weight.stored.clone(), values);
    }
    Ok(changed)
}

impl Changed {
    fn take(&mut self, base: &BaseModel, weight: &WeightName) -> Result<Vec<f32>> {
        self.weights.remove(&weight.stored).map_or_else(|| base.values(weight), Ok)
    }
}

/// The numbers of a head that is tied in the base model, where the adapter changes it and its table in different ways, as
/// the loader computes them. `changed` has the table without its matrices.
fn untied(base: &BaseModel, adapter: &AdapterState, head: &WeightName, changed: &Changed) -> Result<Option<Vec<f32>>> {
    let lora = adapter.lora();
    let weights = base.weights();
    let Some(table) = weights.iter().find(|weight| weight.stored == head.stored) else { return Ok(None) };
    let layer = |weight: &str| {
        lora.iter().flat_map(|lora| &lora.layers).find(|layer| format!("{}.weight", layer.name) == *weight)
    };
    let own = adapter.weights().iter().find(|(name, ..)| *name == head.name);
    let is_apart = lora.is_some_and(|lora| !lora.config.modules_to_save.is_empty())
        && adapter.weights().iter().any(|(name, ..)| *name == table.name);
    if own.is_none() && !is_apart && layer(&head.name).is_none() && layer(&table.name).is_none() {
        return Ok(None);
    }
    let mut values = match (own, changed.weights.get(&table.stored)) {
        (Some((.., values)), _) => values.clone(),
        (None, Some(values)) if !is_apart => values.clone(),
        _ => base.values(table)?,
    };
    for rows in lora.iter().flat_map(|lora| &lora.rows).filter(|rows| format!("{}.weight", rows.table) == table.name) {
        rows.put_in(&mut values);
    }
    if let Some(layer) = layer(&head.name) {
        layer.add_to(&mut values, false);
    }
    Ok(Some(values))
}

/// Numbers in the bits of a file.
fn narrowed(values: &[f32], dtype: Dtype) -> Vec<u8> {
    match dtype {
        Dtype::F16 => values.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect(),
        Dtype::BF16 => values.iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect(),
        Dtype::F64 => values.iter().flat_map(|&x| f64::from(x).to_le_bytes()).collect(),
        _ => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
    }
}

/// The files of a folder that belong to a checkpoint, without its weights.
fn copy_files(folder: &Path, to: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder).map_err(EngineError::io(IoAction::Read, folder))? {
        let path = entry.map_err(EngineError::io(IoAction::Read, folder))?.path();
        let name = path.file_name().unwrap_or_default().to_owned();
        let kind = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
        let is_packing = |name: &str| PACKED_FILES.iter().any(|(file, _)| *file == name);
        let of_weights = |name: &str| name.ends_with(".index.json") || is_packing(name);
        if path.is_file() && BESIDE.contains(&kind) && !of_weights(&name.to_string_lossy()) {
            std::fs::copy(&path, to.join(&name)).map_err(EngineError::io(IoAction::Copy, &path))?;
        }
    }
    Ok(())
}

/// Configuration and tokenizer; the configuration learns what the head is for, the names of the classes, and that a head is not
/// tied any more.
fn copy_beside(base: &BaseModel, adapter: &AdapterState, is_untied: bool, to: &Path) -> Result<()> {
    let folder = &base.folder().path;
    if folder.is_file() {
        let mut options = model_options(folder)?;
        // Words of the file's own are no options.
        options.retain(|name, _| !name.contains('.'));
        write_json(&to.join("config.json"), &options)?;
    } else {
        copy_files(folder, to)?;
    }
    let is_packed =
        PACKED_OPTIONS.iter().any(|option| model_options(folder).is_ok_and(|found| found.contains_key(*option)));
    if adapter.head().is_empty() && !is_untied && !is_packed {
        return Ok(());
    }
    let path = to.join("config.json");
    let text = files::read_to_string(&path, Kind::Settings)?;
    let malformed =
        |reason: Sentence| EngineError::Malformed { what: sentence!("config.json"), path: path.clone(), reason };
    let mut config: Value = serde_json::from_str(&text).map_err(|error| malformed(json_reason(&error)))?;
    // Nothing of it is packed any more.
    if let Some(options) = config.as_object_mut() {
        options.retain(|name, _| !PACKED_OPTIONS.contains(&name.as_str()));
    }
    if is_untied {
        // T5 scales what goes into its head where nothing else is said and the head is tied.
        let is_tied = config.get("tie_word_embeddings").and_then(Value::as_bool).unwrap_or(true);
        if base.shape().architecture == "t5" && config.get("scale_decoder_outputs").is_none() {
            config["scale_decoder_outputs"] = json!(is_tied);
        }
        config["tie_word_embeddings"] = json!(false);
    }
    if adapter.head().is_empty() {
        return write_json(&path, &config);
    }
    if adapter.task.task.has_classes() {
        let named = |(at, name): (usize, &String)| (at.to_string(), json!(name));
        config["id2label"] = Value::Object(adapter.task.classes.iter().enumerate().map(named).collect());
        let numbered = |(at, name): (usize, &String)| (name.clone(), json!(at));
        config["label2id"] = Value::Object(adapter.task.classes.iter().enumerate().map(numbered).collect());
    }
    let is_number = adapter.task.task == Task::Regression;
    if is_number {
        config["id2label"] = json!({ "0": "LABEL_0" });
        config["label2id"] = json!({ "LABEL_0": 0 });
    }
    if let Some(family) = class_prefix(base.shape().architecture) {
        let kind = match adapter.task.task {
            Task::TokenClassification => "TokenClassification",
            Task::QuestionAnswering => "QuestionAnswering",
            Task::MultipleChoice => "MultipleChoice",
            _ => "SequenceClassification",
        };
        // What the checkpoint's own head was trained for.
        if let Some(options) = config.as_object_mut() {
            options.remove("problem_type");
        }
        if is_number {
            config["problem_type"] = json!("regression");
        }
        config["architectures"] = json!([format!("{family}For{kind}")]);
    }
    write_json(&path, &config)
}
