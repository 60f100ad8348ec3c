//! The search against a naive oracle, and what must be found.

use std::path::Path;

use burn::tensor::{Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::analysis::Space;
use crate::analysis::{VocabularyBuilder, VocabularyStep};
use crate::generation::tiny::TinyModel;
use crate::models::{CausalModel, ForwardPass, ModelShape};

const METRICS: [Metric; 3] = [Metric::Cosine, Metric::Dot, Metric::L2];

fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| random.random_range(-2.0..2.0)).collect()
}

fn name(token: u32) -> String {
    format!("<{token}>")
}

/// Every score and every cosine, in f64, nearest first, of vectors that are given as they are in a space.
fn naive(table: &[Vec<f64>], vector: &[f64], metric: Metric) -> Vec<(u32, f64, f64)> {
    let scores = table.iter().map(|row| {
        let (mut ab, mut aa, mut bb, mut distance) = (0.0, 0.0, 0.0, 0.0);
        for (a, b) in row.iter().zip(vector) {
            (ab, aa, bb, distance) = (ab + a * b, aa + a * a, bb + b * b, distance + (a - b) * (a - b));
        }
        let cosine = if aa * bb == 0.0 { 0.0 } else { ab / (aa * bb).sqrt() };
        match metric {
            Metric::Cosine | Metric::Csls => (cosine, cosine),
            Metric::Dot => (ab, cosine),
            Metric::L2 => (f64::sqrt(distance), cosine),
        }
    });
    let mut scores: Vec<(u32, f64, f64)> =
        (0..).zip(scores).map(|(token, (score, cosine))| (token, score, cosine)).collect();
    scores.sort_by(|a, b| if metric == Metric::L2 { a.1.total_cmp(&b.1) } else { b.1.total_cmp(&a.1) });
    scores
}

fn wide(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().map(|&x| f64::from(x)).collect()
}

fn mean_sd(numbers: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = numbers.clone().count() as f64;
    let mean = numbers.clone().sum::<f64>() / count;
    (mean, (numbers.map(|x| (x - mean).powi(2)).sum::<f64>() / count).sqrt())
}

/// Whitening is held against NumPy's in `geometry_tests.rs`.
#[test]
fn lists_and_z_equal_those_of_a_naive_search() {
    let width = 13; // not a whole number of lanes
    let table: Vec<f32> = numbers(1, 1000 * width).into_iter().map(|x| x + 1.0).collect();
    let cells: Vec<Cell> = (0..5)
        .map(|position| Cell {
            position,
            vector: numbers(10 + position as u64, width),
            initial: (position % 2 == 0).then(|| numbers(20 + position as u64, width)),
        })
        .collect();
    for space in [Space::Raw, Space::Centered] {
        let rows: Vec<Vec<f64>> = table.chunks_exact(width).map(wide).collect();
        let mean: Vec<f64> = (0..width).map(|i| rows.iter().map(|row| row[i]).sum::<f64>() / 1000.0).collect();
        let origin = if space == Space::Raw { vec![0.0; width] } else { mean };
        let less = |vector: &[f64]| vector.iter().zip(&origin).map(|(x, origin)| x - origin).collect::<Vec<f64>>();
        let rows: Vec<Vec<f64>> = rows.iter().map(|row| less(row)).collect();
        let geometry = Geometry::of(Table::Full(&table), width, space);
        for metric in METRICS {
            let lists = nearest_tokens(Table::Full(&table), &geometry, 4, &cells, metric, 12, &name);
            assert_eq!(lists.len(), cells.len());
            for (list, cell) in lists.iter().zip(&cells) {
                assert_eq!((list.layer, list.position), (4, cell.position));
                let all = |vector: &[f32]| {
                    let all = naive(&rows, &less(&wide(vector)), metric);
                    let (mean, sd) = mean_sd(all.iter().map(|(_, _, cosine)| *cosine));
                    (all, mean, sd)
                };
                let same = |found: &[Neighbor], (all, mean, sd): &(Vec<(u32, f64, f64)>, f64, f64)| {
                    assert_eq!(found.len(), 12);
                    for (found, (token, score, cosine)) in found.iter().zip(all) {
                        assert_eq!((found.token, &found.text), (*token, &name(*token)));
                        assert!((f64::from(found.score) - score).abs() < 1e-5);
                        assert!((f64::from(found.z) - (cosine - mean) / sd).abs() < 1e-4);
                    }
                };
                let trained = all(&cell.vector);
                same(&list.nearest, &trained);
                let vocabulary = &list.vocabulary;
                assert_eq!((vocabulary.tokens, vocabulary.histogram.iter().sum()), (1000, 1000));
                assert!((f64::from(vocabulary.mean) - trained.1).abs() < 1e-5);
                assert!((f64::from(vocabulary.sd) - trained.2).abs() < 1e-5);
                let Some(initial) = &cell.initial else {
                    assert!(list.initial.is_empty() && list.nearest.iter().all(|near| near.before.is_none()));
                    continue;
                };
                let initial = all(initial);
                same(&list.initial, &initial);
                for near in &list.nearest {
                    let (_, _, cosine) = initial.0.iter().find(|(token, ..)| *token == near.token).unwrap();
                    let before = f64::from(near.before.unwrap());
                    assert!((before - (cosine - initial.1) / initial.2).abs() < 1e-4);
                }
            }
        }
    }
}

/// What every slot is near to comes last, though it is the nearest by the cosine; the scores are those of the formula.
#[test]
fn csls_takes_off_how_near_a_token_is_to_every_slot() {
    let width = 6;
    let mut table = numbers(30, 400 * width);
    // The hub: near to all slots, of which each is nearly as near to a token of its own.
    let hub = vec![3.0, 3.0, 3.0, 0.0, 0.0, 0.0];
    table[..width].copy_from_slice(&hub);
    let cells: Vec<Cell> = (0..3)
        .map(|position| {
            let mut vector = hub.clone();
            vector[3 + position] = 2.0;
            table[(position + 1) * width..][..width].copy_from_slice(&vector);
            vector[3 + position] = 0.9;
            Cell { position, vector, initial: None }
        })
        .collect();
    let geometry = Geometry::of(Table::Full(&table), width, Space::Raw);
    let search = |metric: Metric| nearest_tokens(Table::Full(&table), &geometry, 0, &cells, metric, 4, &name);
    assert!(search(Metric::Cosine).iter().all(|list| list.nearest[0].token == 0));
    let rows: Vec<Vec<f64>> = table.chunks_exact(width).map(wide).collect();
    let cosines: Vec<Vec<f64>> = cells
        .iter()
        .map(|cell| {
            let mut all = naive(&rows, &wide(&cell.vector), Metric::Cosine);
            all.sort_by_key(|(token, ..)| *token);
            all.into_iter().map(|(_, cosine, _)| cosine).collect()
        })
        .collect();
    for (list, own) in search(Metric::Csls).iter().zip(&cosines) {
        assert_eq!(list.nearest[0].token as usize, list.position + 1);
        let mut sorted = own.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let around_slot = sorted[..10].iter().sum::<f64>() / 10.0;
        for near in &list.nearest {
            let token = near.token as usize;
            let around_token = cosines.iter().map(|cosines| cosines[token]).sum::<f64>() / 3.0;
            let right = 2.0 * own[token] - around_slot - around_token;
            assert!((f64::from(near.score) - right).abs() < 1e-5, "{} {right}", near.score);
        }
    }
}

#[test]
fn each_head_is_searched_in_its_own_columns() {
    let shape = ModelShape { vocab_size: 300, ..TinyModel::new(1).shape().clone() };
    let model = TinyModel::of(shape, 12);
    let folder = tempfile::tempdir().unwrap();
    let index = index(&model, folder.path());
    // The first head of one token beside the second head of another.
    let (width, d_head) = (index.width(), index.width() / 2);
    let row = |layer: usize, token: usize| -> Vec<f32> {
        index.table(layer, Side::Value)[token * width..][..width].iter().map(|x| x.to_f32()).collect()
    };
    let slots = |layer: usize| {
        let mixed = [&row(layer, 5)[..d_head], &row(layer, 200)[d_head..]].concat();
        let data = TensorData::new(mixed, [1, 2, 1, d_head]);
        let value = Tensor::from_data(data, &model.embeddings().device());
        LayerKv { key: value.clone(), value }
    };
    let prefix = [slots(0), slots(1)];
    let search = NeighborSearch::new(&prefix, None, &[], &[], Side::Value, Metric::Cosine, 1).unwrap();
    let mut search = search.per_head(2);
    let geometry = |_: (usize, Option<usize>), table: Table<'_>, width| Rc::new(Geometry::of(table, width, Space::Raw));
    for layer in 0..2 {
        let lists = search.step(&index, geometry, &name).unwrap();
        let found: Vec<_> = lists.iter().map(|list| (list.layer, list.head, list.nearest[0].score)).collect();
        assert_eq!((found.len(), found[0].0, found[0].1, found[1].1), (2, layer, Some(0), Some(1)));
        assert!(found.iter().all(|(.., score)| (score - 1.0).abs() < 1e-3), "{found:?}");
        let tokens: Vec<u32> = lists.iter().map(|list| list.nearest[0].token).collect();
        assert_eq!(tokens, [5, 200]);
    }
}

#[test]
fn the_histogram_counts_the_vocabulary_by_z() {
    // Cosines of 1, of -1, and of 0.
    let table = [vec![1.0, 0.0], vec![-1.0, 0.0], vec![0.0, 1.0], vec![0.0, -1.0]].concat();
    let geometry = Geometry::of(Table::Full(&table), 2, Space::Raw);
    let cell = Cell { position: 0, vector: vec![3.0, 0.0], initial: None };
    let list = nearest_tokens(Table::Full(&table), &geometry, 0, &[cell], Metric::Cosine, 1, &name).remove(0);
    let bin = |z: f32| ((z - VocabularyScores::LOWEST) / VocabularyScores::STEP) as usize;
    let high = 2.0_f32.sqrt();
    assert!((list.vocabulary.sd - high.recip()).abs() < 1e-6);
    assert_eq!([bin(-high), bin(0.0), bin(high)].map(|bin| list.vocabulary.histogram[bin]), [1, 2, 1]);
}

#[test]
fn equals_are_listed_by_token_and_zero_vectors_have_cosine_zero() {
    let row = numbers(4, 8);
    let table: Vec<f32> = (0..600).flat_map(|_| row.clone()).collect();
    let nearest = |table: &[f32], vector: &[f32], space: Space, metric: Metric, top: usize| {
        let geometry = Geometry::of(Table::Full(table), 8, space);
        let cell = Cell { position: 0, vector: vector.to_vec(), initial: None };
        nearest_tokens(Table::Full(table), &geometry, 0, &[cell], metric, top, &name).remove(0)
    };
    for metric in METRICS {
        let list = nearest(&table, &row, Space::Raw, metric, 4);
        assert_eq!(list.nearest.iter().map(|n| n.token).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(list.above_chance(), 0, "no token differs from the others");
    }
    for space in [Space::Raw, Space::Centered, Space::Whitened] {
        let list = nearest(&vec![0.0; 80], &row, space, Metric::Cosine, 99);
        assert_eq!((list.nearest.len(), list.nearest[9].score, list.nearest[9].z), (10, 0.0, 0.0));
    }
    let list = nearest(&table, &[0.0; 8], Space::Raw, Metric::Cosine, 2);
    assert_eq!(list.nearest.iter().map(|n| (n.token, n.score)).collect::<Vec<_>>(), [(0, 0.0), (1, 0.0)]);
    assert_eq!((list.vocabulary.mean, list.vocabulary.sd), (0.0, 0.0));
}

#[test]
fn a_broken_prefix_has_no_neighbors() {
    let cell = Cell { position: 0, vector: vec![f32::NAN; 8], initial: None };
    for (metric, space) in METRICS.into_iter().zip([Space::Raw, Space::Centered, Space::Whitened]) {
        let table = numbers(5, 80);
        let geometry = Geometry::of(Table::Full(&table), 8, space);
        let cell = std::slice::from_ref(&cell);
        let list = nearest_tokens(Table::Full(&table), &geometry, 0, cell, metric, 4, &name).remove(0);
        assert!(list.nearest.is_empty() && list.vocabulary.mean.is_nan());
    }
}

fn index(model: &TinyModel, folder: &Path) -> VocabularyIndex {
    let mut builder = VocabularyBuilder::new(folder, model.shape(), "hash");
    loop {
        if let VocabularyStep::Done(index) = builder.step(model).unwrap() {
            return index;
        }
    }
}

#[test]
fn a_prefix_made_of_tokens_finds_these_tokens() {
    let shape = ModelShape { vocab_size: 900, ..TinyModel::new(1).shape().clone() };
    let model = TinyModel::of(shape, 12);
    let folder = tempfile::tempdir().unwrap();
    let index = index(&model, folder.path());
    let tokens = [5_i64, 17, 899];
    // Each token alone at position 0, as the index has it; then side by side as one prefix.
    let device = model.embeddings().device();
    let texts = Tensor::from_data(TensorData::new(tokens.to_vec(), [3, 1]), &device);
    let mut pass = ForwardPass::of_texts(model.stack(), texts).keeping_kv();
    drop(model.hidden(&mut pass));
    let kv = pass.take_kv();
    let prefix: Vec<LayerKv> = kv
        .into_iter()
        .map(|slots| LayerKv { key: slots.key.swap_dims(0, 2), value: slots.value.swap_dims(0, 2) })
        .collect();
    let initial = model.prefix(3, 4);
    for (side, space) in [(Side::Key, Space::Whitened), (Side::Value, Space::Centered), (Side::Key, Space::Raw)] {
        for metric in [Metric::Cosine, Metric::L2] {
            let mut search = NeighborSearch::new(&prefix, Some(&initial), &[], &[], side, metric, 5).unwrap();
            assert_eq!((search.layers_left(), search.next_layer()), (2, Some(0)));
            while search.next_layer().is_some() {
                let geometry =
                    |_: (usize, Option<usize>), table: Table<'_>, width| Rc::new(Geometry::of(table, width, space));
                let lists = search.step(&index, geometry, &name).unwrap();
                for (list, token) in lists.iter().zip(tokens) {
                    let nearest = &list.nearest[0];
                    assert_eq!(i64::from(nearest.token), token);
                    let ideal = if metric == Metric::Cosine { 1.0 } else { 0.0 };
                    assert!((nearest.score - ideal).abs() < 0.02, "{}", nearest.score);
                    assert_eq!((list.initial.len(), list.nearest[0].before.is_some()), (5, true));
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
        NeighborSearch::new(&prefix, initial, layers, positions, Side::Key, Metric::Dot, 5).map(|s| s.layers_left())
    };
    assert_eq!(ask(None, &[1], &[0, 2]).unwrap(), 1);
    let error = ask(None, &[2], &[]).unwrap_err();
    assert!(error.to_string().contains("number 3 is asked for, there are 2"), "people count from 1: {error}");
    assert!(matches!(ask(None, &[], &[3]), Err(EngineError::Setting { field: "positions", .. })));
    let shorter = model.prefix(2, 1);
    assert!(matches!(ask(Some(&shorter), &[], &[]), Err(EngineError::AdapterMismatch { .. })));
}

#[test]
fn an_embedding_finds_its_token() {
    let model = TinyModel::new(14);
    let prompt = model.embeddings().dense().slice([7..9, 0..16]);
    let nearest = |prompt: &Tensor<2>| {
        let geometry = |table: Table<'_>, width| Rc::new(Geometry::of(table, width, Space::Whitened));
        nearest_in_embeddings(&model.embeddings().dense(), prompt, None, geometry, (Metric::Cosine, 3), &name)
    };
    let lists = nearest(&prompt).unwrap();
    assert_eq!((lists[0].nearest[0].token, lists[1].nearest[0].token), (7, 8));
    assert!((lists[1].nearest[0].score - 1.0).abs() < 1e-6);
    assert!(nearest(&prompt.slice([0..2, 0..8])).is_err());
}
