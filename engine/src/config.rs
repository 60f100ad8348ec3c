//! What a run is, as data: the same structure in `run.toml`, in `runs/<id>/config.json` and behind the form.

mod training;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::adapters::PrefixShape;
use crate::device::DeviceChoice;
use crate::error::{EngineError, Result};
use crate::models::{ModelShape, Site};

pub(crate) use self::training::refuse;
pub use self::training::{
    AdafactorConfig, AdamConfig, LossReduction, OptimizerConfig, Schedule, SgdConfig, TrainingConfig,
};

/// Everything that decides what a run computes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// What people call the run.
    #[serde(default)]
    pub name: String,
    /// Folder of the base model, in Hugging Face's form.
    pub model: PathBuf,
    /// Where it is computed.
    #[serde(default)]
    pub device: DeviceChoice,
    /// Decides initial values, data order, dropout and samples.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// What is learned of a row; `None` is what the model does.
    #[serde(default)]
    pub task: Option<Task>,
    /// The rows, and how a row becomes tokens.
    pub data: DataConfig,
    /// What is trained.
    #[serde(default)]
    pub method: MethodConfig,
    /// How it is trained.
    #[serde(default)]
    pub training: TrainingConfig,
}

fn default_seed() -> u64 {
    42
}

/// What is learned of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// How its text goes on.
    #[default]
    Causal,
    /// The text that is written from a source.
    #[serde(rename = "seq2seq")]
    Seq2Seq,
    /// The class of its text, or of a pair of texts.
    SequenceClassification,
    /// The class of each of its words.
    TokenClassification,
    /// The token that a mask hides.
    MaskedFill,
}

impl Task {
    /// Whether a text is learned, token by token: one that can be generated afterwards.
    pub fn writes(self) -> bool {
        matches!(self, Self::Causal | Self::Seq2Seq)
    }

    /// Whether rows carry the names of classes, which a trained head tells apart.
    pub fn has_classes(self) -> bool {
        matches!(self, Self::SequenceClassification | Self::TokenClassification)
    }

    /// As configurations name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Causal => "causal",
            Self::Seq2Seq => "seq2seq",
            Self::SequenceClassification => "sequence_classification",
            Self::TokenClassification => "token_classification",
            Self::MaskedFill => "masked_fill",
        }
    }
}

/// A task with what its rows settle: `task.json` of an adapter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// Which.
    pub task: Task,
    /// Names of the classes, in the order of the head's scores; empty where there are none, or not yet.
    #[serde(default)]
    pub classes: Vec<String>,
}

impl TaskRecord {
    /// A task whose classes the rows will tell.
    pub fn of(task: Task) -> Self {
        Self { task, classes: Vec::new() }
    }
}

/// The rows, and how a row becomes tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Training rows: `.jsonl`, `.json`, `.csv`, `.tsv` or `.conll`.
    pub train: PathBuf,
    /// Validation rows; without them, `validation_share` of the training rows.
    #[serde(default)]
    pub validation: Option<PathBuf>,
    /// Share of the training rows kept for validation when there is no file of their own, 0 to 0.9.
    #[serde(default = "default_validation_share")]
    pub validation_share: f64,
    /// Use at most this many validation rows.
    #[serde(default = "default_validation_rows")]
    pub validation_rows: usize,
    /// Column that the prompt is made of; `None` takes the first of the usual names that is there.
    #[serde(default)]
    pub source_column: Option<String>,
    /// Column of the second text, where pairs are classified.
    #[serde(default)]
    pub second_column: Option<String>,
    /// Column that is to be learned, the class in classification; `None` takes the first of the usual names that is there.
    #[serde(default)]
    pub target_column: Option<String>,
    /// Text before the target: a minijinja template over `source`, `bos`, `eos` and every column of the row. No loss.
    #[serde(default = "default_prompt_template")]
    pub prompt_template: String,
    /// Text to be learned: a template over `target`, `bos`, `eos` and every column.
    #[serde(default = "default_target_template")]
    pub target_template: String,
    /// Ends every target with the model's end token, which is learned too.
    #[serde(default = "default_true")]
    pub append_end_token: bool,
    /// What puts the begin token before a prompt.
    #[serde(default)]
    pub begin_token: BeginToken,
    /// Writes the prompt as one turn of the user in the model's chat template and the target as the model's answer,
    /// with the token that ends a turn there.
    #[serde(default)]
    pub chat: bool,
    /// Longest row in tokens, prompt and target together; longer prompts lose their beginning, then targets their end.
    /// `None` is what the model has left beside the prefix.
    #[serde(default)]
    pub max_tokens: Option<usize>,
}

/// The paper's prompt, for GPT-2. Where the tokenizer begins texts itself, or in a chat, it is the source alone.
pub const DEFAULT_PROMPT_TEMPLATE: &str = "{{ source }}{{ bos }}";

/// What puts the begin token before a prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BeginToken {
    /// The tokenizer, if it does so for every text (LLaMA, OPT); the default for a new run.
    Tokenizer,
    /// The prompt template alone. Run folders that do not say were made so.
    #[default]
    Template,
}

fn default_validation_share() -> f64 {
    0.1
}
fn default_validation_rows() -> usize {
    500
}
fn default_prompt_template() -> String {
    DEFAULT_PROMPT_TEMPLATE.to_owned()
}
fn default_target_template() -> String {
    " {{ target }}".to_owned()
}
fn default_true() -> bool {
    true
}

impl DataConfig {
    /// The defaults for one file of rows.
    pub fn new(train: impl Into<PathBuf>) -> Self {
        Self {
            train: train.into(),
            validation: None,
            validation_share: default_validation_share(),
            validation_rows: default_validation_rows(),
            source_column: None,
            second_column: None,
            target_column: None,
            prompt_template: default_prompt_template(),
            target_template: default_target_template(),
            append_end_token: true,
            begin_token: BeginToken::Tokenizer,
            chat: false,
            max_tokens: None,
        }
    }
}

/// The tuning method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum MethodConfig {
    /// Li & Liang 2021.
    Prefix(PrefixConfig),
}

impl Default for MethodConfig {
    fn default() -> Self {
        Self::Prefix(PrefixConfig::default())
    }
}

/// Prefix tuning: trained keys and values that every layer attends to before the text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrefixConfig {
    /// Prefix length (PEFT: `num_virtual_tokens`).
    pub n_virtual: usize,
    /// Train through a small network that is folded away afterwards (PEFT: `prefix_projection`).
    pub reparameterisation: Option<Reparameterisation>,
    /// Dropout on the prefix's keys and values while training, 0 to 1.
    pub dropout: f64,
    /// Initial values.
    pub init: PrefixInit,
    /// Where the model gets a prefix; `None` is everywhere it can, which for a causal model is one place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sites: Option<Vec<Site>>,
}

impl Default for PrefixConfig {
    fn default() -> Self {
        Self { n_virtual: 20, reparameterisation: None, dropout: 0.0, init: PrefixInit::ScaledRandom, sites: None }
    }
}

impl PrefixConfig {
    /// Those of a model's sites that get a prefix, in the model's order.
    ///
    /// # Errors
    /// [`EngineError::Setting`] if none is left, or one is named that the model does not have.
    pub fn sites_of(&self, model: &[(Site, ModelShape)]) -> Result<Vec<(Site, PrefixShape)>> {
        let wrong = |reason: String| Err(EngineError::Setting { field: "method.sites", reason });
        let known = |site: &Site| model.iter().any(|(other, _)| other == site);
        if let Some(site) = self.sites.iter().flatten().find(|site| !known(site)) {
            return wrong(format!("this model has no {}; leave the setting out", site.name()));
        }
        let chosen = |site: &Site| self.sites.as_ref().is_none_or(|sites| sites.contains(site));
        let sites: Vec<_> = model
            .iter()
            .filter(|(site, _)| chosen(site))
            .map(|(site, shape)| (*site, PrefixShape::new(self.n_virtual, shape)))
            .collect();
        if sites.is_empty() {
            return wrong("at least one place needs a prefix".to_owned());
        }
        Ok(sites)
    }
}

/// The network of Li & Liang: embedding, linear, activation, linear.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reparameterisation {
    /// Width of the hidden layer (PEFT: `encoder_hidden_size`).
    pub width: usize,
    /// Between the two linear layers; the paper's and PEFT's is tanh.
    pub activation: MlpActivation,
}

impl Default for Reparameterisation {
    fn default() -> Self {
        Self { width: 512, activation: MlpActivation::Tanh }
    }
}

/// Activations offered between the linear layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MlpActivation {
    /// The paper's.
    Tanh,
    /// Rectified linear.
    Relu,
    /// Gaussian error linear unit.
    Gelu,
}

/// Initial values of a prefix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PrefixInit {
    /// N(0, 1), as PEFT: about fifty times too large for most models.
    Random,
    /// Random with the mean and spread of real keys and values, per layer and head. The default.
    ScaledRandom,
    /// Zeros; not the base model, since the slots still take attention.
    Zero,
    /// Keys and values of a text run through the model: copied, or with a reparameterisation fitted to.
    Words {
        /// The text; it is repeated or cut to the prefix length.
        text: String,
    },
}

impl RunConfig {
    /// Refuses settings that cannot work, by name and with the reason.
    ///
    /// # Errors
    /// [`EngineError::Setting`] for the first field that is wrong.
    pub fn check(&self) -> Result<()> {
        let MethodConfig::Prefix(prefix) = &self.method;
        refuse(&[
            (prefix.n_virtual >= 1, "method.n_virtual", "the prefix needs at least one virtual token"),
            (prefix.n_virtual <= 4096, "method.n_virtual", "at most 4096 virtual tokens"),
            ((0.0..1.0).contains(&prefix.dropout), "method.dropout", "must be at least 0 and below 1"),
            (
                prefix.reparameterisation.as_ref().is_none_or(|r| (1..=65_536).contains(&r.width)),
                "method.reparameterisation.width",
                "must be between 1 and 65536",
            ),
            ((0.0..=0.9).contains(&self.data.validation_share), "data.validation_share", "must be between 0 and 0.9"),
            (self.data.max_tokens != Some(0), "data.max_tokens", "must be at least 1"),
        ])?;
        self.training.check()
    }
}
