//! ELECTRA (Clark et al. 2020): BERT's blocks over embeddings that may be narrower than the model.
//! Layout as in huggingface/transformers: src/transformers/models/electra/modeling_electra.py.

use crate::error::Result;
use crate::models::Loading;
use crate::models::head::HeadKind;
use crate::models::loader::{Loader, Weights};
use crate::models::post_norm::{BERT_BLOCK, Embeddings, EncoderConfig, MaskNames, PostNorm, TextHead, own_blocks};
use crate::nn::Activation;

/// Brings the weights onto the device; names may have the prefix `electra.` or not. The discriminator's own head, which
/// tells replaced tokens, is left where it is.
///
/// # Errors
/// A weight that is missing, has another shape, or is not finite.
pub(super) fn load(config: &EncoderConfig, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<PostNorm> {
    let load = Loader::new(weights, "electra.", "embeddings.word_embeddings.weight");
    let project = (config.d_embedding() != config.hidden_size).then_some("embeddings_project");
    let embeddings = Embeddings::load(&load, config, project)?;
    let (blocks, order) = own_blocks(&load, config, "encoder.layer", &BERT_BLOCK, progress)?;
    let mask_head = MaskNames {
        dense: "generator_predictions.dense",
        norm: "generator_predictions.LayerNorm",
        decoder: "generator_lm_head",
        bias: ["generator_lm_head.bias", "generator_predictions.bias"],
        activation: Some(Activation::Gelu),
    };
    PostNorm::new(config, &load, (embeddings, blocks, order), TextHead::First(HeadKind::DenseGelu), &mask_head)
}
