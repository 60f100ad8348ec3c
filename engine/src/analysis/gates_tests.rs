//! Derivatives by gates against differences, and slots that nobody attends to.

use super::*;
use crate::analysis::tiny_subject::subject;
use crate::analysis::{Analysis, Question};
use crate::data::Example;

/// The mean loss with every gate at 1 but one, which is `1 + by` for every row.
fn loss_at(subject: &Subject, (point, head, slot): (HookPoint, usize, usize), by: f32) -> f64 {
    let variant = Variant::same(subject);
    let rows: Vec<usize> = (0..subject.rows.len()).collect();
    let batch = variant.batch(subject, &rows);
    let columns = SlotColumns::new(subject, (&variant.conditioning, subject.adapter.n_slots()), &batch);
    let set = |at: HookPoint, [_, n_heads, _]: [usize; 3]| {
        let gate = |h: usize, s: usize| if (at, h, s) == (point, head, slot) { 1.0 + by } else { 1.0 };
        Some(columns.gates(n_heads, gate))
    };
    let mut gates = Gates::new(&columns, &set);
    let (nll, labels) = variant.nll(subject, &batch, Some(&mut gates as &mut dyn Hooks)).unwrap();
    f64::from(nll.into_scalar::<f32>()) / labels as f64
}

/// Derivatives of the mean loss by the gates of each layer, `[n_heads, n_slots]`.
fn derivatives(subject: &Subject) -> Vec<(HookPoint, usize, Vec<f64>)> {
    let variant = Variant::same(subject);
    let rows: Vec<usize> = (0..subject.rows.len()).collect();
    let batch = variant.batch(subject, &rows);
    let columns = SlotColumns::new(subject, (&variant.conditioning, subject.adapter.n_slots()), &batch);
    let ones = |_, _| None;
    let mut gates = Gates::new(&columns, &ones);
    let (nll, labels) = variant.nll(subject, &batch, Some(&mut gates as &mut dyn Hooks)).unwrap();
    let gradients = nll.backward();
    let of_layer = |(at, leaf): (&HookPoint, &Tensor<3>)| {
        let [_, n_heads, n_slots] = leaf.dims();
        let gradient = to_host(leaf.grad(&gradients).unwrap().sum_dim(0)).unwrap();
        assert_eq!(gradient.len(), n_heads * n_slots);
        (*at, n_heads, gradient.iter().map(|x| f64::from(*x) / labels as f64).collect())
    };
    gates.leaves.iter().map(of_layer).collect()
}

#[test]
fn the_derivative_by_a_gate_is_the_difference() {
    for case in ["gpt2-prefix-2x44", "gpt2-prompt-2x24", "llama-prefix-2x48", "t5-prefix-2x40", "t5-prompt-1x24"] {
        let subject = subject(case);
        let n_slots = subject.adapter.n_slots();
        let mut largest = 0.0_f64;
        for (at, n_heads, found) in derivatives(&subject) {
            for head in 0..n_heads {
                for slot in 0..n_slots.min(4) {
                    let step = 0.01;
                    let place = (at, head, slot);
                    let difference = (loss_at(&subject, place, step) - loss_at(&subject, place, -step)) / 0.02;
                    let derivative = found[head * n_slots + slot];
                    assert!(
                        (difference - derivative).abs() < 1e-3,
                        "{case} {at} {head} {slot}: {difference} {derivative}"
                    );
                    largest = largest.max(derivative.abs());
                }
            }
        }
        assert!(largest > 1e-4, "{case}: gates matter, or this test says nothing: {largest}");
    }
}

#[test]
fn a_slot_that_no_token_attends_to_has_no_derivative() {
    let subject = subject("gpt2-prefix-2x44");
    let batch = subject.batch(&[0]);
    let columns = SlotColumns::new(&subject, (&subject.conditioning, 2), &batch);
    let device = &subject.model.device;
    let pattern = Tensor::<4>::from_floats([[[[0.0, 0.3, 0.7], [0.0, 0.5, 0.5]]]], device);
    let leaf = Tensor::from_inner(columns.gates(1, |_, _| 1.0)).require_grad();
    let gated = columns.gated(&pattern, leaf.clone(), true);
    assert_eq!(to_host(gated.clone().inner()).unwrap(), to_host(pattern).unwrap(), "gates of 1 change nothing");
    let weights = Tensor::<4>::from_floats([[[[5.0, 1.0, -2.0], [5.0, 2.0, 1.0]]]], device);
    let gradients = (gated * Tensor::from_inner(weights)).sum().backward();
    let found = to_host(leaf.grad(&gradients).unwrap()).unwrap();
    assert_eq!(found[0], 0.0);
    assert!(found[1].abs() > 0.1, "{found:?}");
}

#[test]
fn a_soft_token_that_no_row_has_is_of_no_importance() {
    let mut subject = subject("gpt2-prompt-2x24");
    let n_slots = subject.adapter.n_slots();
    let without_last = |row: &mut Example| {
        row.tokens.remove(n_slots - 1);
        row.n_prompt -= 1;
    };
    subject.rows.iter_mut().for_each(without_last);
    let mut work = Question::Importance { leave_one_out: 0, sizes: vec![n_slots] }.investigation();
    let report = loop {
        if let Some(Analysis::Importance(report)) = work.step(&subject).unwrap() {
            break report;
        }
    };
    assert_eq!(report.slots[n_slots - 1].importance, 0.0);
    assert!(report.slots[..n_slots - 1].iter().all(|slot| slot.importance > 0.0), "{:?}", report.slots);
    assert!(report.layers.iter().all(|layer| layer.slots[n_slots - 1] == 0.0));
    assert_eq!(report.order[n_slots - 1], n_slots - 1);
}
