//! What a teacher says at the labels of a batch.

/// The most probable tokens of a teacher at each label, in the order of [`TokenBatch::labeled`](super::TokenBatch::labeled).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Taught {
    /// Tokens at a label.
    pub top_k: usize,
    /// Ids, `[labels, top_k]`, the most probable first.
    pub tokens: Vec<i32>,
    /// Their probabilities among the whole vocabulary, `[labels, top_k]`.
    pub probabilities: Vec<f32>,
}
