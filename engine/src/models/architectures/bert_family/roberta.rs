//! RoBERTa (Liu et al. 2019): BERT's blocks without a pooler; positions begin after the padding token's id.
//! Layout as in huggingface/transformers: src/transformers/models/roberta/modeling_roberta.py.

use super::block::{BERT_BLOCK, BertEncoder, Embeddings, EncoderConfig, MaskNames, TextHead, own_blocks};
use crate::error::Result;
use crate::models::load::{Loader, Weights};
use crate::models::{HeadKind, Loading};
use crate::nn::Activation;

/// Brings the weights onto the device; names may have the prefix `roberta.` or not.
///
/// # Errors
/// A weight that is missing, has another shape, or is not finite.
pub(crate) fn load(config: &EncoderConfig, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<BertEncoder> {
    let load = Loader::new(weights, "roberta.", "embeddings.word_embeddings.weight");
    let embeddings = Embeddings::load(&load, config, None)?;
    let (blocks, order) = own_blocks(&load, config, "encoder.layer", &BERT_BLOCK, progress)?;
    let mask_head = MaskNames {
        dense: "lm_head.dense",
        norm: "lm_head.layer_norm",
        decoder: "lm_head.decoder",
        bias: ["lm_head.bias", "lm_head.decoder.bias"],
        activation: Some(Activation::Gelu),
    };
    BertEncoder::new(config, &load, (embeddings, blocks, order), TextHead::First(HeadKind::DenseTanh), &mask_head)
}
