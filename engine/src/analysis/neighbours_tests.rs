//! The search against a naive oracle, and what must be found.

use std::path::Path;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::analysis::scan::{direction, norm};
use crate::analysis::{VocabularyBuilder, VocabularyStep};
use crate::generation::tiny::TinyModel;
use crate::models::{CausalModel, Input, ModelShape};

const METRICS: [Metric; 3] = [Metric::Cosine, Metric::Dot, Metric::L2];

fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| random.random_range(-2.0..2.0)).collect()
}

fn name(token: u32) -> String {
    format!("<{token}>")
}

/// Every score, in f64, nearest first.
fn naive(table: &[f32], vector: &[f32], metric: Metric) -> Vec<(u32, f64)> {
    let scores = table.chunks_exact(vector.len()).map(|row| {
        let pairs = row.iter().zip(vector).map(|(&a, &b)| (f64::from(a), f64::from(b)));
        let (mut ab, mut aa, mut bb, mut distance) = (0.0, 0.0, 0.0, 0.0);
        for (a, b) in pairs {
            (ab, aa, bb, distance) = (ab + a * b, aa + a * a, bb + b * b, distance + (a - b) * (a - b));
        }
        match metric {
            Metric::Cosine if aa * bb == 0.0 => 0.0,
            Metric::Cosine => ab / (aa * bb).sqrt(),
            Metric::Dot => ab,
            Metric::L2 => f64::sqrt(distance),
        }
    });
    let mut scores: Vec<(u32, f64)> = (0..).zip(scores).collect();
    scores.sort_by(|a, b| if metric == Metric::L2 { a.1.total_cmp(&b.1) } else { b.1.total_cmp(&a.1) });
    scores
}

#[test]
fn lists_and_moments_equal_those_of_a_naive_search() {
    let width = 13; // not a whole number of lanes
    let table = numbers(1, 1000 * width);
    let cells: Vec<Cell> = (0..5)
        .map(|position| Cell {
            position,
            vector: numbers(10 + position as u64, width),
            initial: (position % 2 == 0).then(|| numbers(20 + position as u64, width)),
        })
        .collect();
    for metric in METRICS {
        let lists = nearest_tokens(Table::Full(&table), 4, &cells, metric, 12, &name);
        assert_eq!(lists.len(), cells.len());
        for (list, cell) in lists.iter().zip(&cells) {
            assert_eq!((list.layer, list.position), (4, cell.position));
            let same = |found: &[Neighbour], vector: &[f32]| {
                let expected = naive(&table, vector, metric);
                assert_eq!(found.len(), 12);
                for (found, (token, score)) in found.iter().zip(expected) {
                    assert_eq!((found.token, &found.text), (token, &name(token)));
                    assert!((f64::from(found.score) - score).abs() < 1e-5);
                }
            };
            same(&list.nearest, &cell.vector);
            match &cell.initial {
                Some(initial) => same(&list.initial, initial),
                None => assert!(list.initial.is_empty()),
            }
            let all = naive(&table, &cell.vector, metric);
            let mean = all.iter().map(|(_, score)| score).sum::<f64>() / 1000.0;
            let variance = all.iter().map(|(_, score)| (score - mean).powi(2)).sum::<f64>() / 1000.0;
            assert!((f64::from(list.vocabulary.0) - mean).abs() < 1e-4);
            assert!((f64::from(list.vocabulary.1) - variance.sqrt()).abs() < 1e-4);
        }
    }
}

#[test]
fn the_null_is_the_best_score_of_random_vectors_of_the_same_norm() {
    let width = 16;
    let table = numbers(2, 700 * width);
    let vector = numbers(3, width);
    let length = norm(&vector);
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let vectors: Vec<Vec<f32>> = (0..RANDOM_VECTORS).map(|_| direction(&mut random, width)).collect();
    for metric in METRICS {
        let cell = Cell { position: 0, vector: vector.clone(), initial: None };
        let list = nearest_tokens(Table::Full(&table), 0, &[cell], metric, 3, &name).remove(0);
        let best = vectors.iter().map(|direction| {
            let scaled: Vec<f32> = direction.iter().map(|x| x * length).collect();
            naive(&table, &scaled, metric)[0].1 as f32
        });
        let (mean, sd) = sample_mean_sd(&best.collect::<Vec<_>>());
        assert!((list.random_best.0 - mean).abs() < 1e-4 && (list.random_best.1 - sd).abs() < 1e-4);
    }
}

#[test]
fn equals_are_listed_by_token_and_zero_vectors_have_cosine_zero() {
    let row = numbers(4, 8);
    let table: Vec<f32> = (0..600).flat_map(|_| row.clone()).collect();
    for metric in METRICS {
        let cell = Cell { position: 0, vector: row.clone(), initial: None };
        let list = nearest_tokens(Table::Full(&table), 0, &[cell], metric, 4, &name).remove(0);
        assert_eq!(list.nearest.iter().map(|n| n.token).collect::<Vec<_>>(), [0, 1, 2, 3]);
    }
    let zero = Cell { position: 0, vector: vec![0.0; 8], initial: None };
    let list = nearest_tokens(Table::Full(&table), 0, &[zero], Metric::Cosine, 2, &name).remove(0);
    assert_eq!(list.nearest.iter().map(|n| (n.token, n.score)).collect::<Vec<_>>(), [(0, 0.0), (1, 0.0)]);
    assert_eq!((list.random_best, list.vocabulary), ((0.0, 0.0), (0.0, 0.0)));
    let cell = Cell { position: 0, vector: row, initial: None };
    let list = nearest_tokens(Table::Full(&vec![0.0; 80]), 0, &[cell], Metric::Cosine, 99, &name).remove(0);
    assert_eq!((list.nearest.len(), list.nearest[9].score), (10, 0.0));
}

#[test]
fn a_broken_prefix_has_no_neighbours() {
    let cell = Cell { position: 0, vector: vec![f32::NAN; 8], initial: None };
    for metric in METRICS {
        let table = numbers(5, 80);
        let list = nearest_tokens(Table::Full(&table), 0, std::slice::from_ref(&cell), metric, 4, &name).remove(0);
        assert!(list.nearest.is_empty() && list.vocabulary.0.is_nan());
    }
}

fn bank(model: &TinyModel, folder: &Path) -> VocabularyBank {
    let mut builder = VocabularyBuilder::new(folder, model.shape(), "hash");
    loop {
        if let VocabularyStep::Done(bank) = builder.step(model).unwrap() {
            return bank;
        }
    }
}

#[test]
fn a_prefix_made_of_tokens_finds_these_tokens() {
    let shape = ModelShape { vocab_size: 900, ..TinyModel::new(1).shape().clone() };
    let model = TinyModel::of(shape, 12);
    let folder = tempfile::tempdir().unwrap();
    let bank = bank(&model, folder.path());
    let tokens = [5_i64, 17, 899];
    // Each token alone at position 0, as the bank has it; then side by side as one prefix.
    let device = model.embeddings().device();
    let input = Input {
        tokens: crate::models::Tokens::new(tokens, [3, 1], None, &device).unwrap(),
        positions: Tensor::zeros([3, 1], &device),
        sight: crate::nn::Sight::default(),
        span: crate::models::Span::Whole,
    };
    let mut kv = Vec::new();
    model.hidden(&input, None, Some(&mut kv));
    let prefix: Vec<LayerKv> = kv
        .into_iter()
        .map(|slots| LayerKv { key: slots.key.swap_dims(0, 2), value: slots.value.swap_dims(0, 2) })
        .collect();
    let initial = model.prefix(3, 4);
    for side in [Side::Key, Side::Value] {
        for metric in [Metric::Cosine, Metric::L2] {
            let mut search = NeighbourSearch::new(&prefix, Some(&initial), &[], &[], side, metric, 5).unwrap();
            assert_eq!(search.layers_left(), 2);
            while let Some(lists) = search.step(&bank, &name).unwrap() {
                for (list, token) in lists.iter().zip(tokens) {
                    let nearest = &list.nearest[0];
                    assert_eq!(i64::from(nearest.token), token);
                    let ideal = if metric == Metric::Cosine { 1.0 } else { 0.0 };
                    assert!((nearest.score - ideal).abs() < 0.01, "{}", nearest.score);
                    assert_eq!(list.initial.len(), 5);
                }
            }
        }
    }
}

#[test]
fn what_is_not_there_cannot_be_asked_for() {
    let model = TinyModel::new(13);
    let prefix = model.prefix(3, 1);
    let ask = |initial: Option<&[LayerKv]>, layers: &[usize], positions: &[usize]| {
        NeighbourSearch::new(&prefix, initial, layers, positions, Side::Key, Metric::Dot, 5).map(|s| s.layers_left())
    };
    assert_eq!(ask(None, &[1], &[0, 2]).unwrap(), 1);
    assert!(matches!(ask(None, &[2], &[]), Err(EngineError::Setting { field: "layers", .. })));
    assert!(matches!(ask(None, &[], &[3]), Err(EngineError::Setting { field: "positions", .. })));
    let shorter = model.prefix(2, 1);
    assert!(matches!(ask(Some(&shorter), &[], &[]), Err(EngineError::AdapterMismatch { .. })));
}

#[test]
fn an_embedding_finds_its_token() {
    let model = TinyModel::new(14);
    let prompt = model.embeddings().clone().slice([7..9, 0..16]);
    let lists = nearest_in_embeddings(model.embeddings(), &prompt, None, Metric::Cosine, 3, &name).unwrap();
    assert_eq!((lists[0].nearest[0].token, lists[1].nearest[0].token), (7, 8));
    assert!((lists[1].nearest[0].score - 1.0).abs() < 1e-6);
    let narrow = prompt.slice([0..2, 0..8]);
    assert!(nearest_in_embeddings(model.embeddings(), &narrow, None, Metric::Cosine, 3, &name).is_err());
}
