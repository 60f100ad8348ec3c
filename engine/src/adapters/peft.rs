//! PEFT's adapter folder, in and out: `adapter_config.json` and `adapter_model.safetensors`.
//! Layout as in huggingface/peft: src/peft/utils/save_and_load.py.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::adapters::prefix::PrefixShape;
use crate::config::{PrefixConfig, Task, TaskRecord};
use crate::error::{EngineError, Result};
use crate::models::{ClassHead, Model, ModelShape};
use crate::nn::LayerKv;
use crate::weights::{Floats, read_floats, write_floats};

/// `adapter_config.json` of a prefix, with PEFT's keys; others are ignored when it is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are PEFT's")]
pub struct PeftConfig {
    #[serde(default)]
    pub auto_mapping: Option<serde_json::Value>,
    #[serde(default)]
    pub base_model_name_or_path: Option<String>,
    #[serde(default)]
    pub encoder_hidden_size: Option<usize>,
    #[serde(default)]
    pub inference_mode: bool,
    #[serde(default)]
    pub init_weights: Option<String>,
    #[serde(default)]
    pub modules_to_save: Option<Vec<String>>,
    #[serde(default)]
    pub num_attention_heads: Option<usize>,
    #[serde(default)]
    pub num_layers: Option<usize>,
    #[serde(default)]
    pub num_transformer_submodules: Option<usize>,
    pub num_virtual_tokens: usize,
    pub peft_type: String,
    #[serde(default)]
    pub peft_version: Option<String>,
    #[serde(default)]
    pub prefix_projection: bool,
    #[serde(default)]
    pub revision: Option<String>,
    #[serde(default)]
    pub task_type: Option<String>,
    #[serde(default)]
    pub token_dim: Option<usize>,
}

/// The version of PEFT whose files ours equal.
const PEFT_VERSION: &str = "0.21.2";

/// A folded prefix, as an adapter folder holds it.
#[derive(Clone, Debug)]
pub struct FoldedPrefix {
    /// Its sizes.
    pub shape: PrefixShape,
    /// `[n_virtual, n_layers * 2 * n_kv_heads * d_head]`, row by row.
    pub flat: Vec<f32>,
    /// The base model, as whoever saved it named it.
    pub base_model: Option<String>,
    /// What it was trained for.
    pub task: TaskRecord,
    /// The trained head of a task with classes.
    pub head: Vec<HeadTensor>,
}

/// Its name below the model, its shape, its numbers.
pub type HeadTensor = (String, Vec<usize>, Vec<f32>);

/// Names and order of an adapter's classes, which PEFT's files do not have.
const TASK: &str = "task.json";
/// Before the names of a head's tensors.
const HEAD: &str = "base_model.";

impl FoldedPrefix {
    /// Reads an adapter folder; its shape is what the files say, and where they say nothing, that of `like`.
    ///
    /// # Errors
    /// A file is missing or damaged, or the adapter is not a prefix for a causal model.
    pub fn read(folder: &Path, like: Option<&ModelShape>) -> Result<Self> {
        let path = folder.join("adapter_config.json");
        let text = std::fs::read_to_string(&path).map_err(EngineError::io("read", &path))?;
        let malformed =
            |path: &Path, reason: String| EngineError::Malformed { what: "the adapter", path: path.to_owned(), reason };
        let json: serde_json::Value = serde_json::from_str(&text).map_err(|e| malformed(&path, e.to_string()))?;
        let kind = json.get("peft_type").and_then(|value| value.as_str()).unwrap_or("without a peft_type");
        if kind != "PREFIX_TUNING" {
            return Err(EngineError::AdapterType(kind.to_owned()));
        }
        let config: PeftConfig = serde_json::from_value(json).map_err(|e| malformed(&path, e.to_string()))?;
        if config.num_transformer_submodules.is_some_and(|n| n != 1) {
            return Err(EngineError::AdapterType("PREFIX_TUNING of an encoder-decoder model".to_owned()));
        }
        let path = folder.join("adapter_model.safetensors");
        let mut tensors = read_floats(&path)?;
        let (dims, flat) = tensors
            .remove("prompt_embeddings")
            .ok_or_else(|| malformed(&path, "it has no tensor prompt_embeddings".to_owned()))?;
        let &[n_virtual, row] = dims.as_slice() else {
            return Err(malformed(&path, format!("prompt_embeddings has shape {dims:?}, not two axes")));
        };
        if n_virtual == 0 || n_virtual != config.num_virtual_tokens {
            let reason = format!("{n_virtual} rows, but num_virtual_tokens is {}", config.num_virtual_tokens);
            return Err(malformed(&path, reason));
        }
        if let Some(index) = flat.iter().position(|x| !x.is_finite()) {
            return Err(malformed(&path, format!("number {index} is not finite")));
        }
        let shape = shape_of(&config, n_virtual, row, like).ok_or_else(|| {
            malformed(&path, format!("rows of {row} numbers do not fit the layers and heads of adapter_config.json"))
        })?;
        let head = read_head(&path, tensors)?;
        let task = read_task(folder, &config, &head)?;
        Ok(Self { shape, flat, base_model: config.base_model_name_or_path, task, head })
    }

    /// The head as this model has it; `None` for a task without classes.
    ///
    /// # Errors
    /// [`EngineError::AdapterMismatch`] when the adapter has no head, or one of other layers or sizes.
    pub fn class_head(&self, model: &Model, device: &Device) -> Result<Option<ClassHead>> {
        if !self.task.task.has_classes() {
            return Ok(None);
        }
        let kind = model.head_kind(self.task.task)?;
        let n_classes = self.task.classes.len();
        let mismatch = |reason: String| EngineError::AdapterMismatch { reason };
        let mut weights = Vec::new();
        for (name, shape) in kind.parameter_shapes(model.shape().d_model, n_classes) {
            let found = self.head.iter().find(|(found, ..)| found == name);
            let (_, found, values) = found.ok_or_else(|| mismatch(format!("its head has no {name:?}")))?;
            if *found != shape {
                return Err(mismatch(format!("{name:?} of its head has shape {found:?}, the model needs {shape:?}")));
            }
            let n = values.len();
            weights.push(Tensor::from_data(TensorData::new(values.clone(), [n]), device));
        }
        Ok(Some(ClassHead { kind, n_classes, weights }))
    }

    /// Refuses a model of another shape, with the numbers.
    ///
    /// # Errors
    /// [`EngineError::AdapterMismatch`].
    pub fn check_fits(&self, model: &ModelShape) -> Result<()> {
        let wants = PrefixShape::new(self.shape.n_virtual, model);
        // A config without sizes says only how wide a row is.
        if wants.row() != self.shape.row() {
            return Err(EngineError::AdapterMismatch {
                reason: format!(
                    "it has {} numbers for each virtual token, the model needs {} ({} layers × 2 × {})",
                    self.shape.row(),
                    wants.row(),
                    wants.n_layers,
                    wants.d_kv()
                ),
            });
        }
        if wants != self.shape {
            return Err(EngineError::AdapterMismatch {
                reason: format!(
                    "it has {} layers of {} heads, the model {} layers of {}",
                    self.shape.n_layers, self.shape.n_kv_heads, wants.n_layers, wants.n_kv_heads
                ),
            });
        }
        Ok(())
    }

    /// Keys and values of each layer, `[1, n_kv_heads, n_virtual, d_head]`.
    pub fn layers(&self, device: &Device) -> Vec<LayerKv> {
        let dims = [self.shape.n_virtual, self.shape.row()];
        self.shape.layers(Tensor::from_data(TensorData::new(self.flat.clone(), dims), device))
    }

    /// Names the adapter: the first 12 hexadecimal digits of the SHA-256 of its numbers.
    pub fn hash(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(bytemuck::cast_slice::<f32, u8>(&self.flat));
        self.head.iter().for_each(|(.., values)| digest.update(bytemuck::cast_slice::<f32, u8>(values)));
        let digest = digest.finalize();
        digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Writes the folder as PEFT's `save_pretrained` does: same keys, names, shapes and formats.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn write(&self, folder: &Path, config: Option<&PrefixConfig>) -> Result<()> {
        std::fs::create_dir_all(folder).map_err(EngineError::io("create", folder))?;
        let mlp = config.and_then(|config| config.reparameterisation.as_ref());
        let config = PeftConfig {
            auto_mapping: None,
            base_model_name_or_path: self.base_model.clone(),
            encoder_hidden_size: Some(mlp.map_or(self.shape.d_kv(), |mlp| mlp.width)),
            inference_mode: true,
            init_weights: None,
            // PEFT names both twice, whichever of them there is.
            modules_to_save: (!self.head.is_empty())
                .then(|| ["classifier", "score", "classifier", "score"].map(str::to_owned).to_vec()),
            num_attention_heads: Some(self.shape.n_kv_heads),
            num_layers: Some(self.shape.n_layers),
            num_transformer_submodules: Some(1),
            num_virtual_tokens: self.shape.n_virtual,
            peft_type: "PREFIX_TUNING".to_owned(),
            peft_version: Some(PEFT_VERSION.to_owned()),
            prefix_projection: mlp.is_some(),
            revision: None,
            task_type: task_type(self.task.task).map(str::to_owned),
            token_dim: Some(self.shape.d_kv()),
        };
        let dims = vec![self.shape.n_virtual, self.shape.row()];
        let mut tensors = BTreeMap::from([("prompt_embeddings".to_owned(), (dims, self.flat.clone()))]);
        for (name, shape, values) in &self.head {
            tensors.insert(format!("{HEAD}{name}"), (shape.clone(), values.clone()));
        }
        if self.task.task != Task::Causal {
            crate::weights::write_json(&folder.join(TASK), &self.task)?;
        }
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        write_floats(&folder.join("adapter_model.safetensors"), &tensors, Some(metadata))?;
        crate::weights::write_json(&folder.join("adapter_config.json"), &config)
    }
}

/// The name of a parameter while PEFT trains it, the adapter being called `default`.
pub(crate) fn name_in_training(parameter: &str) -> String {
    match parameter.split_once('.') {
        Some((module @ ("classifier" | "pre_classifier" | "score"), rest)) => {
            format!("{HEAD}{module}.modules_to_save.default.{rest}")
        }
        _ => format!("prompt_encoder.default.{parameter}"),
    }
}

/// PEFT's name of a task; it has none for filling masks.
fn task_type(task: Task) -> Option<&'static str> {
    match task {
        Task::Causal => Some("CAUSAL_LM"),
        Task::SequenceClassification => Some("SEQ_CLS"),
        Task::TokenClassification => Some("TOKEN_CLS"),
        Task::MaskedFill => None,
    }
}

fn read_head(path: &Path, tensors: Floats) -> Result<Vec<HeadTensor>> {
    let mut head = Vec::new();
    for (name, (shape, values)) in tensors {
        let Some(name) = name.strip_prefix(HEAD) else { continue };
        if values.iter().any(|x| !x.is_finite()) {
            let reason = format!("{name:?} holds a number that is not finite");
            return Err(EngineError::Malformed { what: "the adapter", path: path.to_owned(), reason });
        }
        head.push((name.to_owned(), shape, values));
    }
    Ok(head)
}

/// What the folder says about the task; classes that only PEFT knows get transformers' names for them.
fn read_task(folder: &Path, config: &PeftConfig, head: &[HeadTensor]) -> Result<TaskRecord> {
    let path = folder.join(TASK);
    if path.is_file() {
        let text = std::fs::read_to_string(&path).map_err(EngineError::io("read", &path))?;
        return serde_json::from_str(&text).map_err(|error| EngineError::Malformed {
            what: "the adapter's task",
            path,
            reason: error.to_string(),
        });
    }
    let tasks = [Task::SequenceClassification, Task::TokenClassification];
    let Some(task) = tasks.into_iter().find(|task| config.task_type.as_deref() == task_type(*task)) else {
        return Ok(TaskRecord::default());
    };
    let last = ["score.weight", "classifier.out_proj.weight", "classifier.weight"];
    let last = last.iter().find_map(|last| head.iter().find(|(name, ..)| name == last));
    let n_classes = last.and_then(|(_, shape, _)| shape.first()).copied().unwrap_or(0);
    Ok(TaskRecord { task, classes: (0..n_classes).map(|class| format!("LABEL_{class}")).collect() })
}

/// The sizes a config implies; PEFT fills missing ones from the model.
fn shape_of(config: &PeftConfig, n_virtual: usize, row: usize, like: Option<&ModelShape>) -> Option<PrefixShape> {
    let n_layers = config.num_layers.or(like.map(|model| model.n_layers)).filter(|&n| n > 0)?;
    let d_kv = config.token_dim.unwrap_or(row / (2 * n_layers));
    let n_kv_heads = config.num_attention_heads.or(like.map(|model| model.n_kv_heads)).filter(|&n| n > 0)?;
    let fits = n_layers.checked_mul(2)?.checked_mul(d_kv)? == row && d_kv.is_multiple_of(n_kv_heads);
    fits.then(|| PrefixShape { n_virtual, n_layers, n_kv_heads, d_head: d_kv / n_kv_heads })
}
