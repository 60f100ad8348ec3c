//! The numbers that products are computed in.

use std::fmt;
use std::str::FromStr;

use burn::tensor::DType;
use serde::{Deserialize, Serialize};

use crate::Sentence;
use crate::sentence::ToSentence;

/// In which numbers the matrices of a model are multiplied with what goes through them.
///
/// In 16 bits only the two operands are rounded, as PyTorch's autocast does it for linear layers and heads. Sums and
/// results are f32, and so are attention, norms, the softmax, the residual stream, what is trained, its gradient, the
/// optimizer and the loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// As everywhere else.
    #[default]
    F32,
    /// 11 significant bits, from 6e-8 to 65504: operands are scaled into that range.
    F16,
    /// 8 significant bits over the range of f32.
    Bf16,
}

impl Precision {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::F32, Self::F16, Self::Bf16];

    /// Those of 16 bits.
    pub const NARROW: [Self; 2] = [Self::F16, Self::Bf16];

    /// As configurations name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }

    /// The type of an operand.
    pub fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F16 => DType::F16,
            Self::Bf16 => DType::BF16,
        }
    }

    /// Whether it is the default.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    pub(crate) fn is_f32(&self) -> bool {
        *self == Self::F32
    }
}

impl ToSentence for Precision {
    fn to_sentence(&self) -> Sentence {
        Sentence::verbatim(self.name())
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|precision| precision.name() == text).ok_or_else(|| "f32, f16 or bf16".to_owned())
    }
}
