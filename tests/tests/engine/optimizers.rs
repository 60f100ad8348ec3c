//! Optimizers and schedules step by step against torch and transformers: `tests/golden/optimizers.py`.

use engine::adapters::Parameter;
use engine::config::{OptimizerConfig, Schedule, TrainingConfig};
use engine::device;
use engine::training::optimizer_state::OptimizerState;
use engine::training::schedule::learning_rate;
use engine::training::trainer::Gradient;
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("../../golden/optimizers.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
}

#[test]
fn every_optimizer_steps_as_its_reference_does() {
    let golden = golden();
    let device = device::cpu();
    let rate = golden["rate"].as_f64().unwrap();
    let shapes: Vec<Vec<usize>> = serde_json::from_value(golden["shapes"].clone()).unwrap();
    let parameters = |of: &Value| -> Vec<Parameter> {
        let of = of.as_array().unwrap().iter().zip(&shapes);
        of.map(|(values, shape)| Parameter::new("weight", shape.clone(), numbers(values), &device)).collect()
    };
    let cases = golden["optimizers"].as_array().unwrap();
    assert!(cases.len() >= 12);
    for case in cases {
        let written = serde_json::json!({ "optimizer": case["optimizer"] });
        let config: TrainingConfig = serde_json::from_value(written).unwrap();
        config.check().unwrap();
        let optimizer: OptimizerConfig = config.optimizer;
        let max_grad_norm = case["clip_norm"].as_f64();
        let mut trained = parameters(&golden["initial"]);
        let mut optimizer_state: Vec<OptimizerState> =
            shapes.iter().map(|shape| OptimizerState::fresh(&optimizer, shape, &device)).collect();
        for (index, of_step) in golden["gradients"].as_array().unwrap().iter().enumerate() {
            let values = parameters(of_step).into_iter().map(|parameter| parameter.value).collect();
            let gradient = Gradient::new(0.0, values).unwrap();
            if let Some(norm) = case["norms"].get(index).and_then(Value::as_f64) {
                assert!((gradient.norm - norm).abs() < 1e-5 * norm, "{} {norm}", gradient.norm);
            }
            gradient.apply(
                (&optimizer, config.weight_decay_on),
                (index + 1, rate, &[]),
                max_grad_norm,
                trained.iter_mut().zip(&mut optimizer_state),
            );
            let ours: Vec<f32> = trained.iter().flat_map(|parameter| parameter.to_vec().unwrap()).collect();
            let theirs = numbers(&case["after"][index]);
            let far = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs() / b.abs().max(0.1)).fold(0.0, f32::max);
            assert!(ours.len() == theirs.len() && far < 2e-6, "{}, step {}: {far}", case["optimizer"], index + 1);
        }
    }
}

#[test]
fn every_schedule_gives_transformers_rates() {
    let golden = golden();
    let peak = golden["rate"].as_f64().unwrap();
    let mut seen = Vec::new();
    for case in golden["schedules"].as_array().unwrap() {
        let warmup_steps = case["warmup_steps"].as_u64().unwrap() as usize;
        let written = serde_json::json!({
            "schedule": case["schedule"], "warmup_steps": warmup_steps, "learning_rate": peak
        });
        let config: TrainingConfig = serde_json::from_value(written).unwrap();
        let rates = case["rates"].as_array().unwrap();
        // The same warm-up as a share of all steps.
        let warmup_ratio = warmup_steps as f64 / rates.len() as f64;
        let shared = TrainingConfig { warmup_steps: 0, warmup_ratio, ..config.clone() };
        for (index, rate) in rates.iter().enumerate() {
            let rate = rate.as_f64().unwrap();
            let ours = [&config, &shared].map(|config| learning_rate(config, index + 1, rates.len()));
            assert!(ours.iter().all(|ours| (ours - rate).abs() < 1e-12), "{case}, step {}: {ours:?} {rate}", index + 1);
        }
        seen.push(config.schedule.name());
    }
    assert!(Schedule::all().iter().all(|schedule| seen.contains(&schedule.name())), "{seen:?}");
}
