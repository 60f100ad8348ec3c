//! A prefix and the model's own weights, trained together at rates of their own: step by step against torch
//! (tests/golden/together.py), saved and read whole, at any strength, and taken apart into a checkpoint and an adapter.

use std::path::Path;

use engine::adapters::{Adapter, Parameter, Spec, formats, plan};
use engine::config::{
    AdamConfig, DataConfig, FullConfig, MethodConfig, OptimizerConfig, PrefixConfig, PrefixInit, RunConfig, Schedule,
    Task, TaskRecord, TrainingConfig, WeightsConfig,
};
use engine::data::{Example, TokenBatch};
use engine::device;
use engine::generation::Sampling;
use engine::models::ModelFolder;
use engine::protocol::{Ask, Prompt, Report, Stream};
use engine::training::loss::weighted;
use engine::training::schedule::learning_rate;
use engine::training::trainer::{StepSettings, Trainer};
use serde_json::Value;
use tests::{Talk, generation, tiny_model, tiny_run};

/// The numbers of tests/golden/together.py and walkthrough.py.
pub(crate) fn values(n: usize, salt: usize, scale: f64) -> Vec<f32> {
    (0..n).map(|i| (((i * 7919 + salt * 104_729) % 2003) as f64 / 2003.0 - 0.5) * scale).map(|x| x as f32).collect()
}

/// The first numbers of a tensor, against the reference's.
pub(crate) fn near(what: &str, ours: &[f32], theirs: &Value, tolerance: f64) {
    let theirs: Vec<f64> = theirs.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
    assert!(!theirs.is_empty() && ours.len() >= theirs.len(), "{what}");
    for (a, b) in ours.iter().zip(&theirs) {
        assert!((f64::from(*a) - b).abs() <= tolerance * b.abs().max(0.1), "{what}: {a} {b}");
    }
}

#[test]
fn two_groups_of_one_optimizer_step_as_torchs_do() {
    let golden: Value = serde_json::from_str(include_str!("../../golden/together.json")).unwrap();
    let number = |key: &str| golden[key].as_f64().unwrap();
    let device = device::cpu();
    let base = ModelFolder::open(&tiny_model()).unwrap().load(&device, &mut |_| Ok(())).unwrap();
    let adam = AdamConfig { weight_decay: number("decay"), ..AdamConfig::USUAL };
    let n_virtual = number("n_virtual") as usize;
    let config = RunConfig {
        method: MethodConfig::Prefix(PrefixConfig { n_virtual, ..PrefixConfig::default() }),
        weights: Some(WeightsConfig {
            top_layers: Some(1),
            learning_rate: golden["rates"]["weights"].as_f64(),
            ..WeightsConfig::default()
        }),
        training: TrainingConfig {
            learning_rate: golden["rates"]["prefix"].as_f64().unwrap(),
            warmup_steps: number("warmup") as usize,
            optimizer: OptimizerConfig::AdamW(adam),
            max_grad_norm: golden["clip"].as_f64(),
            ..TrainingConfig::default()
        },
        ..RunConfig::new(tiny_model(), DataConfig::new(""))
    };
    let task = TaskRecord::default();
    let spec = plan(&config.methods(), &task, &base).unwrap();
    let weights = base.weights();
    let initial = |(name, shape): (std::borrow::Cow<'static, str>, Vec<usize>)| {
        let own = weights.iter().find(|weight| weight.name == name);
        let numbers = own.map_or_else(|| values(shape.iter().product(), 1, 2.0), |own| base.values(own).unwrap());
        Parameter::new(name, shape, numbers, &device)
    };
    let parts =
        spec.parts.iter().map(|part| part.with_parameters(part.parameter_shapes().into_iter().map(initial).collect()));
    let adapter = Adapter { parts: parts.collect(), task };
    let mut trainer = Trainer::new(adapter, config.training.optimizer).of_run(&config, &spec, &base);
    let rows: Vec<Example> = golden["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| Example {
            tokens: serde_json::from_value(row["tokens"].clone()).unwrap(),
            n_prompt: row["n_prompt"].as_u64().unwrap() as usize,
            ..Example::default()
        })
        .collect();
    let batch = || TokenBatch::new(&rows, &[0, 1, 2], 1, Task::Causal);
    let losses = golden["losses"].as_array().unwrap();
    for (index, norm) in golden["norms"].as_array().unwrap().iter().enumerate() {
        let rate = learning_rate(&config.training, index + 1, number("total") as usize);
        let settings = StepSettings { learning_rate: rate, max_grad_norm: config.training.max_grad_norm, seed: 0 };
        let batches = weighted(config.training.loss, vec![batch()]);
        let (loss, found) = trainer.step(&base, &batches, &settings, &device).unwrap();
        near("loss", &[loss as f32], &losses.get(index..=index).unwrap().to_vec().into(), 2e-5);
        near("norm", &[found as f32], &vec![norm.clone()].into(), 1e-4);
    }
    let last = trainer.gradient(&base, &weighted(config.training.loss, vec![batch()]), 0, &device).unwrap().loss;
    near("last loss", &[last as f32], &losses[losses.len() - 1..].to_vec().into(), 5e-5);
    let mut n_weights = 0;
    for parameter in trainer.adapter.parameters() {
        let ours = parameter.to_vec().unwrap();
        match golden["after"].get(&*parameter.name) {
            Some(theirs) => {
                near(&parameter.name, &ours, theirs, 1e-3);
                n_weights += 1;
            }
            None => near("prefix", &ours, &golden["prefix_after"], 1e-3),
        }
    }
    assert_eq!(n_weights, golden["after"].as_object().unwrap().len(), "the same weights are trained");
}

/// A run of a prefix beside the top layer.
pub(crate) fn beside(home: &Path) -> RunConfig {
    let mut config = tiny_run(home);
    config.weights = Some(WeightsConfig { top_layers: Some(1), learning_rate: Some(1e-3), ..WeightsConfig::default() });
    config
}

fn trained(home: &Path, config: &RunConfig) -> std::path::PathBuf {
    let folder = home.join("run");
    let config = Box::new(config.clone());
    Talk::new().run(Ask::Train { folder: folder.clone(), config, resume: false, until: None });
    folder
}

#[test]
fn prompt_and_weights_are_saved_and_read_whole_and_what_peft_cannot_hold_is_said() {
    let home = tempfile::tempdir().unwrap();
    let config = beside(home.path());
    let run = trained(home.path(), &config);
    let adapter = formats::read(&run.join("adapter"), None).unwrap();
    assert_eq!((adapter.n_virtual(), adapter.sites().len()), (4, 1));
    assert!(adapter.weights().iter().all(|(name, ..)| name.contains(".h.1.") || name.contains("ln_f")));
    assert_eq!(adapter.weights().len(), 14);
    let initial = formats::read(&run.join("initial"), None).unwrap();
    assert!(initial.weights().is_empty(), "the model's own weights are where they are");
    let (without, whole) = (adapter.clone().without_weights(), run.join("adapter"));
    let alone = home.path().join("alone");
    formats::write(&without, &alone, None).unwrap();
    let talk = Talk::new();
    let (with_both, _) = talk.score(&config, Some(whole));
    let (prefix_alone, _) = talk.score(&config, Some(alone));
    let (base, _) = talk.score(&config, None);
    assert!(with_both < prefix_alone && with_both < base, "{with_both} {prefix_alone} {base}");
    let said = formats::export(&adapter, &home.path().join("out"), None).unwrap().unwrap();
    assert!(said.to_string().contains("one method at a time"), "{said}");
    assert_eq!(formats::read(&home.path().join("out"), None).unwrap().hash(), adapter.hash());
}

#[test]
fn strength_is_the_prompts_and_the_weights_are_there_whole_but_at_0() {
    let home = tempfile::tempdir().unwrap();
    let run = trained(home.path(), &beside(home.path()));
    let at = |strength: f64| {
        let stream = Stream { strength, ..Stream::behind(run.join("adapter"), Prompt::Text("a b".to_owned())) };
        let base = Stream::of_base(Prompt::Text("a b".to_owned()));
        let sampling = Sampling { max_new_tokens: 4, ..Sampling::default() };
        Talk::new().generate(generation(&tiny_model(), vec![stream, base], sampling))
    };
    assert_eq!(at(0.5).len(), 2, "a strength between is no refusal");
    let zero = at(0.0);
    assert_eq!(zero[0].text, zero[1].text);
}

#[test]
fn merging_writes_the_weights_as_a_checkpoint_and_the_prefix_beside_them() {
    let home = tempfile::tempdir().unwrap();
    let config = beside(home.path());
    let run = trained(home.path(), &config);
    let merged = home.path().join("merged");
    let events = Talk::new().run(Ask::Merge { adapter: run.join("adapter"), model: tiny_model(), to: merged.clone() });
    let is_said = |event: &Report| matches!(event, Report::Notice { text } if text.to_string().contains("adapter"));
    assert!(events.iter().any(is_said), "{events:?}");
    let talk = Talk::new();
    let (whole, _) = talk.score(&config, Some(run.join("adapter")));
    let on_merged = RunConfig { model: merged.clone(), ..config };
    let (apart, _) = talk.score(&on_merged, Some(merged.join("adapter")));
    assert!((whole - apart).abs() < 1e-6, "{whole} {apart}");
}

#[test]
fn modules_are_chosen_by_name_and_a_name_of_none_is_refused() {
    let device = device::cpu();
    let base = ModelFolder::open(&tiny_model()).unwrap().load(&device, &mut |_| Ok(())).unwrap();
    let names = |modules: &[&str], top_layers| {
        let modules = Some(modules.iter().map(|&name| name.to_owned()).collect());
        let spec = plan(&[MethodConfig::Full(FullConfig { top_layers, modules })], &TaskRecord::default(), &base)?;
        Ok::<_, engine::error::EngineError>(
            spec.parts.iter().flat_map(Spec::parameter_shapes).map(|(name, _)| name.to_string()).collect::<Vec<_>>(),
        )
    };
    let attention = names(&["*.attn.*"], Some(1)).unwrap();
    assert_eq!(attention.len(), 4, "{attention:?}");
    assert!(attention.iter().all(|name| name.contains("h.1.attn.")));
    assert_eq!(names(&["attn", "ln_f"], None).unwrap().len(), 10);
    let refused = names(&["attention"], None).unwrap_err().to_string();
    assert!(refused.contains("attention") && refused.contains("h.0."), "{refused}");
}

#[test]
fn what_goes_on_with_an_adapter_goes_on_with_its_weights_too() {
    let home = tempfile::tempdir().unwrap();
    let config = beside(home.path());
    let run = trained(home.path(), &config);
    let (before, _) = Talk::new().score(&config, Some(run.join("adapter")));
    let init = PrefixInit::Adapter { path: run };
    let next = RunConfig {
        method: MethodConfig::Prefix(PrefixConfig { n_virtual: 4, init, ..PrefixConfig::default() }),
        training: TrainingConfig { steps: 1, learning_rate: 1e-9, ..config.training.clone() },
        weights: Some(WeightsConfig { learning_rate: Some(1e-9), ..config.weights.clone().unwrap() }),
        ..config
    };
    let again = home.path().join("again");
    Talk::new().run(Ask::Train { folder: again.clone(), config: Box::new(next.clone()), resume: false, until: None });
    let (after, _) = Talk::new().score(&next, Some(again.join("adapter")));
    assert!((before - after).abs() < 1e-5, "{before} {after}");
}

#[test]
fn dropout_of_the_base_is_drawn_from_seed_and_step_and_off_where_nobody_asks() {
    let home = tempfile::tempdir().unwrap();
    let model = home.path().join("model");
    std::fs::create_dir(&model).unwrap();
    for entry in std::fs::read_dir(tiny_model()).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, model.join(path.file_name().unwrap())).unwrap();
    }
    let file = model.join("config.json");
    let mut options: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    for name in ["attn_pdrop", "resid_pdrop", "embd_pdrop"] {
        options[name] = 0.2.into();
    }
    std::fs::write(&file, options.to_string()).unwrap();
    let losses = |base_dropout, gradient_checkpointing, name: &str| {
        let mut config = RunConfig { model: model.clone(), ..tiny_run(home.path()) };
        (config.training.base_dropout, config.training.schedule) = (base_dropout, Schedule::Constant);
        config.training.gradient_checkpointing = gradient_checkpointing;
        let folder = home.path().join(name);
        // In two sittings where it is called so.
        let sittings: &[(usize, bool)] = if name == "resumed" { &[(2, false), (3, true)] } else { &[(3, false)] };
        for &(steps, resume) in sittings {
            config.training.steps = steps;
            Talk::new().run(Ask::Train {
                folder: folder.clone(),
                config: Box::new(config.clone()),
                resume,
                until: None,
            });
        }
        let steps = tests::curve(&folder).into_iter().filter_map(|record| match record {
            engine::training::run_folder::Record::Step(step) => Some(step.loss),
            _ => None,
        });
        steps.collect::<Vec<f64>>()
    };
    let (off, on) = (losses(false, false, "off"), losses(true, false, "on"));
    assert_eq!(on, losses(true, false, "again"));
    assert_eq!(on, losses(true, false, "resumed"));
    assert!(off.iter().zip(&on).all(|(a, b)| (a - b).abs() > 1e-4), "{off:?} {on:?}");
    let checkpointed = losses(true, true, "checkpointed");
    assert!(on.iter().zip(&checkpointed).all(|(a, b)| (a - b).abs() < 1e-4), "{on:?} {checkpointed:?}");
}
