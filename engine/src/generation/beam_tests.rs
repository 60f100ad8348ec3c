//! Truths about beams that need no reference.

use burn::tensor::Tensor;

use super::beam::BeamSearch;
use super::rules::Rules;
use super::tiny::TinyModel;
use super::*;
use crate::error::EngineError;
use crate::generation::{Beams, Sampling};
use crate::models::{CausalModel, Conditioning};
use crate::nn::LayerKv;

const PROMPTS: [&[u32]; 4] = [&[1, 2, 3, 4, 5, 6, 7], &[9], &[4, 4, 8], &[11, 30, 2, 2]];

fn stream(prompt: &[u32], past: Option<Vec<LayerKv>>) -> DecoderStream {
    let conditioning = past.map(Conditioning::causal).unwrap_or_default();
    DecoderStream::new(prompt.to_vec(), conditioning)
}

fn mixed(model: &TinyModel) -> Vec<DecoderStream> {
    let prefix = |i: usize| (i != 2).then(|| model.prefix(i * 2 + 1, i as u64));
    PROMPTS.iter().enumerate().map(|(i, prompt)| stream(prompt, prefix(i))).collect()
}

fn options(n_beams: usize, max_new_tokens: usize) -> DecoderOptions {
    let beams = Beams { n_beams, n_returned: n_beams, ..Beams::default() };
    let sampling = Sampling { max_new_tokens, beams, ..Sampling::default() };
    DecoderOptions { sampling, ..DecoderOptions::default() }
}

fn run(model: &TinyModel, streams: Vec<DecoderStream>, options: &DecoderOptions) -> Vec<Vec<Hypothesis>> {
    let count = streams.len();
    let mut decoder = Decoder::new(model.shape(), streams, options.clone()).unwrap();
    while !decoder.is_done() {
        for new in decoder.step(model).unwrap() {
            assert_eq!(decoder.tokens(new.stream).last(), Some(&new.token));
        }
    }
    for i in 0..count {
        assert_eq!(decoder.tokens(i), decoder.hypotheses(i)[0].tokens, "the best beam is what is said");
    }
    (0..count).map(|i| decoder.hypotheses(i).to_vec()).collect()
}

/// The log-probability of a continuation, from the greedy decoder's logits with every token forced by suppressing the rest.
fn log_probability(model: &TinyModel, stream: &DecoderStream, tokens: &[u32]) -> f32 {
    let mut sum = 0.0;
    for (n, &token) in tokens.iter().enumerate() {
        let prompt = [&stream.prompt, &tokens[..n]].concat();
        let one = DecoderOptions { keep_logits: true, ..options(1, 1) };
        let mut decoder = Decoder::new(model.shape(), vec![DecoderStream { prompt, ..stream.clone() }], one).unwrap();
        let logits = decoder.step(model).unwrap().remove(0).logits.unwrap();
        let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let total: f32 = logits.iter().map(|logit| (logit - highest).exp()).sum();
        sum += logits[token as usize] - highest - total.ln();
    }
    sum
}

#[test]
fn one_beam_is_greedy() {
    let model = TinyModel::new(21);
    let prompts = || mixed(&model);
    let mut greedy = Decoder::new(model.shape(), prompts(), options(1, 15)).unwrap();
    while !greedy.is_done() {
        greedy.step(&model).unwrap();
    }
    // The search itself, asked for a single beam.
    for (i, stream) in prompts().into_iter().enumerate() {
        assert!(greedy.hypotheses(i).is_empty() && !greedy.has_beams(i));
        let mut search = BeamSearch::new(&options(1, 15), 15);
        for n in 0..15 {
            let prompt = [&stream.prompt[..], search.best()].concat();
            let one = DecoderOptions { keep_logits: true, ..options(1, 1) };
            let streams = vec![DecoderStream { prompt, ..stream.clone() }];
            let logits = Decoder::new(model.shape(), streams, one).unwrap().step(&model).unwrap().remove(0).logits;
            search.advance(logits.unwrap(), &stream.prompt, (&Rules::new(&options(1, 15)), None), None).unwrap();
            assert_eq!(search.best(), &greedy.tokens(i)[..=n]);
        }
        assert_eq!(search.end(15), Some(EndReason::MaxTokens));
    }
}

#[test]
fn what_beams_return_is_what_the_whole_text_is_worth_in_any_batch() {
    let model = TinyModel::new(22);
    for exact_base in [true, false] {
        let options = DecoderOptions { exact_base, ..options(4, 9) };
        let together = run(&model, mixed(&model), &options);
        for (stream, found) in mixed(&model).into_iter().zip(&together) {
            assert_eq!(found.len(), 4);
            assert!(found.is_sorted_by(|a, b| a.score >= b.score && a.tokens != b.tokens));
            for beam in found {
                let worth = log_probability(&model, &stream, &beam.tokens) / 9.0;
                assert!((worth - beam.score).abs() < 1e-4, "{worth} {}", beam.score);
            }
            let alone = run(&model, vec![stream], &options).remove(0);
            for (a, b) in alone.iter().zip(found) {
                assert_eq!(a.tokens, b.tokens);
                assert!((a.score - b.score).abs() < 1e-5);
            }
        }
    }
}

#[test]
fn all_texts_of_two_tokens_are_found_with_as_many_beams() {
    let model = TinyModel::new(23);
    let stream = stream(PROMPTS[2], Some(model.prefix(2, 9)));
    let mut all: Vec<(f32, Vec<u32>)> = Vec::new();
    let firsts: Vec<f32> = (0..50).map(|first| log_probability(&model, &stream, &[first])).collect();
    for first in 0..50_u32 {
        let behind = DecoderStream { prompt: [&stream.prompt[..], &[first]].concat(), ..stream.clone() };
        for second in 0..50 {
            let worth = firsts[first as usize] + log_probability(&model, &behind, &[second]);
            all.push((worth / 2.0, vec![first, second]));
        }
    }
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    let found = run(&model, vec![stream], &options(50, 2)).remove(0);
    for (found, (worth, tokens)) in found.iter().zip(&all).take(10) {
        assert!(found.tokens == *tokens && (found.score - worth).abs() < 1e-4, "{found:?} {worth} {tokens:?}");
    }
}

#[test]
fn the_best_beam_is_worth_at_least_what_greedy_finds() {
    for seed in 30..40 {
        let model = TinyModel::new(seed);
        for stream in mixed(&model) {
            let mut greedy = Decoder::new(model.shape(), vec![stream.clone()], options(1, 2)).unwrap();
            while !greedy.is_done() {
                greedy.step(&model).unwrap();
            }
            // With two tokens and a beam for every first one nothing is lost on the way.
            let best = run(&model, vec![stream.clone()], &options(50, 2)).remove(0).remove(0);
            assert!(best.score >= log_probability(&model, &stream, greedy.tokens(0)) / 2.0 - 1e-5);
        }
    }
}

#[test]
fn streams_that_end_early_change_nothing_for_the_others() {
    let model = TinyModel::new(7);
    let streams: Vec<_> =
        [3, 30, 20, 10, 35, 1].iter().map(|&n| stream(&vec![5; n], Some(model.prefix(2, n as u64)))).collect();
    let options = options(3, 1000);
    for (stream, found) in streams.iter().zip(run(&model, streams.clone(), &options)) {
        assert_eq!(found[0].tokens.len(), 41 - 2 - stream.prompt.len(), "the context ends them");
        assert_eq!(run(&model, vec![stream.clone()], &options)[0][0].tokens, found[0].tokens);
    }
}

#[test]
fn what_is_suppressed_or_would_repeat_is_in_no_beam() {
    let model = TinyModel::new(10);
    let mut penalized = options(4, 8);
    penalized.sampling.repetition_penalty = 1.4;
    penalized.sampling.no_repeat_ngram_size = 1;
    penalized.suppress_tokens = vec![run(&model, vec![stream(PROMPTS[2], None)], &options(4, 8))[0][0].tokens[0]];
    for beam in run(&model, vec![stream(PROMPTS[2], None)], &penalized).remove(0) {
        let mut all = [&beam.tokens, PROMPTS[2]].concat();
        assert!(!all.contains(&penalized.suppress_tokens[0]));
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), beam.tokens.len() + 2); // 4 4 8 has two different tokens
    }
}

#[test]
fn rows_of_a_cache_take_each_others_place_behind_what_they_share() {
    let model = TinyModel::new(12);
    let row = |n, seed| -> Segments { vec![model.prefix(2, seed), model.prefix(n, seed + 100)] };
    let (long, short) = (row(5, 1), row(1, 2));
    let mut cache = KvCache::new(&[long.clone(), long, short.clone(), short], 1);
    cache.reorder(&[1, 0, 2, 2]); // nothing was added yet: nothing is there to copy
    let mut expected = columns(&cache);
    for step in 0..70_u64 {
        let new: Vec<_> = (0..4).map(|row| model.prefix(1, 1000 + step * 4 + row)).collect();
        let side_by_side = |layer: usize| LayerKv {
            key: Tensor::cat(new.iter().map(|row| row[layer].key.clone()).collect(), 0),
            value: Tensor::cat(new.iter().map(|row| row[layer].value.clone()).collect(), 0),
        };
        cache.append(&[side_by_side(0), side_by_side(1)]);
        for (row, new) in expected.iter_mut().zip(&new) {
            row.push(column(&new[1].value));
        }
        let rows: [usize; 4] = [[1, 0, 2, 2], [0, 1, 2, 3], [0, 0, 3, 2]][step as usize % 3];
        cache.reorder(&rows);
        let shared = [7, 7, 3, 3];
        let before = expected.clone();
        for (row, &from) in rows.iter().enumerate() {
            expected[row].splice(shared[row].., before[from][shared[from]..].iter().cloned());
        }
    }
    assert_eq!(columns(&cache), expected);
    cache.keep(&[2, 3]); // the columns that only longer rows need are gone
    cache.reorder(&[1, 0]);
    expected.drain(..2);
    let before = expected.clone();
    expected[0].splice(3.., before[1][3..].iter().cloned());
    expected[1].splice(3.., before[0][3..].iter().cloned());
    assert_eq!(columns(&cache), expected);
}

/// Each row's real columns of the last layer's values.
fn columns(cache: &KvCache) -> Vec<Vec<Vec<f32>>> {
    let value = cache.past()[1].value.clone();
    let [_, n_kv_heads, filled, d_head] = value.dims();
    let of_row = |(row, &length): (usize, &usize)| {
        let real = filled - length..filled;
        real.map(|at| column(&value.clone().slice([row..row + 1, 0..n_kv_heads, at..at + 1, 0..d_head]))).collect()
    };
    cache.lengths().iter().enumerate().map(of_row).collect()
}

fn column(value: &Tensor<4>) -> Vec<f32> {
    value.clone().into_data().try_to_vec().unwrap()
}

#[test]
fn beams_that_cannot_be_are_refused_by_name() {
    let model = TinyModel::new(11);
    let refused = |change: fn(&mut Sampling)| {
        let mut options = options(4, 3);
        change(&mut options.sampling);
        match Decoder::new(model.shape(), vec![stream(&[1], None)], options) {
            Err(EngineError::Setting { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(|sampling| sampling.beams.n_beams = 0), "n_beams");
    assert_eq!(refused(|sampling| sampling.beams.n_beams = 1 << 40), "n_beams");
    assert_eq!(refused(|sampling| sampling.beams.n_returned = 5), "n_returned");
    assert_eq!(refused(|sampling| sampling.beams.length_penalty = f64::NAN), "length_penalty");
    assert_eq!(refused(|sampling| sampling.greedy = false), "n_beams");
}
