//! Questions about what an adapter does, and their answers: each a file of this room.

use serde::{Deserialize, Serialize};

use super::ablation::{Ablating, AblationReport};
use super::attention::{AttentionMass, AttentionReport};
use super::decomposition::{Decomposing, Decomposition};
use super::forgetting::{Forgetting, MeasuringForgetting};
use super::importance::{ImportanceReport, Weighing};
use super::left_out::LeftOut;
use super::lens::{Lens, LensReport};
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
    /// To [`Question::Forgetting`].
    Forgetting(Forgetting),
    /// To [`Question::Words`].
    Words(Box<InWords>),
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
            Self::Forgetting { strengths } => Box::new(MeasuringForgetting::new(strengths)),
            &Self::Words { samples, passes, longest } => {
                Box::new(PuttingIntoWords::new(Sizes { samples, passes, longest }))
            }
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
}
