//! BERT (Devlin et al. 2019).
//! Layout as in huggingface/transformers: src/transformers/models/bert/modeling_bert.py.

use super::block::{BERT_BLOCK, BertEncoder, Embeddings, EncoderConfig, MaskNames, TextHead, own_blocks};
use crate::error::Result;
use crate::models::Loading;
use crate::models::load::{Loader, Weights};

/// Brings the weights onto the device; names may have the prefix `bert.` or not.
///
/// # Errors
/// A weight that is missing, has another shape, or is not finite.
pub(crate) fn load(config: &EncoderConfig, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<BertEncoder> {
    let load = Loader::new(weights, "bert.", "embeddings.word_embeddings.weight");
    let embeddings = Embeddings::load(&load, config, None)?;
    let (blocks, order) = own_blocks(&load, config, "encoder.layer", &BERT_BLOCK, progress)?;
    let text_head = TextHead::pooled(&load, config, "pooler.dense")?;
    let mask_head = MaskNames {
        dense: "cls.predictions.transform.dense",
        norm: "cls.predictions.transform.LayerNorm",
        decoder: "cls.predictions.decoder",
        bias: ["cls.predictions.bias", "cls.predictions.decoder.bias"],
        activation: None,
    };
    BertEncoder::new(config, &load, (embeddings, blocks, order), text_head, &mask_head)
}
