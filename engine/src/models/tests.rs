//! Truths about every causal architecture that need no reference, on the models of the golden cases.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::data::{Example, TokenBatch};
use crate::generation::Sampling;
use crate::generation::tiny::random;
use crate::generation::{Decoder, DecoderOptions, DecoderStream};
use crate::nn::head_logits;
use crate::nn::positions::PositionConvention;
use crate::training::loss::summed_nll;

fn cases() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/cases")
}

fn load(case: &str) -> BaseModel {
    let folder = ModelFolder::open(&cases().join(case).join("model")).unwrap();
    folder.load(&crate::device::cpu(), &mut |_| Ok(())).unwrap()
}

/// The causal models of the golden cases, by the names of their cases.
fn every_model() -> Vec<(String, BaseModel)> {
    let names = std::fs::read_dir(cases()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let causal = |name: &String| {
        let text = std::fs::read_to_string(cases().join(name).join("case.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["task"] == "causal"
    };
    let models: Vec<_> = names.filter(causal).map(|name| (name.clone(), load(&name))).collect();
    assert!(models.len() >= 29);
    models
}

/// Those whose tokens keep their keys while a text grows.
fn every_model_of_one_length() -> impl Iterator<Item = (String, BaseModel)> {
    let follows_length =
        |name: &str| ["-dynamic", "-longrope", "gguf-phi3-prefix"].iter().any(|end| name.ends_with(end));
    every_model().into_iter().filter(move |(name, _)| !follows_length(name))
}

fn prefix(model: &dyn CausalModel, n_virtual: usize) -> Vec<LayerKv> {
    let ModelShape { n_layers, n_kv_heads, d_head, .. } = *model.shape();
    let mut rng = ChaCha8Rng::seed_from_u64(n_virtual as u64);
    let mut slots = || random(&mut rng, [1, n_kv_heads, n_virtual, d_head], 2.0);
    (0..n_layers).map(|_| LayerKv { key: slots(), value: slots() }).collect()
}

fn text(seq: usize, first: i32) -> Vec<i32> {
    (0..seq as i32).map(|i| (first + 37 * i) % 251).collect()
}

/// The same for a model that reads a context in both directions: only behind the token that starts an answer does no token
/// see a later one.
fn started(model: &dyn CausalModel, mut text: Vec<i32>, at: usize) -> Vec<i32> {
    if let Some(context) = model.stack().context {
        text[at] = context.start.cast_signed();
    }
    text
}

/// Logits of rows that are padded where `mask` is 0, `[batch * seq, vocab_size]`, row by row.
fn logits(
    model: &dyn CausalModel,
    tokens: &[i32],
    mask: &[f32],
    shape: [usize; 2],
    past: Option<&[LayerKv]>,
    n_virtual: usize,
) -> Vec<Vec<f32>> {
    let device = crate::device::cpu();
    let conditioning = past.map_or_else(Conditioning::default, |past| Conditioning::causal(past.to_vec()));
    let rows = PaddedRows { shape, tokens, mask, types: None, infix_from: Vec::new(), starts: None, source: None };
    let stack = Stack { position_ids: PositionIds::RealTokens, ..model.stack() };
    let mut pass = ForwardPass::of_batch(stack, &rows, &conditioning, &device).unwrap();
    let shift = n_virtual as i64 - crate::nn::past_length(past) as i64;
    pass.positions = pass.positions + shift;
    let hidden = model.hidden(&mut pass);
    let [batch, seq, d_out] = hidden.dims();
    let logits = head_logits(hidden.reshape([batch * seq, d_out]), model.logit_head());
    let numbers: Vec<f32> = logits.try_into_vec_as().unwrap();
    numbers.chunks_exact(model.shape().vocab_size).map(<[f32]>::to_vec).collect()
}

/// Logits of one text behind a prefix.
fn alone(model: &dyn CausalModel, tokens: &[i32], past: Option<&[LayerKv]>) -> Vec<Vec<f32>> {
    let seq = tokens.len();
    logits(model, tokens, &vec![1.0; seq], [1, seq], past, crate::nn::past_length(past))
}

fn distance(a: &[Vec<f32>], b: &[Vec<f32>]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn a_later_token_moves_no_earlier_logit() {
    for (name, model) in every_model() {
        let past = prefix(model.causal().unwrap(), 3);
        let before = started(model.causal().unwrap(), text(12, 5), 4);
        let mut changed = before.clone();
        changed[8] += 1;
        let before = alone(model.causal().unwrap(), &before, Some(&past));
        let after = alone(model.causal().unwrap(), &changed, Some(&past));
        assert_eq!(before[..8], after[..8], "{name}");
        assert!(distance(&before[8..], &after[8..]) > 1e-3, "{name} reads its text");
    }
}

#[test]
fn left_padding_changes_nothing() {
    for (name, model) in every_model() {
        // Between a prefix and a text padding counts as columns of a window, in the reference too.
        let slots = prefix(model.causal().unwrap(), 3);
        let past = model.window().is_none().then_some(&slots[..]);
        let n_virtual = crate::nn::past_length(past);
        let (long, short) = (text(9, 4), text(5, 11));
        let tokens = [&long[..], &[0; 4], &short].concat();
        let mask = [&[1.0; 9][..], &[0.0; 4], &[1.0; 5]].concat();
        let both = logits(model.causal().unwrap(), &tokens, &mask, [2, 9], past, n_virtual);
        assert!(distance(&both[..9], &alone(model.causal().unwrap(), &long, past)) < 2e-4, "{name}");
        assert!(distance(&both[13..], &alone(model.causal().unwrap(), &short, past)) < 2e-4, "{name}");
    }
}

#[test]
fn cached_decoding_equals_the_full_pass() {
    for (name, model) in every_model_of_one_length() {
        let model = model.causal().unwrap();
        let prompt = |seq: usize, first: i32| started(model, text(seq, first), seq - 1);
        let given = [(prompt(7, 3), 4), (prompt(2, 90), 1), (prompt(4, 30), 0), (prompt(5, 8), 6)];
        let past = |n_virtual: usize| (n_virtual > 0).then(|| prefix(model, n_virtual));
        let stream = |(tokens, n_virtual): &(Vec<i32>, usize)| {
            let prompt = tokens.iter().map(|token| token.cast_unsigned()).collect();
            let conditioning = past(*n_virtual).map(Conditioning::causal).unwrap_or_default();
            DecoderStream::new(prompt, conditioning)
        };
        let sampling = Sampling { max_new_tokens: 12, ..Sampling::default() };
        // All in one batch, so that rows are padded.
        let options = DecoderOptions { sampling, keep_logits: true, exact_base: false, ..DecoderOptions::default() };
        let mut decoder = Decoder::new(model.shape(), given.iter().map(stream).collect(), options).unwrap();
        let mut cached = vec![Vec::new(); given.len()];
        while !decoder.is_done() {
            for new in decoder.step(model).unwrap() {
                cached[new.stream].extend(new.logits);
            }
        }
        for (stream, (prompt, n_virtual)) in given.iter().enumerate() {
            let new = decoder.tokens(stream).iter().map(|token| token.cast_signed());
            let whole: Vec<i32> = prompt.iter().copied().chain(new).collect();
            let full = alone(model, &whole[..whole.len() - 1], past(*n_virtual).as_deref());
            assert!(distance(&cached[stream], &full[prompt.len() - 1..]) < 3e-4, "{name}, stream {stream}");
        }
    }
}

/// Rows of a batch that train a prefix of this conditioning, behind their first two tokens.
fn hidden_states(model: &Model, conditioning: &Conditioning, row: &[i32]) -> Vec<f32> {
    let labels = row.iter().enumerate().map(|(at, &token)| if at < 3 { -100 } else { token }).collect();
    let batch = TokenBatch {
        contest: None,
        starts: None,
        taught: None,
        task: Task::Causal,
        rows: vec![0],
        batch: 1,
        seq: row.len(),
        tokens: row.to_vec(),
        mask: vec![1.0; row.len()],
        types: None,
        targets: Vec::new(),
        source: None,
        labels,
    };
    let hidden = crate::training::loss::hidden(model, conditioning, &batch, &crate::device::cpu()).unwrap();
    hidden.try_into_vec_as().unwrap()
}

fn apart(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn a_layer_without_a_prefix_computes_what_it_computes_without() {
    for (name, model) in every_model() {
        let row = text(9, 5);
        let n_layers = model.shape().n_layers;
        let of_layers = |layers: Option<Vec<usize>>, values: f32| {
            let mut slots = prefix(model.causal().unwrap(), 3);
            // What stands in layers that do not see it must not matter.
            for (layer, kv) in slots.iter_mut().enumerate() {
                if layers.as_ref().is_some_and(|layers| !layers.contains(&layer)) {
                    kv.value = kv.value.clone() * values;
                }
            }
            Conditioning { positions: PositionConvention::Unshifted, layers, ..Conditioning::causal(slots) }
        };
        let base = hidden_states(&model, &Conditioning::default(), &row);
        let none = hidden_states(&model, &of_layers(Some(Vec::new()), 5.0), &row);
        assert!(apart(&base, &none) < 1e-4, "{name}: {}", apart(&base, &none));
        let all = hidden_states(&model, &of_layers(None, 1.0), &row);
        let named = hidden_states(&model, &of_layers(Some((0..n_layers).collect()), 1.0), &row);
        assert_eq!(all, named, "{name}");
        if n_layers > 1 {
            let [once, again] = [1.0, 7.0].map(|values| hidden_states(&model, &of_layers(Some(vec![0]), values), &row));
            assert_eq!(once, again, "{name}");
            assert!(apart(&once, &all) > 1e-3 && apart(&once, &base) > 1e-3, "{name}");
        }
    }
}

#[test]
fn what_stands_before_an_infix_does_not_see_it() {
    let (mut taken, mut refused) = (0, 0);
    for (name, model) in every_model() {
        if let Err(error) = model.check_infix() {
            assert!(error.to_string().contains("infix"), "{error}");
            refused += 1;
            continue;
        }
        taken += 1;
        let row = text(9, 5);
        let infix = Conditioning {
            positions: PositionConvention::Infix,
            ..Conditioning::causal(prefix(model.causal().unwrap(), 3))
        };
        let (base, with) = (hidden_states(&model, &Conditioning::default(), &row), hidden_states(&model, &infix, &row));
        let width = base.len() / row.len();
        assert!(apart(&base[..2 * width], &with[..2 * width]) < 1e-4, "{name}");
        assert!(apart(&base[2 * width..3 * width], &with[2 * width..3 * width]) > 1e-3, "{name}");
    }
    assert!(taken > 10 && refused > 2);
}

#[test]
fn a_text_that_grows_beyond_longropes_length_goes_on_as_if_it_were_read_at_once() {
    let model = load("phi3-lora-2x24-longrope");
    let model = model.causal().unwrap();
    let length = model.rereads_at().unwrap();
    let prompts = [text(length - 3, 3), text(length - 9, 40), text(length + 1, 17)];
    let stream = |prompt: &Vec<i32>| {
        let prompt = prompt.iter().map(|token| token.cast_unsigned()).collect();
        DecoderStream::new(prompt, Conditioning::default())
    };
    let sampling = Sampling { max_new_tokens: 12, ..Sampling::default() };
    // All in one batch, so that they get there at different times.
    let options = DecoderOptions { sampling, keep_logits: true, exact_base: false, ..DecoderOptions::default() };
    let mut decoder = Decoder::new(model.shape(), prompts.iter().map(stream).collect(), options).unwrap();
    let mut cached = vec![Vec::new(); prompts.len()];
    while !decoder.is_done() {
        for new in decoder.step(model).unwrap() {
            cached[new.stream].extend(new.logits);
        }
    }
    for (stream, prompt) in prompts.iter().enumerate() {
        let new = decoder.tokens(stream).iter().map(|token| token.cast_signed());
        let whole: Vec<i32> = prompt.iter().copied().chain(new).collect();
        for (step, cached) in cached[stream].iter().enumerate() {
            let full = alone(model, &whole[..prompt.len() + step], None).pop().unwrap();
            assert!(distance(std::slice::from_ref(cached), &[full]) < 3e-4, "stream {stream}, step {step}");
        }
    }
}

#[test]
fn cached_decoding_with_some_layers_or_an_infix_equals_the_full_pass() {
    for (name, model) in every_model_of_one_length() {
        let last = model.shape().n_layers - 1;
        let slots = |n| Conditioning::causal(prefix(model.causal().unwrap(), n));
        let prompt = |seq: usize, first: i32| started(model.causal().unwrap(), text(seq, first), seq - 1);
        let mut given = vec![
            (prompt(6, 3), Conditioning { layers: Some(vec![last]), ..slots(4) }),
            (prompt(2, 90), Conditioning { layers: Some(vec![0]), ..slots(2) }),
            (prompt(4, 30), slots(3)),
        ];
        if model.check_infix().is_ok() {
            given.push((text(3, 8), Conditioning { positions: PositionConvention::Infix, ..slots(5) }));
            let layers = Some(vec![0]);
            given.push((text(1, 8), Conditioning { positions: PositionConvention::Infix, layers, ..slots(5) }));
        }
        let stream = |(tokens, conditioning): &(Vec<i32>, Conditioning)| {
            DecoderStream::new(tokens.iter().map(|token| token.cast_unsigned()).collect(), conditioning.clone())
        };
        let sampling = Sampling { max_new_tokens: 7, ..Sampling::default() };
        let options = DecoderOptions { sampling, keep_logits: true, ..DecoderOptions::default() };
        let causal = model.causal().unwrap();
        let mut decoder = Decoder::new(causal.shape(), given.iter().map(stream).collect(), options).unwrap();
        let mut cached = vec![Vec::new(); given.len()];
        while !decoder.is_done() {
            for new in decoder.step(causal).unwrap() {
                cached[new.stream].extend(new.logits);
            }
        }
        for (stream, (prompt, conditioning)) in given.iter().enumerate() {
            let new = decoder.tokens(stream).iter().map(|token| token.cast_signed());
            let whole: Vec<i32> = prompt.iter().copied().chain(new).collect();
            let seq = whole.len() - 1;
            let labels = (0..seq).map(|at| if at < prompt.len() { -100 } else { whole[at] }).collect();
            let batch = TokenBatch {
                contest: None,
                starts: None,
                taught: None,
                task: Task::Causal,
                rows: vec![0],
                batch: 1,
                seq,
                tokens: whole[..seq].to_vec(),
                mask: vec![1.0; seq],
                types: None,
                targets: Vec::new(),
                source: None,
                labels,
            };
            let device = crate::device::cpu();
            let hidden = crate::training::loss::hidden(&model, conditioning, &batch, &device).unwrap();
            let [_, _, width] = hidden.dims();
            let rows = hidden.reshape([seq, width]).narrow(0, prompt.len() - 1, seq + 1 - prompt.len());
            let full: Vec<f32> = head_logits(rows, causal.logit_head()).try_into_vec_as().unwrap();
            let full: Vec<Vec<f32>> = full.chunks_exact(model.shape().vocab_size).map(<[f32]>::to_vec).collect();
            assert!(distance(&cached[stream], &full) < 3e-4, "{name}, stream {stream}");
        }
    }
}

/// The loss of one row, padded on its left and on its right.
fn losses(model: &Model) -> [f32; 2] {
    let conditioning = Conditioning::causal(prefix(model.causal().unwrap(), 4));
    let device = crate::device::cpu();
    let row = text(6, 20);
    let batch = |tokens: Vec<i32>, mask: Vec<f32>| {
        let labels = tokens.iter().zip(&mask).map(|(&token, &real)| if real > 0.0 { token } else { -100 });
        let mut labels: Vec<i32> = labels.collect();
        labels[mask.iter().position(|&real| real > 0.0).unwrap()] = -100;
        TokenBatch {
            contest: None,
            starts: None,
            taught: None,
            task: Task::Causal,
            rows: vec![0],
            batch: 1,
            seq: 9,
            tokens,
            mask,
            types: None,
            targets: Vec::new(),
            source: None,
            labels,
        }
    };
    let left = batch([&[0; 3][..], &row].concat(), [&[0.0; 3][..], &[1.0; 6]].concat());
    let right = batch([&row[..], &[0; 3]].concat(), [&[1.0; 6][..], &[0.0; 3]].concat());
    [left, right].map(|batch| {
        let (nll, _) = summed_nll(model, &conditioning, &batch, &device).unwrap();
        nll.into_scalar::<f32>()
    })
}

#[test]
fn opt_positions_come_from_the_mask() {
    let moved = |case: &str| {
        let model = load(case);
        let [left, right] = losses(&model);
        (left - right).abs()
    };
    assert!(moved("opt-prefix-2x36") < 1e-4, "padding is not counted, in training neither");
    assert!(moved("opt-prefixproj-2x32-post") < 1e-4);
    assert!(moved("bloom-prefix-2x40") < 1e-4, "nor is it in ALiBi");
    assert!(moved("gpt2-prefix-2x44") > 1e-2, "others count columns");
}

#[test]
fn a_window_hides_the_prefix_from_late_tokens() {
    // Two layers with a window of 6 columns reach 10 columns back.
    let model = load("mistral-prefix-2x32-window");
    let model = model.causal().unwrap();
    let tokens = text(14, 7);
    let with = alone(model, &tokens, Some(&prefix(model, 4)));
    let without = logits(model, &tokens, &[1.0; 14], [1, 14], None, 4);
    assert!(distance(&with[9..10], &without[9..10]) > 1e-4, "the tenth token sees it through the layer below");
    assert!(distance(&with[10..], &without[10..]) < 1e-5);
}

#[test]
fn rows_of_a_line_are_computed_as_if_each_stood_alone() {
    let device = crate::device::cpu();
    let (mut taken, mut refused) = (0, 0);
    for (name, model) in every_model() {
        if let Err(error) = model.check_packing() {
            assert!(error.to_string().contains("training.packing"), "{error}");
            refused += 1;
            continue;
        }
        taken += 1;
        let example = |(length, first): (usize, i32)| {
            let tokens = text(length, first).into_iter().map(i32::cast_unsigned).collect();
            Example { tokens, n_prompt: 1, ..Example::default() }
        };
        let examples = [(12, 5), (5, 30), (3, 60), (4, 11), (9, 80)].map(example);
        let plain = TokenBatch::new(&examples, &[0, 1, 2, 3, 4], 0, Task::Causal);
        let packed = plain.clone().packed();
        assert_eq!((plain.batch, packed.batch, &packed.rows[..]), (5, 2, &[0, 1, 4, 3, 2][..]));
        let slots = prefix(model.causal().unwrap(), 3);
        let layers = Some(vec![model.shape().n_layers - 1]);
        for conditioning in [
            Conditioning::default(),
            Conditioning::causal(slots.clone()),
            Conditioning { positions: PositionConvention::Unshifted, ..Conditioning::causal(slots.clone()) },
            Conditioning { layers, ..Conditioning::causal(slots.clone()) },
        ] {
            let of = |batch: &TokenBatch| {
                let (nll, n) = summed_nll(&model, &conditioning, batch, &device).unwrap();
                (nll.into_scalar::<f32>(), n)
            };
            let (alone, together) = (of(&plain), of(&packed));
            assert_eq!(alone.1, together.1);
            assert!((alone.0 - together.0).abs() < 2e-4 * alone.0.abs(), "{name}: {} {}", alone.0, together.0);
        }
    }
    assert!(taken > 15 && refused > 0, "{taken} {refused}");
}
