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
    /// Twice the cosine, less the mean cosine of the vector with its nearest tokens and that of the token with its nearest
    /// slots of the layer: what every slot is near to counts less (Conneau et al. 2018, "Word Translation Without Parallel
    /// Data").
    Csls,
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
    /// Measured from the vocabulary's mean, and of the directions of the greatest variance nothing left (Mu & Viswanath
    /// 2018, "All-but-the-Top").
    AllButTop {
        /// How many beside the mean's own; at most half of all there are.
        directions: usize,
    },
}

impl Space {
    /// As tables name it.
    pub fn name(self) -> String {
        match self {
            Self::Whitened => "whitened".to_owned(),
            Self::Centered => "centered".to_owned(),
            Self::Raw => "raw".to_owned(),
            Self::AllButTop { directions } => format!("all_but_top_{directions}"),
        }
    }
}
