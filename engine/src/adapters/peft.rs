//! PEFT's adapter folder, in and out: `adapter_config.json` and `adapter_model.safetensors`.
//! Layout as in huggingface/peft: src/peft/utils/save_and_load.py.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::adapters::prefix::PrefixShape;
use crate::config::PrefixConfig;
use crate::error::{EngineError, Result};
use crate::models::ModelShape;
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
}

impl FoldedPrefix {
    /// Reads an adapter folder; its shape is what the files say, and where they say nothing, that of `like`.
    ///
    /// # Errors
    /// A file is missing or damaged, or the adapter is not a prefix for a causal model.
    pub fn read(folder: &Path, like: Option<&ModelShape>) -> Result<Self> {
        let (prefix, n_submodules) = Self::read_stored(folder, like)?;
        if n_submodules != 1 {
            return Err(EngineError::AdapterType("PREFIX_TUNING of an encoder-decoder model".to_owned()));
        }
        Ok(prefix)
    }

    /// The pairs as they are stored, and for how many parts of a model they are: 2 for an encoder and a decoder.
    pub(super) fn read_stored(folder: &Path, like: Option<&ModelShape>) -> Result<(Self, usize)> {
        let path = folder.join("adapter_config.json");
        let json = read_config(&path)?;
        let malformed =
            |path: &Path, reason: String| EngineError::Malformed { what: "the adapter", path: path.to_owned(), reason };
        let kind = json.get("peft_type").and_then(|value| value.as_str()).unwrap_or("without a peft_type");
        if kind != "PREFIX_TUNING" {
            return Err(EngineError::AdapterType(kind.to_owned()));
        }
        let config: PeftConfig = serde_json::from_value(json).map_err(|e| malformed(&path, e.to_string()))?;
        let path = folder.join("adapter_model.safetensors");
        let (n_virtual, row, flat) = embeddings(&mut read_floats(&path)?, "prompt_embeddings", &path)?;
        if n_virtual != config.num_virtual_tokens {
            let reason = format!("{n_virtual} rows, but num_virtual_tokens is {}", config.num_virtual_tokens);
            return Err(malformed(&path, reason));
        }
        let shape = shape_of(&config, n_virtual, row, like).ok_or_else(|| {
            malformed(&path, format!("rows of {row} numbers do not fit the layers and heads of adapter_config.json"))
        })?;
        let n_submodules = config.num_transformer_submodules.unwrap_or(1);
        Ok((Self { shape, flat, base_model: config.base_model_name_or_path }, n_submodules))
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
        let digest = Sha256::digest(bytemuck::cast_slice::<f32, u8>(&self.flat));
        digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Writes the folder as PEFT's `save_pretrained` does: same keys, names, shapes and formats.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn write(&self, folder: &Path, config: Option<&PrefixConfig>) -> Result<()> {
        self.write_for(folder, config, 1)
    }

    /// For so many parts of a model.
    pub(super) fn write_for(&self, folder: &Path, config: Option<&PrefixConfig>, n_submodules: usize) -> Result<()> {
        std::fs::create_dir_all(folder).map_err(EngineError::io("create", folder))?;
        let mlp = config.and_then(|config| config.reparameterisation.as_ref());
        let config = PeftConfig {
            auto_mapping: None,
            base_model_name_or_path: self.base_model.clone(),
            encoder_hidden_size: Some(mlp.map_or(self.shape.d_kv(), |mlp| mlp.width)),
            inference_mode: true,
            init_weights: None,
            modules_to_save: None,
            num_attention_heads: Some(self.shape.n_kv_heads),
            num_layers: Some(self.shape.n_layers),
            num_transformer_submodules: Some(n_submodules),
            num_virtual_tokens: self.shape.n_virtual,
            peft_type: "PREFIX_TUNING".to_owned(),
            peft_version: Some(PEFT_VERSION.to_owned()),
            prefix_projection: mlp.is_some(),
            revision: None,
            task_type: Some(if n_submodules == 1 { "CAUSAL_LM" } else { "SEQ_2_SEQ_LM" }.to_owned()),
            token_dim: Some(self.shape.d_kv()),
        };
        let dims = vec![self.shape.n_virtual, self.shape.row()];
        let tensors = BTreeMap::from([("prompt_embeddings".to_owned(), (dims, self.flat.clone()))]);
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        write_floats(&folder.join("adapter_model.safetensors"), &tensors, Some(metadata))?;
        crate::weights::write_json(&folder.join("adapter_config.json"), &config)
    }
}

/// `adapter_config.json`, whatever it says.
pub(super) fn read_config(path: &Path) -> Result<serde_json::Value> {
    let text = std::fs::read_to_string(path).map_err(EngineError::io("read", path))?;
    serde_json::from_str(&text).map_err(|error| EngineError::Malformed {
        what: "the adapter",
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

/// A flat prefix of a file: its rows, their width and its numbers.
pub(super) fn embeddings(tensors: &mut Floats, name: &str, path: &Path) -> Result<(usize, usize, Vec<f32>)> {
    let malformed = |reason: String| EngineError::Malformed { what: "the adapter", path: path.to_owned(), reason };
    let (dims, flat) = tensors.remove(name).ok_or_else(|| malformed(format!("it has no tensor {name}")))?;
    let &[n_virtual, row] = dims.as_slice() else {
        return Err(malformed(format!("{name} has shape {dims:?}, not two axes")));
    };
    if n_virtual == 0 || row == 0 {
        return Err(malformed(format!("{name} is empty")));
    }
    if let Some(index) = flat.iter().position(|x| !x.is_finite()) {
        return Err(malformed(format!("number {index} is not finite")));
    }
    Ok((n_virtual, row, flat))
}

/// The sizes a config implies; PEFT fills missing ones from the model.
fn shape_of(config: &PeftConfig, n_virtual: usize, row: usize, like: Option<&ModelShape>) -> Option<PrefixShape> {
    let n_layers = config.num_layers.or(like.map(|model| model.n_layers)).filter(|&n| n > 0)?;
    let d_kv = config.token_dim.unwrap_or(row / (2 * n_layers));
    let n_kv_heads = config.num_attention_heads.or(like.map(|model| model.n_kv_heads)).filter(|&n| n > 0)?;
    let fits = n_layers.checked_mul(2)?.checked_mul(d_kv)? == row && d_kv.is_multiple_of(n_kv_heads);
    fits.then(|| PrefixShape { n_virtual, n_layers, n_kv_heads, d_head: d_kv / n_kv_heads })
}
