//! Questions about what an adapter does, and their answers: each a file of this room.

use serde::{Deserialize, Serialize};

use super::ablation::{Ablating, AblationReport};
use super::attention::{AttentionMass, AttentionReport};
use super::decomposition::{Decomposing, Decomposition};
use super::importance::{ImportanceReport, Weighing};
use super::left_out::LeftOut;
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
        }
    }
}
