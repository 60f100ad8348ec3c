//! What all encoders offer: hidden states that see the whole text, and the vector that a classifier of texts reads.

use burn::tensor::{Int, Tensor};

use crate::Sentence;
use crate::models::{HeadKind, Input, MaskHead, ModelShape};
use crate::nn::LayerKv;
use crate::nn::positions::Counting;

/// A model that reads a text in both directions, with frozen weights.
pub trait EncoderModel: Send {
    /// Its sizes.
    fn shape(&self) -> &ModelShape;

    /// How its positions count.
    fn counting(&self) -> Counting;

    /// Hidden states of the last layer, `[batch, seq, d_model]`.
    ///
    /// `types` tells the first text of a pair (0) from the second (1), `[batch, seq]`; without it all are 0. `past` holds
    /// a pair of keys and values per layer that every token may see; `kv` receives this text's own.
    fn hidden(
        &self,
        input: &Input,
        types: Option<&Tensor<2, Int>>,
        past: Option<&[LayerKv]>,
        kv: Option<&mut Vec<LayerKv>>,
    ) -> Tensor<3>;

    /// What a classifier of texts reads, `[batch, d_model]`, from `[batch, seq, d_model]`.
    fn text_vector(&self, hidden: Tensor<3>) -> Tensor<2>;

    /// The layers of a classifier of texts, as the architecture has them.
    fn text_head(&self) -> HeadKind;

    /// The head that names the token under a mask, if the checkpoint has one.
    fn mask_head(&self) -> Option<&MaskHead>;

    /// The token embeddings, `[vocab_size, d_embedding]`.
    fn embeddings(&self) -> &Tensor<2>;

    /// Standard deviation of the weights of a fresh head.
    fn initializer_range(&self) -> f64;

    /// What a classifier of texts should know about the checkpoint, in a sentence.
    fn text_notice(&self) -> Option<Sentence>;
}
