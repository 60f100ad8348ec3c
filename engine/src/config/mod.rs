//! A run as data: the same structure in `run.toml`, in `runs/<id>/config.json` and behind the form.

mod candidates;
mod data;
mod distillation;
mod generation;
mod lora;
mod method;
mod optimizer;
mod prefix;
mod prompt;
mod rules;
mod schedule;
pub mod schema;
mod site;
mod strength;
mod tagged;
mod task;
mod training;
mod weights;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use self::candidates::{CandidateLoss, CandidateScore, CandidateSource};
pub use self::data::{
    BeginToken, DEFAULT_PROMPT_TEMPLATE, DataConfig, FormRecognition, Heads, LearnedTurns, Mixing, MoreData,
    References, TextUnit, Truncate,
};
pub use self::distillation::DistillationConfig;
pub use self::generation::{Beams, EarlyStopping, Sampling};
pub use self::lora::{LoraBias, LoraConfig, LoraInit};
pub use self::method::{FewShotConfig, FullConfig, MethodConfig};
pub use self::optimizer::{AdafactorConfig, AdamConfig, OptimizerConfig, SgdConfig};
pub use self::prefix::{MlpActivation, PrefixConfig, PrefixInit, Reparameterization};
pub use self::prompt::{PromptConfig, PromptEncoder, PromptEncoderKind, PromptInit, PromptTasks, TaskFactors};
pub(crate) use self::rules::{ROWS, refuse};
pub use self::schedule::Schedule;
pub use self::site::Site;
pub use self::strength::Strength;
pub use self::task::{HeadInit, HeadRecord, MAX_CLASSES, Task, TaskRecord};
pub(crate) use self::training::MAX_ROWS_OF_A_STEP;
pub use self::training::{EpochEnd, LossReduction, TrainingConfig, WeightDecayOn};
pub use self::weights::WeightsConfig;
use crate::device::DeviceChoice;
use crate::error::Result;
use crate::nn::{MatrixNumbers, Precision, Quantization};
use crate::sentence;

/// Everything that decides what a run computes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Name for people.
    #[serde(default)]
    pub name: String,
    /// Folder of the base model, in Hugging Face's form.
    pub model: PathBuf,
    /// Where it is computed.
    #[serde(default)]
    pub device: DeviceChoice,
    /// Precision in which the model's matrices are multiplied.
    #[serde(default, skip_serializing_if = "Precision::is_f32")]
    pub precision: Precision,
    /// How the matrices of the base model are kept.
    #[serde(default, skip_serializing_if = "Quantization::is_stored")]
    pub quantization: Quantization,
    /// Decides initial values, data order, dropout and samples.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// The task; `None` is what the model does.
    #[serde(default)]
    pub task: Option<Task>,
    /// Where the head of a task with classes begins.
    #[serde(default, skip_serializing_if = "HeadInit::is_checkpoint")]
    pub head: HeadInit,
    /// The rows, and how a row becomes tokens.
    pub data: DataConfig,
    /// The tuning method.
    #[serde(default)]
    pub method: MethodConfig,
    /// Matrices of low rank that are trained beside another method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<LoraConfig>,
    /// Weights of the model itself that are trained beside another method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsConfig>,
    /// Steps, rates, optimizer.
    #[serde(default)]
    pub training: TrainingConfig,
    /// How texts are written where they are scored.
    #[serde(default)]
    pub generation: Sampling,
}

fn default_seed() -> u64 {
    42
}

impl RunConfig {
    /// A run with the defaults of everything but model and rows.
    pub fn new(model: impl Into<PathBuf>, data: DataConfig) -> Self {
        Self {
            name: String::new(),
            model: model.into(),
            device: DeviceChoice::default(),
            precision: Precision::default(),
            quantization: Quantization::default(),
            seed: default_seed(),
            task: None,
            head: HeadInit::default(),
            data,
            method: MethodConfig::default(),
            lora: None,
            weights: None,
            training: TrainingConfig::default(),
            generation: Sampling::default(),
        }
    }

    /// The methods that it trains together, what stands beside the other one last.
    pub fn methods(&self) -> Vec<MethodConfig> {
        let lora = self.lora.clone().map(MethodConfig::Lora);
        let weights = self.weights.as_ref().map(|weights| MethodConfig::Full(weights.full()));
        std::iter::once(self.method.clone()).chain(lora).chain(weights).collect()
    }

    /// In what the matrices of the base model are kept and multiplied.
    pub fn numbers(&self) -> MatrixNumbers {
        MatrixNumbers { precision: self.precision, quantization: self.quantization }
    }

    /// Whether weights of the model itself are trained, so that each checkpoint has them.
    pub fn trains_weights(&self) -> bool {
        self.weights.is_some() || matches!(self.method, MethodConfig::Full(_))
    }

    /// Refuses settings that cannot work, by name and with the reason.
    ///
    /// # Errors
    /// [`EngineError::Setting`](crate::error::EngineError::Setting) for the first field that is wrong.
    pub fn check(&self) -> Result<()> {
        self.method.check()?;
        if let Some(lora) = &self.lora {
            lora.check()?;
        }
        if let Some(weights) = &self.weights {
            weights.check()?;
        }
        let own_rate = matches!(&self.method, MethodConfig::Lora(lora) if lora.learning_rate.is_some());
        let beside = matches!(self.method, MethodConfig::Prefix(_) | MethodConfig::Prompt(_));
        let puts_tokens = matches!(self.method, MethodConfig::Prompt(_) | MethodConfig::FewShot(_));
        refuse(&[
            (
                self.lora.is_none() || beside,
                "lora",
                sentence!("stands beside a prefix or a soft prompt; alone it is a method of its own"),
            ),
            (
                self.weights.is_none() || beside,
                "weights",
                sentence!("stand beside a prefix or a soft prompt; alone they are a method of their own, full"),
            ),
            (
                self.weights.is_none() || self.lora.is_none(),
                "weights",
                sentence!("LoRA trains whole modules by itself: name them in lora.modules_to_save"),
            ),
            (
                self.training.distillation.is_none() || self.training.candidate_loss == CandidateLoss::Right,
                "training.distillation",
                sentence!("a teacher says tokens; candidates are compared without one"),
            ),
            (
                self.training.distillation.is_none() || !puts_tokens,
                "training.distillation",
                sentence!(
                    "what the method puts into the text means nothing to a teacher; train a prefix, LoRA or weights"
                ),
            ),
            (!own_rate, "method.learning_rate", sentence!("alone it learns at training.learning_rate")),
            (
                (0.0..=0.9).contains(&self.data.validation_share),
                "data.validation_share",
                sentence!("must be between 0 and 0.9"),
            ),
            (
                self.data.max_tokens.is_none_or(|tokens| (1..=rules::MAX_TOKENS).contains(&tokens)),
                "data.max_tokens",
                sentence!("must be between 1 and 1048576"),
            ),
            (
                self.data.stride.is_none_or(|tokens| tokens <= rules::MAX_TOKENS),
                "data.stride",
                sentence!("must be at most 1048576"),
            ),
            (
                self.data.train_rows.is_none_or(|rows| rows > 0.0 && (rows < 1.0 || rows.fract() == 0.0)),
                "data.train_rows",
                sentence!("must be a share between 0 and 1, or a whole number of rows"),
            ),
        ])?;
        self.generation.check()?;
        self.training.check()
    }
}
