//! A model folder in Hugging Face's form: which architecture it holds, its facts, and how it is loaded.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;

use crate::config::Task;
use crate::error::{EngineError, Result};
use crate::models::architectures::bart::{self, Bart, BartConfig};
use crate::models::architectures::bert_family::{EncoderConfig, albert, bert, distilbert, electra, roberta};
use crate::models::architectures::bloom::{Bloom, BloomConfig};
use crate::models::architectures::glm::{self, Glm, GlmConfig};
use crate::models::architectures::gpt_neo::{GptNeo, GptNeoConfig};
use crate::models::architectures::gpt_neox::{GptNeox, GptNeoxConfig};
use crate::models::architectures::gpt2::{Gpt2, Gpt2Config};
use crate::models::architectures::llama::{self, Llama, LlamaConfig};
use crate::models::architectures::opt::{Opt, OptConfig};
use crate::models::architectures::t5::{self, T5, T5Config};
use crate::models::load::{ConfigFile, place};
use crate::models::{
    BaseModel, CausalModel, Loading, Model, ModelShape, ModelSummary, PretrainedHead, Site, Weights, cannot,
};
use crate::nn::Precision;
use crate::tokens::TargetStart;
use crate::weights::WeightFiles;
use crate::{Sentence, sentence};

/// The architectures that `config.json` may name.
const KNOWN: &str = "bloom, glm, glm4, gpt2, gpt_neo, gpt_neox, llama, mistral, opt, qwen2, qwen3; \
    encoders: albert, bert, camembert, distilbert, electra, roberta, xlm-roberta; \
    encoders with a decoder: bart, mbart, mt5, pegasus, t5";

/// Encoders whose options have BERT's names, and the architecture that computes them: those that were built upon RoBERTa
/// differ in their tokenizers alone.
const ENCODERS: [(&str, &str); 6] = [
    ("albert", "albert"),
    ("bert", "bert"),
    ("camembert", "roberta"),
    ("electra", "electra"),
    ("roberta", "roberta"),
    ("xlm-roberta", "roberta"),
];

enum Architecture {
    Bloom(BloomConfig),
    Glm(Box<GlmConfig>),
    Gpt2(Gpt2Config),
    GptNeo(Box<GptNeoConfig>),
    GptNeox(Box<GptNeoxConfig>),
    Llama(Box<LlamaConfig>),
    Opt(OptConfig),
    Encoder(Box<EncoderConfig>),
    T5(Box<T5Config>),
    Bart(Box<BartConfig>),
}

impl Architecture {
    /// As `config.json` describes it.
    fn of(file: &ConfigFile) -> Result<Self> {
        Ok(match file.model_type()? {
            "bloom" => Self::Bloom(BloomConfig::parse(file)?),
            "gpt2" => Self::Gpt2(Gpt2Config::parse(file)?),
            "gpt_neo" => Self::GptNeo(Box::new(GptNeoConfig::parse(file)?)),
            "gpt_neox" => Self::GptNeox(Box::new(GptNeoxConfig::parse(file)?)),
            "opt" => Self::Opt(OptConfig::parse(file)?),
            family if glm::MODEL_TYPES.contains(&family) => Self::Glm(Box::new(GlmConfig::parse(file)?)),
            family if llama::MODEL_TYPES.contains(&family) => Self::Llama(Box::new(LlamaConfig::parse(file)?)),
            family if t5::MODEL_TYPES.contains(&family) => Self::T5(Box::new(T5Config::parse(file)?)),
            family if bart::MODEL_TYPES.contains(&family) => Self::Bart(Box::new(BartConfig::parse(file)?)),
            "distilbert" => Self::Encoder(Box::new(distilbert::parse(file)?)),
            family if let Some((_, known)) = ENCODERS.iter().find(|(name, _)| *name == family) => {
                Self::Encoder(Box::new(EncoderConfig::parse(known, file, &[])?))
            }
            other => return Err(EngineError::UnknownArchitecture { found: other.to_owned(), known: KNOWN }),
        })
    }

    /// Whether what a causal model writes with are its embeddings.
    fn is_tied(&self) -> bool {
        match self {
            Self::Bloom(config) => config.tie_word_embeddings,
            Self::Glm(config) => config.tie_word_embeddings,
            Self::Gpt2(config) => config.tie_word_embeddings,
            Self::GptNeo(config) => config.tie_word_embeddings,
            Self::GptNeox(config) => config.tie_word_embeddings,
            Self::Llama(config) => config.tie_word_embeddings,
            Self::Opt(config) => config.tie_word_embeddings,
            Self::Encoder(_) | Self::T5(_) | Self::Bart(_) => false,
        }
    }
}

/// A model folder whose configuration is understood; weights are mapped, not read.
pub struct ModelFolder {
    /// Where it is.
    pub path: PathBuf,
    architecture: Architecture,
    files: WeightFiles,
    /// What can be learned with it; first what it does by itself.
    tasks: Vec<Task>,
    own_head: Option<PretrainedHead>,
    /// Options of `config.json` that say something and are not looked at.
    unread_options: Vec<String>,
}

impl ModelFolder {
    /// Reads `config.json` and opens the weight files, of the folder or of the snapshot that a hub's cache keeps in it.
    ///
    /// # Errors
    /// A file is missing or damaged, the weights are packed, or the architecture is one we do not compute.
    pub fn open(path: &Path) -> Result<Self> {
        let path = &*place::resolved(path);
        let file = path.join("config.json");
        if !file.is_file() {
            return Err(place::not_a_model(path));
        }
        let file = ConfigFile::open(&file)?;
        let architecture = Architecture::of(&file)?;
        place::refuse_packed(path, file.options())?;
        let files = WeightFiles::open(path).map_err(|error| place::without_weights(path, error))?;
        let config = file.options();
        let tasks = match &architecture {
            Architecture::Encoder(_) => encoder_tasks(config, &files),
            Architecture::T5(_) | Architecture::Bart(_) => vec![Task::Seq2Seq],
            causal => causal_tasks(config, causal.is_tied(), &files),
        };
        let unread_options = file.unread();
        let mut folder = Self { path: path.to_owned(), architecture, files, tasks, own_head: None, unread_options };
        let (architecture, width) = (folder.shape().architecture, folder.head_width());
        folder.own_head = PretrainedHead::find(architecture, width, config, &folder.files);
        Ok(folder)
    }

    /// What can be learned with it; first what it does by itself.
    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// The head for classes that the checkpoint was saved with.
    pub fn own_head(&self) -> Option<&PretrainedHead> {
        self.own_head.as_ref()
    }

    /// The task asked for, or what the model does.
    ///
    /// # Errors
    /// [`EngineError::Setting`] when the model cannot do it.
    pub fn task(&self, asked: Option<Task>) -> Result<Task> {
        match asked {
            Some(task) if !self.tasks.contains(&task) => Err(cannot(self.shape().architecture, task)),
            Some(task) => Ok(task),
            None => Ok(self.tasks[0]),
        }
    }

    /// The sizes.
    pub fn shape(&self) -> ModelShape {
        match &self.architecture {
            Architecture::Bloom(config) => config.shape(),
            Architecture::Glm(config) => config.shape(),
            Architecture::Gpt2(config) => config.shape(),
            Architecture::GptNeo(config) => config.shape(),
            Architecture::GptNeox(config) => config.shape(),
            Architecture::Llama(config) => config.shape(),
            Architecture::Opt(config) => config.shape(),
            Architecture::Encoder(config) => config.shape(),
            Architecture::T5(config) => config.shape(),
            Architecture::Bart(config) => config.shape(),
        }
    }

    /// The sizes of each site that a prefix can have.
    pub fn sites(&self) -> Vec<(Site, ModelShape)> {
        let shape = self.shape();
        let encoder = match &self.architecture {
            Architecture::Encoder(_) => return vec![(Site::Encoder, shape)],
            Architecture::T5(config) => config.encoder_shape(),
            Architecture::Bart(config) => config.encoder_shape(),
            _ => return vec![(Site::Decoder, shape)],
        };
        vec![(Site::Encoder, encoder), (Site::Decoder, shape.clone()), (Site::Cross, shape)]
    }

    /// What stands before a target; nothing where there is no source.
    pub fn target_start(&self) -> TargetStart {
        match &self.architecture {
            Architecture::T5(config) => config.target_tokens().before_labels(),
            Architecture::Bart(config) => config.target_tokens().before_labels(),
            _ => TargetStart::default(),
        }
    }

    /// Numbers in the weights.
    pub fn parameters(&self) -> usize {
        match &self.architecture {
            Architecture::Bloom(config) => config.parameters(),
            Architecture::Glm(config) => config.parameters(),
            Architecture::Gpt2(config) => config.parameters(),
            Architecture::GptNeo(config) => config.parameters(),
            Architecture::GptNeox(config) => config.parameters(),
            Architecture::Llama(config) => config.parameters(),
            Architecture::Opt(config) => config.parameters(),
            // What the files hold, heads too; position ids are no weights.
            Architecture::Encoder(_) => {
                let weights = self.files.shapes().filter(|(name, _)| !name.ends_with("position_ids"));
                weights.map(|(_, shape)| shape.iter().product::<usize>()).sum()
            }
            Architecture::T5(config) => config.parameters() + self.writing_head(),
            Architecture::Bart(config) => config.parameters(),
        }
    }

    /// Numbers in a head that the files hold beside the embeddings.
    fn writing_head(&self) -> usize {
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
        let encoder = sites.iter().find(|(site, _)| *site == Site::Encoder && sites.len() > 1);
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
            tasks: self.tasks.clone(),
            own_head: self.own_head.clone(),
            embedding_width: self.embedding_width(),
            weights: self.list_weights(),
            linears: self.list_linears(),
            notice: self.options_notice(),
        }
    }

    /// Options of `config.json` that say something and are not looked at, a sentence; nothing where there are none.
    pub fn options_notice(&self) -> Option<Sentence> {
        let options = &self.unread_options;
        (!options.is_empty()).then(|| {
            sentence!(
                "config.json has options that are not looked at, and may mean other numbers: {options}",
                options = options.join(", ")
            )
        })
    }

    /// The weight files.
    pub fn files(&self) -> &WeightFiles {
        &self.files
    }

    /// Brings the model onto the device, to be multiplied in f32; `progress` hears the share done.
    ///
    /// # Errors
    /// A weight that is missing, has another shape, or is not finite.
    pub fn load(self, device: &Device, progress: &mut Loading<'_>) -> Result<BaseModel> {
        BaseModel::load(Arc::new(self), (device, Precision::F32), progress)
    }

    /// A model of these weights; `progress` hears the share done.
    ///
    /// # Errors
    /// A weight that is missing, has another shape, or is not finite.
    pub fn build(&self, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Model> {
        let causal: Box<dyn CausalModel> = match &self.architecture {
            Architecture::Bloom(config) => Box::new(Bloom::load(config, weights, progress)?),
            Architecture::Glm(config) => Box::new(Glm::load(config, weights, progress)?),
            Architecture::Gpt2(config) => Box::new(Gpt2::load(config, weights, progress)?),
            Architecture::GptNeo(config) => Box::new(GptNeo::load(config, weights, progress)?),
            Architecture::GptNeox(config) => Box::new(GptNeox::load(config, weights, progress)?),
            Architecture::Llama(config) => Box::new(Llama::load(config, weights, progress)?),
            Architecture::Opt(config) => Box::new(Opt::load(config, weights, progress)?),
            Architecture::Encoder(config) => {
                let load = match config.shape().architecture {
                    "albert" => albert::load,
                    "distilbert" => distilbert::load,
                    "electra" => electra::load,
                    "roberta" => roberta::load,
                    _ => bert::load,
                };
                let model = load(config, weights, progress)?;
                progress(1.0)?;
                return Ok(Model::Encoder(Box::new(model)));
            }
            Architecture::T5(config) => {
                return Ok(Model::Seq2Seq(Box::new(T5::load(config, weights, progress)?)));
            }
            Architecture::Bart(config) => {
                return Ok(Model::Seq2Seq(Box::new(Bart::load(config, weights, progress)?)));
            }
        };
        Ok(Model::Causal(causal))
    }
}

/// Where causal models keep a head that is not their embeddings.
const OWN_HEADS: [&str; 2] = ["lm_head.weight", "embed_out.weight"];

/// A causal model goes on with a text and classifies. Saved with a head for classes it does that first, and if it lost the
/// head that writes, that alone.
fn causal_tasks(config: &serde_json::Value, is_tied: bool, files: &WeightFiles) -> Vec<Task> {
    let has_head = is_tied || OWN_HEADS.iter().any(|name| files.contains(name));
    if !has_head && files.contains("score.weight") {
        return vec![Task::SequenceClassification];
    }
    let saved = config.pointer("/architectures/0").and_then(|name| name.as_str()).unwrap_or_default();
    let mut tasks = vec![Task::Causal, Task::SequenceClassification];
    if saved.ends_with("ForSequenceClassification") {
        tasks.reverse();
    }
    tasks
}

/// Where checkpoints keep the head that fills masks.
const MASK_HEADS: [&str; 5] = [
    "cls.predictions.transform.dense.weight",
    "lm_head.dense.weight",
    "vocab_transform.weight",
    "generator_predictions.dense.weight",
    "predictions.dense.weight",
];

/// An encoder classifies; it fills masks if its checkpoint has the head. What it was saved as comes first.
fn encoder_tasks(config: &serde_json::Value, files: &WeightFiles) -> Vec<Task> {
    let mut tasks = vec![Task::SequenceClassification, Task::TokenClassification];
    if MASK_HEADS.iter().any(|name| files.contains(name)) {
        tasks.push(Task::MaskedFill);
    }
    let saved = config.pointer("/architectures/0").and_then(|name| name.as_str()).unwrap_or_default();
    let first = match saved {
        name if name.ends_with("ForMaskedLM") => Task::MaskedFill,
        name if name.ends_with("ForTokenClassification") => Task::TokenClassification,
        _ => Task::SequenceClassification,
    };
    tasks.sort_by_key(|task| *task != first);
    tasks
}
