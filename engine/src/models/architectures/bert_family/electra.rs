//! ELECTRA (Clark et al. 2020): BERT's blocks over embeddings that may be narrower than the model.
//! Layout as in huggingface/transformers: src/transformers/models/electra/modeling_electra.py.

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
    ..Architecture::encoder(&[ModelType::new(NAME, "Electra", "ElectraTokenizer")], HeadKind::DenseGelu, |file| {
        EncoderConfig::open(NAME, file, &[], load)
    })
};

const NAME: &str = "electra";

/// Leads the names of its modules.
const ROOT: &str = "electra.";

/// Brings the weights onto the device; names may have the prefix `electra.` or not. The discriminator's own head, which
/// tells replaced tokens, is left where it is.
///
/// # Errors
/// A weight that is missing, has another shape, or is not finite.
fn load(config: &EncoderConfig, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<BertEncoder> {
    let load = Loader::new(weights, ROOT, "embeddings.word_embeddings.weight");
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
    BertEncoder::new(config, &load, (embeddings, blocks, order), TextHead::First, &mask_head)
}
