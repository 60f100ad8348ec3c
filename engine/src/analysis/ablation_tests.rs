//! What is left out altogether is not there: the loss is the base model's, that of the adapter where nothing is.

use super::*;
use crate::analysis::query;
use crate::analysis::tiny_subject::subject;
use crate::nn::LayerKv;

fn report(subject: &Subject, left_out: &[LeftOut]) -> AblationReport {
    let mut work = Ablating::new(left_out.to_vec());
    for _ in 0..1000 {
        if let Some(Analysis::Ablation(report)) = work.step(subject).unwrap() {
            return report;
        }
        assert!((0.0..=1.0).contains(&work.share()));
    }
    panic!("it has no end")
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 2e-5
}

#[test]
fn everything_left_out_is_the_base_model_and_nothing_left_out_the_adapter() {
    let cases = ["gpt2-prefix-2x44", "gpt2-prefix-2x32-infix", "gpt2-prefix-3x32-layers", "gpt2-prompt-2x24"];
    let others = ["llama-prefix-2x48", "bloom-prefix-2x40", "t5-prefix-2x40", "t5-prompt-1x24", "llama-lora-2x24"];
    for case in cases.into_iter().chain(others) {
        let subject = subject(case);
        let everything = report(&subject, &[LeftOut::default()]);
        let base = everything.base.unwrap();
        assert!(close(everything.without, base), "{case}: {everything:?}");
        assert!((everything.loss - base).abs() > 1e-3, "{case}: the adapter changes the loss: {everything:?}");
        let nothing = report(&subject, &[]);
        assert_eq!((nothing.without, &nothing.text_without), (nothing.loss, &nothing.text), "{case}");
        assert_eq!(nothing.loss, everything.loss, "{case}");
        assert_eq!((nothing.rows, nothing.prompt.as_str()), (3, "a prompt"), "{case}");
    }
}

#[test]
fn slots_taken_out_of_every_pattern_are_not_there() {
    // Its positions are distances between tokens of the text, so that it is the same where the text begins.
    let subject = subject("t5-prefix-2x40");
    let n_layers = subject.model.model.shape().n_layers;
    let by_hooks = report(&subject, &[LeftOut { layers: (0..n_layers).collect(), ..LeftOut::default() }]);
    assert!(close(by_hooks.without, by_hooks.base.unwrap()), "{by_hooks:?}");
    let first_half = report(&subject, &[LeftOut { layers: vec![0], ..LeftOut::default() }]);
    assert!(!close(first_half.without, by_hooks.without) && !close(first_half.without, first_half.loss));
    let heads = |heads: &[usize]| LeftOut { heads: heads.to_vec(), ..LeftOut::default() };
    let n_heads = subject.model.model.shape().n_heads;
    let one_by_one: Vec<LeftOut> = (0..n_heads).map(|head| heads(&[head])).collect();
    let all: Vec<usize> = (0..n_heads).collect();
    assert!(close(report(&subject, &one_by_one).without, report(&subject, &[heads(&all)]).without));
}

/// The loss with every key or value of the prefix as zeros.
fn loss_with_zeros(subject: &mut Subject, side: query::Side) -> f64 {
    for LayerKv { key, value } in subject.conditioning.decoder.as_mut().unwrap() {
        let zeroed = if side == query::Side::Key { key } else { value };
        *zeroed = zeroed.zeros_like();
    }
    report(subject, &[]).loss
}

#[test]
fn a_side_left_out_is_zeros_in_its_place() {
    for side in [query::Side::Key, query::Side::Value] {
        for case in ["gpt2-prefix-2x44", "llama-prefix-2x48"] {
            let mut subject = subject(case);
            let found = report(&subject, &[LeftOut { side: Some(side), ..LeftOut::default() }]);
            let by_hand = loss_with_zeros(&mut subject, side);
            assert!(close(found.without, by_hand), "{case} {side:?}: {} {by_hand}", found.without);
            assert!(!close(found.without, found.loss), "{case} {side:?}");
        }
    }
}

#[test]
fn keys_of_a_soft_prompt_are_left_out_where_the_model_makes_them() {
    let subject = subject("gpt2-prompt-2x24");
    let side = |side, layers: &[usize]| LeftOut { side: Some(side), layers: layers.to_vec(), ..LeftOut::default() };
    let keys = report(&subject, &[side(query::Side::Key, &[])]).without;
    let of_last = report(&subject, &[side(query::Side::Key, &[1])]).without;
    let values = report(&subject, &[side(query::Side::Value, &[])]).without;
    let whole = report(&subject, &[]).loss;
    let all = [keys, of_last, values, whole];
    let differ = |a: usize, b: usize| (all[a] - all[b]).abs() > 1e-6;
    assert!((0..4).all(|a| (0..a).all(|b| differ(a, b))), "{all:?}");
}

#[test]
fn a_slot_left_out_is_an_adapter_with_one_fewer() {
    for case in ["gpt2-prefix-2x44", "gpt2-prompt-2x24"] {
        let subject = subject(case);
        let n_slots = subject.adapter.n_slots();
        let kept: Vec<usize> = (0..n_slots).filter(|&slot| slot != 1).collect();
        let fewer = subject.adapter.with_slots(&kept).unwrap();
        let slot = LeftOut { slots: vec![1], ..LeftOut::default() };
        let found = report(&subject, std::slice::from_ref(&slot));
        // The adapter with fewer slots, on rows as they are made for it.
        let mut rows = subject.rows.clone();
        rows.iter_mut().for_each(|row| row.keep_soft(&kept, n_slots));
        let conditioning = subject.model.conditioning(&fewer).unwrap();
        let smaller = Subject { adapter: fewer, conditioning, rows, ..self::subject(case) };
        assert!(close(found.without, report(&smaller, &[]).loss), "{case}");
        // Another one in one layer, beside it: numbers are those of the whole adapter.
        let last = LeftOut { slots: vec![n_slots - 1], layers: vec![0], ..LeftOut::default() };
        let both = report(&subject, &[slot, last]).without;
        let renumbered = LeftOut { slots: vec![n_slots - 2], layers: vec![0], ..LeftOut::default() };
        assert!(close(both, report(&smaller, &[renumbered]).without), "{case}");
    }
}

#[test]
fn a_layers_change_of_weights_is_left_out() {
    let subject = subject("llama-lora-2x24");
    let layers = |layers: &[usize]| vec![LeftOut { layers: layers.to_vec(), ..LeftOut::default() }];
    let first = report(&subject, &layers(&[0]));
    let second = report(&subject, &layers(&[1]));
    let both = report(&subject, &layers(&[0, 1]));
    assert!(close(both.without, both.base.unwrap()), "{both:?}");
    assert!(!close(first.without, first.loss) && !close(first.without, second.without), "{first:?} {second:?}");
}

#[test]
fn what_is_not_there_is_refused_by_number() {
    let prefix = subject("gpt2-prefix-2x44");
    let n_slots = prefix.adapter.n_slots();
    let said = |subject: &Subject, item: LeftOut| Without::new(subject, &[item]).err().unwrap().to_string();
    let slots = said(&prefix, LeftOut { slots: vec![n_slots], ..LeftOut::default() });
    assert!(slots.contains(&format!("no slot {}", n_slots + 1)), "{slots}");
    let layer = said(&prefix, LeftOut { layers: vec![9], ..LeftOut::default() });
    assert!(layer.contains("no layer 10"), "{layer}");
    let head = said(&prefix, LeftOut { heads: vec![99], ..LeftOut::default() });
    assert!(head.contains("no head 100"), "{head}");
    let weights = said(&prefix, LeftOut { weights: true, ..LeftOut::default() });
    assert!(weights.contains("changes no weights"), "{weights}");
    let lora = subject("llama-lora-2x24");
    let slots = said(&lora, LeftOut { heads: vec![0], ..LeftOut::default() });
    assert!(slots.contains("has layers"), "{slots}");
}
