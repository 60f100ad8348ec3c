//! Which blocks of a model a call runs: all of them, or one by itself, so that a backward pass can make what it needs of
//! a block again instead of finding it kept. Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost".

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
        /// Which one, counted from 0.
        layer: usize,
        /// How many there are.
        n_layers: usize,
        /// What the block before it made, `[batch, seq, d_model]`; the first makes its own of the tokens.
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
