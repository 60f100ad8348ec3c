//! What many lists of neighbors say together: which tokens survive at a false-discovery rate, and which slots are near to
//! the same ones.
//!
//! Each token of the vocabulary is a test of each cell, so that there are as many tests as tokens times cells, and not as
//! many as are listed. Benjamini & Hochberg 1995: of the p in order, all up to the last with `p ≤ rate · rank / tests`. Only
//! listed tokens have a rank; what stands further down a list than it is long could only raise it, so that none survives
//! that would not. Cosines of similar tokens, and those of similar slots, depend on each other positively, which the procedure
//! allows (Benjamini & Yekutieli 2001).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::report::{Neighbor, NeighborList};

/// Nearest tokens in which slots are compared.
const FIRST: usize = 5;
/// Tokens in common from which on two slots share their neighbors.
const IN_COMMON: usize = 3;

/// Lists of neighbors, taken together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Discoveries {
    /// The share of survivors that are allowed to be there by chance.
    pub rate: f64,
    /// Tests: tokens of the vocabulary times cells, of those that are judged.
    pub tests: usize,
    /// Largest p that survives; `None` if none does.
    pub cutoff: Option<f64>,
    /// Neighbors that are listed.
    pub listed: usize,
    /// Those that survive.
    pub survivors: usize,
    /// Survivors that were as near before training, beyond what one list has by chance: they came with the start and
    /// stayed.
    pub stayed: usize,
    /// Lists with a survivor.
    pub cells: usize,
    /// Lists.
    pub lists: usize,
    /// Lists whose vocabulary has more tokens far out than a normal distribution, so that their p are of a heavier tail.
    pub heavy_tails: usize,
    /// Slots that have at least three of their first five tokens in common with another slot of the same layer.
    pub sharing: usize,
    /// Tokens among the first five of several slots of a layer, those of the most slots first.
    pub shared: Vec<SharedNeighbor>,
}

/// A token that several slots are near to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SharedNeighbor {
    /// Number of the layer, from 0.
    pub layer: usize,
    /// The head of keys and values, from 0, where each was searched by itself.
    pub head: Option<usize>,
    /// Its id.
    pub token: u32,
    /// Its text.
    pub text: String,
    /// Positions of the slots, from 0.
    pub positions: Vec<usize>,
}

impl Discoveries {
    /// Of all lists of an answer, at a rate between 0 and 1.
    pub fn of(lists: &[NeighborList], rate: f64) -> Self {
        let judged = || lists.iter().filter(|list| list.vocabulary.limit.is_some());
        let tests: usize = judged().map(|list| list.vocabulary.tokens).sum();
        let mut p: Vec<f64> =
            judged().flat_map(|list| list.nearest.iter().map(|near| list.vocabulary.p(near.z))).collect();
        p.sort_by(f64::total_cmp);
        let survives = |(index, p): &(usize, f64)| *p <= rate * (index + 1) as f64 / tests.max(1) as f64;
        let cutoff = p.into_iter().enumerate().rfind(survives).map(|(_, p)| p);
        let mut found = Self { rate, tests, cutoff, lists: lists.len(), ..Self::default() };
        for list in lists {
            let surviving: Vec<&Neighbor> = list.nearest.iter().filter(|near| found.survives(list, near)).collect();
            found.listed += list.nearest.len();
            found.survivors += surviving.len();
            found.stayed += surviving.iter().filter(|near| list.has_stayed(near)).count();
            found.cells += usize::from(!surviving.is_empty());
            found.heavy_tails += usize::from(list.vocabulary.tail.scale.is_some());
        }
        found.sharing = sharing(lists);
        found.shared = shared(lists);
        found
    }

    /// Whether a neighbor of a list survives.
    pub fn survives(&self, list: &NeighborList, near: &Neighbor) -> bool {
        let is_judged = list.vocabulary.limit.is_some();
        is_judged && self.cutoff.is_some_and(|cutoff| list.vocabulary.p(near.z) <= cutoff)
    }
}

/// The first tokens of a list.
fn first(list: &NeighborList) -> Vec<u32> {
    list.nearest.iter().take(FIRST).map(|near| near.token).collect()
}

fn sharing(lists: &[NeighborList]) -> usize {
    let is_shared = |list: &NeighborList| {
        let own = first(list);
        let same_place = |other: &&NeighborList| {
            (other.layer, other.head) == (list.layer, list.head) && other.position != list.position
        };
        let in_common = |other: &NeighborList| first(other).iter().filter(|token| own.contains(token)).count();
        lists.iter().filter(same_place).any(|other| in_common(other) >= IN_COMMON)
    };
    lists.iter().filter(|list| is_shared(list)).count()
}

fn shared(lists: &[NeighborList]) -> Vec<SharedNeighbor> {
    let mut slots = BTreeMap::new();
    for list in lists {
        for near in list.nearest.iter().take(FIRST) {
            let place = slots.entry((list.layer, list.head, near.token));
            let (_, positions) = place.or_insert_with(|| (near.text.clone(), Vec::new()));
            positions.push(list.position);
        }
    }
    let several = slots.into_iter().filter(|(_, (_, positions))| positions.len() > 1);
    let mut shared: Vec<SharedNeighbor> = several
        .map(|((layer, head, token), (text, positions))| SharedNeighbor { layer, head, token, text, positions })
        .collect();
    // Stable, so that equals stand by layer and token.
    shared.sort_by_key(|shared| std::cmp::Reverse(shared.positions.len()));
    shared
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::super::report::{Tail, VocabularyScores};
    use super::*;
    use crate::random::normal;

    fn list(position: usize, z: &[f32], tokens: usize) -> NeighborList {
        let near = |(token, z): (usize, &f32)| {
            let before = (token == 0).then_some(9.0);
            Neighbor { token: token as u32, text: format!("<{token}>"), score: 0.1, z: *z, before }
        };
        let nearest = z.iter().enumerate().map(near).collect();
        let vocabulary = VocabularyScores { tokens, limit: Some(4.0), sd: 1.0, ..VocabularyScores::default() };
        NeighborList { layer: 0, position, head: None, nearest, initial: Vec::new(), vocabulary }
    }

    #[test]
    fn the_survivors_are_those_of_benjamini_and_hochberg() {
        // p of z = 5.2, 4.9, 4.6, 3.0: 1.0e-7, 4.8e-7, 2.1e-6, 1.3e-3; of 10 000 tests at 0.05: 5e-6 · rank.
        let lists = [list(0, &[5.2, 4.6], 5000), list(1, &[4.9, 3.0], 5000)];
        let found = Discoveries::of(&lists, 0.05);
        assert_eq!((found.tests, found.listed, found.survivors, found.cells, found.lists), (10_000, 4, 3, 2, 2));
        assert!((found.cutoff.unwrap() - 2.11e-6).abs() < 1e-7, "{:?}", found.cutoff);
        assert_eq!(found.stayed, 2, "the first of each was near before training too");
        let strict = Discoveries::of(&lists, 0.001);
        // 1e-7 · rank: p of the first is 0.996e-7, and that of the second 4.8e-7 is beyond 2e-7.
        assert_eq!(strict.survivors, 1);
        let mut raw = lists.to_vec();
        raw.iter_mut().for_each(|list| list.vocabulary.limit = None);
        assert_eq!((Discoveries::of(&raw, 0.5).survivors, Discoveries::of(&[], 0.05).cutoff), (0, None));
    }

    #[test]
    fn of_draws_that_mean_nothing_hardly_any_survive() {
        let mut random = ChaCha8Rng::seed_from_u64(4);
        let mut with_some = 0;
        for _ in 0..200 {
            let draw = |position: usize, random: &mut ChaCha8Rng| {
                let mut z: Vec<f32> = (0..2000).map(|_| normal(random)).collect();
                z.sort_by(|a, b| b.total_cmp(a));
                list(position, &z[..8], 2000)
            };
            let lists = [draw(0, &mut random), draw(1, &mut random)];
            with_some += usize::from(Discoveries::of(&lists, 0.1).survivors > 0);
        }
        assert!((8..36).contains(&with_some), "one answer of ten has some: {with_some} of 200");
    }

    #[test]
    fn a_heavier_tail_makes_the_same_z_less_surprising() {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let normal_z: Vec<f32> = (0..20_000).map(|_| normal(&mut random)).collect();
        assert_eq!(Tail::of(normal_z.iter().copied()).scale, None);
        // A mixture: one of twenty is three times as wide.
        let mixed = normal_z.iter().enumerate().map(|(i, z)| if i % 20 == 0 { 3.0 * z } else { *z });
        let tail = Tail::of(mixed.collect::<Vec<f32>>().into_iter());
        assert!(tail.scale.is_some() && tail.beyond > 3 * tail.expected as usize, "{tail:?}");
        let scores = VocabularyScores { tokens: 20_000, limit: Some(4.6), tail, ..VocabularyScores::default() };
        let plain = VocabularyScores { tail: Tail::default(), ..scores.clone() };
        assert!(scores.p(5.0) > 100.0 * plain.p(5.0) && scores.p(2.0) == plain.p(2.0));
        // Beyond 5 are of the 1000 wide ones 0.048.
        let expected = 1000.0 * 0.0478 / 20_000.0;
        assert!((scores.p(5.0) / expected).ln().abs() < 1.0, "{} {expected}", scores.p(5.0));
    }

    #[test]
    fn slots_with_the_same_neighbors_are_counted() {
        let mut lists = vec![list(0, &[5.0; 5], 100), list(1, &[5.0; 5], 100), list(2, &[5.0; 5], 100)];
        lists[2].nearest.iter_mut().skip(2).for_each(|near| near.token += 100);
        let found = Discoveries::of(&lists, 0.05);
        assert_eq!(found.sharing, 2, "two in common are not enough");
        let all: Vec<(u32, usize)> = found.shared.iter().map(|one| (one.token, one.positions.len())).collect();
        assert_eq!(all, [(0, 3), (1, 3), (2, 2), (3, 2), (4, 2)]);
        lists[1].layer = 1;
        assert_eq!(Discoveries::of(&lists, 0.05).sharing, 0, "another layer is another space");
    }
}
