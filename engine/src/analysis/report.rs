//! Results of an analysis.

use serde::{Deserialize, Serialize};

use super::chance::upper_tail;
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
    /// The head of keys and values whose part of the vectors is compared, from 0; `None`: all heads together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<usize>,
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

    /// Whether a token that is nearer than chance explains was so before training: it came with the start and stayed.
    pub fn has_stayed(&self, near: &Neighbor) -> bool {
        let limit = self.vocabulary.limit;
        self.is_above_chance(near) && near.before.zip(limit).is_some_and(|(before, limit)| before > limit)
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
    /// Whether the tokens far above the mean are as many as a normal distribution has there.
    #[serde(default)]
    pub tail: Tail,
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

    /// The probability that a token has a z as large by chance: of the normal distribution, or where the vocabulary has more
    /// tokens far out than that, of an exponential tail laid through them, if it is larger. 1 where nothing is judged.
    pub fn p(&self, z: f32) -> f64 {
        if self.limit.is_none() || z.is_nan() {
            return 1.0;
        }
        let z = f64::from(z);
        let normal = if z > 0.0 { upper_tail(z) } else { 1.0 - upper_tail(-z) };
        match self.tail.scale {
            Some(scale) if z > Tail::FROM => {
                let beyond = self.tail.beyond as f64 / self.tokens.max(1) as f64;
                normal.max(beyond * (-(z - Tail::FROM) / f64::from(scale)).exp())
            }
            _ => normal,
        }
    }

    /// A cosine in standard deviations above the mean; 0 where all cosines are the same.
    pub fn z(&self, cosine: f32) -> f32 {
        if self.sd == 0.0 { 0.0 } else { (cosine - self.mean) / self.sd }
    }
}

/// The tokens whose z is above [`Tail::FROM`], beside those that a normal distribution has there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tail {
    /// Tokens.
    pub beyond: usize,
    /// Tokens that a normal distribution has there.
    pub expected: f32,
    /// Scale of the exponential distribution of what they are further out, where they are too many for a normal one.
    pub scale: Option<f32>,
}

impl Tail {
    /// The z from which on the tail is counted.
    pub const FROM: f64 = 3.0;

    /// Of the z of a whole vocabulary. Twice as many as expected, and three standard deviations of a count more, are too
    /// many. The scale is of the median, so that a few true neighbors do not decide it.
    pub(super) fn of(z: impl ExactSizeIterator<Item = f32>) -> Self {
        let expected = z.len() as f64 * upper_tail(Self::FROM);
        let mut further: Vec<f64> = z.map(|z| f64::from(z) - Self::FROM).filter(|further| *further > 0.0).collect();
        let beyond = further.len();
        let is_heavy = beyond as f64 > 2.0 * expected + 3.0 * expected.sqrt();
        let scale = is_heavy.then(|| {
            let (_, median, _) = further.select_nth_unstable_by(beyond / 2, f64::total_cmp);
            (*median / std::f64::consts::LN_2) as f32
        });
        Self { beyond, expected: expected as f32, scale }
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
