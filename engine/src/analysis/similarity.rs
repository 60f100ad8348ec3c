//! How alike slots are: to each other in a layer, to themselves from layer to layer, and to those of another adapter.
//!
//! Another run may have learned the same in another order, so its slots are matched first: the pairs whose cosines have the
//! largest sum. Any two sets can be matched somehow, so the same is done with tokens of the vocabulary in the other's place.
//! Alignment (CKA) sees what a rotation hides; its slots belong together by position, and once more by the matching.

use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::assignment::assignment;
use super::cka::debiased_cka;
use super::geometry;
use super::question::Analysis;
use super::slots::{SlotLayer, Spread, Vocabulary, cosine, is_prompt, same_layers, sample, slots};
use super::subject::{Investigation, Subject};
use crate::analysis::Side;
use crate::error::Result;

/// Tokens whose cosines tell what any two vectors of a layer have.
const TOKENS: usize = 256;
/// Sets of tokens that are matched in the place of another adapter's slots.
const DRAWS: usize = 8;

/// Cosines between slots.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SimilarityReport {
    /// Keys or values; of a soft prompt neither.
    pub side: Side,
    /// Whether the slots are embeddings.
    pub is_prompt: bool,
    /// Whether vectors are measured from the vocabulary's mean.
    pub is_centered: bool,
    /// Layers that have slots.
    pub layers: Vec<LayerSimilarity>,
    /// Of each layer with each, the mean cosine of a slot with itself there.
    pub across: Vec<Vec<f64>>,
    /// The same of tokens, over pairs of different layers.
    pub across_by_chance: Spread,
    /// Layer by layer, the slots of another adapter.
    pub other: Vec<LayerMatch>,
}

/// Cosines of the slots of a layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerSimilarity {
    /// Number of the layer, from 0, among all of the adapter's sites.
    pub layer: usize,
    /// Name of the layer.
    pub name: String,
    /// Each slot with each.
    pub cosines: Vec<Vec<f64>>,
    /// Of two different slots.
    pub pairs: Spread,
    /// Of two different tokens.
    pub by_chance: Spread,
}

/// The slots of a layer beside those of another adapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerMatch {
    /// Number of the layer, from 0.
    pub layer: usize,
    /// Name of the layer.
    pub name: String,
    /// Each slot with each of the other's.
    pub cosines: Vec<Vec<f64>>,
    /// The pairs with the largest sum of cosines, by position.
    pub pairs: Vec<MatchedPair>,
    /// Mean cosine of the pairs.
    pub matched: f64,
    /// Mean cosine of slots of the same position.
    pub by_position: f64,
    /// Mean cosine of the pairs with as many tokens of the vocabulary, over several draws of them.
    pub matched_by_chance: Spread,
    /// Debiased linear CKA of slots of the same position: 0 by chance; `None` with fewer than four.
    pub cka: Option<f64>,
    /// The same of the pairs.
    pub cka_matched: Option<f64>,
    /// The same of the pairs with tokens, which matching alone makes larger than 0.
    pub cka_by_chance: Option<Spread>,
}

/// A slot and the one that it is matched with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MatchedPair {
    /// Position, from 0.
    pub slot: usize,
    /// Position in the other adapter, from 0.
    pub other: usize,
    /// Cosine of the two.
    pub cosine: f64,
}

/// The work: the vocabulary, then a layer a step.
#[derive(Debug)]
pub(super) struct Similarity {
    side: Side,
    is_centered: bool,
    vocabulary: Vocabulary,
    own: Option<Found>,
}

#[derive(Debug)]
struct Found {
    slots: Vec<SlotLayer>,
    /// Of the layers that both have, by their place in `slots`.
    other: Vec<(usize, SlotLayer)>,
    layers: Vec<LayerSimilarity>,
    matches: Vec<LayerMatch>,
    /// By layer, its origin and the tokens that stand for the vocabulary.
    origins: Vec<Vec<f32>>,
    tokens: Vec<Vec<Vec<f32>>>,
}

impl Similarity {
    pub(super) fn new(side: Side, is_centered: bool) -> Self {
        Self { side, is_centered, vocabulary: Vocabulary::default(), own: None }
    }
}

impl Investigation for Similarity {
    fn step(&mut self, subject: &Subject) -> Result<Option<Analysis>> {
        let Some(found) = &mut self.own else {
            let slots = slots(&subject.adapter, self.side, subject)?;
            let other =
                subject.other.as_ref().map(|other| same_layers(other, &slots, self.side, subject)).transpose()?;
            if self.vocabulary.step(subject)? {
                let other = other.unwrap_or_default();
                let (layers, matches, origins, tokens) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
                self.own = Some(Found { slots, other, layers, matches, origins, tokens });
            }
            return Ok(None);
        };
        let index = found.layers.len();
        let Some(layer) = found.slots.get(index) else {
            let (across, across_by_chance) = found.across();
            let report = SimilarityReport {
                side: self.side,
                is_prompt: is_prompt(&subject.adapter),
                is_centered: self.is_centered,
                layers: std::mem::take(&mut found.layers),
                across,
                across_by_chance,
                other: std::mem::take(&mut found.matches),
            };
            return Ok(Some(Analysis::Similarity(report)));
        };
        let (table, width) = self.vocabulary.table(layer.layer, self.side);
        let origin = if self.is_centered { geometry::mean(table, width) } else { vec![0.0; width] };
        let tokens: Vec<Vec<f32>> = sample((table, width), TOKENS).into_iter().map(|(_, vector)| vector).collect();
        let cosines = table_of(&layer.vectors, &layer.vectors, &origin);
        found.layers.push(LayerSimilarity {
            layer: layer.layer,
            name: layer.name.clone(),
            pairs: Spread::of(&off_diagonal(&cosines)),
            by_chance: Spread::of(&off_diagonal(&table_of(&tokens, &tokens, &origin))),
            cosines,
        });
        if let Some((_, other)) = found.other.iter().find(|(at, _)| *at == index) {
            found.matches.push(matched(layer, other, &origin, &tokens));
        }
        found.origins.push(origin);
        found.tokens.push(tokens);
        Ok(None)
    }

    fn share(&self) -> f32 {
        match &self.own {
            None => 0.5 * self.vocabulary.share(),
            Some(found) => 0.5 + 0.5 * found.layers.len() as f32 / found.slots.len().max(1) as f32,
        }
    }
}

impl Found {
    /// Mean cosines of slots with themselves in other layers, and of tokens with themselves.
    fn across(&self) -> (Vec<Vec<f64>>, Spread) {
        let from = |vectors: &[Vec<f32>], layer: usize| -> Vec<Vec<f32>> {
            let origin = &self.origins[layer];
            vectors.iter().map(|vector| vector.iter().zip(origin).map(|(x, origin)| x - origin).collect()).collect()
        };
        let slots: Vec<_> = self.slots.iter().enumerate().map(|(i, layer)| from(&layer.vectors, i)).collect();
        let tokens: Vec<_> = self.tokens.iter().enumerate().map(|(i, tokens)| from(tokens, i)).collect();
        let cosine = |a: &[f32], b: &[f32]| if a.len() == b.len() { cosine(a, b, &vec![0.0; a.len()]) } else { 0.0 };
        let mean = |a: &[Vec<f32>], b: &[Vec<f32>]| {
            Spread::of(&a.iter().zip(b).map(|(a, b)| cosine(a, b)).collect::<Vec<f64>>()).mean
        };
        let across = slots.iter().map(|a| slots.iter().map(|b| mean(a, b)).collect()).collect();
        let mut by_chance = Vec::new();
        for (index, a) in tokens.iter().enumerate() {
            for b in &tokens[..index] {
                by_chance.extend(a.iter().zip(b).map(|(a, b)| cosine(a, b)));
            }
        }
        (across, Spread::of(&by_chance))
    }
}

fn table_of(a: &[Vec<f32>], b: &[Vec<f32>], origin: &[f32]) -> Vec<Vec<f64>> {
    a.iter().map(|a| b.iter().map(|b| cosine(a, b, origin)).collect()).collect()
}

fn off_diagonal(table: &[Vec<f64>]) -> Vec<f64> {
    table.iter().enumerate().flat_map(|(i, row)| row[i + 1..].iter().copied()).collect()
}

/// The pairs with the largest sum of cosines.
fn best_pairs(cosines: &[Vec<f64>]) -> Vec<MatchedPair> {
    let costs: Vec<Vec<f64>> = cosines.iter().map(|row| row.iter().map(|cosine| 1.0 - cosine).collect()).collect();
    let pair = |(slot, other): (usize, Option<usize>)| {
        let other = other?;
        Some(MatchedPair { slot, other, cosine: cosines[slot][other] })
    };
    assignment(&costs).into_iter().enumerate().filter_map(pair).collect()
}

/// The mean cosine of pairs and their alignment.
fn judged(pairs: &[MatchedPair], a: &[Vec<f32>], b: &[Vec<f32>]) -> (f64, Option<f64>) {
    let cosines: Vec<f64> = pairs.iter().map(|pair| pair.cosine).collect();
    let side = |set: &'_ [Vec<f32>], of: fn(&MatchedPair) -> usize| -> Vec<Vec<f32>> {
        pairs.iter().map(|pair| set[of(pair)].clone()).collect()
    };
    let (a, b) = (side(a, |pair| pair.slot), side(b, |pair| pair.other));
    (Spread::of(&cosines).mean, debiased_cka(&slices(&a), &slices(&b)))
}

fn slices(vectors: &[Vec<f32>]) -> Vec<&[f32]> {
    vectors.iter().map(Vec::as_slice).collect()
}

fn matched(own: &SlotLayer, other: &SlotLayer, origin: &[f32], tokens: &[Vec<f32>]) -> LayerMatch {
    let cosines = table_of(&own.vectors, &other.vectors, origin);
    let pairs = best_pairs(&cosines);
    let (mean, cka_matched) = judged(&pairs, &own.vectors, &other.vectors);
    let same: Vec<f64> = cosines.iter().enumerate().filter_map(|(i, row)| row.get(i).copied()).collect();
    let mut random = ChaCha8Rng::seed_from_u64(own.layer as u64);
    let (mut chance, mut cka_chance) = (Vec::new(), Vec::new());
    for _ in 0..DRAWS {
        let drawn = index::sample(&mut random, tokens.len(), other.vectors.len().min(tokens.len()));
        let drawn: Vec<Vec<f32>> = drawn.into_iter().map(|token| tokens[token].clone()).collect();
        let (mean, cka) = judged(&best_pairs(&table_of(&own.vectors, &drawn, origin)), &own.vectors, &drawn);
        chance.push(mean);
        cka_chance.extend(cka);
    }
    LayerMatch {
        layer: own.layer,
        name: own.name.clone(),
        matched: mean,
        by_position: Spread::of(&same).mean,
        matched_by_chance: Spread::of(&chance),
        cka: debiased_cka(&slices(&own.vectors), &slices(&other.vectors)),
        cka_matched,
        cka_by_chance: (!cka_chance.is_empty()).then(|| Spread::of(&cka_chance)),
        cosines,
        pairs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::normal;

    fn drawn(seed: u64, n: usize) -> Vec<Vec<f32>> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        (0..n).map(|_| (0..24).map(|_| normal(&mut random)).collect()).collect()
    }

    fn layer(vectors: Vec<Vec<f32>>) -> SlotLayer {
        SlotLayer { layer: 3, name: "blocks.3".into(), vectors }
    }

    #[test]
    fn shuffled_slots_are_found_again_and_others_are_not_beyond_chance() {
        let own = drawn(1, 9);
        let order: Vec<usize> = (0..9).map(|slot| slot * 4 % 9).collect();
        let shuffled: Vec<Vec<f32>> = order.iter().map(|&slot| own[slot].clone()).collect();
        let (origin, tokens) = (vec![0.0; 24], drawn(2, TOKENS));
        let found = matched(&layer(own.clone()), &layer(shuffled), &origin, &tokens);
        assert!(found.pairs.iter().all(|pair| order[pair.other] == pair.slot && (pair.cosine - 1.0).abs() < 1e-9));
        assert!((found.matched - 1.0).abs() < 1e-9 && found.by_position < 0.5, "{found:?}");
        assert!((found.cka_matched.unwrap() - 1.0).abs() < 1e-9 && found.cka.unwrap() < 0.6, "{found:?}");
        let foreign = matched(&layer(own), &layer(drawn(3, 9)), &origin, &tokens);
        let chance = foreign.matched_by_chance;
        assert!((foreign.matched - chance.mean).abs() < 5.0 * chance.sd.max(0.02), "{foreign:?}");
        assert!(chance.mean > 0.1, "matching alone makes random vectors alike: {chance:?}");
    }

    #[test]
    fn sets_of_different_size_are_matched_as_far_as_they_go() {
        let found = matched(&layer(drawn(1, 5)), &layer(drawn(2, 3)), &[0.0; 24], &drawn(4, TOKENS));
        assert_eq!((found.pairs.len(), found.cosines.len(), found.cka), (3, 5, None));
        let mut others: Vec<usize> = found.pairs.iter().map(|pair| pair.other).collect();
        others.sort_unstable();
        assert_eq!(others, [0, 1, 2]);
    }
}
