//! Interface of all encoders: hidden states that see the whole text, and the vector that a classifier of texts reads.

use burn::tensor::Tensor;

use crate::Sentence;
use crate::models::{ForwardPass, MaskHead, ModelShape, Site, Stack};
use crate::nn::FrozenMatrix;
use crate::nn::positions::PositionIds;

/// A model that reads a text in both directions, with frozen weights.
pub trait EncoderModel: Send {
    /// Sizes of the model.
    fn shape(&self) -> &ModelShape;

    /// The counting of its positions.
    fn position_ids(&self) -> PositionIds;

    /// The blocks of the model, as a pass must know them.
    fn stack(&self) -> Stack {
        Stack::only(Site::Encoder, self.shape(), self.position_ids())
    }

    /// Hidden states of the last layer, `[batch, seq, d_model]`.
    fn hidden(&self, pass: &mut ForwardPass<'_>) -> Tensor<3>;

    /// The vector that a classifier of texts reads, `[batch, d_model]`, from `[batch, seq, d_model]`.
    fn text_vector(&self, hidden: Tensor<3>) -> Tensor<2>;

    /// The head that names the token under a mask, if the checkpoint has one.
    fn mask_head(&self) -> Option<&MaskHead>;

    /// The token embeddings, `[vocab_size, d_embedding]`.
    fn embeddings(&self) -> &FrozenMatrix;

    /// Standard deviation of the weights of a fresh head.
    fn initializer_range(&self) -> f64;

    /// A notice about the checkpoint for a classifier of texts, in a sentence.
    fn text_notice(&self) -> Option<Sentence>;
}
