//! A map of a layer: the slots and a sample of the vocabulary along the directions in which both lie farthest from the
//! vocabulary's mean, and where the slots were at every checkpoint.
//!
//! A plane shows little of hundreds of dimensions, so the share that it shows is a part of the answer, beside what it would
//! show of tokens in the slots' place.

use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::geometry;
use super::pca::{directions, explained, place};
use super::question::Analysis;
use super::slots::{SlotLayer, Spread, Vocabulary, is_prompt, same_layers, sample, slots};
use super::subject::{Investigation, Subject};
use crate::adapters::AdapterState;
use crate::analysis::Side;
use crate::error::{EngineError, Result};
use crate::sentence;

/// Directions of a map; the third is for turning it.
const AXES: usize = 3;
/// Sets of tokens that stand in the slots' place.
const DRAWS: usize = 4;
/// Most tokens of a cloud.
const MOST: usize = 4096;

/// Places of slots and tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapReport {
    /// Number of the layer, from 0, among all of the adapter's sites.
    pub layer: usize,
    /// Name of the layer.
    pub name: String,
    /// Keys or values; of a soft prompt neither.
    pub side: Side,
    /// Whether the slots are embeddings.
    pub is_prompt: bool,
    /// Share of the slots' squared distance from the vocabulary's mean along each direction.
    pub explained_of_slots: Vec<f64>,
    /// The same of the tokens.
    pub explained_of_tokens: Vec<f64>,
    /// Share along the first two of them, were the slots as many tokens.
    pub explained_by_chance: Spread,
    /// Where each slot is, along each direction.
    pub slots: Vec<Vec<f64>>,
    /// Where they began, if that is known.
    pub start: Option<Vec<Vec<f64>>>,
    /// Where they were at each checkpoint, by step.
    pub trajectory: Vec<MapStep>,
    /// Where the slots of another adapter are.
    pub other: Option<Vec<Vec<f64>>>,
    /// Tokens, evenly spread over the vocabulary.
    pub cloud: Vec<MapToken>,
}

/// The slots at a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapStep {
    /// Steps that were done.
    pub step: usize,
    /// Where each slot was.
    pub slots: Vec<Vec<f64>>,
}

/// A token on the map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapToken {
    /// Its id.
    pub id: u32,
    /// Its text, as the tokenizer shows it.
    pub text: String,
    /// Where it is.
    pub place: Vec<f64>,
}

/// The work: the vocabulary, then the map.
#[derive(Debug)]
pub(super) struct Mapping {
    layer: usize,
    side: Side,
    tokens: usize,
    vocabulary: Vocabulary,
}

impl Mapping {
    pub(super) fn new(layer: usize, side: Side, tokens: usize) -> Self {
        Self { layer, side, tokens: tokens.min(MOST), vocabulary: Vocabulary::default() }
    }

    /// The layer that is asked for, of those that have slots.
    fn asked(&self, subject: &Subject) -> Result<Vec<SlotLayer>> {
        let layers = slots(&subject.adapter, self.side, subject)?;
        let count = layers.iter().map(|layer| layer.layer + 1).max().unwrap_or(0);
        if self.layer >= count {
            let reason = sentence!("number {index} is asked for, there are {count}", index = self.layer + 1, count);
            return Err(EngineError::Setting { field: "layer", reason });
        }
        let asked: Vec<SlotLayer> = layers.into_iter().filter(|layer| layer.layer == self.layer).collect();
        if asked.is_empty() {
            let reason = sentence!("the run gave no prefix to a layer that is asked for; look at one that has it");
            return Err(EngineError::Setting { field: "layer", reason });
        }
        Ok(asked)
    }
}

impl Investigation for Mapping {
    fn step(&mut self, subject: &Subject) -> Result<Option<Analysis>> {
        // What is not there is said before anything is computed.
        let own = self.asked(subject)?;
        if !self.vocabulary.step(subject)? {
            return Ok(None);
        }
        let (table, width) = self.vocabulary.table(self.layer, self.side);
        let mean = geometry::mean(table, width);
        let cloud = sample((table, width), self.tokens.max(2));
        let tokens: Vec<Vec<f64>> = cloud.iter().map(|(_, vector)| from(vector, &mean)).collect();
        let slots: Vec<Vec<f64>> = own[0].vectors.iter().map(|vector| from(vector, &mean)).collect();
        let axes = axes(&slots, &tokens);
        let places = |vectors: &[Vec<f32>]| -> Vec<Vec<f64>> {
            vectors.iter().map(|vector| place(&from(vector, &mean), &axes)).collect()
        };
        let of_other = |other: &AdapterState| -> Result<Vec<Vec<f64>>> {
            let layers = same_layers(other, &own, self.side, subject)?;
            Ok(layers.first().map_or_else(Vec::new, |(_, layer)| places(&layer.vectors)))
        };
        let trajectory = subject.checkpoints.iter();
        let trajectory = trajectory.map(|(step, there)| Ok(MapStep { step: *step, slots: of_other(there)? }));
        let text = |id: u32| subject.model.tokenizer.token_text(id);
        let on_map = |((id, _), vector): (&(u32, Vec<f32>), &Vec<f64>)| MapToken {
            id: *id,
            text: text(*id),
            place: place(vector, &axes),
        };
        Ok(Some(Analysis::Map(Box::new(MapReport {
            layer: self.layer,
            name: own[0].name.clone(),
            side: self.side,
            is_prompt: is_prompt(&subject.adapter),
            explained_of_slots: explained(&slots, &axes),
            explained_of_tokens: explained(&tokens, &axes),
            explained_by_chance: by_chance(slots.len(), &tokens),
            slots: places(&own[0].vectors),
            start: subject.initial.as_ref().map(of_other).transpose()?,
            trajectory: trajectory.collect::<Result<_>>()?,
            other: subject.other.as_ref().map(of_other).transpose()?,
            cloud: cloud.iter().zip(&tokens).map(on_map).collect(),
        }))))
    }

    fn share(&self) -> f32 {
        0.9 * self.vocabulary.share()
    }
}

/// The directions of a map on which the slots together weigh as much as the tokens.
fn axes(slots: &[Vec<f64>], tokens: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let square = |set: &[Vec<f64>]| set.iter().flatten().map(|x| x * x).sum::<f64>();
    let weight = |set: &[Vec<f64>]| if square(set) > 0.0 { 1.0 / square(set) } else { 0.0 };
    let (of_slot, of_token) = (weight(slots), weight(tokens));
    let weights: Vec<f64> = slots.iter().map(|_| of_slot).chain(tokens.iter().map(|_| of_token)).collect();
    let vectors: Vec<Vec<f64>> = slots.iter().chain(tokens).cloned().collect();
    directions(&vectors, &weights, AXES)
}

/// The share that the first two directions show of as many tokens as there are slots, drawn from the others.
fn by_chance(n_slots: usize, tokens: &[Vec<f64>]) -> Spread {
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let shares = (0..DRAWS).map(|_| {
        let mut drawn = index::sample(&mut random, tokens.len(), n_slots.min(tokens.len() / 2)).into_vec();
        drawn.sort_unstable();
        let is_drawn = |index: &usize| drawn.binary_search(index).is_ok();
        let (mut instead, mut others) = (Vec::new(), Vec::new());
        for (index, token) in tokens.iter().enumerate() {
            if is_drawn(&index) { instead.push(token.clone()) } else { others.push(token.clone()) }
        }
        explained(&instead, &axes(&instead, &others)).iter().take(2).sum()
    });
    Spread::of(&shares.collect::<Vec<f64>>())
}

/// A vector from a place.
fn from(vector: &[f32], origin: &[f32]) -> Vec<f64> {
    vector.iter().zip(origin).map(|(&x, &origin)| f64::from(x) - f64::from(origin)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::normal;

    fn drawn(seed: u64, n: usize, width: usize) -> Vec<Vec<f64>> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        (0..n).map(|_| (0..width).map(|_| f64::from(normal(&mut random))).collect()).collect()
    }

    #[test]
    fn few_slots_far_out_decide_as_much_as_many_tokens() {
        let (width, tokens) = (16, drawn(1, 300, 16));
        let mut slots = drawn(2, 5, width);
        slots.iter_mut().for_each(|slot| slot[7] += 50.0);
        let axes = axes(&slots, &tokens);
        assert_eq!(axes.len(), AXES);
        assert!(axes[0][7] > 0.99, "{:?}", axes[0]);
        assert!(explained(&slots, &axes)[0] > 0.95 && explained(&tokens, &axes)[0] < 0.2);
        let chance = by_chance(5, &tokens);
        assert!(chance.mean < 0.8 && chance.mean > 2.0 / width as f64, "{chance:?}");
    }
}
