//! A number for each text: steps and predictions against transformers and PEFT (tests/golden/regression.py), and a run from
//! rows to figures, kept, scored, handed to PEFT and taken back.

use std::path::{Path, PathBuf};

use engine::adapters::{Adapter, Parameter, Spec, formats, plan};
use engine::config::{
    AdamConfig, DataConfig, FullConfig, LoraConfig, MethodConfig, OptimizerConfig, PrefixConfig, RunConfig, Task,
    TaskRecord,
};
use engine::data::{Example, TokenBatch};
use engine::device;
use engine::models::{ModelFolder, PretrainedHead};
use engine::protocol::{Ask, EnsembleRequest, Report};
use engine::training::loss::{score, weighted};
use engine::training::run_folder::{Record, read_records};
use engine::training::trainer::{StepSettings, Trainer};
use engine::training::{EvaluationReport, SampleReport};
use serde_json::{Value, json};
use tests::{Talk, golden_cases, tiny_run};

use crate::together::{near, values};

/// The rows of the golden file.
fn examples(golden: &Value) -> Vec<Example> {
    let example = |row: &Value| {
        let tokens: Vec<u32> = serde_json::from_value(row["tokens"].clone()).unwrap();
        let target = row["target"].as_f64().unwrap() as f32;
        Example { n_prompt: tokens.len(), tokens, labels: vec![(0, 0)], target, ..Example::default() }
    };
    golden["rows"].as_array().unwrap().iter().map(example).collect()
}

/// The numbers that the reference fills a parameter with.
fn initial(name: &str, n: usize) -> Vec<f32> {
    match name {
        name if name.contains("lora_B") => values(n, 3, 0.6),
        name if name.contains("lora_A") => values(n, 2, 0.6),
        name if name.contains("classifier") => values(n, 5, 0.8),
        _ => values(n, 1, 2.0),
    }
}

#[test]
fn steps_and_predictions_are_those_of_transformers_and_peft() {
    let golden: Value = serde_json::from_str(include_str!("../../golden/regression.json")).unwrap();
    let count = |key: &str| golden[key].as_u64().unwrap() as usize;
    let device = device::cpu();
    let folder = golden_cases().parent().unwrap().join(golden["model"].as_str().unwrap());
    let base = ModelFolder::open(&folder).unwrap().load(&device, &mut |_| Ok(())).unwrap();
    let prefix = PrefixConfig { n_virtual: count("n_virtual"), ..PrefixConfig::default() };
    let lora = LoraConfig {
        rank: count("rank"),
        alpha: golden["alpha"].as_f64().unwrap(),
        dropout: 0.0,
        targets: Some(vec!["query".into(), "value".into()]),
        ..LoraConfig::default()
    };
    for (method, name) in [(MethodConfig::Prefix(prefix), "prefix"), (MethodConfig::Lora(lora), "lora")] {
        let theirs = &golden[name];
        let mut config = RunConfig { method, ..RunConfig::new(folder.clone(), DataConfig::new("")) };
        config.training.optimizer = OptimizerConfig::AdamW(AdamConfig { weight_decay: 0.0, ..AdamConfig::USUAL });
        let task = TaskRecord::of(Task::Regression);
        let spec = plan(&config.methods(), &task, &base).unwrap();
        let filled = |(name, shape): (std::borrow::Cow<'static, str>, Vec<usize>)| {
            let numbers = initial(&name, shape.iter().product());
            Parameter::new(name, shape, numbers, &device)
        };
        let parts = spec
            .parts
            .iter()
            .map(|part| part.with_parameters(part.parameter_shapes().into_iter().map(filled).collect()));
        let adapter = Adapter { parts: parts.collect(), task };
        assert_eq!(adapter.parameters().count(), theirs["trained"].as_array().unwrap().len(), "{name}");
        let mut trainer = Trainer::new(adapter, config.training.optimizer).of_run(&config, &spec, &base);
        let rows = examples(&golden);
        let batch = || TokenBatch::new(&rows, &[0, 1, 2], 1, Task::Regression);
        let told = |trainer: &Trainer| {
            let conditioning = trainer.adapter.eval_conditioning();
            let tuned = base.with_overrides(&conditioning.tuned).unwrap();
            score(tuned.as_ref().unwrap_or(&base), &conditioning, &batch(), &device).unwrap()
        };
        near(&format!("{name} before"), &told(&trainer).numbers, &theirs["before"], 2e-5);
        let losses = theirs["losses"].as_array().unwrap();
        let steps = losses.len() - 1;
        for loss in &losses[..steps] {
            let rate = golden["rate"].as_f64().unwrap();
            let settings = StepSettings { learning_rate: rate, max_grad_norm: None, seed: 0 };
            let batches = weighted(config.training.loss, vec![batch()]);
            let (found, _) = trainer.step(&base, &batches, &settings, &device).unwrap();
            near(&format!("{name} loss"), &[found as f32], &json!([loss]), 5e-5);
        }
        let last = told(&trainer);
        near(&format!("{name} after"), &last.numbers, &theirs["after"], 5e-4);
        near(&format!("{name} last loss"), &[(last.nll / last.labels as f64) as f32], &json!([losses[steps]]), 2e-4);
    }
}

/// Pairs of texts whose first letter decides their number.
fn pairs(folder: &Path) -> PathBuf {
    let row = |i: usize| {
        let (score, letter) = [("4.5", "a"), ("0.5", "b"), ("2", "c")][i % 3];
        let rest = ["c", "d d", "e e e"][i / 3 % 3];
        json!({"sentence1": format!("{letter} {rest}"), "sentence2": "f", "score": score}).to_string()
    };
    let path = folder.join("pairs.jsonl");
    std::fs::write(&path, (0..27).map(row).collect::<Vec<_>>().join("\n")).unwrap();
    path
}

fn run_of(case: &str, home: &Path) -> RunConfig {
    let mut config = tiny_run(home);
    config.model = golden_cases().join(case).join("model");
    config.task = Some(Task::Regression);
    config.data = DataConfig { validation_share: 0.3, ..DataConfig::new(pairs(home)) };
    config.training.steps = 120;
    config.training.eval_every = 40;
    config.training.learning_rate = 0.1;
    config.training.best_metric = "pearson".to_owned();
    config
}

fn train(folder: &Path, config: &RunConfig) -> Vec<Report> {
    let config = Box::new(config.clone());
    Talk::new().run(Ask::Train { folder: folder.to_owned(), config, resume: false, until: None })
}

fn recorded(folder: &Path) -> (Vec<EvaluationReport>, Vec<SampleReport>) {
    let (mut evaluations, mut samples) = (Vec::new(), Vec::new());
    for record in read_records(&folder.join("metrics.jsonl")).unwrap() {
        match record {
            Record::Evaluation(report) => evaluations.push(report),
            Record::Sample(report) => samples.push(report),
            _ => {}
        }
    }
    (evaluations, samples)
}

#[test]
fn numbers_of_pairs_are_learned_kept_and_scored() {
    let home = tempfile::tempdir().unwrap();
    for case in ["bert-prefix-seq", "gpt2-prefix-2x44"] {
        let (folder, config) = (home.path().join(case), run_of(case, home.path()));
        let reports = train(&folder, &config);
        assert!(matches!(reports.last(), Some(Report::Finished { .. })), "{case}: {:?}", reports.last());
        let (found, said) = recorded(&folder);
        let (first, last) = (&found[0], &found[found.len() - 1]);
        assert!(last.loss < first.loss, "{case}: {first:?} {last:?}");
        let figures = last.figures.clone().unwrap();
        let numbers = figures.regression.clone().unwrap();
        assert!(figures.accuracy.is_none() && figures.macro_f1.is_none(), "{figures:?}");
        assert!((numbers.mse - last.loss).abs() < 1e-5, "{case}: the loss is the squared error, {last:?}");
        assert!(found.iter().all(|of| of.metric.as_ref().is_some_and(|of| of.name == "pearson")), "{found:?}");
        let kept = found.iter().filter(|of| of.best).map(|of| of.metric.as_ref().map_or(f64::NAN, |of| of.value));
        assert!(kept.collect::<Vec<_>>().is_sorted(), "more is better: {found:?}");
        assert!(!said.is_empty() && said.iter().all(|row| row.text.parse::<f64>().is_ok()), "{said:?}");
        let adapter = formats::read(&folder.join("adapter"), None).unwrap();
        assert_eq!(adapter.task, TaskRecord { tasks: adapter.task.tasks.clone(), ..TaskRecord::of(Task::Regression) });
        assert!(!adapter.head().is_empty(), "{case}");
        let (loss, figures) = Talk::new().score(&config, Some(folder.join("adapter")));
        let scored = figures.unwrap().regression.unwrap();
        assert!((loss - scored.mse).abs() < 1e-5 && scored.pearson.abs() <= 1.0, "{case}: {loss} {scored:?}");
    }
}

#[test]
fn peft_has_it_as_a_head_of_one_score_and_gives_it_back() {
    let home = tempfile::tempdir().unwrap();
    let (folder, config) = (home.path().join("run"), run_of("bert-prefix-seq", home.path()));
    train(&folder, &config);
    let adapter = formats::read(&folder.join("adapter"), None).unwrap();
    let out = home.path().join("out");
    formats::export(&adapter, &out, None).unwrap();
    let written: Value = serde_json::from_slice(&std::fs::read(out.join("adapter_config.json")).unwrap()).unwrap();
    assert_eq!(written["task_type"], "SEQ_CLS");
    assert_eq!(formats::read(&out, None).unwrap().hash(), adapter.hash());
    // PEFT writes no task of ours.
    std::fs::remove_file(out.join("task.json")).unwrap();
    let back = formats::read(&out, None).unwrap();
    assert_eq!((back.task.task, back.task.n_scores()), (Task::Regression, 1));
    let (ours, _) = Talk::new().score(&config, Some(folder.join("adapter")));
    let (theirs, _) = Talk::new().score(&config, Some(out));
    assert!((ours - theirs).abs() < 1e-6, "{ours} {theirs}");
}

#[test]
fn a_vote_on_numbers_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let (folder, mut config) = (home.path().join("run"), run_of("bert-prefix-seq", home.path()));
    config.training.steps = 1;
    train(&folder, &config);
    let adapter = folder.join("adapter");
    let request = EnsembleRequest {
        model: config.model.clone(),
        device: config.device,
        numbers: config.numbers(),
        adapters: vec![adapter.clone(), adapter],
        data: config.data.clone(),
        max_new_tokens: 1,
    };
    let talk = Talk::new();
    talk.send(Ask::Ensemble(Box::new(request)));
    let reports = talk.until_end();
    let Some(Report::Failed(failure)) = reports.last() else { panic!("{:?}", reports.last()) };
    assert!(failure.what.to_string().contains("not voted on"), "{failure:?}");
}

#[test]
fn a_merged_head_of_one_score_is_the_next_checkpoints_own() {
    let home = tempfile::tempdir().unwrap();
    let (run, to) = (home.path().join("run"), home.path().join("merged"));
    let mut config = run_of("bert-prefix-seq", home.path());
    config.method = MethodConfig::Full(FullConfig { top_layers: Some(1), ..FullConfig::default() });
    config.training.steps = 8;
    config.training.learning_rate = 1e-2;
    train(&run, &config);
    let (adapter, model) = (run.join("adapter"), config.model.clone());
    let (with_adapter, _) = Talk::new().score(&config, Some(adapter.clone()));
    Talk::new().run(Ask::Merge { adapter, model, to: to.clone() });
    let written: Value = serde_json::from_slice(&std::fs::read(to.join("config.json")).unwrap()).unwrap();
    assert_eq!((&written["problem_type"], &written["id2label"]), (&json!("regression"), &json!({"0": "LABEL_0"})));
    let merged = ModelFolder::open(&to).unwrap();
    assert_eq!(merged.own_head(), Some(&PretrainedHead::Names { task: Task::Regression, classes: Vec::new() }));
    assert_eq!(merged.tasks()[0], Task::Regression);
    config.model = to;
    let (alone, figures) = Talk::new().score(&config, None);
    assert!((alone - with_adapter).abs() < 1e-4 && figures.unwrap().regression.is_some(), "{alone} {with_adapter}");
}

#[test]
fn a_checkpoint_with_several_numbers_is_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let (from, to) = (golden_cases().join("bert-prefix-seq/model"), home.path().join("model"));
    std::fs::create_dir(&to).unwrap();
    for entry in std::fs::read_dir(&from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
    let path = to.join("config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    config["problem_type"] = json!("regression");
    std::fs::write(&path, config.to_string()).unwrap();
    let own = ModelFolder::open(&to).unwrap().summary().own_head;
    let Some(PretrainedHead::Unused(why)) = own else { panic!("it has five scores: {own:?}") };
    assert!(why.to_string().contains("regression"), "{why}");
}
