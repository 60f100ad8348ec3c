//! Tensors of a checkpoint that its architecture does not take.

use std::collections::BTreeSet;

use crate::models::load::catalog::HEADS;
use crate::models::{BaseModel, Model};
use crate::{Sentence, sentence};

/// Ends of the names of tensors that are no weights, or are those of another name: constants that older checkpoints
/// keep, and tables that are tied or computed.
const HARMLESS_ENDS: [&str; 14] = [
    ".attn.bias",
    ".attention.bias",
    ".masked_bias",
    ".inv_freq",
    "position_ids",
    "token_type_ids",
    "embed_tokens.weight",
    "embed_positions.weight",
    "lm_head.weight",
    "embed_out.weight",
    "layer.1.EncDecAttention.relative_attention_bias.weight",
    // Of GGUF, read where it was opened.
    "rope_freqs.weight",
    "rope_factors_long.weight",
    "rope_factors_short.weight",
];

/// Beginnings of names of parts of an encoder that were trained beside it and are read where they are asked for alone:
/// heads for masks, for sentences that follow each other and for replaced tokens, and poolers that no head reads.
const BESIDE_ENCODERS: [&str; 10] = [
    "cls.",
    "lm_head.",
    "predictions.",
    "sop_classifier.",
    "discriminator_",
    "generator_",
    "vocab_",
    "qa_outputs.",
    "lm_predictions.",
    "mask_predictions.",
];

/// Number of tensors that are named.
const MAX_NAMED: usize = 3;

impl BaseModel {
    /// Tensors of the files that the model does not take, a sentence; nothing where all are taken. Heads for classes have
    /// words of their own ([`PretrainedHead`](crate::models::PretrainedHead)).
    pub fn weights_notice(&self) -> Option<Sentence> {
        let taken: BTreeSet<String> = self.weights().into_iter().map(|weight| weight.stored).collect();
        let is_encoder = matches!(**self, Model::Encoder(_));
        let is_harmless = |name: &str| {
            let begins = |beginnings: &[&str]| beginnings.iter().any(|beginning| name.starts_with(beginning));
            let is_beside = is_encoder && (begins(&BESIDE_ENCODERS) || name.contains("pooler."));
            is_beside || begins(&HEADS) || HARMLESS_ENDS.iter().any(|end| name.ends_with(end))
        };
        let names = self.folder().files().shapes().map(|(name, _)| name);
        let unread: Vec<&str> = names.filter(|name| !taken.contains(*name) && !is_harmless(name)).collect();
        let (n, named) = (unread.len(), unread.iter().take(MAX_NAMED).copied().collect::<Vec<_>>().join(", "));
        match n {
            0 => None,
            1 => Some(sentence!("The checkpoint has a tensor that the model does not take: {named}", named)),
            _ => Some(sentence!(
                "The checkpoint has {n} tensors that the model does not take, first of all {named}",
                n,
                named
            )),
        }
    }
}
