//! The walk-through of BLOOM on Alpaca-zh with prefix tuning, as transformers and PEFT do it: tests/golden/walkthrough.py.

use std::path::Path;

use engine::adapters::{Adapter, Parameter, Spec, plan};
use engine::config::{DataConfig, MethodConfig, RunConfig, Task, TaskRecord};
use engine::data::{Dataset, IGNORE_INDEX, TokenBatch, Tokenizer};
use engine::device;
use engine::models::ModelFolder;
use engine::recipes::Recipe;
use engine::training::loss::weighted;
use engine::training::schedule::learning_rate;
use engine::training::trainer::{StepSettings, Trainer};
use serde_json::Value;

use crate::together::{near, values};

fn golden() -> Value {
    serde_json::from_str(include_str!("../../golden/walkthrough.json")).unwrap()
}

/// The run that the preset makes of a model and rows.
fn run(golden: &Value, home: &Path) -> RunConfig {
    let file = home.join("rows.jsonl");
    let rows = golden["rows"].as_array().unwrap().iter().map(|row| {
        let plain = ["instruction", "input", "output"].map(|name| (name.to_owned(), row[name].clone()));
        Value::Object(plain.into_iter().collect()).to_string()
    });
    std::fs::write(&file, rows.collect::<Vec<_>>().join("\n")).unwrap();
    let settings = Recipe::named("hf-walkthrough").unwrap().settings();
    let model = tests::golden_cases().parent().unwrap().join(golden["model"].as_str().unwrap());
    let mut tree = serde_json::to_value(RunConfig::new(model, DataConfig::new(file))).unwrap();
    for table in ["method", "training", "data"] {
        for (name, value) in settings[table].as_object().unwrap() {
            tree[table][name] = value.clone();
        }
    }
    let mut config: RunConfig = serde_json::from_value(tree).unwrap();
    config.data.validation_share = 0.0;
    config
}

#[test]
fn token_ids_and_labels_are_those_of_its_process_func() {
    let (golden, home) = (golden(), tempfile::tempdir().unwrap());
    let config = run(&golden, home.path());
    let tokenizer = Tokenizer::from_folder(&config.model).unwrap();
    let start = engine::tokens::TargetStart::default();
    let data = Dataset::load(&config.data, &TaskRecord::default(), start, &tokenizer, 256, 0).unwrap();
    let rows = golden["rows"].as_array().unwrap();
    assert_eq!(data.train.len(), rows.len());
    for (ours, theirs) in data.train.held().unwrap().iter().zip(rows) {
        let ids: Vec<u32> = serde_json::from_value(theirs["input_ids"].clone()).unwrap();
        assert_eq!(ours.tokens, ids, "{theirs}");
        let labels: Vec<i32> = serde_json::from_value(theirs["labels"].clone()).unwrap();
        let label = |(at, &token): (usize, &u32)| if at < ours.n_prompt { IGNORE_INDEX } else { token.cast_signed() };
        assert_eq!(ours.tokens.iter().enumerate().map(label).collect::<Vec<_>>(), labels, "{theirs}");
    }
}

#[test]
fn the_loss_of_the_first_steps_is_the_trainers() {
    let (golden, home) = (golden(), tempfile::tempdir().unwrap());
    let mut config = run(&golden, home.path());
    let device = device::cpu();
    let base = ModelFolder::open(&config.model).unwrap().load(&device, &mut |_| Ok(())).unwrap();
    if let MethodConfig::Prefix(prefix) = &mut config.method {
        let network = prefix.reparameterization.as_mut().unwrap();
        assert_eq!(network.width, None, "the network is as wide as the model");
    }
    let task = TaskRecord::default();
    let spec = plan(&config.methods(), &task, &base).unwrap();
    assert_eq!(spec.trained(), golden["trainable"].as_u64().unwrap() as usize);
    let names: Vec<String> = serde_json::from_value(golden["names"].clone()).unwrap();
    let mut salt = 0;
    let initial = |(name, shape): (std::borrow::Cow<'static, str>, Vec<usize>)| {
        assert_eq!(name, names[salt]);
        salt += 1;
        let scale = if salt == 1 { 2.0 } else { 0.3 };
        Parameter::new(name, shape.clone(), values(shape.iter().product(), salt, scale), &device)
    };
    let parameters = spec.parts[0].parameter_shapes().into_iter().map(initial).collect();
    let adapter = Adapter { parts: vec![spec.parts[0].with_parameters(parameters)], task };
    let mut trainer = Trainer::new(adapter, config.training.optimizer).of_run(&config, &spec, &base);
    let tokenizer = Tokenizer::from_folder(&config.model).unwrap();
    let start = engine::tokens::TargetStart::default();
    let rows = Dataset::load(&config.data, &TaskRecord::default(), start, &tokenizer, 256, 0).unwrap().train;
    assert_eq!((config.training.batch_size, config.training.gradient_accumulation), (1, 8));
    let losses = golden["losses"].as_array().unwrap();
    for (index, loss) in losses.iter().enumerate() {
        let batches =
            (0..8).map(|row| TokenBatch::new(rows.held().unwrap(), &[row], tokenizer.pad(), Task::Causal)).collect();
        let settings = StepSettings {
            learning_rate: learning_rate(&config.training, index + 1, losses.len()),
            max_grad_norm: config.training.max_grad_norm,
            seed: 0,
        };
        let batches = weighted(config.training.loss, batches);
        let (found, _) = trainer.step(&base, &batches, &settings, &device).unwrap();
        near("loss", &[found as f32], &vec![loss.clone()].into(), 2e-6);
    }
    for parameter in trainer.adapter.parameters() {
        near(&parameter.name, &parameter.to_vec().unwrap(), &golden["after"][&*parameter.name], 2e-4);
    }
}
