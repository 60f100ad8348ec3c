//! Linear layers whose weights are never trained, and the vocabulary head for decoding.

use burn::backend::Dispatch;
use burn::tensor::module::embedding;
use burn::tensor::{DType, Int, Tensor};

use super::ops::{FrozenOps, Optional};

/// The weights of a linear layer that is never trained. The matrix may be stored in 16 bits; products are in f32.
///
/// Its backward is one product, `grad · weightᵀ`, and saves no activation.
#[derive(Clone, Debug)]
pub struct FrozenLinear {
    /// `[d_in, d_out]`; may be the transposed view of a `[d_out, d_in]` tensor, which is never copied.
    pub weight: Tensor<2>,
    /// `[d_out]`
    pub bias: Option<Tensor<1>>,
}

impl FrozenLinear {
    /// `x · weight + bias`.
    ///
    /// # Shapes
    /// - `x`: `[batch, seq, d_in]`
    /// - returns `[batch, seq, d_out]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let bias = match &self.bias {
            Some(bias) => Optional::Some(bias.clone().into_dispatch()),
            None => Optional::None,
        };
        Tensor::from_dispatch(Dispatch::frozen_linear(x.into_dispatch(), self.weight.clone().into_dispatch(), bias))
    }
}

/// Rows of a table of embeddings, in f32 however it is stored.
///
/// # Shapes
/// - `table`: `[vocab_size, d_model]`
/// - `ids`: `[batch, seq]`
/// - returns `[batch, seq, d_model]`
pub fn embed(table: &Tensor<2>, ids: Tensor<2, Int>) -> Tensor<3> {
    embedding(table.clone(), ids).cast(DType::F32)
}

/// The logits of every token for each hidden state, for decoding; training uses [`label_nll`](super::label_nll).
///
/// # Shapes
/// - `hidden`: `[n, d_model]`
/// - `head`: `[vocab_size, d_model]`, usually the token embedding itself
/// - returns `[n, vocab_size]`
pub fn head_logits(hidden: Tensor<2>, head: &Tensor<2>) -> Tensor<2> {
    let head = FrozenLinear {
        weight: head.clone().transpose(), // [d_model, vocab_size], a view
        bias: None,
    };
    head.forward(hidden.unsqueeze_dim(0)).squeeze_dim(0)
}
