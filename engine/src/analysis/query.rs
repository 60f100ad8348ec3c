//! Vectors, metric and space of a comparison.

use serde::{Deserialize, Serialize};

/// The vectors of a prefix that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Keys, which decide attention.
    Key,
    /// Values, which attention brings.
    Value,
}

/// Measure of how near two vectors are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Cosine of the angle; the default.
    Cosine,
    /// Dot product.
    Dot,
    /// Euclidean distance; nearer is smaller.
    L2,
}

/// In which space vectors are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Space {
    /// Measured from the vocabulary's mean, and the directions that most tokens share scaled down to the size of the
    /// others, so that they do not decide alone.
    #[default]
    Whitened,
    /// Measured from the vocabulary's mean.
    Centered,
    /// As they are: what all tokens have in common counts as nearness.
    Raw,
}
