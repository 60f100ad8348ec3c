//! Choices of the form that a run does not have: of what kind, in which unit.

use engine::config::TrainingConfig;
use serde::{Deserialize, Serialize};

/// Kinds of initial values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InitKind {
    /// As large as real keys and values.
    Scaled,
    /// N(0, 1).
    Random,
    /// Zeros.
    Zero,
    /// From a text.
    Words,
    /// From the beginning of a long text.
    Prefill,
    /// From the first training rows.
    Demonstrations,
    /// Uniform between two bounds.
    Uniform,
    /// From tokens drawn from the beginning of the vocabulary.
    Common,
    /// From tokens drawn from the vocabulary.
    Vocabulary,
    /// From the most frequent tokens of the rows.
    Frequent,
    /// From the names of the classes.
    Classes,
    /// From a trained adapter.
    Adapter,
}

/// Unit in which the length of a run is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LengthUnit {
    /// Passes over the rows.
    Epochs,
    /// Optimizer steps.
    Steps,
}

impl LengthUnit {
    /// Unit of the length of a run that is set up so.
    pub fn of(training: &TrainingConfig) -> Self {
        if training.steps > 0 { Self::Steps } else { Self::Epochs }
    }
}

/// Unit in which the length of the warm-up is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarmUp {
    /// In optimizer steps.
    Steps,
    /// As a share of all steps.
    Share,
}

impl WarmUp {
    /// Unit of the warm-up of a run that is set up so.
    pub fn of(training: &TrainingConfig) -> Self {
        if training.warmup_ratio > 0.0 { Self::Share } else { Self::Steps }
    }
}

/// A setting that can be switched off and keeps its value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Switched<T> {
    /// It is in force.
    pub on: bool,
    /// As which.
    pub value: T,
}

impl<T: Clone> Switched<T> {
    /// The setting of a run, or the usual value, switched off.
    pub fn of(setting: Option<T>, usual: T) -> Self {
        Self { on: setting.is_some(), value: setting.unwrap_or(usual) }
    }

    /// As a run has it.
    pub fn get(&self) -> Option<T> {
        self.on.then(|| self.value.clone())
    }

    /// Takes over what a run has; a value that is switched off stays.
    pub fn set(&mut self, setting: Option<T>) {
        self.on = setting.is_some();
        if let Some(value) = setting {
            self.value = value;
        }
    }
}
