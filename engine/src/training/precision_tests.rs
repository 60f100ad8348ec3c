//! Every method with products in 16 bits, on the processor, which multiplies what was rounded: the numbers are those of
//! a device that sums in f32.

use std::collections::BTreeMap;
use std::path::PathBuf;

use half::{bf16, f16};

use super::checkpoint::{self, CheckpointState};
use super::gradient_checkpointing_tests::{batch, difference, load_in, methods, models, tasks, trainer};
use super::trainer::{Gradient, StepSettings};
use crate::adapters::{AdapterSpec, PartSpec};
use crate::config::{MethodConfig, OptimizerConfig, PrefixConfig, Task, TaskRecord};
use crate::models::BaseModel;
use crate::nn::{Precision, floats};

/// One case of each architecture; the fourth is stored in bf16, the fifth in f16.
const CASES: [&str; 18] = [
    "gpt2-prefix-2x44",
    "llama-prefix-2x48",
    "neox-prefix-2x48",
    "gpt2-prefix-2x32-bf16",
    "gpt2-prefix-3x64-f16",
    "bloom-prefix-2x40",
    "opt-prefix-2x36",
    "gptneo-prefix-2x32",
    "glm-prefix-2x32",
    "bert-prefix-seq",
    "albert-prefix-seq",
    "deberta-prefix-seq",
    "gptj-prefix-2x32",
    "falcon-prefixproj-2x48-grouped",
    "olmo2-prefix-2x32",
    "t5-prefix-3x32-gated",
    "bart-prefix-3x32",
    "mbart-prefix-2x24",
];

fn folder(case: &str) -> PathBuf {
    models().into_iter().find(|model| model.parent().is_some_and(|folder| folder.ends_with(case))).unwrap()
}

/// The gradient of one batch whose loss is weighted.
fn gradient(model: &BaseModel, task: Task, parts: &[PartSpec], weight: f64, gradient_checkpointing: bool) -> Gradient {
    let device = crate::device::cpu();
    let batch = batch(model, task, parts);
    let mut trainer = trainer(model, &device, task, parts.to_vec());
    trainer.gradient_checkpointing = gradient_checkpointing;
    let weight = weight / batch.n_labels() as f64;
    trainer.gradient(model, &[(batch, weight)], 5, &device).unwrap()
}

/// The length of what two gradients differ by, as a share of the first one's.
fn apart([wide, narrow]: [&Gradient; 2]) -> f64 {
    let length = |values: &mut dyn Iterator<Item = f32>| values.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    let (wide, narrow) = (numbers(wide).concat(), numbers(narrow).concat());
    length(&mut wide.iter().zip(&narrow).map(|(a, b)| a - b)) / length(&mut wide.iter().copied())
}

fn numbers(gradient: &Gradient) -> Vec<Vec<f32>> {
    gradient.of_parameters.iter().map(|tensor| floats(tensor.clone()).unwrap()).collect()
}

/// Rounding explains what 16 bits change if three bits more leave a fraction of it: a term that is missing or scaled wrongly
/// would be as far off in both.
#[test]
fn sixteen_bits_train_every_method_as_f32_does_but_for_rounding() {
    let mut far = Vec::new();
    // Of each method, model by model: how far gradients are apart in f16 and in bf16.
    let mut gradients: BTreeMap<&str, [Vec<f64>; 2]> = BTreeMap::new();
    for case in CASES {
        let (wide, _) = load_in(&folder(case), Precision::F32);
        for (at, precision) in Precision::NARROW.into_iter().enumerate() {
            let unit = if precision == Precision::F16 { f16::EPSILON.to_f64() } else { bf16::EPSILON.to_f64() };
            let (narrow, _) = load_in(&folder(case), precision);
            // Each product is off by at most a unit of its terms, and they follow each other on the way to the loss: up to
            // seven in a block, and the head.
            let (_, shape) = &wide.sites()[0];
            let products = (7 * shape.n_layers * wide.sites().len().min(2) + 1) as f64;
            let task = tasks(&wide)[0];
            for (method, parts) in methods(&wide) {
                let [a, b] = [&wide, &narrow].map(|model| gradient(model, task, &parts, 1.0, false));
                let off = (a.loss - b.loss).abs() / a.loss;
                if off > products * unit {
                    far.push(format!("{case}, {method}, {precision}: the loss by {off:e} of {:e}", products * unit));
                }
                gradients.entry(method).or_default()[at].push(apart([&a, &b]));
            }
        }
    }
    for (method, [mut fine, mut coarse]) in gradients {
        let [fine, coarse] = [median(&mut fine), median(&mut coarse)];
        if fine * 4.0 > coarse || coarse > 0.5 {
            far.push(format!("{method}: gradients by {fine:e} in f16 and {coarse:e} in bf16"));
        }
    }
    assert!(far.is_empty(), "{far:#?}");
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
fn tiny_gradients_survive_f16() {
    // Below 6e-8 there is nothing in f16. A weight of 2^-40 moves every gradient there, and loses no bit.
    let tiny = 2.0_f64.powi(-40);
    for case in ["gpt2-prefix-2x44", "llama-prefix-2x48", "t5-prefix-3x32-gated"] {
        let (model, _) = load_in(&folder(case), Precision::F16);
        let task = tasks(&model)[0];
        for (method, parts) in methods(&model).into_iter().filter(|(method, _)| !method.contains("dropout")) {
            let [whole, small] = [1.0, tiny].map(|weight| numbers(&gradient(&model, task, &parts, weight, false)));
            let largest = small.concat().into_iter().fold(0.0, |most: f32, x| most.max(x.abs()));
            assert!(largest > 0.0 && largest < 6e-8, "{case}, {method}: {largest}");
            let scaled: Vec<f32> = whole.concat().into_iter().map(|x| x * tiny as f32).collect();
            for (scaled, small) in scaled.into_iter().zip(small.concat()) {
                // The sums are those of f32 in the same order; only what f32 itself cannot hold may differ.
                assert!((scaled - small).abs() <= 1e-6 * largest, "{case}, {method}: {small} is not {scaled}");
            }
        }
    }
}

#[test]
fn blocks_that_are_run_again_round_alike() {
    for precision in Precision::NARROW {
        let (model, _) = load_in(&folder("llama-prefix-2x48"), precision);
        for (method, parts) in methods(&model) {
            let both = [false, true].map(|again| gradient(&model, Task::Causal, &parts, 1.0, again));
            assert!(difference(&both) < 1e-4, "{method} in {precision}");
        }
    }
}

#[test]
fn a_run_in_f16_goes_on_where_it_was() {
    // The scales follow from the numbers of a step alone, so that a checkpoint has nothing of them.
    let (model, device) = load_in(&folder("gpt2-prefix-2x44"), Precision::F16);
    let (_, parts) = methods(&model).swap_remove(9); // a prefix and LoRA
    let batches = [(batch(&model, Task::Causal, &parts), 0.01)];
    let settings = StepSettings { learning_rate: 1e-2, max_grad_norm: Some(1.0), seed: 3 };
    let begin = || trainer(&model, &device, Task::Causal, parts.clone());
    let mut whole = begin();
    for _ in 0..4 {
        whole.step(&model, &batches, &settings, &device).unwrap();
    }
    let mut first = begin();
    for _ in 0..2 {
        first.step(&model, &batches, &settings, &device).unwrap();
    }
    let scratch = tempfile::tempdir().unwrap();
    let kept = scratch.path().join("kept");
    let state = CheckpointState { step: 2, ..CheckpointState::new("0".repeat(64)) };
    let method = MethodConfig::Prefix(PrefixConfig { n_virtual: 3, ..PrefixConfig::default() });
    checkpoint::write(&kept, &first, &state, &method, "tiny").unwrap();
    let plan = AdapterSpec { parts: parts.clone(), task: TaskRecord::of(Task::Causal) };
    let (mut second, _) = checkpoint::read(&kept, &plan, &OptimizerConfig::default(), &device).unwrap();
    for _ in 0..2 {
        second.step(&model, &batches, &settings, &device).unwrap();
    }
    let bits = |trainer: &super::trainer::Trainer| -> Vec<u32> {
        let values = trainer.adapter.named_parameters().flat_map(|(_, parameter)| parameter.to_vec().unwrap());
        values.map(f32::to_bits).collect()
    };
    assert_eq!(bits(&whole), bits(&second));
    assert_ne!(bits(&whole), bits(&first));
}
