//! Choices of the form that a run does not have: of what kind, in which unit.

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
    /// From tokens drawn from the vocabulary.
    Vocabulary,
    /// From the most frequent tokens of the rows.
    Frequent,
    /// From the names of the classes.
    Classes,
    /// From a trained adapter.
    Adapter,
}

/// What decides the length of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LengthUnit {
    /// Passes over the rows.
    Epochs,
    /// Optimizer steps.
    Steps,
}

/// How long the warm-up is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarmUp {
    /// In optimizer steps.
    Steps,
    /// As a share of all steps.
    Share,
}
