//! The head that fills masks: what a checkpoint learned to name the token under a mask with.

use burn::tensor::Tensor;

use crate::nn::{Activation, FrozenLinear, LayerNorm, activation};

/// Dense layer, activation, norm and decoder: the logits of the token under a mask.
pub struct MaskHead {
    pub(crate) dense: FrozenLinear,
    pub(crate) activation: Activation,
    pub(crate) norm: LayerNorm,
    pub(crate) decoder: FrozenLinear,
}

impl MaskHead {
    /// # Shapes
    /// - `rows`: `[n, d_model]`, hidden states at the masks
    /// - returns `[n, vocab_size]`
    pub fn logits(&self, rows: Tensor<2>) -> Tensor<2> {
        let wide = activation(self.dense.forward(rows.unsqueeze_dim(0)), self.activation); // [1, n, d_embedding]
        self.decoder.forward(self.norm.forward(wide)).squeeze_dim(0)
    }
}
