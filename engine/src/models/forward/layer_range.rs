//! The blocks of a model that a call runs: all, or one by itself, so that a backward pass can make what it needs of a
//! block again instead of finding it kept. Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost".

use std::ops::Range;

use burn::tensor::Tensor;

/// The part of a stack of blocks that a call runs.
#[derive(Clone, Debug, Default)]
#[expect(clippy::large_enum_variant, reason = "a handle of a tensor, made once a block")]
pub enum LayerRange {
    /// Embeddings, every block, and what stands behind them.
    #[default]
    Whole,
    /// One block, behind the embeddings if it is the first, before what stands behind the blocks if it is the last.
    Block {
        /// Index of the block, counted from 0.
        layer: usize,
        /// Number of blocks in the stack.
        n_layers: usize,
        /// Output of the block before it, `[batch, seq, d_model]`; the first makes its own of the tokens.
        resid: Option<Tensor<3>>,
    },
}

impl LayerRange {
    /// The blocks of a stack of so many that run.
    pub fn layers(&self, n_layers: usize) -> Range<usize> {
        match self {
            Self::Whole => 0..n_layers,
            Self::Block { layer, .. } => *layer..*layer + 1,
        }
    }
}
