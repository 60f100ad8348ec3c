//! The form of a new run as it is typed. What it lacks to be one: [`RunForm::check`].

mod choices;
mod rate;

use std::path::{Path, PathBuf};

use engine::config::{
    DataConfig, HeadInit, LossReduction, MethodConfig, MlpActivation, PrefixConfig, Reparameterisation, RunConfig,
    Task, TrainingConfig,
};
use engine::device::DeviceChoice;
use engine::models::ModelSummary;
use engine::models::Site;
use engine::nn::Precision;
use engine::recipes::{Form, Scale, recommended_learning_rate};
use serde::{Deserialize, Serialize};

pub use self::choices::{InitKind, LengthUnit, WarmUp};
use super::check::{Field, Issue};
use super::tuning::{MethodKind, Tuning};
use crate::home::typed;
use crate::i18n::tell;
use crate::layer_list;
use crate::workspace::default_name;

/// The form as it is typed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunForm {
    /// Empty takes a name from method and data.
    pub name: String,
    /// Folder of the base model.
    pub model: String,
    /// What is learned of a row; `None` is what the model does.
    pub task: Option<Task>,
    /// Where a head begins, in a task that has one.
    pub head: HeadInit,
    /// Training rows.
    pub train: String,
    /// Validation rows, or nothing.
    pub validation: String,
    /// Somebody chose them: they no longer follow the training rows.
    pub validation_chosen: bool,
    /// Templates, columns and limits; its paths are those above.
    pub data: DataConfig,
    /// Whether rows are cut at a limit of the user's.
    pub limit_tokens: bool,
    /// That limit.
    pub max_tokens: usize,
    /// What is trained, and the settings of everything that is no prefix.
    pub tuning: Tuning,
    /// Prefix length.
    pub n_virtual: usize,
    /// Train through a network.
    pub reparameterise: bool,
    /// So many virtual tokens at the beginning of a prefix without network stay as they were initialised.
    pub n_frozen: usize,
    /// Its width.
    pub width: usize,
    /// Its activation.
    pub activation: MlpActivation,
    /// Dropout on the prefix.
    pub dropout: f64,
    /// Initial values.
    pub init: InitKind,
    /// The text of [`InitKind::Words`] and [`InitKind::Prefill`], or the folder of [`InitKind::Adapter`].
    pub words: String,
    /// Hidden layers of the network, 1 or 2.
    pub hidden_layers: usize,
    /// Where a model with an encoder gets a prefix.
    pub sites: Vec<Site>,
    /// The layers that get one, counted from 1, as `1-4, 9`; nothing is all.
    pub layers: String,
    /// Between prompt and target, where a model goes on with its text.
    pub infix: bool,
    /// What decides the length.
    #[serde(alias = "extent")]
    pub length_unit: LengthUnit,
    /// Steps, epochs, batch and everything else that needs no text field.
    pub training: TrainingConfig,
    /// The learning rate as it is typed.
    pub learning_rate: String,
    /// The user typed it: it no longer follows method, optimizer and model.
    pub rate_edited: bool,
    /// How large the model is, once that is known.
    pub scale: Option<Scale>,
    /// How the warm-up is given.
    pub warm_up: WarmUp,
    /// Clip the gradient.
    pub clip: bool,
    /// Its largest norm.
    pub clip_norm: f64,
    /// Stop early.
    pub early_stopping: bool,
    /// After so many evaluations.
    pub patience: usize,
    /// Decides everything that is random.
    pub seed: u64,
    /// Where it is computed.
    pub device: DeviceChoice,
    /// In what.
    pub precision: Precision,
}

impl Default for RunForm {
    fn default() -> Self {
        let data = DataConfig::new("");
        Self::from(&RunConfig::new(PathBuf::new(), data))
    }
}

impl From<&RunConfig> for RunForm {
    fn from(config: &RunConfig) -> Self {
        let prefix = config.method.prefix().cloned().unwrap_or_default();
        let network = prefix.reparameterisation.clone();
        let reparameterise = network.is_some();
        let network = network.unwrap_or_default();
        let (init, words) = InitKind::of(&prefix.init);
        let training = config.training.clone();
        let kind = Form::of(&config.method, config.task);
        let usual = |scale| recommended_learning_rate(kind, &training.optimizer, scale);
        let is_usual = |scale| (training.learning_rate - usual(scale)).abs() < 1e-12;
        Self {
            name: config.name.clone(),
            model: config.model.display().to_string(),
            task: config.task,
            head: config.head,
            train: config.data.train.display().to_string(),
            validation_chosen: false,
            validation: config.data.validation.as_deref().map(Path::display).map(|p| p.to_string()).unwrap_or_default(),
            limit_tokens: config.data.max_tokens.is_some(),
            max_tokens: config.data.max_tokens.unwrap_or(256),
            data: config.data.clone(),
            tuning: Tuning::from(config),
            n_virtual: prefix.n_virtual,
            reparameterise,
            n_frozen: prefix.n_frozen,
            width: network.width,
            activation: network.activation,
            dropout: prefix.dropout,
            init,
            words,
            hidden_layers: network.hidden_layers,
            sites: prefix.sites.clone().unwrap_or_else(|| Site::ALL.to_vec()),
            layers: prefix.layers.as_deref().map(layer_list::to_text).unwrap_or_default(),
            infix: prefix.infix,
            length_unit: if training.steps > 0 { LengthUnit::Steps } else { LengthUnit::Epochs },
            learning_rate: crate::format::scientific(training.learning_rate),
            rate_edited: !Scale::ALL.into_iter().any(is_usual),
            scale: None,
            warm_up: if training.warmup_share > 0.0 { WarmUp::Share } else { WarmUp::Steps },
            clip: training.clip_norm.is_some(),
            clip_norm: training.clip_norm.unwrap_or(1.0),
            early_stopping: training.patience.is_some(),
            patience: training.patience.unwrap_or(3),
            training,
            seed: config.seed,
            device: config.device,
            precision: config.precision,
        }
    }
}

impl RunForm {
    /// The task asked for, or what the model does.
    pub fn shown_task(&self, model: Option<&ModelSummary>) -> Task {
        self.task.or_else(|| model.and_then(|model| model.tasks.first().copied())).unwrap_or_default()
    }

    /// The rows as the engine is asked for them.
    pub fn data_config(&self) -> DataConfig {
        DataConfig {
            train: typed(&self.train),
            validation: Some(self.validation.trim()).filter(|path| !path.is_empty()).map(typed),
            max_tokens: self.limit_tokens.then_some(self.max_tokens),
            ..self.data.clone()
        }
    }

    /// The method as the engine is asked for it, for a model with so many layers in its encoder.
    pub fn method(&self, encoder_layers: usize) -> MethodConfig {
        let everywhere = encoder_layers == 0 || Site::ALL.iter().all(|site| self.sites.contains(site));
        let sites = (!everywhere).then(|| self.sites.clone());
        let infix = self.infix && encoder_layers == 0;
        self.tuning.method(|| PrefixConfig { sites, infix, ..self.prefix_config() })
    }

    /// Whether its virtual tokens stand between prompt and target.
    pub fn is_infix(&self, task: Task) -> bool {
        self.infix && self.tuning.kind == MethodKind::Prefix && task == Task::Causal
    }

    /// Positions that it takes from the text.
    pub fn n_before(&self) -> usize {
        self.method(0).n_virtual()
    }

    /// Fills in a method; a prefix keeps its places.
    pub(super) fn take_method(&mut self, method: &MethodConfig) {
        self.tuning.take(method);
        let MethodConfig::Prefix(prefix) = method else { return };
        (self.n_virtual, self.n_frozen, self.dropout) = (prefix.n_virtual, prefix.n_frozen, prefix.dropout);
        let (init, words) = InitKind::of(&prefix.init);
        self.init = init;
        if init.needs_text() {
            self.words = words;
        }
        self.reparameterise = prefix.reparameterisation.is_some();
        if let Some(network) = &prefix.reparameterisation {
            (self.width, self.hidden_layers) = (network.width, network.hidden_layers);
        }
    }

    /// The prefix at each place as the engine is asked for it.
    pub fn prefix_config(&self) -> PrefixConfig {
        PrefixConfig {
            n_virtual: self.n_virtual,
            reparameterisation: self.reparameterise.then_some(Reparameterisation {
                width: self.width,
                activation: self.activation,
                hidden_layers: self.hidden_layers,
            }),
            dropout: self.dropout,
            init: self.init.with(&self.words),
            n_frozen: if self.reparameterise { 0 } else { self.n_frozen.min(self.n_virtual.saturating_sub(1)) },
            sites: None,
            layers: layer_list::from_text(&self.layers).ok().flatten(),
            infix: false,
        }
    }

    /// Other training rows were named: the validation file that belongs to them comes along, or none, unless somebody has
    /// chosen one.
    pub fn follow_rows(&mut self, companion: Option<String>) {
        if !self.validation_chosen {
            self.validation = companion.unwrap_or_default();
        }
    }

    /// How the engine is asked to train.
    fn training_config(&self, learning_rate: f64) -> TrainingConfig {
        TrainingConfig {
            steps: if self.length_unit == LengthUnit::Steps { self.training.steps.max(1) } else { 0 },
            learning_rate,
            warmup_steps: if self.warm_up == WarmUp::Steps { self.training.warmup_steps } else { 0 },
            warmup_share: if self.warm_up == WarmUp::Share { self.training.warmup_share } else { 0.0 },
            clip_norm: self.clip.then_some(self.clip_norm),
            patience: self.early_stopping.then_some(self.patience),
            ..self.training.clone()
        }
    }

    /// What the engine would refuse is shown at the last field.
    pub(super) fn config(&self, learning_rate: f64, encoder_layers: usize) -> Result<RunConfig, Issue> {
        let training = self.training_config(learning_rate);
        let mut config = RunConfig {
            name: self.name.trim().to_owned(),
            model: typed(&self.model),
            device: self.device,
            precision: self.precision,
            seed: self.seed,
            task: self.task,
            head: self.head,
            data: self.data_config(),
            method: self.method(encoder_layers),
            lora: self.tuning.beside(),
            training,
        };
        if config.name.is_empty() {
            config.name = default_name(&config);
        }
        config.check().map_err(|error| Issue { field: Field::Epochs, sentence: tell(&error.sentence()) })?;
        Ok(config)
    }

    /// How many settings differ from those that a new form begins with, among those that are folded away.
    pub fn changed_advanced(&self, usual: &TrainingConfig) -> usize {
        let mine = &self.training;
        [
            mine.accumulation != usual.accumulation,
            mine.gradient_checkpointing != usual.gradient_checkpointing,
            mine.schedule != usual.schedule,
            self.warm_up == WarmUp::Steps && mine.warmup_steps != usual.warmup_steps,
            self.warm_up == WarmUp::Share && mine.warmup_share > 0.0,
            mine.loss != LossReduction::TokenMean,
            mine.optimizer != usual.optimizer,
            mine.eval_every != usual.eval_every,
            mine.sample_rows != usual.sample_rows,
            mine.sample_tokens != usual.sample_tokens,
            !self.clip || (self.clip_norm - 1.0).abs() > 1e-9,
            self.early_stopping,
            self.seed != 42,
        ]
        .into_iter()
        .filter(|changed| *changed)
        .count()
    }
}

#[cfg(test)]
mod tests;
