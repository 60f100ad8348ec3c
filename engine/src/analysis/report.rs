//! Results of an analysis.

use serde::{Deserialize, Serialize};

use crate::models::Site;

/// One nearest token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Neighbor {
    /// Token id.
    pub token: u32,
    /// The token as text, with invisible characters escaped.
    pub text: String,
    /// In the units of the metric, in the space that was asked for.
    pub score: f32,
    /// Cosine of the token in standard deviations above the mean of the whole vocabulary's.
    pub z: f32,
    /// The same before training, if that is known.
    pub before: Option<f32>,
}

/// The nearest tokens of one cell, beside what the whole vocabulary gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NeighborList {
    /// Layer, from 0.
    pub layer: usize,
    /// Prefix position, from 0.
    pub position: usize,
    /// Nearest first.
    pub nearest: Vec<Neighbor>,
    /// The same query on the prefix's initial values, if known: history, not a bar to exceed.
    pub initial: Vec<Neighbor>,
    /// Distribution of the cosines of the whole vocabulary.
    pub vocabulary: VocabularyScores,
}

impl NeighborList {
    /// Whether a token of the list is nearer than chance explains; never where that cannot be told.
    pub fn is_above_chance(&self, near: &Neighbor) -> bool {
        self.vocabulary.limit.is_some_and(|limit| near.z > limit)
    }

    /// Number of the nearest that are nearer than chance explains.
    pub fn above_chance(&self) -> usize {
        self.nearest.iter().filter(|near| self.is_above_chance(near)).count()
    }
}

/// The cosines of one vector with every token of the vocabulary, and what chance makes of so many.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VocabularyScores {
    /// Tokens.
    pub tokens: usize,
    /// Mean of their cosines.
    pub mean: f32,
    /// Standard deviation of their cosines.
    pub sd: f32,
    /// The z that the nearest of so many tokens has by chance, in the mean.
    pub best: f32,
    /// The z that the nearest of so many tokens exceeds by chance in one list of twenty. None in [`Space::Raw`](super::Space::Raw): beside
    /// what all tokens share little is left of a cosine, and there the nearest is always further out.
    pub limit: Option<f32>,
    /// Number of tokens by z: bins of [`Self::STEP`] from [`Self::LOWEST`] on; what lies beyond is in the outer two.
    pub histogram: Vec<u32>,
}

impl VocabularyScores {
    /// Where the histogram begins, in z.
    pub const LOWEST: f32 = -5.0;
    /// Width of a bin of the histogram, in z.
    pub const STEP: f32 = 0.25;
    /// Bins of the histogram.
    pub const BINS: usize = 40;
    /// The share of lists in which chance alone puts a token above the limit.
    pub const LEVEL: f64 = 0.05;

    /// A cosine in standard deviations above the mean; 0 where all cosines are the same.
    pub fn z(&self, cosine: f32) -> f32 {
        if self.sd == 0.0 { 0.0 } else { (cosine - self.mean) / self.sd }
    }
}

/// Norms of a prefix, cell by cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PrefixGrid {
    /// Layers.
    pub n_layers: usize,
    /// Prefix length.
    pub n_virtual: usize,
    /// `[layer][position]` row by row: norm of the key over all heads.
    pub key_norm: Vec<f32>,
    /// `[layer][position]` row by row: norm of the value over all heads.
    pub value_norm: Vec<f32>,
    /// Distance of each key from its start, over all heads; empty where the start is not known.
    #[serde(default)]
    pub key_change: Vec<f32>,
    /// The same of each value.
    #[serde(default)]
    pub value_change: Vec<f32>,
    /// The places of a sequence-to-sequence model's prefix in the order of the layers, each with how many are its.
    #[serde(default)]
    pub sites: Vec<(Site, usize)>,
    /// The cells are the slots of a soft prompt, one row of embeddings; both norms are the slot's.
    #[serde(default)]
    pub is_prompt: bool,
    /// Changes of the model's weights.
    #[serde(default)]
    pub changes: Vec<WeightChange>,
}

/// Change of a weight by an adapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WeightChange {
    /// The module or the weight, as adapters call it.
    pub name: String,
    /// Frobenius norm of what is added.
    pub norm: f32,
    /// The same, divided by the norm of the weight itself; 0 where that is 0.
    pub share: f32,
}
