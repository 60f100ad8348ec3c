//! What a run is, as data: the same structure in `run.toml`, in `runs/<id>/config.json` and behind the form.

mod training;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

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
    /// Matrices of low rank that are trained beside another method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<LoraConfig>,
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
    /// Names of the tasks that share a prompt, in the order of its matrices; empty where there is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<String>,
    /// The datasets that have a head of their own; `classes` are then those of one behind those of another. Empty where one
    /// head is for all rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heads: Vec<HeadRecord>,
}

/// A dataset with classes and a head of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadRecord {
    /// What the dataset is called.
    pub name: String,
    /// How many of the classes are its own.
    pub n_classes: usize,
}

impl TaskRecord {
    /// A task whose classes the rows will tell.
    pub fn of(task: Task) -> Self {
        Self { task, ..Self::default() }
    }

    /// Where the classes of each head begin and end; of one for all rows nothing.
    pub fn blocks(&self) -> Vec<Range<usize>> {
        let mut end = 0;
        let block = |head: &HeadRecord| {
            let begin = end;
            end += head.n_classes;
            begin..end
        };
        self.heads.iter().map(block).collect()
    }

    /// Refuses heads that do not share out the classes, as a damaged file may have them.
    ///
    /// # Errors
    /// The numbers, in words.
    pub fn check(&self) -> Result<(), String> {
        let sum = self.heads.iter().try_fold(0_usize, |sum, head| sum.checked_add(head.n_classes));
        let has_all = sum == Some(self.classes.len()) && self.heads.iter().all(|head| head.n_classes > 0);
        if self.heads.is_empty() || has_all {
            return Ok(());
        }
        Err(format!("its {} heads do not share out its {} classes", self.heads.len(), self.classes.len()))
    }
}

/// The rows, and how a row becomes tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Training rows: `.jsonl`, `.json`, `.csv`, `.tsv` or `.conll`.
    pub train: PathBuf,
    /// What the rows are called among others, as the task of a prompt for several; `None` is the file's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Other datasets that train the same prompt or prefix.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<MoreData>,
    /// How many rows of each there are in an epoch.
    #[serde(default, skip_serializing_if = "Mixing::is_by_size")]
    pub mixing: Mixing,
    /// Which of several datasets with classes share a head.
    #[serde(default, skip_serializing_if = "Heads::is_by_classes")]
    pub heads: Heads,
    /// Column of the task that a row belongs to, for a prompt of several; without it each dataset is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_column: Option<String>,
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
    /// `soft(3)` puts three soft tokens of the method there.
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

/// A dataset beside the first one. What it does not say is as there, but for the columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoreData {
    /// As [`DataConfig::train`].
    pub train: PathBuf,
    /// As [`DataConfig::validation`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<PathBuf>,
    /// As [`DataConfig::name`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// As [`DataConfig::source_column`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_column: Option<String>,
    /// As [`DataConfig::second_column`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_column: Option<String>,
    /// As [`DataConfig::target_column`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_column: Option<String>,
    /// As [`DataConfig::prompt_template`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_template: Option<String>,
    /// As [`DataConfig::target_template`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_template: Option<String>,
}

/// How many rows of each of several datasets there are in an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mixing {
    /// All that it has, once.
    #[default]
    Size,
    /// As many as the largest has: rows of a smaller one come several times.
    Even,
}

impl Mixing {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    fn is_by_size(&self) -> bool {
        *self == Self::Size
    }
}

/// Which of several datasets with classes share a head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Heads {
    /// All, where all have the same classes; otherwise each has its own.
    #[default]
    ByClasses,
    /// All: the classes are those of the first dataset, and rows of other classes are left out.
    Shared,
    /// None: the same name in two datasets is two classes.
    Each,
}

impl Heads {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    fn is_by_classes(&self) -> bool {
        *self == Self::ByClasses
    }
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
            name: None,
            more: Vec::new(),
            mixing: Mixing::Size,
            heads: Heads::ByClasses,
            task_column: None,
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

    /// What the rows are called among others.
    pub fn name_of_rows(&self) -> String {
        name_of(self.name.as_ref(), &self.train)
    }
}

impl MoreData {
    /// What the rows are called among others.
    pub fn name_of_rows(&self) -> String {
        name_of(self.name.as_ref(), &self.train)
    }
}

fn name_of(name: Option<&String>, file: &Path) -> String {
    let stem = || file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    name.cloned().unwrap_or_else(stem)
}

/// The tuning method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum MethodConfig {
    /// Li & Liang 2021; without a reparameterisation also P-tuning v2 (Liu et al. 2022).
    Prefix(PrefixConfig),
    /// Lester et al. 2021; with an encoder P-tuning v1 (Liu et al. 2021).
    Prompt(PromptConfig),
    /// Hu et al. 2021.
    Lora(LoraConfig),
    /// The model's own weights: all of them, those of the top layers, or none but the head's.
    Full(FullConfig),
    /// Words before every prompt, without training: what the others are judged against.
    Text(TextConfig),
}

impl MethodConfig {
    /// Its settings, if it is prefix tuning.
    pub fn prefix(&self) -> Option<&PrefixConfig> {
        match self {
            Self::Prefix(prefix) => Some(prefix),
            _ => None,
        }
    }

    /// Positions that it takes from the text.
    pub fn n_virtual(&self) -> usize {
        match self {
            Self::Prefix(prefix) => prefix.n_virtual,
            Self::Prompt(prompt) => prompt.n_virtual,
            Self::Lora(_) | Self::Full(_) | Self::Text(_) => 0,
        }
    }

    /// Whether soft tokens are others for each of several tasks.
    pub fn has_tasks(&self) -> bool {
        matches!(self, Self::Prompt(prompt) if prompt.tasks.is_some())
    }

    /// The same method with other initial values. Those of a prefix have the names of all methods.
    ///
    /// # Errors
    /// [`EngineError::Setting`] where the method has none of that name.
    pub fn with_init(&self, init: &PrefixInit) -> Result<Self> {
        let wrong = |reason: String| EngineError::Setting { field: "method.init", reason };
        match self {
            Self::Prefix(prefix) => Ok(Self::Prefix(PrefixConfig { init: init.clone(), ..prefix.clone() })),
            Self::Prompt(prompt) => {
                let named = serde_json::to_value(init).and_then(serde_json::from_value);
                let init = named.map_err(|error| wrong(format!("a soft prompt has others: {error}")))?;
                Ok(Self::Prompt(PromptConfig { init, ..prompt.clone() }))
            }
            Self::Lora(_) | Self::Full(_) | Self::Text(_) => {
                Err(wrong("only a prefix and a soft prompt have initial values to choose from".to_owned()))
            }
        }
    }

    /// Soft tokens that stand in the text.
    pub fn n_soft(&self) -> usize {
        match self {
            Self::Prompt(prompt) => prompt.n_virtual,
            Self::Prefix(_) | Self::Lora(_) | Self::Full(_) | Self::Text(_) => 0,
        }
    }
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
    /// So many slots at the beginning stay as they were initialised: a cartridge (PEFT: `num_frozen_tokens`). One keeps the
    /// place that models rest their attention on.
    #[serde(skip_serializing_if = "is_zero")]
    pub n_frozen: usize,
    /// Where the model gets a prefix; `None` is everywhere it can, which for a causal model is one place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sites: Option<Vec<Site>>,
}

impl Default for PrefixConfig {
    fn default() -> Self {
        Self {
            n_virtual: 20,
            reparameterisation: None,
            dropout: 0.0,
            init: PrefixInit::ScaledRandom,
            n_frozen: 0,
            sites: None,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(n: &usize) -> bool {
    *n == 0
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
    /// Keys and values of a text run through the model: copied, or with a reparameterisation fitted to. In a causal model
    /// no slot sees the text behind it, so that a long text gives what PEFT's `initialize_kv_prefix_from_text` does: it takes
    /// the first slots of the whole text, which it wants to be long enough, with the begin token or as a turn of the system;
    /// whoever wants these writes them out in the text.
    Words {
        /// The text; it is repeated or cut to the prefix length.
        text: String,
    },
    /// Keys and values of the first tokens of a long text, which an encoder has read to its end. As PEFT's
    /// `initialize_kv_prefix_from_text`, with a reparameterisation too.
    Prefill {
        /// The text; it must be at least as long as the prefix.
        text: String,
    },
    /// Keys and values of tokens drawn from the vocabulary, a slot for each, read as one text.
    Vocabulary,
    /// Keys and values of the tokens that the training rows have most often, read as one text.
    Frequent,
    /// Keys and values of the names of the classes, read as one text; what is left over is drawn from the vocabulary.
    Classes,
    /// Those of a trained adapter, repeated or cut to the length: copied, or with a reparameterisation fitted to.
    Adapter {
        /// Its folder or file, or the folder of its run.
        path: PathBuf,
    },
}

/// Prompt tuning: trained embeddings among those of the text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PromptConfig {
    /// Soft tokens (PEFT: `num_virtual_tokens`). They stand before the text, or where `soft(3)` of `data.prompt_template`
    /// puts them, which must be as many.
    pub n_virtual: usize,
    /// P-tuning's short form of such a template: `(3, sub, 3, obj)`. It takes the place of `n_virtual`, the prompt template
    /// and the columns before anything is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Train through a small network that is folded away afterwards: P-tuning v1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder: Option<PromptEncoder>,
    /// One prompt for several tasks, and a matrix of low rank for each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tasks: Option<PromptTasks>,
    /// Initial values.
    pub init: PromptInit,
}

impl Default for PromptConfig {
    fn default() -> Self {
        Self { n_virtual: 20, template: None, encoder: None, tasks: None, init: PromptInit::ScaledRandom }
    }
}

/// Multitask prompt tuning: the prompt of a task is one for all, times a matrix of low rank, number by number. Wang et al.
/// 2023, "Multitask Prompt Tuning Enables Parameter-Efficient Transfer Learning".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PromptTasks {
    /// Rank of a task's matrix (PEFT: `num_ranks`).
    pub ranks: usize,
    /// Initial values of the matrices.
    pub init: TaskFactors,
}

impl Default for PromptTasks {
    fn default() -> Self {
        Self { ranks: 1, init: TaskFactors::Shared }
    }
}

/// Initial values of the matrices of tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TaskFactors {
    /// About one everywhere: each task begins with what all share. The default; from the prompt of an adapter it is PEFT's
    /// `ONLY_SOURCE_SHARED`.
    Shared,
    /// Both factors N(0, 0.02), as PEFT: next to no prompt at first.
    Random,
    /// The mean of the factors of the adapter that `init` names (PEFT: `AVERAGE_SOURCE_TASKS`).
    Average,
    /// Those of one of its tasks (PEFT: `EXACT_SOURCE_TASK`).
    Exact {
        /// Its name.
        task: String,
    },
}

/// The network of P-tuning v1 between trained embeddings and the prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PromptEncoder {
    /// Its layers (PEFT: `encoder_reparameterization_type`).
    #[serde(rename = "type")]
    pub kind: PromptEncoderKind,
    /// Width of the hidden layers (PEFT: `encoder_hidden_size`); `None` is that of the embeddings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
    /// Layers of the LSTM (PEFT: `encoder_num_layers`).
    pub layers: usize,
}

impl Default for PromptEncoder {
    fn default() -> Self {
        Self { kind: PromptEncoderKind::Mlp, width: None, layers: 2 }
    }
}

/// Layers offered between trained embeddings and the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptEncoderKind {
    /// Linear, ReLU, linear, ReLU, linear.
    Mlp,
    /// LSTM in both directions, linear, ReLU, linear.
    Lstm,
}

/// Initial values of a soft prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PromptInit {
    /// N(0, 1), as PEFT: about fifty times too large for most models.
    Random,
    /// Random with the mean and spread of the model's embeddings, dimension by dimension. The default.
    ScaledRandom,
    /// Zeros.
    Zero,
    /// Embeddings of tokens drawn from the vocabulary.
    Vocabulary,
    /// Embeddings of the tokens that the training rows have most often.
    Frequent,
    /// Embeddings of the names of the classes, each the mean of its tokens; what is left over is drawn from the vocabulary.
    Classes,
    /// Embeddings of a text.
    Words {
        /// The text; it is repeated or cut to the length of the prompt.
        text: String,
    },
    /// The soft prompt of a trained adapter; it is repeated or cut to the length. The network of P-tuning is fitted to it.
    Adapter {
        /// Its folder.
        path: PathBuf,
    },
}

/// Matrices of low rank beside linear layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoraConfig {
    /// Rank (PEFT: `r`).
    pub rank: usize,
    /// What is added is scaled by `alpha / rank` (PEFT: `lora_alpha`).
    pub alpha: f64,
    /// Dropout on what the matrices read while training, 0 to 1.
    pub dropout: f64,
    /// Ends of the names of linear layers, such as `c_attn`, or patterns that a whole name must match; `None` is PEFT's
    /// choice for the architecture, `all-linear` every layer of the blocks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub targets: Option<Vec<String>>,
    /// Scale by `alpha / sqrt(rank)` instead. Kalajdzievski 2023 (PEFT: `use_rslora`).
    pub rank_stabilised: bool,
    /// Biases that are trained too.
    pub bias: LoraBias,
    /// Other ranks for layers whose names end in such a name or pattern; of several that fit the first in the alphabet.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rank_pattern: BTreeMap<String, usize>,
    /// Other alphas, likewise.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub alpha_pattern: BTreeMap<String, f64>,
    /// Initial values.
    #[serde(skip_serializing_if = "LoraInit::is_fresh")]
    pub init: LoraInit,
}

/// Initial values of matrices of low rank.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LoraInit {
    /// A drawn, B zeros: the base model at first.
    #[default]
    Fresh,
    /// Those of a trained adapter, of the same layers and ranks, with the biases beside them.
    Adapter {
        /// Its folder.
        path: PathBuf,
    },
}

impl LoraInit {
    fn is_fresh(&self) -> bool {
        *self == Self::Fresh
    }
}

impl Default for LoraConfig {
    fn default() -> Self {
        Self {
            rank: 8,
            alpha: 16.0,
            dropout: 0.0,
            targets: None,
            rank_stabilised: false,
            bias: LoraBias::None,
            rank_pattern: BTreeMap::new(),
            alpha_pattern: BTreeMap::new(),
            init: LoraInit::Fresh,
        }
    }
}

impl LoraConfig {
    /// What is added is scaled by this, in a layer of this rank and alpha.
    pub fn scale(&self, rank: usize, alpha: f64) -> f64 {
        let rank = rank as f64;
        alpha / if self.rank_stabilised { rank.sqrt() } else { rank }
    }
}

/// Biases that are trained beside matrices of low rank, as PEFT names the choices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoraBias {
    /// None.
    None,
    /// Every bias of the model.
    All,
    /// Those of the layers that have matrices.
    LoraOnly,
}

/// Training of the model's own weights.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FullConfig {
    /// Blocks that are trained, from the top, with the last norm; `None` is every weight, 0 none: the head of the task
    /// alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_layers: Option<usize>,
}

/// Words before every prompt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TextConfig {
    /// Said first, as it is.
    pub instruction: String,
    /// Training rows that follow it as examples, prompt and target, each with a blank line behind it.
    pub shots: usize,
}

impl RunConfig {
    /// Refuses settings that cannot work, by name and with the reason.
    ///
    /// # Errors
    /// [`EngineError::Setting`] for the first field that is wrong.
    pub fn check(&self) -> Result<()> {
        self.check_method()?;
        refuse(&[
            ((0.0..=0.9).contains(&self.data.validation_share), "data.validation_share", "must be between 0 and 0.9"),
            (self.data.max_tokens != Some(0), "data.max_tokens", "must be at least 1"),
        ])?;
        self.training.check()
    }

    fn check_method(&self) -> Result<()> {
        const SHARE: &str = "must be at least 0 and below 1";
        const WIDTH: &str = "must be between 1 and 65536";
        let lengths = |n: usize| {
            [
                (n >= 1, "method.n_virtual", "there must be at least one virtual token"),
                (n <= 4096, "method.n_virtual", "at most 4096 virtual tokens"),
            ]
        };
        match &self.method {
            MethodConfig::Prefix(prefix) => {
                let width = prefix.reparameterisation.as_ref().is_none_or(|r| (1..=65_536).contains(&r.width));
                refuse(&lengths(prefix.n_virtual))?;
                let (n_frozen, flat) = (prefix.n_frozen, prefix.reparameterisation.is_none());
                refuse(&[
                    (n_frozen < prefix.n_virtual, "method.n_frozen", "at least one slot must be trained"),
                    (n_frozen == 0 || flat, "method.n_frozen", "a network gives all slots or none"),
                    ((0.0..1.0).contains(&prefix.dropout), "method.dropout", SHARE),
                    (width, "method.reparameterisation.width", WIDTH),
                ])?;
            }
            MethodConfig::Prompt(prompt) => {
                let encoder = prompt.encoder.as_ref();
                let width = encoder.and_then(|encoder| encoder.width).is_none_or(|width| (1..=65_536).contains(&width));
                let layers = encoder.is_none_or(|encoder| (1..=8).contains(&encoder.layers));
                refuse(&lengths(prompt.n_virtual))?;
                let tasks = prompt.tasks.as_ref();
                let from_others = tasks.is_some_and(|tasks| {
                    matches!(tasks.init, TaskFactors::Average | TaskFactors::Exact { .. })
                        && !matches!(prompt.init, PromptInit::Adapter { .. })
                });
                refuse(&[
                    (encoder.is_none() || tasks.is_none(), "method.tasks", "a prompt behind a network has none"),
                    (
                        tasks.is_none_or(|tasks| (1..=4096).contains(&tasks.ranks)),
                        "method.tasks.ranks",
                        "must be between 1 and 4096",
                    ),
                    (!from_others, "method.tasks.init", "is taken from an adapter: name one in method.init"),
                    (width, "method.encoder.width", WIDTH),
                    (layers, "method.encoder.layers", "must be between 1 and 8"),
                ])?;
            }
            MethodConfig::Lora(_) | MethodConfig::Full(_) | MethodConfig::Text(_) => {}
        }
        let own = match &self.method {
            MethodConfig::Lora(lora) => Some(lora),
            _ => None,
        };
        for lora in own.into_iter().chain(&self.lora) {
            refuse(&[
                ((1..=4096).contains(&lora.rank), "lora.rank", "must be between 1 and 4096"),
                (lora.alpha.is_finite() && lora.alpha > 0.0, "lora.alpha", "must be a positive number"),
                (
                    lora.rank_pattern.values().all(|r| (1..=4096).contains(r)),
                    "lora.rank_pattern",
                    "must be between 1 and 4096",
                ),
                (
                    lora.alpha_pattern.values().all(|alpha| alpha.is_finite() && *alpha > 0.0),
                    "lora.alpha_pattern",
                    "must be positive numbers",
                ),
                ((0.0..1.0).contains(&lora.dropout), "lora.dropout", SHARE),
            ])?;
        }
        let beside = matches!(self.method, MethodConfig::Prefix(_) | MethodConfig::Prompt(_));
        refuse(&[(
            self.lora.is_none() || beside,
            "lora",
            "stands beside a prefix or a soft prompt; alone it is a method of its own",
        )])
    }
}
