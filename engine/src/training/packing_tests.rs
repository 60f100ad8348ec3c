//! Rows that stand behind each other in a line: every method on every causal architecture of the golden cases beside the same
//! rows apart, and a prefix beside transformers with an explicit mask: `tests/golden/packing.json`, which `packing.py` wrote.

use burn::tensor::Tensor;
use serde_json::Value;

use super::gradient_checkpointing_tests::{difference, load_in, methods, models, trainer};
use crate::adapters::{PartSpec, formats};
use crate::config::{LossReduction, Task};
use crate::data::{Example, TokenBatch};
use crate::models::{Model, leaf};
use crate::nn::{LayerKv, Precision, floats};
use crate::tokens::SOFT;
use crate::training::loss::{summed_nll, weighted};

/// Rows of five lengths that begin with soft tokens, if there are any.
fn batch(is_soft: bool) -> TokenBatch {
    let example = |(length, first): (u32, u32)| {
        let text = (0..length).map(|at| (first + 7 * at) % 40);
        let soft = (0..2).filter(|_| is_soft).map(|slot| SOFT + slot);
        Example { tokens: soft.chain(text).collect(), n_prompt: 3, ..Example::default() }
    };
    let examples = [(14, 5), (5, 30), (3, 12), (4, 11), (6, 20)].map(example);
    TokenBatch::new(&examples, &[0, 1, 2, 3, 4], 0, Task::Causal)
}

#[test]
fn rows_in_one_line_give_the_gradients_of_rows_apart() {
    let (mut seen, mut far) = (0, Vec::new());
    for folder in models() {
        let (model, device) = load_in(&folder, Precision::F32);
        if !matches!(&*model, Model::Causal(_)) || model.check_packing().is_err() {
            continue;
        }
        for (method, parts) in methods(&model) {
            // An infix is refused, and what dropout leaves out depends on where a token stands.
            if ["infix", "LoRA everywhere with dropout"].contains(&method) {
                continue;
            }
            let plain = batch(parts.iter().any(|part| matches!(part, PartSpec::Prompt(_))));
            let packed = plain.clone().packed();
            assert!(packed.batch < plain.batch && packed.n_labels() == plain.n_labels());
            let mut trainer = trainer(&model, &device, Task::Causal, parts);
            let mut gradient = |batch: &TokenBatch, gradient_checkpointing| {
                trainer.gradient_checkpointing = gradient_checkpointing;
                let batches = weighted(LossReduction::SentenceSum, vec![batch.clone()]);
                trainer.gradient(&model, &batches, 5, &device).unwrap()
            };
            // Blocks that are run again in every other method.
            let checkpointing = seen % 2 == 1;
            let both = [gradient(&plain, false), gradient(&packed, checkpointing)];
            let off = (both[0].loss - both[1].loss).abs() / both[0].loss;
            let apart = difference(&both);
            if off > 1e-5 || apart > 1e-3 {
                far.push(format!("{}, {method}, {checkpointing}: {off:e} {apart:e}", folder.display()));
            }
            seen += 1;
        }
    }
    assert!(seen > 200 && far.is_empty(), "{seen} {far:#?}");
}

#[test]
fn a_prefix_before_rows_of_a_line_gets_the_gradient_that_transformers_computes() {
    let golden: Value = serde_json::from_str(include_str!("../../../tests/golden/packing.json")).unwrap();
    let numbers = |value: &Value| -> Vec<f64> { serde_json::from_value(value.clone()).unwrap() };
    let rows: Vec<Vec<u32>> = serde_json::from_value(golden["rows"].clone()).unwrap();
    let examples: Vec<Example> =
        rows.iter().map(|row| Example { tokens: row.clone(), n_prompt: 1, ..Example::default() }).collect();
    let all: Vec<usize> = (0..rows.len()).collect();
    let batch = TokenBatch::new(&examples, &all, 0, Task::Causal).packed();
    let lines: Vec<Vec<usize>> = serde_json::from_value(golden["lines"].clone()).unwrap();
    assert_eq!((batch.batch, &batch.rows), (lines.len(), &lines.concat()), "as the script has laid them");
    for (case, expected) in golden["cases"].as_object().unwrap() {
        let folder = models().into_iter().find(|model| model.parent().unwrap().ends_with(case)).unwrap();
        let (model, device) = load_in(&folder, Precision::F32);
        let adapter = formats::read(&folder.with_file_name("adapter"), Some(&model.sites())).unwrap();
        let mut conditioning = adapter.conditioning(&model, &device).unwrap();
        let slots = conditioning.decoder.take().unwrap();
        let tracked = |kv: LayerKv| LayerKv { key: leaf(kv.key), value: leaf(kv.value) };
        let slots: Vec<LayerKv> = slots.into_iter().map(tracked).collect();
        conditioning.decoder = Some(slots.clone());
        let (nll, n) = summed_nll(&model, &conditioning, &batch, &device).unwrap();
        let mut gradients = nll.backward();
        let (found, loss) = (f64::from(nll.into_scalar::<f32>()), expected["loss"].as_f64().unwrap());
        assert_eq!(Some(n as u64), expected["labels"].as_u64());
        assert!((found - loss).abs() < 1e-5 * loss, "{case}: {found} for {loss}");
        // As the rows of PEFT's table have them: for each slot the keys and values of each layer.
        let of_layer = |tensor: Tensor<4>, gradients: &mut _| {
            let gradient = tensor.grad_remove(gradients).unwrap(); // [1, n_kv_heads, n_virtual, d_head]
            let [_, heads, slots, d_head] = gradient.dims();
            gradient.swap_dims(1, 2).reshape([slots, heads * d_head])
        };
        let parts: Vec<Tensor<2>> = slots
            .into_iter()
            .flat_map(|kv| [of_layer(kv.key, &mut gradients), of_layer(kv.value, &mut gradients)])
            .collect();
        let found = floats(Tensor::cat(parts, 1)).unwrap();
        let expected = numbers(&expected["gradient"]);
        let largest = expected.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert!((f64::from(*found) - expected).abs() < 2e-5 * largest, "{case}: {found} for {expected}");
        }
    }
}
