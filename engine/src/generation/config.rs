//! Settings for the choice of tokens and the length of a text, named as in transformers' `GenerationConfig`.

use serde::{Deserialize, Serialize};

/// Settings for the choice of tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sampling {
    /// Always the most probable token; the settings below are then unused, except the penalty.
    pub greedy: bool,
    /// Logits are divided by it.
    pub temperature: f64,
    /// Only the k most probable tokens; 0 is all.
    pub top_k: usize,
    /// Only the most probable tokens that together reach this probability; 1 is all.
    pub top_p: f64,
    /// Divides the logits of tokens that are already there, as in CTRL; 1 changes nothing.
    pub repetition_penalty: f64,
    /// Most new tokens.
    pub max_new_tokens: usize,
    /// Same seed, same text.
    pub seed: u64,
    /// End at the model's end token.
    pub stop_at_end: bool,
    /// Search with several beams instead.
    pub beams: Beams,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            greedy: true,
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            repetition_penalty: 1.0,
            max_new_tokens: 60,
            seed: 42,
            stop_at_end: true,
            beams: Beams::default(),
        }
    }
}

/// Settings of the search for the most probable text, as in transformers' `generate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Beams {
    /// Texts that are kept at each step (transformers: `num_beams`); 1 searches nothing.
    pub n_beams: usize,
    /// A finished text is worth its log-probability divided by its length to this power: more than 0 prefers long texts,
    /// less short ones.
    pub length_penalty: f64,
    /// When enough texts are finished.
    pub early_stopping: EarlyStopping,
    /// Number of best texts that are returned (transformers: `num_return_sequences`).
    pub n_returned: usize,
}

impl Beams {
    /// Every beam is a row of the cache.
    pub const MOST: usize = 256;
}

impl Default for Beams {
    fn default() -> Self {
        Self { n_beams: 1, length_penalty: 1.0, early_stopping: EarlyStopping::False, n_returned: 1 }
    }
}

/// When beam search ends after as many texts are finished as there are beams; the names are transformers' values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EarlyStopping {
    /// When the best beam, if it ended now, would not be among them.
    #[default]
    False,
    /// At once.
    True,
    /// When the best beam could not get among them at any length; with a length penalty of 0 or less as `False`.
    Never,
}
