//! A model folder in Hugging Face's form: which architecture it holds, its facts, and how it is loaded.

use std::path::{Path, PathBuf};

use burn::tensor::Device;

use crate::error::{EngineError, Result};
use crate::message::ModelSummary;
use crate::models::gpt_neox::{GptNeox, GptNeoxConfig};
use crate::models::gpt2::{Gpt2, Gpt2Config};
use crate::models::llama::{self, Llama, LlamaConfig};
use crate::models::{CausalModel, Model, ModelShape};
use crate::weights::WeightFiles;

/// The architectures that `config.json` may name.
const KNOWN: &str = "gpt2, gpt_neox, llama, mistral, qwen2, qwen3";

enum Architecture {
    Gpt2(Gpt2Config),
    GptNeox(Box<GptNeoxConfig>),
    Llama(Box<LlamaConfig>),
}

/// A model folder whose configuration is understood; weights are mapped, not read.
pub struct ModelFolder {
    /// Where it is.
    pub path: PathBuf,
    architecture: Architecture,
    files: WeightFiles,
}

impl ModelFolder {
    /// Reads `config.json` and opens the weight files.
    ///
    /// # Errors
    /// A file is missing or damaged, or the architecture is one we do not compute.
    pub fn open(path: &Path) -> Result<Self> {
        let file = path.join("config.json");
        if !file.is_file() {
            return Err(EngineError::ModelFileMissing { what: "config.json", path: path.to_owned() });
        }
        let text = std::fs::read_to_string(&file).map_err(EngineError::io("read", &file))?;
        let malformed = |reason: String| EngineError::Malformed { what: "config.json", path: file.clone(), reason };
        let config: serde_json::Value = serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?;
        let Some(model_type) = config.get("model_type").and_then(|value| value.as_str()) else {
            return Err(malformed("it has no model_type".to_owned()));
        };
        let architecture = match model_type {
            "gpt2" => Architecture::Gpt2(Gpt2Config::parse(config.clone(), &file)?),
            "gpt_neox" => Architecture::GptNeox(Box::new(GptNeoxConfig::parse(config.clone(), &file)?)),
            family if llama::MODEL_TYPES.contains(&family) => {
                Architecture::Llama(Box::new(LlamaConfig::parse(config.clone(), &file)?))
            }
            other => return Err(EngineError::UnknownArchitecture { found: other.to_owned(), known: KNOWN }),
        };
        Ok(Self { path: path.to_owned(), architecture, files: WeightFiles::open(path)? })
    }

    /// The sizes.
    pub fn shape(&self) -> ModelShape {
        match &self.architecture {
            Architecture::Gpt2(config) => config.shape(),
            Architecture::GptNeox(config) => config.shape(),
            Architecture::Llama(config) => config.shape(),
        }
    }

    /// Numbers in the weights.
    pub fn parameters(&self) -> usize {
        match &self.architecture {
            Architecture::Gpt2(config) => config.parameters(),
            Architecture::GptNeox(config) => config.parameters(),
            Architecture::Llama(config) => config.parameters(),
        }
    }

    /// Bytes of the largest tensor as f32: what a device must be able to bind.
    pub fn largest_tensor_bytes(&self) -> u64 {
        self.files.shapes().map(|(_, shape)| shape.iter().product::<usize>() as u64 * 4).max().unwrap_or(0)
    }

    /// SHA-256 of the weights, in hexadecimal: what an adapter belongs to.
    pub fn hash(&self) -> String {
        self.files.hash()
    }

    /// Its facts.
    pub fn summary(&self) -> ModelSummary {
        let shape = self.shape();
        ModelSummary {
            folder: self.path.clone(),
            architecture: shape.architecture.to_owned(),
            n_layers: shape.n_layers,
            d_model: shape.d_model,
            n_heads: shape.n_heads,
            n_kv_heads: shape.n_kv_heads,
            d_head: shape.d_head,
            n_positions: shape.n_positions,
            vocab_size: shape.vocab_size,
            d_ff: shape.d_ff,
            parameters: self.parameters(),
            dtype: self.files.dtype(),
            file_bytes: self.files.file_bytes(),
            largest_tensor_bytes: self.largest_tensor_bytes(),
        }
    }

    /// Brings the model onto the device; `progress` hears the share done.
    ///
    /// # Errors
    /// A weight that is missing, has another shape, or is not finite.
    pub fn load(&self, device: &Device, progress: &mut dyn FnMut(f32)) -> Result<Model> {
        let files = &self.files;
        let causal: Box<dyn CausalModel> = match &self.architecture {
            Architecture::Gpt2(config) => Box::new(Gpt2::load(config, files, device, progress)?),
            Architecture::GptNeox(config) => Box::new(GptNeox::load(config, files, device, progress)?),
            Architecture::Llama(config) => Box::new(Llama::load(config, files, device, progress)?),
        };
        Ok(Model::Causal(causal))
    }
}
