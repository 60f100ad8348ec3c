//! Whether the matrices of a checkpoint are put into blocks while it is loaded.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::block_type::BlockType;
use crate::nn::precision::Precision;

/// How the matrices of the frozen model are kept. What is not a matrix stays in f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quantization {
    /// As the checkpoint has them, in blocks or not.
    #[default]
    Stored,
    /// Every matrix in 8 bits.
    Q8_0,
    /// Linear layers in 4 bits, embeddings and head in 8: an error there reaches every token.
    Q4_0,
    /// Linear layers in 4 bits at a normal distribution's quantiles, embeddings and head as stored. bitsandbytes does so.
    Nf4,
}

/// In what the matrices of a model are multiplied, and how they are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MatrixNumbers {
    /// What a product rounds its operands to.
    pub precision: Precision,
    /// What a checkpoint's matrices become while it is loaded.
    pub quantization: Quantization,
}

/// Kept as stored.
impl From<Precision> for MatrixNumbers {
    fn from(precision: Precision) -> Self {
        Self { precision, quantization: Quantization::Stored }
    }
}

/// Multiplied in f32, which every device does and which rounds nothing that was not rounded in training.
impl From<Quantization> for MatrixNumbers {
    fn from(quantization: Quantization) -> Self {
        Self { precision: Precision::F32, quantization }
    }
}

/// Where a matrix stands, for the bits that it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Between activations.
    Layer,
    /// At the vocabulary: the table of embeddings, or the head.
    Vocabulary,
}

impl Quantization {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Stored, Self::Q8_0, Self::Q4_0, Self::Nf4];

    /// As configurations name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Q8_0 => "q8_0",
            Self::Q4_0 => "q4_0",
            Self::Nf4 => "nf4",
        }
    }

    /// The blocks of a matrix; `None` where it stays as it is stored.
    pub fn block(self, place: Place) -> Option<BlockType> {
        match (self, place) {
            (Self::Stored, _) | (Self::Nf4, Place::Vocabulary) => None,
            (Self::Q8_0, _) | (Self::Q4_0, Place::Vocabulary) => Some(BlockType::Q8_0),
            (Self::Q4_0, Place::Layer) => Some(BlockType::Q4_0),
            (Self::Nf4, Place::Layer) => Some(BlockType::Nf4),
        }
    }

    /// Whether it is the default.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    pub(crate) fn is_stored(&self) -> bool {
        *self == Self::Stored
    }
}

impl fmt::Display for Quantization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Quantization {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|one| one.name() == name);
        found.ok_or_else(|| "stored, q8_0, q4_0 or nf4".to_owned())
    }
}
