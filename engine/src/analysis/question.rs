//! Questions about what an adapter does, and their answers: each a file of this room.

use serde::{Deserialize, Serialize};

use super::attention::{AttentionMass, AttentionReport};
use super::decomposition::{Decomposing, Decomposition};
use super::drift::{Drift, DriftReport};
use super::label_words::{LabelWords, LabelWordsReport};
use super::lens::{Lens, LensReport};
use super::map::{MapReport, Mapping};
use super::query::Side;
use super::similarity::{Similarity, SimilarityReport};
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
    /// How alike slots are, to each other and to those of another adapter.
    Similarity {
        /// Keys or values.
        side: Side,
        /// Whether vectors are measured from the vocabulary's mean.
        centered: bool,
    },
    /// Where the slots of a layer lie among tokens, now and at every checkpoint.
    Map {
        /// Number of the layer, from 0, among all of the adapter's sites.
        layer: usize,
        /// Keys or values.
        side: Side,
        /// Tokens on the map.
        vocabulary: usize,
    },
    /// How far slots have moved.
    Drift,
    /// Whether the words of the classes are among the nearest tokens of slots.
    LabelWords,
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
    /// To [`Question::Similarity`].
    Similarity(SimilarityReport),
    /// To [`Question::Map`].
    Map(Box<MapReport>),
    /// To [`Question::Drift`].
    Drift(DriftReport),
    /// To [`Question::LabelWords`].
    LabelWords(LabelWordsReport),
}

impl Question {
    /// The work that answers it.
    pub fn investigation(&self) -> Box<dyn Investigation> {
        match self {
            Self::Attention => Box::new(AttentionMass::default()),
            Self::Decomposition => Box::new(Decomposing::default()),
            Self::Lens => Box::new(Lens::default()),
            Self::Similarity { side, centered } => Box::new(Similarity::new(*side, *centered)),
            Self::Map { layer, side, vocabulary } => Box::new(Mapping::new(*layer, *side, *vocabulary)),
            Self::Drift => Box::new(Drift::default()),
            Self::LabelWords => Box::new(LabelWords::default()),
        }
    }

    /// Whether it is about the numbers of the adapter alone, so that no row is read for it.
    pub(crate) fn needs_no_rows(&self) -> bool {
        matches!(self, Self::Similarity { .. } | Self::Map { .. } | Self::Drift | Self::LabelWords)
    }

    /// Whether it is also about the adapter's checkpoints.
    pub(crate) fn needs_checkpoints(&self) -> bool {
        matches!(self, Self::Map { .. } | Self::Drift)
    }
}
