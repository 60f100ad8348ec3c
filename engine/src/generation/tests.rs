//! Truths about decoding that need no reference.

use std::rc::Rc;

use burn::tensor::Tensor;

use super::tiny::TinyModel;
use super::*;
use crate::config::Strength;
use crate::error::EngineError;
use crate::generation::Sampling;
use crate::models::{CausalModel, Conditioning, ForwardPass};
use crate::nn::{LayerKv, head_logits};

fn stream(prompt: &[u32], past: Option<Vec<LayerKv>>) -> DecoderStream {
    DecoderStream::new(prompt.to_vec(), past.map(Conditioning::causal).unwrap_or_default())
}

fn options(max_new_tokens: usize) -> DecoderOptions {
    let sampling = Sampling { max_new_tokens, ..Sampling::default() };
    DecoderOptions { sampling, keep_logits: true, ..DecoderOptions::default() }
}

/// A stream's tokens, the logits of each, and its end.
type Outcome = (Vec<u32>, Vec<Vec<f32>>, Option<EndReason>);

fn run(model: &TinyModel, streams: Vec<DecoderStream>, options: DecoderOptions) -> Vec<Outcome> {
    let count = streams.len();
    let mut decoder = Decoder::new(model.shape(), streams, options).unwrap();
    let mut logits = vec![Vec::new(); count];
    while !decoder.is_done() {
        let news = decoder.step(model).unwrap();
        assert!(!news.is_empty());
        for new in news {
            logits[new.stream].extend(new.logits);
        }
    }
    (0..count).map(|i| (decoder.tokens(i).to_vec(), std::mem::take(&mut logits[i]), decoder.end(i))).collect()
}

/// The oracle: the whole text in one pass for each token, with the prefix as past.
fn uncached(model: &TinyModel, prompt: &[u32], past: Option<&[LayerKv]>, n: usize) -> (Vec<u32>, Vec<Vec<f32>>) {
    let device = model.embeddings().device();
    let conditioning = past.map_or_else(Conditioning::default, |past| Conditioning::causal(past.to_vec()));
    let mut text = prompt.to_vec();
    let (mut tokens, mut all) = (Vec::new(), Vec::new());
    for _ in 0..n {
        let mut pass = ForwardPass::of_prompt(model.stack(), &text, 0, &conditioning, &device).unwrap();
        let hidden: Tensor<2> = model.hidden(&mut pass).squeeze_dim(0);
        let logits: Vec<f32> = head_logits(hidden, model.logit_head()).into_data().try_to_vec().unwrap();
        let last = &logits[logits.len() - model.shape().vocab_size..];
        let best = (0..last.len()).reduce(|best, next| if last[next] > last[best] { next } else { best }).unwrap();
        tokens.push(best as u32);
        text.push(best as u32);
        all.push(last.to_vec());
    }
    (tokens, all)
}

fn assert_near(a: &[Vec<f32>], b: &[Vec<f32>]) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().flatten().zip(b.iter().flatten()) {
        assert!((a - b).abs() < 2e-4, "{a} {b}");
    }
}

const PROMPTS: [&[u32]; 4] = [&[1, 2, 3, 4, 5, 6, 7], &[9], &[4, 4, 8], &[11, 30, 2, 2]];

fn mixed(model: &TinyModel) -> Vec<DecoderStream> {
    vec![
        stream(PROMPTS[0], Some(model.prefix(3, 1))),
        stream(PROMPTS[1], Some(model.prefix(6, 2))),
        stream(PROMPTS[2], None),
        stream(PROMPTS[3], Some(model.prefix(1, 3))),
    ]
}

#[test]
fn cached_decoding_equals_the_full_pass_whatever_the_padding_and_the_prefix() {
    let model = TinyModel::new(1);
    for exact_base in [true, false] {
        let results = run(&model, mixed(&model), DecoderOptions { exact_base, ..options(20) });
        for (stream, (tokens, logits, end)) in mixed(&model).iter().zip(&results) {
            let (expected, expected_logits) =
                uncached(&model, &stream.prompt, stream.conditioning.decoder.as_deref(), 20);
            assert_eq!(tokens, &expected);
            assert_near(logits, &expected_logits);
            assert_eq!(*end, Some(EndReason::MaxTokens));
        }
    }
}

#[test]
fn batch_order_does_not_matter() {
    let model = TinyModel::new(2);
    let forward = run(&model, mixed(&model), options(10));
    let backward = run(&model, mixed(&model).into_iter().rev().collect(), options(10));
    for ((tokens, logits, _), (other_tokens, other_logits, _)) in forward.iter().zip(backward.iter().rev()) {
        assert_eq!(tokens, other_tokens);
        assert_near(logits, other_logits);
    }
}

#[test]
fn strength_zero_and_an_empty_prefix_are_the_base_bit_for_bit() {
    let model = TinyModel::new(3);
    let alone = run(&model, vec![stream(PROMPTS[0], None)], options(12)).remove(0);
    let prefix = Some(model.prefix(4, 5));
    let streams = vec![
        stream(PROMPTS[0], prefix.clone()),
        DecoderStream { strength: Strength::Whole(0.0), ..stream(PROMPTS[0], prefix.clone()) },
        stream(PROMPTS[0], Some(model.prefix(0, 5))),
        stream(PROMPTS[0], None),
        DecoderStream { strength: Strength::Whole(0.5), ..stream(PROMPTS[0], prefix) },
    ];
    let mut decoder = Decoder::new(model.shape(), streams.clone(), options(1)).unwrap();
    decoder.step(&model).unwrap();
    let proofs: Vec<_> = (0..5).map(|stream| decoder.prove_base(&model, stream).unwrap()).collect();
    assert_eq!(proofs, [None, Some(true), Some(true), Some(true), None]);
    let results = run(&model, streams, options(12));
    for base in &results[1..4] {
        assert_eq!(base.0, alone.0);
        let bits = |logits: &[Vec<f32>]| logits.iter().flatten().map(|logit| logit.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&base.1), bits(&alone.1));
    }
    assert_ne!(results[0].1[0], alone.1[0]);
    assert_ne!(results[4].1[0], alone.1[0]);
    assert_ne!(results[4].1[0], results[0].1[0]);
}

#[test]
fn strengths_of_layers_that_are_equal_are_the_single_one_and_none_is_the_base_bit_for_bit() {
    let model = TinyModel::new(3);
    let prefix = model.prefix(4, 5);
    let n_layers = prefix.len();
    let bits = |strength: Strength, past: &[LayerKv]| {
        let stream = DecoderStream { strength, ..stream(PROMPTS[0], Some(past.to_vec())) };
        let logits = run(&model, vec![stream], options(12)).remove(0).1;
        logits.into_iter().flatten().map(f32::to_bits).collect::<Vec<_>>()
    };
    for strength in [0.0, 0.3, 1.0, 1.7] {
        let by_layer = Strength::new(1.0, &vec![strength; n_layers]);
        assert_eq!(bits(by_layer, &prefix), bits(strength.into(), &prefix), "{strength}");
    }
    // Each value by the strength of its layer is what somebody would scale by hand.
    let strengths: Vec<f64> = (0..n_layers).map(|layer| 0.5 + 0.25 * layer as f64).collect();
    let by_hand: Vec<LayerKv> = prefix
        .iter()
        .zip(&strengths)
        .map(|(slots, by)| LayerKv { key: slots.key.clone(), value: slots.value.clone() * *by })
        .collect();
    assert_eq!(bits(Strength::new(1.0, &strengths), &prefix), bits(Strength::Whole(1.0), &by_hand));
}

#[test]
fn a_layer_of_strength_zero_does_not_see_the_slots() {
    let model = TinyModel::new(3);
    let past = model.prefix(4, 5);
    let mut strengths = vec![1.0; past.len()];
    strengths[1] = 0.0;
    let seen_by = (0..past.len()).filter(|&layer| layer != 1).collect();
    let hidden = Conditioning { layers: Some(seen_by), ..Conditioning::causal(past.clone()) };
    let strength = Strength::new(1.0, &strengths);
    let alone = |stream| run(&model, vec![stream], options(12)).remove(0);
    let without = alone(DecoderStream { strength, ..stream(PROMPTS[0], Some(past.clone())) });
    assert_eq!(without, alone(DecoderStream::new(PROMPTS[0].to_vec(), hidden)));
    assert_ne!(without.1[0], alone(stream(PROMPTS[0], Some(past.clone()))).1[0]);
    // An adapter that nobody sees is not there: positions are the base's, too.
    let only = Conditioning { layers: Some(vec![1]), ..Conditioning::causal(past) };
    let unseen =
        DecoderStream { strength: Strength::new(1.0, &strengths), ..DecoderStream::new(PROMPTS[0].to_vec(), only) };
    assert_eq!(alone(unseen), alone(stream(PROMPTS[0], None)));
}

#[test]
fn another_model_is_not_proven_to_be_the_base() {
    let (model, other) = (TinyModel::new(4), TinyModel::new(5));
    let mut decoder = Decoder::new(model.shape(), vec![stream(PROMPTS[0], None)], options(3)).unwrap();
    assert_eq!(decoder.prove_base(&model, 0).unwrap(), None);
    decoder.step(&model).unwrap();
    assert_eq!(decoder.prove_base(&other, 0).unwrap(), Some(false));
}

#[test]
fn the_same_seed_gives_the_same_text_in_any_batch() {
    let model = TinyModel::new(6);
    let mut sampled = options(15);
    sampled.sampling.greedy = false;
    sampled.sampling.temperature = 2.0;
    sampled.sampling.top_k = 20;
    sampled.sampling.top_p = 0.95;
    let together = run(&model, mixed(&model), sampled.clone());
    for (stream, result) in mixed(&model).into_iter().zip(&together) {
        assert_eq!(run(&model, vec![stream], sampled.clone())[0].0, result.0);
    }
    sampled.sampling.seed += 1;
    assert_ne!(run(&model, mixed(&model), sampled)[0].0, together[0].0);
}

#[test]
fn streams_end_one_by_one_and_the_others_go_on_unchanged() {
    let model = TinyModel::new(7);
    // Prompts and prefixes of many lengths in a model of 40 positions: the context ends them at different steps.
    let streams: Vec<_> = [3, 30, 20, 10, 35, 1]
        .iter()
        .enumerate()
        .map(|(i, &n)| stream(&vec![i as u32 + 1; n], Some(model.prefix(i + 1, i as u64))))
        .collect();
    let results = run(&model, streams.clone(), options(1000));
    for (stream, (tokens, logits, end)) in streams.iter().zip(&results) {
        let n_virtual = stream.conditioning.decoder.as_ref().unwrap()[0].key.dims()[2];
        let expected = model.shape().n_positions + 1 - n_virtual - stream.prompt.len();
        assert_eq!((tokens.len(), *end), (expected, Some(EndReason::Context)));
        let (expected, expected_logits) =
            uncached(&model, &stream.prompt, stream.conditioning.decoder.as_deref(), expected);
        assert_eq!(tokens, &expected);
        assert_near(logits, &expected_logits);
    }
}

#[test]
fn the_end_token_ends_a_stream() {
    let model = TinyModel::new(8);
    let (tokens, ..) = run(&model, vec![stream(PROMPTS[3], None)], options(10)).remove(0);
    let end = *tokens.last().unwrap();
    let until = tokens.iter().position(|&token| token == end).unwrap() + 1;
    let mut ends = DecoderOptions { end_tokens: vec![end], ..options(10) };
    let (shorter, _, reason) = run(&model, vec![stream(PROMPTS[3], None)], ends.clone()).remove(0);
    assert_eq!((shorter.as_slice(), reason), (&tokens[..until], Some(EndReason::EndToken)));
    ends.sampling.stop_at_end = false;
    assert_eq!(run(&model, vec![stream(PROMPTS[3], None)], ends)[0].0, tokens);
}

#[test]
fn suppressed_tokens_are_never_chosen() {
    let model = TinyModel::new(8);
    let (free, ..) = run(&model, vec![stream(PROMPTS[3], None)], options(10)).remove(0);
    let suppressed = DecoderOptions { suppress_tokens: vec![free[0], 1 << 30], ..options(10) };
    let (tokens, ..) = run(&model, vec![stream(PROMPTS[3], None)], suppressed).remove(0);
    assert!(!tokens.contains(&free[0]), "{tokens:?}");
}

#[test]
fn stopping_in_the_middle_leaves_the_first_tokens() {
    let model = TinyModel::new(9);
    let full = run(&model, mixed(&model), options(10));
    let mut decoder = Decoder::new(model.shape(), mixed(&model), options(10)).unwrap();
    for _ in 0..4 {
        decoder.step(&model).unwrap();
    }
    for (index, (tokens, ..)) in full.iter().enumerate() {
        assert_eq!(decoder.tokens(index), &tokens[..4]);
        assert_eq!(decoder.end(index), None);
    }
}

#[test]
fn no_token_comes_twice_when_single_tokens_must_not_repeat() {
    let model = TinyModel::new(10);
    let mut penalized = options(12);
    penalized.sampling.repetition_penalty = 1.4;
    penalized.sampling.no_repeat_ngram_size = 1;
    let (tokens, ..) = run(&model, vec![stream(PROMPTS[2], None)], penalized.clone()).remove(0);
    let mut all: Vec<u32> = tokens.iter().chain(PROMPTS[2]).copied().collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), tokens.len() + 2); // 4 4 8 has two different tokens; the rest never repeats
}

#[test]
fn a_cache_grows_and_drops_rows_without_changing_the_others() {
    let model = TinyModel::new(12);
    let row = |n, seed| -> Segments { vec![model.prefix(n, seed), model.prefix(2, seed + 100)] };
    let rows = [row(5, 1), row(1, 2), row(3, 3)];
    let mut cache = KvCache::new(&rows, 1);
    let device = model.embeddings().device();
    for step in 0..70 {
        let new: Vec<_> = (0..3).map(|row| model.prefix(1, 1000 + step * 3 + row)).collect();
        let side_by_side = |layer: usize, side: fn(&LayerKv) -> &Tensor<4>| {
            Tensor::cat(new.iter().map(|row| side(&row[layer]).clone()).collect(), 0)
        };
        let side_by_side = |layer| LayerKv {
            key: side_by_side(layer, |slots| &slots.key),
            value: side_by_side(layer, |slots| &slots.value),
        };
        cache.append(&[side_by_side(0), side_by_side(1)]);
    }
    assert_eq!(cache.lengths(), [77, 73, 75]);
    let before = cache.past();
    cache.keep(&[2, 1]);
    assert_eq!(cache.lengths(), [75, 73]);
    let mask: Vec<f32> =
        cache.attention_mask(1, &device).of_layer(0).unwrap().clone().into_data().try_to_vec().unwrap();
    assert_eq!(mask, [vec![1.0; 76], vec![0.0; 2], vec![1.0; 74]].concat());
    for (before, after) in before.iter().zip(cache.past()) {
        for (row, old) in [(0, 2), (1, 1)] {
            let length = cache.lengths()[row];
            let tail = |kv: &Tensor<4>, row: usize| -> Vec<f32> {
                let columns = kv.dims()[2];
                let tail = kv.clone().slice([row..row + 1, 0..2, columns - length..columns, 0..4]);
                tail.into_data().try_to_vec().unwrap()
            };
            assert_eq!(tail(&before.key, old), tail(&after.key, row));
            assert_eq!(tail(&before.value, old), tail(&after.value, row));
        }
    }
    // The oldest row's first columns are its prefix and its text, as they were put in.
    let first: Vec<f32> = rows[0][0][0].key.clone().into_data().try_to_vec().unwrap();
    let cached = before[0].key.clone().slice([0..1, 0..2, 0..5, 0..4]);
    assert_eq!(cached.into_data().try_to_vec::<f32>().unwrap(), first);
}

#[test]
fn what_does_not_fit_is_refused_with_the_numbers() {
    let model = TinyModel::new(11);
    let shape = model.shape();
    let refuse = |stream| Decoder::new(shape, vec![stream], options(1)).err().unwrap();
    let long = refuse(stream(&[1; 38], Some(model.prefix(3, 1))));
    assert!(matches!(long, EngineError::ContextOverflow { n_virtual: 3, tokens: 38, n_positions: 40 }));
    assert!(matches!(refuse(stream(&[], None)), EngineError::Setting { field: "prompt", .. }));
    assert!(matches!(refuse(stream(&[50], None)), EngineError::Setting { field: "prompt", .. }));
    let strong = DecoderStream { strength: f64::NAN.into(), ..stream(&[1], None) };
    assert!(matches!(refuse(strong), EngineError::Setting { field: "strength", .. }));
    let mut short = model.prefix(2, 1);
    short.pop();
    assert!(matches!(refuse(stream(&[1], Some(short))), EngineError::AdapterMismatch { .. }));
    let nothing = Decoder::new(shape, vec![stream(&[1], None)], options(0)).unwrap();
    assert!(nothing.is_done());
}

#[test]
fn a_known_text_has_the_logits_that_it_was_written_from() {
    let model = TinyModel::new(8);
    for (past, strength) in [(None, 1.0), (Some(model.prefix(3, 5)), 1.0), (Some(model.prefix(3, 5)), 0.5)] {
        let stream = DecoderStream { strength: strength.into(), ..stream(&[4, 9, 2], past) };
        let sampling = Sampling { max_new_tokens: 12, stop_at_end: false, ..Sampling::default() };
        let options = DecoderOptions { sampling, keep_logits: true, ..DecoderOptions::default() };
        let mut decoder = Decoder::new(model.shape(), vec![stream.clone()], options).unwrap();
        let mut then = Vec::new();
        while !decoder.is_done() {
            then.extend(decoder.step(&model).unwrap().into_iter().map(|new| new.logits.unwrap()));
        }
        let mut now: Vec<Vec<f32>> = Vec::new();
        let text = decoder.tokens(0).to_vec();
        known_text(&model, model.shape(), (stream, &text), None, &mut |logits| now.push(logits.to_vec())).unwrap();
        assert_eq!((now.len(), text.len()), (12, 12));
        for (now, then) in now.iter().flatten().zip(then.iter().flatten()) {
            assert!((now - then).abs() < 1e-4, "{now} {then}");
        }
    }
    let far: Vec<u32> = vec![1; 60];
    let refused = |text: &[u32]| {
        known_text(&model, model.shape(), (stream(&[4], None), text), None, &mut |_| ()).unwrap_err().to_string()
    };
    assert!(refused(&far).contains("40") && refused(&[]).contains("token") && refused(&[77]).contains("77"));
}

#[test]
fn a_stream_chooses_by_options_of_its_own() {
    let model = TinyModel::new(9);
    let drawn = |seed| Sampling { greedy: false, seed, max_new_tokens: 9, stop_at_end: false, ..Sampling::default() };
    let tokens = |streams: Vec<DecoderStream>, sampling: Sampling| {
        let options = DecoderOptions { sampling, ..DecoderOptions::default() };
        let mut decoder = Decoder::new(model.shape(), streams, options).unwrap();
        while !decoder.is_done() {
            decoder.step(&model).unwrap();
        }
        (0..2).map(|stream| decoder.tokens(stream).to_vec()).collect::<Vec<_>>()
    };
    let behind = || stream(&[4, 9], Some(model.prefix(3, 5)));
    let own = Rc::new(DecoderOptions { sampling: drawn(2), ..DecoderOptions::default() });
    let mixed = tokens(vec![behind(), DecoderStream { options: Some(own), ..behind() }], drawn(1));
    assert_eq!(mixed[0], tokens(vec![behind(), behind()], drawn(1))[0]);
    assert_eq!(mixed[1], tokens(vec![behind(), behind()], drawn(2))[1]);
    assert_ne!(mixed[0], mixed[1]);
}
