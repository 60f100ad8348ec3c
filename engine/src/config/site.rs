//! The places of a model where a prefix can stand.

use serde::{Deserialize, Serialize};

use crate::sentence::ToSentence;
use crate::{Sentence, sentence};

/// A place where a model attends and a prefix can stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Site {
    /// Self-attention of the stack that reads in both directions; the only site of an encoder.
    Encoder,
    /// Self-attention of the stack that writes; the only site of a causal model.
    Decoder,
    /// The decoder's attention to what the encoder read.
    Cross,
}

impl ToSentence for Site {
    fn to_sentence(&self) -> Sentence {
        self.sentence()
    }
}

impl Site {
    /// Every site that there is, in the order of a model's work.
    pub const ALL: [Self; 3] = [Self::Encoder, Self::Decoder, Self::Cross];

    /// In words.
    pub fn sentence(self) -> Sentence {
        match self {
            Self::Encoder => sentence!("encoder"),
            Self::Decoder => sentence!("decoder"),
            Self::Cross => sentence!("cross-attention"),
        }
    }

    /// As files name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Encoder => "encoder",
            Self::Decoder => "decoder",
            Self::Cross => "cross",
        }
    }
}
