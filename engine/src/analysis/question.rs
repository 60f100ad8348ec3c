//! Questions about what an adapter does, and their answers: each a file of this room.

use serde::{Deserialize, Serialize};

use super::attention::{AttentionMass, AttentionReport};
use super::decomposition::{Decomposing, Decomposition};
use super::lens::{Lens, LensReport};
use super::subject::Investigation;

/// A question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Question {
    /// How much of its attention each head pays to each slot.
    Attention,
    /// What each head scales and what it adds.
    Decomposition,
    /// What each layer would say, with the adapter and without.
    Lens,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Analysis {
    /// To [`Question::Attention`].
    Attention(AttentionReport),
    /// To [`Question::Decomposition`].
    Decomposition(Decomposition),
    /// To [`Question::Lens`].
    Lens(LensReport),
}

impl Question {
    /// The work that answers it.
    pub fn investigation(&self) -> Box<dyn Investigation> {
        match self {
            Self::Attention => Box::new(AttentionMass::default()),
            Self::Decomposition => Box::new(Decomposing::default()),
            Self::Lens => Box::new(Lens::default()),
        }
    }
}
