//! The head of a model: hidden states to logits.

use burn::tensor::Tensor;

use super::activation::{Activation, activation};
use super::linear::FrozenLinear;
use super::matrix::FrozenMatrix;

/// The matrix that makes logits of hidden states, and what an architecture does to them.
#[derive(Clone, Debug)]
pub struct Head {
    /// `[vocab_size, d_model]`, usually the table of token embeddings.
    pub matrix: FrozenMatrix,
    /// Added to the logits, `[vocab_size]`.
    pub bias: Option<Tensor<1>>,
    /// Bound of the logits: `cap · tanh(logit / cap)`.
    pub softcap: Option<f32>,
}

impl Head {
    /// A head that does nothing but multiply.
    pub fn new(matrix: FrozenMatrix) -> Self {
        Self { matrix, bias: None, softcap: None }
    }
}

/// Multiplied in f32.
impl From<Tensor<2>> for Head {
    fn from(matrix: Tensor<2>) -> Self {
        Self::new(matrix.into())
    }
}

/// Multiplied in f32.
impl From<&Tensor<2>> for Head {
    fn from(matrix: &Tensor<2>) -> Self {
        matrix.clone().into()
    }
}

impl From<&Head> for Head {
    fn from(head: &Head) -> Self {
        head.clone()
    }
}

/// The logits of every token for each hidden state, for decoding; training uses [`cross_entropy_at_labels`](super::cross_entropy_at_labels()).
///
/// # Shapes
/// - `hidden`: `[n, d_model]`
/// - returns `[n, vocab_size]`
pub fn head_logits(hidden: Tensor<2>, head: impl Into<Head>) -> Tensor<2> {
    let Head { matrix, bias, softcap } = head.into();
    let linear = FrozenLinear::new(matrix.transpose(), bias); // [d_model, vocab_size], a view
    let logits = linear.forward(hidden.unsqueeze_dim(0)); // [1, n, vocab_size]
    let logits = match softcap {
        Some(cap) => activation(logits / cap, Activation::Tanh) * cap,
        None => logits,
    };
    logits.squeeze_dim(0)
}
