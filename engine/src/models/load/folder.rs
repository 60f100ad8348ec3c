//! A model folder in Hugging Face's form, or a file in GGUF: which architecture it holds, its facts, and how it is loaded.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;

use super::memory::Packing;
use super::packed::packed_by;
use crate::config::Task;
use crate::error::Result;
use crate::models::load::catalog::{is_class_head, is_shared_table, is_weight};
use crate::models::load::{ConfigFile, gguf, place};
use crate::models::registry::{Architecture, Kind, ModelConfig, class_prefix};
use crate::models::{
    BaseModel, DropoutRates, Loading, Model, ModelShape, ModelSummary, PretrainedHead, Site, Weights, cannot,
};
use crate::nn::{Precision, Quantization};
use crate::tokens::TargetStart;
use crate::weights::WeightFiles;
use crate::weights::gguf::GgufFile;
use crate::{Sentence, sentence};

/// A model folder whose configuration is understood; weights are mapped, not read.
pub struct ModelFolder {
    /// Where it is.
    pub path: PathBuf,
    architecture: &'static Architecture,
    config: Box<dyn ModelConfig>,
    files: WeightFiles,
    /// Tasks that can be learned with it; first what it does by itself.
    tasks: Vec<Task>,
    own_head: Option<PretrainedHead>,
    /// Options of `config.json` that say something and are not looked at.
    unread_options: Vec<String>,
    dropout: DropoutRates,
}

impl ModelFolder {
    /// Reads `config.json` and opens the weight files, of the folder or of the snapshot that a hub's cache keeps in it; or
    /// opens a file in GGUF, which says both.
    ///
    /// # Errors
    /// A file is missing or damaged, the weights are packed, or the architecture is one we do not compute.
    pub fn open(path: &Path) -> Result<Self> {
        let path = &*place::resolved(path);
        if path.is_file() {
            let opened = GgufFile::open(path)?;
            let (options, views) = gguf::translate(&opened)?;
            return Self::of(path, &ConfigFile::new(options, path), || WeightFiles::of_gguf(opened, views));
        }
        let file = path.join("config.json");
        if !file.is_file() {
            return Err(place::not_a_model(path));
        }
        Self::of(path, &ConfigFile::open(&file)?, || {
            WeightFiles::open(path).map_err(|error| place::without_weights(path, error))
        })
    }

    fn of(path: &Path, file: &ConfigFile, weights: impl FnOnce() -> Result<WeightFiles>) -> Result<Self> {
        let architecture = Architecture::of(file)?;
        let config = (architecture.open)(file)?;
        let options = file.options();
        let files = match (packed_by(path, options)?, config.row_bits()) {
            (Some(by), _) => weights()?.with_packed(by, architecture.is_conv1d)?,
            (None, Some(bits)) => weights()?.with_scaled_rows(bits)?,
            (None, None) => weights()?,
        };
        let tasks = match architecture.kind {
            Kind::Causal => causal_tasks(options, config.is_tied(), &files),
            Kind::Encoder => encoder_tasks(options, &files),
            Kind::Seq2Seq => seq2seq_tasks(options, class_prefix(config.shape().architecture)),
        };
        let unread_options = file.unread();
        let dropout = DropoutRates::of(file.model_type()?, options);
        let path = path.to_owned();
        let mut folder = Self { path, architecture, config, files, tasks, own_head: None, unread_options, dropout };
        let (name, width) = (folder.shape().architecture, folder.head_width());
        folder.own_head = PretrainedHead::find(name, width, options, &folder.files);
        if let Some(PretrainedHead::Names { task: Task::Regression, .. }) = folder.own_head {
            folder.tasks.sort_by_key(|task| *task != Task::Regression);
        }
        Ok(folder)
    }

    /// Tasks that can be learned with it; first what it does by itself.
    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// Dropout of the model in training, by its configuration.
    pub fn dropout(&self) -> DropoutRates {
        self.dropout
    }

    /// The head for classes that the checkpoint was saved with.
    pub fn own_head(&self) -> Option<&PretrainedHead> {
        self.own_head.as_ref()
    }

    /// The task asked for, or what the model does.
    ///
    /// # Errors
    /// [`EngineError::Setting`](crate::error::EngineError::Setting) when the model cannot do it.
    pub fn task(&self, asked: Option<Task>) -> Result<Task> {
        let found = Task::of_model(asked, &self.tasks);
        found.ok_or_else(|| cannot(self.shape().architecture, asked.unwrap_or_default()))
    }

    /// The entry of its architecture.
    pub(crate) fn architecture(&self) -> &'static Architecture {
        self.architecture
    }

    /// The sizes.
    pub fn shape(&self) -> ModelShape {
        self.config.shape()
    }

    /// The sizes of each site that a prefix can have.
    pub fn sites(&self) -> Vec<(Site, ModelShape)> {
        self.architecture.sites(self.config.as_ref())
    }

    /// The token that stands between a prompt and what is written behind it, where the model cannot write without.
    pub fn answer_start(&self) -> Option<u32> {
        self.config.answer_start()
    }

    /// The tokens before a target; none where there is no source.
    pub fn target_start(&self) -> TargetStart {
        self.config.target_start()
    }

    /// Numbers in the weights: what the files list, a table that several places read once. An encoder's heads are among
    /// them, a causal model's head for classes is not.
    pub fn parameters(&self) -> usize {
        let is_encoder = self.architecture.kind == Kind::Encoder;
        let tied = self.config.is_tied().then_some(OWN_HEADS);
        let has_shared_table = self.files.shapes().any(|(name, _)| is_shared_table(name));
        let counts = |(name, shape): &(&str, &[usize])| {
            let is_copy = tied.is_some_and(|heads| heads.contains(name))
                || (has_shared_table && name.ends_with("embed_tokens.weight"));
            is_weight(name, shape) && !is_copy && self.config.is_weight(name) && (is_encoder || !is_class_head(name))
        };
        let weights = self.files.shapes().filter(counts);
        weights.map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }

    /// SHA-256 of the weights, in hexadecimal: what an adapter belongs to.
    pub fn hash(&self) -> String {
        self.files.hash()
    }

    /// The facts of the model.
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
            largest_tensor_bytes: self.largest_binding(Quantization::Stored),
            packing: Packing::of(self),
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
        self.config.build(weights, progress)
    }
}

/// Where causal models keep a head that is not their embeddings.
const OWN_HEADS: [&str; 2] = ["lm_head.weight", "embed_out.weight"];

/// A causal model goes on with a text and classifies. Saved with a head for classes it does that first, and if it lost the
/// head that writes, that alone.
fn causal_tasks(config: &serde_json::Value, is_tied: bool, files: &WeightFiles) -> Vec<Task> {
    let has_head = is_tied || OWN_HEADS.iter().any(|name| files.contains(name));
    if !has_head && files.contains("score.weight") {
        return vec![Task::SequenceClassification, Task::Regression];
    }
    let saved = config.pointer("/architectures/0").and_then(|name| name.as_str()).unwrap_or_default();
    let mut tasks = vec![Task::Causal, Task::SequenceClassification];
    if saved.ends_with("ForSequenceClassification") {
        tasks.reverse();
    }
    tasks.extend([Task::MultipleChoice, Task::Regression]);
    tasks
}

/// An encoder with a decoder writes; where transformers has a classifier of the model, it classifies too.
fn seq2seq_tasks(config: &serde_json::Value, classes: Option<&str>) -> Vec<Task> {
    let saved = config.pointer("/architectures/0").and_then(|name| name.as_str()).unwrap_or_default();
    let mut tasks = match classes {
        Some(_) if saved.ends_with("ForSequenceClassification") => vec![Task::SequenceClassification, Task::Seq2Seq],
        Some(_) => vec![Task::Seq2Seq, Task::SequenceClassification],
        None => vec![Task::Seq2Seq],
    };
    tasks.push(Task::MultipleChoice);
    tasks.extend(classes.map(|_| Task::Regression));
    tasks
}

/// Where checkpoints keep the head that fills masks.
const MASK_HEADS: [&str; 6] = [
    "cls.predictions.transform.dense.weight",
    "lm_head.dense.weight",
    "vocab_transform.weight",
    "generator_predictions.dense.weight",
    "predictions.dense.weight",
    "lm_predictions.lm_head.dense.weight",
];

/// An encoder classifies; it fills masks if its checkpoint has the head. What it was saved as comes first.
fn encoder_tasks(config: &serde_json::Value, files: &WeightFiles) -> Vec<Task> {
    let mut tasks = vec![Task::SequenceClassification, Task::TokenClassification, Task::QuestionAnswering];
    if MASK_HEADS.iter().any(|name| files.contains(name)) {
        tasks.push(Task::MaskedFill);
    }
    let saved = config.pointer("/architectures/0").and_then(|name| name.as_str()).unwrap_or_default();
    let first = match saved {
        name if name.ends_with("ForMaskedLM") => Task::MaskedFill,
        name if name.ends_with("ForTokenClassification") => Task::TokenClassification,
        name if name.ends_with("ForQuestionAnswering") => Task::QuestionAnswering,
        _ => Task::SequenceClassification,
    };
    tasks.sort_by_key(|task| *task != first);
    tasks.extend([Task::MultipleChoice, Task::Regression]);
    tasks
}
