//! DistilBERT (Sanh et al. 2019): BERT's blocks under other names, without token types and pooler.
//! Layout as in huggingface/transformers: src/transformers/models/distilbert/modeling_distilbert.py.

use super::block::{BertEncoder, BlockNames, Embeddings, EncoderConfig, own_blocks};
use super::heads::{MaskNames, TextHead};
use crate::error::Result;
use crate::models::load::{Loader, Weights};
use crate::models::registry::{Architecture, ModelType};
use crate::models::{HeadKind, Loading};

/// The entry in the registry.
pub(crate) const ARCHITECTURE: Architecture = Architecture {
    module_root: ROOT,
    lora_targets: &["q_lin", "v_lin"],
    takes_past: false,
    ..Architecture::encoder(&[ModelType::new(NAME, "DistilBert", "DistilBertTokenizer")], HeadKind::DenseRelu, |file| {
        EncoderConfig::open(NAME, file, &NAMES, load)
    })
};

const NAME: &str = "distilbert";

/// Leads the names of its modules.
const ROOT: &str = "distilbert.";

/// The options of `config.json` under the names of BERT's.
const NAMES: [(&str, &str); 5] = [
    ("dim", "hidden_size"),
    ("n_layers", "num_hidden_layers"),
    ("n_heads", "num_attention_heads"),
    ("hidden_dim", "intermediate_size"),
    ("activation", "hidden_act"),
];

const BLOCK: BlockNames = BlockNames {
    query_key_value: ["attention.q_lin", "attention.k_lin", "attention.v_lin"],
    attention_out: "attention.out_lin",
    attention_norm: "sa_layer_norm",
    up: "ffn.lin1",
    down: "ffn.lin2",
    out_norm: "output_layer_norm",
};

/// Brings the weights onto the device; names may have the prefix `distilbert.` or not.
///
/// # Errors
/// A weight that is missing, has another shape, or is not finite.
fn load(config: &EncoderConfig, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<BertEncoder> {
    let load = Loader::new(weights, ROOT, "embeddings.word_embeddings.weight");
    let embeddings = Embeddings::load(&load, config, None)?;
    let (blocks, order) = own_blocks(&load, config, "transformer.layer", &BLOCK, progress)?;
    let mask_head = MaskNames {
        dense: "vocab_transform",
        norm: "vocab_layer_norm",
        decoder: "vocab_projector",
        bias: ["vocab_projector.bias", "vocab_projector.bias"],
        activation: None,
    };
    BertEncoder::new(config, &load, (embeddings, blocks, order), TextHead::First, &mask_head)
}
