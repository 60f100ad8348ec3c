//! The form of a new run as it is typed. What it lacks to be one: [`RunForm::check`].

mod choices;
mod rate;

use std::path::{Path, PathBuf};

use engine::config::schema::Setting;
use engine::config::{CandidateSource, DataConfig, LossReduction, MethodConfig, RunConfig, Task, TrainingConfig};
use engine::error::EngineError;
use engine::models::ModelSummary;
use engine::recipes::{Form, Scale, recommended_learning_rate};
use serde::{Deserialize, Serialize};

pub use self::choices::{InitKind, LengthUnit, Switched, WarmUp};
use super::check::{Field, Issue};
use super::further::{Typed, has_control};
use super::tuning::{MethodKind, Tuning};
use super::vary::Vary;
use crate::home::typed;
use crate::i18n::tell;
use crate::workspace::default_name;

/// The form as it is typed: a run, and what a form has beyond one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunForm {
    /// Everything that needs no text field. Its paths and its rate are those of `text`, its method and its matrices those of
    /// `tuning`, what can be switched off that of `memory`.
    pub config: RunConfig,
    /// Text fields of the form.
    pub text: TextFields,
    /// The method to train, with the settings of each method: they stay while another one holds.
    pub tuning: Tuning,
    /// Settings that stay while they are switched off, and the units of length and warm-up.
    pub memory: FormMemory,
    /// Somebody chose the validation rows: they no longer follow the training rows.
    pub validation_chosen: bool,
    /// The user typed the learning rate: it no longer follows method, optimizer and model.
    pub rate_edited: bool,
    /// Size class of the model, once that is known.
    pub scale: Option<Scale>,
    /// What varies, where the form is an experiment.
    pub vary: Vary,
    /// Rows of settings that have no control of their own.
    pub further: Typed,
}

/// Paths and numbers as they are typed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TextFields {
    /// Folder of the base model.
    pub model: String,
    /// Training rows.
    pub train: String,
    /// Validation rows, or nothing.
    pub validation: String,
    /// The learning rate.
    pub learning_rate: String,
}

/// Settings that are not in force and come back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FormMemory {
    /// Rows are cut at this many tokens.
    pub max_tokens: Switched<usize>,
    /// The gradient is clipped at this norm.
    pub max_grad_norm: Switched<f64>,
    /// A run that does not improve ends after so many evaluations.
    pub patience: Switched<usize>,
    /// Unit of the run's length.
    pub length_unit: LengthUnit,
    /// Unit of the warm-up.
    pub warm_up: WarmUp,
}

impl From<&RunConfig> for FormMemory {
    fn from(config: &RunConfig) -> Self {
        let training = &config.training;
        Self {
            max_tokens: Switched::of(config.data.max_tokens, 256),
            max_grad_norm: Switched::of(training.max_grad_norm, 1.0),
            patience: Switched::of(training.patience, 3),
            length_unit: LengthUnit::of(training),
            warm_up: WarmUp::of(training),
        }
    }
}

impl Default for RunForm {
    fn default() -> Self {
        let data = DataConfig::new("");
        Self::from(&RunConfig::new(PathBuf::new(), data))
    }
}

impl From<&RunConfig> for RunForm {
    fn from(config: &RunConfig) -> Self {
        let training = &config.training;
        let kind = Form::of(&config.method, config.task);
        let usual = |scale| recommended_learning_rate(kind, &training.optimizer, scale);
        let is_usual = |scale| (training.learning_rate - usual(scale)).abs() < 1e-12;
        let text = TextFields {
            model: config.model.display().to_string(),
            train: config.data.train.display().to_string(),
            validation: config.data.validation.as_deref().map(Path::display).map(|p| p.to_string()).unwrap_or_default(),
            learning_rate: crate::format::scientific(training.learning_rate),
        };
        // What stands elsewhere is the same in every form, so that two that look alike are equal.
        let nothing = RunConfig::new(PathBuf::new(), DataConfig::new(""));
        let RunConfig { model, method, lora, weights, .. } = nothing;
        let plain = RunConfig { model, method, lora, weights, ..config.clone() };
        Self {
            config: plain,
            text,
            tuning: Tuning::from(config),
            memory: FormMemory::from(config),
            validation_chosen: false,
            rate_edited: !Scale::ALL.into_iter().any(is_usual),
            scale: None,
            vary: Vary::default(),
            further: Typed::new(),
        }
    }
}

impl RunForm {
    /// The task asked for, or what the model does.
    pub fn shown_task(&self, model: Option<&ModelSummary>) -> Task {
        self.config.task.or_else(|| model.and_then(|model| model.tasks.first().copied())).unwrap_or_default()
    }

    /// The rows as the engine is asked for them.
    pub fn data_config(&self) -> DataConfig {
        DataConfig {
            train: typed(&self.text.train),
            validation: Some(self.text.validation.trim()).filter(|path| !path.is_empty()).map(typed),
            max_tokens: self.memory.max_tokens.get(),
            ..self.config.data.clone()
        }
        .for_task(self.config.task)
    }

    /// Whether rows may have classes with names: told by a head, written as words, or the few different targets of a text.
    pub fn has_class_names(&self, model: Option<&ModelSummary>) -> bool {
        let task = self.shown_task(model);
        task.has_classes() || task.writes() || self.config.data.candidate_source() == CandidateSource::Classes
    }

    /// The method as the engine is asked for it, for a model with so many layers in its encoder.
    pub fn method(&self, encoder_layers: usize) -> MethodConfig {
        self.tuning.method(encoder_layers)
    }

    /// Whether its virtual tokens stand between prompt and target.
    pub fn is_infix(&self, task: Task) -> bool {
        self.tuning.prefix.config.infix && self.tuning.kind == MethodKind::Prefix && task == Task::Causal
    }

    /// Positions that it takes from the text.
    pub fn n_before(&self) -> usize {
        self.method(0).n_virtual()
    }

    /// Other training rows were named: the validation file that belongs to them comes along, or none, unless somebody has
    /// chosen one.
    pub fn follow_rows(&mut self, companion: Option<String>) {
        if !self.validation_chosen {
            self.text.validation = companion.unwrap_or_default();
        }
    }

    /// The training settings as the engine is asked for them.
    fn training_config(&self, learning_rate: f64) -> TrainingConfig {
        TrainingConfig {
            steps: if self.memory.length_unit == LengthUnit::Steps { self.config.training.steps.max(1) } else { 0 },
            learning_rate,
            warmup_steps: if self.memory.warm_up == WarmUp::Steps { self.config.training.warmup_steps } else { 0 },
            warmup_ratio: if self.memory.warm_up == WarmUp::Share { self.config.training.warmup_ratio } else { 0.0 },
            max_grad_norm: self.memory.max_grad_norm.get(),
            patience: self.memory.patience.get(),
            ..self.config.training.clone()
        }
    }

    /// The run as the engine is asked for it; a refusal of the engine is shown at the last field.
    pub(super) fn run_config(&self, learning_rate: f64, encoder_layers: usize) -> Result<RunConfig, Issue> {
        let training = self.training_config(learning_rate);
        let mut config = RunConfig {
            name: self.config.name.trim().to_owned(),
            model: typed(&self.text.model),
            data: self.data_config(),
            method: self.method(encoder_layers),
            lora: self.tuning.beside(),
            weights: self.tuning.weights_beside(),
            training,
            ..self.config.clone()
        };
        if config.name.is_empty() {
            config.name = default_name(&config);
        }
        config.check().map_err(|error| {
            let field = match &error {
                EngineError::Setting { field, .. }
                    if Setting::find(field).is_some() && !has_control(field, &self.settings_tree()) =>
                {
                    Field::Setting(field)
                }
                _ => Field::Epochs,
            };
            Issue { field, sentence: tell(&error.sentence()) }
        })?;
        Ok(config)
    }

    /// Number of settings that differ from those that a new form begins with, among those that are folded away.
    pub fn changed_advanced(&self, usual: &TrainingConfig) -> usize {
        let mine = &self.config.training;
        [
            mine.group_by_length != usual.group_by_length,
            mine.packing != usual.packing,
            mine.gradient_accumulation != usual.gradient_accumulation,
            mine.gradient_checkpointing != usual.gradient_checkpointing,
            mine.base_dropout != usual.base_dropout,
            mine.schedule != usual.schedule,
            self.memory.warm_up == WarmUp::Steps && mine.warmup_steps != usual.warmup_steps,
            self.memory.warm_up == WarmUp::Share && mine.warmup_ratio > 0.0,
            mine.loss != LossReduction::TokenMean,
            mine.distillation.is_some(),
            mine.optimizer != usual.optimizer,
            mine.eval_every != usual.eval_every,
            mine.sample_rows != usual.sample_rows,
            mine.sample_tokens != usual.sample_tokens,
            mine.best_metric != usual.best_metric,
            !self.memory.max_grad_norm.on || (self.memory.max_grad_norm.value - 1.0).abs() > 1e-9,
            self.memory.patience.on,
            self.config.seed != 42,
        ]
        .into_iter()
        .filter(|changed| *changed)
        .count()
    }
}

#[cfg(test)]
mod tests;
