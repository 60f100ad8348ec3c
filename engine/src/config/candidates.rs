//! Candidates of an answer: where they come from, how their likelihoods are compared, and what is learned of them.

use serde::{Deserialize, Serialize};

/// Source of the candidates among which a row's answer is looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CandidateSource {
    /// None: the answer is whatever the model says.
    #[default]
    None,
    /// The classes of the rows, each written as the verbalizer says or as its name: text-to-text, PET.
    Classes,
    /// The row's own choices: COPA, HellaSwag, ReCoRD.
    Choices,
    /// The answers of all rows: LAMA's restricted vocabulary.
    Answers,
    /// Every token of the model's vocabulary.
    Vocabulary,
}

impl CandidateSource {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    pub(super) fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// Comparison of candidates of different length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CandidateScore {
    /// Sum of the log-probabilities of its tokens.
    #[default]
    Sum,
    /// The sum by the number of its tokens, an end token among them.
    Token,
    /// The sum by the bytes of its text.
    Byte,
}

impl CandidateScore {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    pub(super) fn is_sum(&self) -> bool {
        *self == Self::Sum
    }

    /// Factor of the sum of a candidate with so many tokens and bytes.
    pub(crate) fn factor(self, n_tokens: usize, n_bytes: usize) -> f64 {
        match self {
            Self::Sum => 1.0,
            Self::Token => 1.0 / n_tokens.max(1) as f64,
            Self::Byte => 1.0 / n_bytes.max(1) as f64,
        }
    }
}

/// What is learned of a row with candidates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CandidateLoss {
    /// The tokens of the right one, among all of the vocabulary.
    #[default]
    Right,
    /// The right one among the candidates: cross-entropy over their scores, as PET and P-tuning v2 train.
    Among,
}

impl CandidateLoss {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    pub(super) fn is_right(&self) -> bool {
        *self == Self::Right
    }
}
