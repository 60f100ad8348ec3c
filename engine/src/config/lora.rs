//! Matrices of low rank as a run asks for them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::rules::{POSITIVE, RATE, SHARE, is_rate, refuse};
use super::tagged::whole;
use crate::error::Result;
use crate::sentence;

/// Matrices of low rank beside linear layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoraConfig {
    /// Rank (PEFT: `r`).
    pub rank: usize,
    /// Numerator of the scale `alpha / rank` (PEFT: `lora_alpha`).
    pub alpha: f64,
    /// Dropout on what the matrices read while training, 0 to 1.
    pub dropout: f64,
    /// Ends of the names of linear layers, such as `c_attn`, or patterns that a whole name must match; `None` is PEFT's
    /// choice for the architecture, `all-linear` every layer of the blocks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub targets: Option<Vec<String>>,
    /// Scale by `alpha / sqrt(rank)` instead. Kalajdzievski 2023 (PEFT: `use_rslora`).
    #[serde(alias = "rank_stabilised")]
    pub rank_stabilized: bool,
    /// Biases that are trained too.
    pub bias: LoraBias,
    /// Other ranks for layers whose names end in such a name or pattern; of several that fit the first in the alphabet.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rank_pattern: BTreeMap<String, usize>,
    /// Other alphas, likewise.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub alpha_pattern: BTreeMap<String, f64>,
    /// Modules that are trained whole beside them, embeddings, heads or norms, by the ends of their names, such as
    /// `embed_tokens` (PEFT: `modules_to_save`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modules_to_save: Vec<String>,
    /// Tokens whose rows of a table of embeddings are trained beside them, by the end of the table's name or `""` for
    /// the model's own (PEFT: `trainable_token_indices`). A head that is tied to the table has the new rows too.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub trained_tokens: BTreeMap<String, Vec<u32>>,
    /// Peak learning rate beside another method, where there are two; `None` is `training.learning_rate`. It is the rate of
    /// biases and modules that are trained with the matrices too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// Initial values.
    #[serde(deserialize_with = "whole", skip_serializing_if = "LoraInit::is_fresh")]
    pub init: LoraInit,
}

/// Initial values of matrices of low rank.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LoraInit {
    /// A drawn, B zeros: the base model at first.
    #[default]
    Fresh,
    /// Those of a trained adapter, of the same layers and ranks, with the biases beside them.
    Adapter {
        /// Folder of the adapter.
        path: PathBuf,
    },
}

impl LoraInit {
    fn is_fresh(&self) -> bool {
        *self == Self::Fresh
    }
}

impl Default for LoraConfig {
    fn default() -> Self {
        Self {
            rank: 8,
            alpha: 16.0,
            dropout: 0.0,
            targets: None,
            rank_stabilized: false,
            bias: LoraBias::None,
            rank_pattern: BTreeMap::new(),
            alpha_pattern: BTreeMap::new(),
            modules_to_save: Vec::new(),
            trained_tokens: BTreeMap::new(),
            learning_rate: None,
            init: LoraInit::Fresh,
        }
    }
}

impl LoraConfig {
    pub(super) fn check(&self) -> Result<()> {
        let ranks = self.rank_pattern.values().all(|rank| (1..=4096).contains(rank));
        let alphas = self.alpha_pattern.values().all(|alpha| alpha.is_finite() && *alpha > 0.0);
        let is_twice = |tokens: &Vec<u32>| tokens.iter().collect::<BTreeSet<_>>().len() < tokens.len();
        let twice = self.trained_tokens.values().any(is_twice);
        refuse(&[
            ((1..=4096).contains(&self.rank), "lora.rank", sentence!("must be between 1 and 4096")),
            (self.alpha.is_finite() && self.alpha > 0.0, "lora.alpha", POSITIVE),
            (ranks, "lora.rank_pattern", sentence!("must be between 1 and 4096")),
            (alphas, "lora.alpha_pattern", sentence!("must be positive, finite numbers")),
            (!twice, "lora.trained_tokens", sentence!("a token is named twice")),
            (
                self.modules_to_save.iter().all(|name| !name.is_empty()),
                "lora.modules_to_save",
                sentence!("a name is empty"),
            ),
            ((0.0..1.0).contains(&self.dropout), "lora.dropout", SHARE),
            (self.learning_rate.is_none_or(is_rate), "lora.learning_rate", RATE),
        ])
    }

    /// Whether a module is trained whole, found as PEFT finds it: `norm` is `input_layernorm` too, and all that is below it.
    pub fn saves(&self, module: &str) -> bool {
        let ends = module.match_indices('.').map(|(at, _)| at).chain([module.len()]);
        let is_saved = |end: usize| self.modules_to_save.iter().any(|name| module[..end].ends_with(name.as_str()));
        ends.into_iter().any(is_saved)
    }

    /// The tokens whose rows of a table are trained; without a name they are of any.
    pub fn tokens_of(&self, module: &str) -> Option<&Vec<u32>> {
        let found =
            |(end, _): &(&String, &Vec<u32>)| end.is_empty() || module == *end || module.ends_with(&format!(".{end}"));
        self.trained_tokens.iter().find(found).map(|(_, tokens)| tokens)
    }

    /// Scale of `B A x` in a layer of this rank and alpha.
    pub fn scale(&self, rank: usize, alpha: f64) -> f64 {
        let rank = rank as f64;
        alpha / if self.rank_stabilized { rank.sqrt() } else { rank }
    }
}

/// Biases that are trained beside matrices of low rank, as PEFT names the choices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoraBias {
    /// None.
    None,
    /// Every bias of the model.
    All,
    /// Those of the layers that have matrices.
    LoraOnly,
}
