//! A model folder in Hugging Face's form: which architecture it holds, its facts, and how it is loaded.

use std::path::{Path, PathBuf};

use burn::tensor::Device;

use crate::data::RowForm;
use crate::error::{EngineError, Result};
use crate::message::ModelSummary;
use crate::models::bart::{self, Bart, BartConfig};
use crate::models::gpt_neox::{GptNeox, GptNeoxConfig};
use crate::models::gpt2::{Gpt2, Gpt2Config};
use crate::models::llama::{self, Llama, LlamaConfig};
use crate::models::t5::{self, T5, T5Config};
use crate::models::{CausalModel, Model, ModelShape, Site};
use crate::weights::WeightFiles;

/// The architectures that `config.json` may name.
const KNOWN: &str = "gpt2, gpt_neox, llama, mistral, qwen2, qwen3, t5, mt5, bart, mbart, pegasus";

enum Architecture {
    Gpt2(Gpt2Config),
    GptNeox(Box<GptNeoxConfig>),
    Llama(Box<LlamaConfig>),
    T5(Box<T5Config>),
    Bart(Box<BartConfig>),
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
            family if t5::MODEL_TYPES.contains(&family) => {
                Architecture::T5(Box::new(T5Config::parse(config.clone(), &file)?))
            }
            family if bart::MODEL_TYPES.contains(&family) => {
                Architecture::Bart(Box::new(BartConfig::parse(config.clone(), &file)?))
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
            Architecture::T5(config) => config.shape(),
            Architecture::Bart(config) => config.shape(),
        }
    }

    /// The sizes of each site that a prefix can have.
    pub fn sites(&self) -> Vec<(Site, ModelShape)> {
        let decoder = (Site::Decoder, self.shape());
        match &self.architecture {
            Architecture::Gpt2(_) | Architecture::GptNeox(_) | Architecture::Llama(_) => vec![decoder],
            Architecture::T5(config) => {
                vec![(Site::Encoder, config.encoder_shape()), decoder, (Site::Cross, config.shape())]
            }
            Architecture::Bart(config) => {
                vec![(Site::Encoder, config.encoder_shape()), decoder, (Site::Cross, config.shape())]
            }
        }
    }

    /// The form in which the model takes rows.
    pub fn row_form(&self) -> RowForm {
        match &self.architecture {
            Architecture::Gpt2(_) | Architecture::GptNeox(_) | Architecture::Llama(_) => RowForm::OneText,
            Architecture::T5(config) => config.target_tokens().row_form(),
            Architecture::Bart(config) => config.target_tokens().row_form(),
        }
    }

    /// Numbers in the weights.
    pub fn parameters(&self) -> usize {
        match &self.architecture {
            Architecture::Gpt2(config) => config.parameters(),
            Architecture::GptNeox(config) => config.parameters(),
            Architecture::Llama(config) => config.parameters(),
            Architecture::T5(config) => config.parameters() + self.own_head(),
            Architecture::Bart(config) => config.parameters(),
        }
    }

    /// Numbers in a head that the files hold beside the embeddings.
    fn own_head(&self) -> usize {
        let shape = self.shape();
        if self.files.contains("lm_head.weight") { shape.vocab_size * shape.d_model } else { 0 }
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
        let sites = self.sites();
        let encoder = sites.iter().find(|(site, _)| *site == Site::Encoder);
        let encoder_layers = encoder.map_or(0, |(_, shape)| shape.n_layers);
        ModelSummary {
            folder: self.path.clone(),
            architecture: shape.architecture.to_owned(),
            n_layers: shape.n_layers,
            encoder_layers,
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
            Architecture::T5(config) => {
                return Ok(Model::Seq2Seq(Box::new(T5::load(config, files, device, progress)?)));
            }
            Architecture::Bart(config) => {
                return Ok(Model::Seq2Seq(Box::new(Bart::load(config, files, device, progress)?)));
            }
        };
        Ok(Model::Causal(causal))
    }
}
