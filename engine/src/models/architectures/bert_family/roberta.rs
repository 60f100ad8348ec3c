//! RoBERTa (Liu et al. 2019): BERT's blocks without a pooler; positions begin after the padding token's id.
//! Layout as in huggingface/transformers: src/transformers/models/roberta/modeling_roberta.py.

use super::block::{BERT_BLOCK, BertEncoder, Embeddings, EncoderConfig, own_blocks};
use super::heads::{MaskNames, TextHead};
use crate::error::Result;
use crate::models::load::{Loader, Weights};
use crate::models::registry::{Architecture, ModelType};
use crate::models::{HeadKind, Loading};
use crate::nn::Activation;

/// The entry in the registry.
pub(crate) const ARCHITECTURE: Architecture = Architecture {
    module_root: ROOT,
    ..Architecture::encoder(MODELS, HeadKind::DenseTanh, |file| EncoderConfig::open(NAME, file, &[], load))
};

/// RoBERTa, and what differs from it in its tokenizer alone.
const MODELS: &[ModelType] = &[
    ModelType::new(NAME, "Roberta", "RobertaTokenizer"),
    ModelType::new("camembert", "Camembert", "CamembertTokenizer"),
    ModelType::new("xlm-roberta", "XLMRoberta", "XLMRobertaTokenizer"),
];

const NAME: &str = "roberta";

/// Leads the names of its modules.
const ROOT: &str = "roberta.";

/// Brings the weights onto the device; names may have the prefix `roberta.` or not.
///
/// # Errors
/// A weight that is missing, has another shape, or is not finite.
fn load(config: &EncoderConfig, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<BertEncoder> {
    let load = Loader::new(weights, ROOT, "embeddings.word_embeddings.weight");
    let embeddings = Embeddings::load(&load, config, None)?;
    let (blocks, order) = own_blocks(&load, config, "encoder.layer", &BERT_BLOCK, progress)?;
    let mask_head = MaskNames {
        dense: "lm_head.dense",
        norm: "lm_head.layer_norm",
        decoder: "lm_head.decoder",
        bias: ["lm_head.bias", "lm_head.decoder.bias"],
        activation: Some(Activation::Gelu),
    };
    BertEncoder::new(config, &load, (embeddings, blocks, order), TextHead::First, &mask_head)
}
