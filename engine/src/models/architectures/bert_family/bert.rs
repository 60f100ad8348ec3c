//! BERT (Devlin et al. 2019).
//! Layout as in huggingface/transformers: src/transformers/models/bert/modeling_bert.py.

use super::block::{BERT_BLOCK, BertEncoder, Embeddings, EncoderConfig, own_blocks};
use super::heads::{MaskNames, TextHead};
use crate::error::Result;
use crate::models::load::{Loader, Weights};
use crate::models::registry::{Architecture, ModelType};
use crate::models::{HeadKind, Loading};

/// The entry in the registry.
pub(crate) const ARCHITECTURE: Architecture = Architecture {
    module_root: ROOT,
    ..Architecture::encoder(&[ModelType::new(NAME, "Bert", "BertTokenizer")], HeadKind::Linear, |file| {
        EncoderConfig::open(NAME, file, &[], load)
    })
};

const NAME: &str = "bert";

/// Leads the names of its modules.
const ROOT: &str = "bert.";

/// Brings the weights onto the device; names may have the prefix `bert.` or not.
///
/// # Errors
/// A weight that is missing, has another shape, or is not finite.
fn load(config: &EncoderConfig, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<BertEncoder> {
    let load = Loader::new(weights, ROOT, "embeddings.word_embeddings.weight");
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
