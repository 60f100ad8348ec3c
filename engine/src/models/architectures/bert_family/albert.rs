//! ALBERT (Lan et al. 2020): narrow embeddings, and layers that share their weights. A prefix is each layer's own.
//! Layout as in huggingface/transformers: src/transformers/models/albert/modeling_albert.py.

use super::block::{BertEncoder, Block, BlockNames, Embeddings, EncoderConfig};
use super::heads::{MaskNames, TextHead};
use crate::error::Result;
use crate::models::load::{Loader, Weights};
use crate::models::registry::{Architecture, ModelType};
use crate::models::{HeadKind, Loading};

/// The entry in the registry.
pub(crate) const ARCHITECTURE: Architecture = Architecture {
    module_root: ROOT,
    takes_past: false,
    ..Architecture::encoder(&[ModelType::new(NAME, "Albert", "AlbertTokenizer")], HeadKind::Linear, |file| {
        EncoderConfig::open(NAME, file, &[], load)
    })
};

const NAME: &str = "albert";

/// Leads the names of its modules.
const ROOT: &str = "albert.";

const BLOCK: BlockNames = BlockNames {
    query_key_value: ["attention.query", "attention.key", "attention.value"],
    attention_out: "attention.dense",
    attention_norm: "attention.LayerNorm",
    up: "ffn",
    down: "ffn_output",
    out_norm: "full_layer_layer_norm",
};

/// Brings the weights onto the device; names may have the prefix `albert.` or not.
///
/// # Errors
/// A weight that is missing, has another shape, or is not finite.
fn load(config: &EncoderConfig, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<BertEncoder> {
    let load = Loader::new(weights, ROOT, "embeddings.word_embeddings.weight");
    let embeddings = Embeddings::load(&load, config, Some("encoder.embedding_hidden_mapping_in"))?;
    let (groups, inner) = (config.num_hidden_groups, config.inner_group_num);
    let mut blocks = Vec::with_capacity(groups * inner);
    for group in 0..groups {
        progress(group as f32 / groups as f32)?;
        for layer in 0..inner {
            let at = format!("encoder.albert_layer_groups.{group}.albert_layers.{layer}");
            blocks.push(Block::load(&load, config, &at, &BLOCK)?);
        }
    }
    let layers = config.num_hidden_layers;
    let order = (0..layers).flat_map(|layer| (0..inner).map(move |i| layer * groups / layers * inner + i)).collect();
    let text_head = TextHead::pooled(&load, config, "pooler")?;
    let mask_head = MaskNames {
        dense: "predictions.dense",
        norm: "predictions.LayerNorm",
        decoder: "predictions.decoder",
        bias: ["predictions.bias", "predictions.decoder.bias"],
        activation: None,
    };
    BertEncoder::new(config, &load, (embeddings, blocks, order), text_head, &mask_head)
}
