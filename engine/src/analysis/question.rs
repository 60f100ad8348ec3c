//! Questions about what an adapter does, and their answers: each a file of this room.

use serde::{Deserialize, Serialize};

use super::ablation::{Ablating, AblationReport};
use super::attention::{AttentionMass, AttentionReport};
use super::decomposition::{Decomposing, Decomposition};
use super::drift::{Drift, DriftReport};
use super::forgetting::{Forgetting, MeasuringForgetting};
use super::importance::{ImportanceReport, Weighing};
use super::label_words::{LabelWords, LabelWordsReport};
use super::left_out::LeftOut;
use super::lens::{Lens, LensReport};
use super::map::{MapReport, Mapping};
use super::query::Side;
use super::shorter::{Shortening, ShorterReport};
use super::similarity::{Similarity, SimilarityReport};
use super::subject::Investigation;
use super::words::{InWords, PuttingIntoWords, ROOM, Sizes};

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
    /// What the loss and a text come to without a part of the adapter.
    Ablation {
        /// What is left out, all of it at once; nothing is the adapter as it is.
        left_out: Vec<LeftOut>,
    },
    /// How much each slot and each head matters, and what fewer slots cost.
    Importance {
        /// Slots that are left out, one at a time, beside what gates tell.
        leave_one_out: usize,
        /// Numbers of slots that are kept to see what the loss is then; none: a few from all to none.
        #[serde(default)]
        sizes: Vec<usize>,
    },
    /// What fewer slots of a prefix cost: the most important ones alone, and as many that are fitted to do what all did.
    Shorter {
        /// Numbers of slots; none: a half, a quarter and so on.
        #[serde(default)]
        sizes: Vec<usize>,
    },
    /// What it costs on text that has nothing to do with its task, by strength.
    Forgetting {
        /// The strengths, each between 0 and 2; empty is 0 to 1.5 in quarters.
        strengths: Vec<f64>,
    },
    /// What it says in words, and how much of it a text can do.
    Words {
        /// Sampled continuations of each opening, beside the greedy one.
        samples: usize,
        /// Forward passes that the search for a text may take.
        passes: usize,
        /// Words of such a text, at most.
        longest: usize,
    },
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
    /// To [`Question::Ablation`].
    Ablation(AblationReport),
    /// To [`Question::Importance`].
    Importance(ImportanceReport),
    /// To [`Question::Shorter`].
    Shorter(ShorterReport),
    /// To [`Question::Forgetting`].
    Forgetting(Forgetting),
    /// To [`Question::Words`].
    Words(Box<InWords>),
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
            Self::Ablation { left_out } => Box::new(Ablating::new(left_out.clone())),
            Self::Importance { leave_one_out, sizes } => Box::new(Weighing::new(*leave_one_out, sizes.clone())),
            Self::Shorter { sizes } => Box::new(Shortening::new(sizes)),
            Self::Forgetting { strengths } => Box::new(MeasuringForgetting::new(strengths)),
            &Self::Words { samples, passes, longest } => {
                Box::new(PuttingIntoWords::new(Sizes { samples, passes, longest }))
            }
            Self::Similarity { side, centered } => Box::new(Similarity::new(*side, *centered)),
            Self::Map { layer, side, vocabulary } => Box::new(Mapping::new(*layer, *side, *vocabulary)),
            Self::Drift => Box::new(Drift::default()),
            Self::LabelWords => Box::new(LabelWords::default()),
        }
    }

    /// Whether rows are texts to be learned as a whole, and not those of the adapter's task.
    pub fn wants_plain_text(&self) -> bool {
        matches!(self, Self::Forgetting { .. })
    }

    /// Tokens that rows leave room for, beside those of the adapter.
    pub fn n_before(&self) -> usize {
        if matches!(self, Self::Words { .. }) { ROOM } else { 0 }
    }

    /// Whether it is about the numbers of the adapter alone, so that no row is read for it.
    pub fn needs_no_rows(&self) -> bool {
        matches!(self, Self::Similarity { .. } | Self::Map { .. } | Self::Drift | Self::LabelWords)
    }

    /// Whether it is also about the adapter's checkpoints.
    pub(crate) fn needs_checkpoints(&self) -> bool {
        matches!(self, Self::Map { .. } | Self::Drift)
    }
}
