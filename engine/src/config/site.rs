//! The places of a model where a prefix can stand.

use serde::{Deserialize, Serialize};

use crate::Sentence;
use crate::sentence::{ToValue, Value};

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

impl ToValue for Site {
    fn to_value(&self) -> Value {
        Value::Sentence(Sentence::verbatim(self.name()))
    }
}

impl Site {
    /// Every site that there is, in the order of a model's work.
    pub const ALL: [Self; 3] = [Self::Encoder, Self::Decoder, Self::Cross];

    /// As files name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Encoder => "encoder",
            Self::Decoder => "decoder",
            Self::Cross => "cross",
        }
    }
}
