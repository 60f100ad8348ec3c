//! A run from the outside: it learns, it can be stopped, killed and resumed, and nothing frozen moves.

use std::path::Path;

use engine::config::{
    AdafactorConfig, AdamConfig, FullConfig, LoraBias, LoraConfig, MethodConfig, OptimizerConfig, PrefixConfig,
    PrefixInit, PromptConfig, PromptEncoder, PromptEncoderKind, Reparameterization, RunConfig, Schedule, SgdConfig,
};
use engine::protocol::{Ask, JobId, Outcome, Report};
use engine::training::run_folder::Record;
use engine::training::{LrRangePoint, RateRange};
use tests::{Talk, curve, tiny_run};

fn train(talk: &Talk, folder: &Path, config: &RunConfig, resume: bool) -> Vec<Report> {
    let command = Ask::Train { folder: folder.to_owned(), config: Box::new(config.clone()), resume, until: None };
    talk.run(command)
}

fn bytes(folder: &Path, file: &str) -> Vec<u8> {
    std::fs::read(folder.join(file)).unwrap()
}

fn with_mlp(mut config: RunConfig) -> RunConfig {
    config.method = MethodConfig::Prefix(PrefixConfig {
        n_virtual: 4,
        reparameterization: Some(Reparameterization { width: Some(16), ..Reparameterization::default() }),
        dropout: 0.1,
        init: PrefixInit::Words { text: "a b c".to_owned() },
        sites: None,
        ..PrefixConfig::default()
    });
    config
}

#[test]
fn a_run_learns_and_leaves_everything_in_its_folder() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("run");
    let events = train(&Talk::new(), &folder, &tiny_run(home.path()), false);
    assert!(matches!(events.last(), Some(Report::Finished { outcome: Outcome::Completed })));
    let losses: Vec<f64> = curve(&folder)
        .iter()
        .filter_map(|record| if let Record::Evaluation(report) = record { Some(report.loss) } else { None })
        .collect();
    assert_eq!(losses.len(), 4, "before the first step and at steps 4, 8 and 12");
    assert!(losses[3] < losses[0], "{losses:?}");
    for file in ["config.json", "facts.json", "checkpoints.json", "adapter/adapter_config.json"] {
        assert!(folder.join(file).is_file(), "{file}");
    }
    assert!(folder.join("initial/adapter_model.safetensors").is_file());
    assert!(folder.join("checkpoints/step-000012/adapter_model.safetensors").is_file());
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let home = tempfile::tempdir().unwrap();
    let (a, b) = (home.path().join("a"), home.path().join("b"));
    let config = with_mlp(tiny_run(home.path()));
    train(&Talk::new(), &a, &config, false);
    train(&Talk::new(), &b, &config, false);
    assert_eq!(curve(&a), curve(&b));
    let adapter = "adapter/adapter_model.safetensors";
    assert_eq!(bytes(&a, adapter), bytes(&b, adapter));
}

/// Stops after `step` steps, then forgets everything that came after the last checkpoint, as a killed process does.
fn interrupt(home: &Path, config: &RunConfig, step: usize, folder: &Path) {
    let talk = Talk::new();
    let command =
        Ask::Train { folder: folder.to_owned(), config: Box::new(config.clone()), resume: false, until: None };
    talk.send(command);
    talk.until(|event| matches!(event, Report::Step(report) if report.step == step));
    assert!(home.exists());
}

#[test]
fn a_run_killed_in_mid_epoch_goes_on_as_if_nothing_had_happened() {
    let home = tempfile::tempdir().unwrap();
    for (name, config) in [("flat", tiny_run(home.path())), ("mlp", with_mlp(tiny_run(home.path())))] {
        let whole = home.path().join(format!("{name}-whole"));
        train(&Talk::new(), &whole, &config, false);
        for step in [1, 5, 7, 10] {
            let folder = home.path().join(format!("{name}-{step}"));
            interrupt(home.path(), &config, step, &folder);
            let events = train(&Talk::new(), &folder, &config, true);
            assert!(matches!(events.last(), Some(Report::Finished { outcome: Outcome::Completed })));
            assert_eq!(curve(&whole), curve(&folder), "{name}, interrupted at {step}");
            for file in ["adapter/adapter_model.safetensors", "checkpoints/step-000012/state.safetensors"] {
                assert_eq!(bytes(&whole, file), bytes(&folder, file), "{name}, interrupted at {step}: {file}");
            }
        }
    }
}

/// Each with all that it can remember.
fn optimizers() -> [OptimizerConfig; 5] {
    [
        OptimizerConfig::AdamW(AdamConfig { weight_decay: 0.01, ..AdamConfig::USUAL }),
        OptimizerConfig::Adam(AdamConfig { weight_decay: 0.01, ..AdamConfig::USUAL }),
        OptimizerConfig::Adafactor(AdafactorConfig { beta1: Some(0.9), ..AdafactorConfig::USUAL }),
        OptimizerConfig::Adafactor(AdafactorConfig { scale_parameter: true, ..AdafactorConfig::USUAL }),
        OptimizerConfig::Sgd(SgdConfig { momentum: 0.9, nesterov: true, weight_decay: 0.01 }),
    ]
}

/// Every other method, with all that is drawn at random in it.
fn other_methods(config: &RunConfig) -> Vec<(&'static str, RunConfig)> {
    let with = |method: MethodConfig| RunConfig { method, ..config.clone() };
    let prompt = |kind: Option<PromptEncoderKind>| {
        let encoder = kind.map(|kind| PromptEncoder { kind, width: Some(6), ..PromptEncoder::default() });
        with(MethodConfig::Prompt(PromptConfig { n_virtual: 4, encoder, ..PromptConfig::default() }))
    };
    let lora = LoraConfig { rank: 3, dropout: 0.1, bias: LoraBias::LoraOnly, ..LoraConfig::default() };
    let prefix = |prefix: PrefixConfig| with(MethodConfig::Prefix(PrefixConfig { n_virtual: 4, ..prefix }));
    let deep = Reparameterization { width: Some(6), hidden_layers: 2, ..Reparameterization::default() };
    let deep =
        PrefixConfig { reparameterization: Some(deep), layers: Some(vec![1]), dropout: 0.1, ..PrefixConfig::default() };
    vec![
        ("deep-prefix-of-a-layer", prefix(deep)),
        ("cartridge", prefix(PrefixConfig { n_frozen: 1, ..PrefixConfig::default() })),
        ("infix", prefix(PrefixConfig { infix: true, ..PrefixConfig::default() })),
        ("prompt", prompt(None)),
        ("tanh-prompt", prompt(Some(PromptEncoderKind::Tanh))),
        ("mlp-prompt", prompt(Some(PromptEncoderKind::Mlp))),
        ("lstm-prompt", prompt(Some(PromptEncoderKind::Lstm))),
        ("lora", with(MethodConfig::Lora(lora.clone()))),
        ("full", with(MethodConfig::Full(FullConfig::default()))),
        ("top", with(MethodConfig::Full(FullConfig::top(1)))),
        ("mlp-and-lora", RunConfig { lora: Some(lora), ..with_mlp(config.clone()) }),
    ]
}

#[test]
fn what_every_optimizer_remembers_survives_an_interruption() {
    let home = tempfile::tempdir().unwrap();
    for (index, optimizer) in optimizers().into_iter().enumerate() {
        // Behind the network there are parameters of one axis and of two.
        let mut config = with_mlp(tiny_run(home.path()));
        config.training.optimizer = optimizer;
        config.training.sample_rows = 0;
        config.training.schedule = Schedule::CosineWithRestarts { cycles: 2 };
        config.training.warmup_ratio = 0.2;
        let (whole, folder) = (home.path().join(format!("whole-{index}")), home.path().join(format!("cut-{index}")));
        train(&Talk::new(), &whole, &config, false);
        interrupt(home.path(), &config, 6, &folder);
        train(&Talk::new(), &folder, &config, true);
        assert_eq!(curve(&whole), curve(&folder), "{optimizer:?}");
        for file in ["adapter/adapter_model.safetensors", "checkpoints/step-000012/state.safetensors"] {
            assert_eq!(bytes(&whole, file), bytes(&folder, file), "{optimizer:?}: {file}");
        }
    }
}

#[test]
fn every_method_killed_in_mid_epoch_goes_on_as_if_nothing_had_happened() {
    let home = tempfile::tempdir().unwrap();
    for (name, config) in other_methods(&tiny_run(home.path())) {
        let whole = home.path().join(format!("{name}-whole"));
        train(&Talk::new(), &whole, &config, false);
        for step in [5, 10] {
            let folder = home.path().join(format!("{name}-{step}"));
            interrupt(home.path(), &config, step, &folder);
            train(&Talk::new(), &folder, &config, true);
            assert_eq!(curve(&whole), curve(&folder), "{name}, interrupted at {step}");
            let state = "checkpoints/step-000012/state.safetensors";
            assert_eq!(bytes(&whole, state), bytes(&folder, state), "{name}, interrupted at {step}");
        }
    }
}

#[test]
fn the_memory_of_another_optimizer_is_refused_and_the_run_goes_on_with_its_own() {
    let home = tempfile::tempdir().unwrap();
    let (config, folder) = (tiny_run(home.path()), home.path().join("run"));
    let talk = Talk::new();
    interrupt(home.path(), &config, 6, &folder);
    let mut other = config.clone();
    other.training.optimizer = OptimizerConfig::Adafactor(AdafactorConfig::USUAL);
    talk.send(Ask::Train { folder: folder.clone(), config: Box::new(other), resume: true, until: None });
    match talk.until_end().last() {
        Some(Report::Failed(failure)) => assert!(failure.what.to_string().contains("adafactor"), "{failure:?}"),
        other => panic!("{other:?}"),
    }
    train(&talk, &folder, &config, true);
}

#[test]
fn a_range_test_begins_where_the_run_does_and_writes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (config, folder) = (with_mlp(tiny_run(home.path())), home.path().join("run"));
    let files = |path: &Path| std::fs::read_dir(path).unwrap().count();
    let (before, talk) = (files(home.path()), Talk::new());
    let range = RateRange { from: 1e-5, to: 100.0, steps: 40 };
    let heard = talk.run(Ask::TestLrRange { config: Box::new(config.clone()), range });
    assert_eq!(files(home.path()), before);
    let point = |event: &Report| if let Report::LrRangeStep(point) = event { Some(*point) } else { None };
    let points: Vec<LrRangePoint> = heard.iter().filter_map(point).collect();
    assert!(
        points[0].learning_rate == 1e-5 && points.windows(2).all(|two| two[0].learning_rate < two[1].learning_rate)
    );
    let findings = heard.iter().find_map(|event| match event {
        Report::LrRange(findings) => Some(*findings),
        _ => None,
    });
    // A model of random weights says little that a high rate could spoil: whether it diverges is not asked here.
    let steepest = findings.unwrap().steepest.unwrap();
    assert!(points.iter().any(|point| point.learning_rate == steepest && point.learning_rate > 1e-5), "{steepest}");
    train(&talk, &folder, &config, false);
    let first = curve(&folder).iter().find_map(|r| if let Record::Step(report) = r { Some(report.loss) } else { None });
    assert_eq!(first, Some(points[0].loss), "the same rows, initial values and dropout");
}

#[test]
fn a_stop_lands_between_two_steps_and_the_run_can_be_resumed() {
    let home = tempfile::tempdir().unwrap();
    let config = tiny_run(home.path());
    let (whole, folder) = (home.path().join("whole"), home.path().join("stopped"));
    train(&Talk::new(), &whole, &config, false);
    let talk = Talk::new();
    let config_again = Box::new(config.clone());
    talk.send(Ask::Train { folder: folder.clone(), config: config_again, resume: false, until: None });
    talk.until(|event| matches!(event, Report::Step(report) if report.step == 6));
    talk.send(Ask::Stop);
    let events = talk.until_end();
    assert!(matches!(events.last(), Some(Report::Finished { outcome: Outcome::Stopped })));
    train(&talk, &folder, &config, true);
    assert_eq!(curve(&whole), curve(&folder));
}

#[test]
fn a_run_that_is_stopped_while_its_model_loads_ends_as_stopped() {
    let home = tempfile::tempdir().unwrap();
    let config = Box::new(tiny_run(home.path()));
    let talk = Talk::new();
    let folder = home.path().join("run");
    talk.send(Ask::Train { folder: folder.clone(), config: config.clone(), resume: false, until: None });
    talk.until(|event| matches!(event, Report::Phase(_)));
    talk.send(Ask::Stop);
    let events = talk.until_end();
    assert!(matches!(events.last(), Some(Report::Finished { outcome: Outcome::Stopped })), "{events:?}");
    train(&talk, &folder, &config, true);
}

#[test]
fn a_stop_in_the_middle_of_an_evaluation_forgets_it_whole() {
    let home = tempfile::tempdir().unwrap();
    let mut config = tiny_run(home.path());
    config.training.patience = Some(1);
    let (whole, folder) = (home.path().join("whole"), home.path().join("stopped"));
    train(&Talk::new(), &whole, &config, false);
    let talk = Talk::new();
    talk.send(Ask::Train { folder: folder.clone(), config: Box::new(config.clone()), resume: false, until: None });
    // The samples of this evaluation are still to come.
    talk.until(|event| matches!(event, Report::Evaluated(evaluation) if evaluation.step == 8));
    talk.send(Ask::Stop);
    talk.until_end();
    train(&talk, &folder, &config, true);
    assert_eq!(curve(&whole), curve(&folder));
}

#[test]
fn a_paused_run_takes_no_step_until_it_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let mut config = tiny_run(home.path());
    config.training.steps = 200;
    config.training.eval_every = 200;
    let talk = Talk::new();
    let folder = home.path().join("run");
    talk.send(Ask::Train { folder, config: Box::new(config), resume: false, until: None });
    talk.until(|event| matches!(event, Report::Step(_)));
    talk.send(Ask::Pause);
    talk.until(|event| matches!(event, Report::Paused { paused: true }));
    // Other work is done meanwhile; no step of the paused run comes between.
    let asked = JobId(2);
    talk.send_as(asked, Ask::DescribeModel { folder: tests::tiny_model() });
    let meanwhile = talk.until_end_of(asked);
    assert!(!meanwhile.iter().any(|event| matches!(event, Report::Step(_))));
    talk.send(Ask::Continue);
    talk.until(|event| matches!(event, Report::Step(_)));
    talk.send(Ask::Stop);
    talk.until_end();
}

#[test]
fn early_stopping_ends_a_run_that_no_longer_improves() {
    let home = tempfile::tempdir().unwrap();
    let mut config = tiny_run(home.path());
    config.training.steps = 400;
    config.training.eval_every = 2;
    config.training.learning_rate = 0.5;
    config.training.patience = Some(2);
    let events = train(&Talk::new(), &home.path().join("run"), &config, false);
    assert!(matches!(events.last(), Some(Report::Finished { outcome: Outcome::StoppedEarly })));
}

#[test]
fn accumulation_changes_the_memory_and_not_the_step() {
    let home = tempfile::tempdir().unwrap();
    let mut config = tiny_run(home.path());
    config.training.steps = 1;
    let first = |config: &RunConfig, name: &str| {
        let folder = home.path().join(name);
        train(&Talk::new(), &folder, config, false);
        curve(&folder).iter().find_map(|r| if let Record::Step(report) = r { Some(*report) } else { None }).unwrap()
    };
    let whole_epoch = |batch_size, accumulation| {
        let mut config = config.clone();
        config.training.batch_size = batch_size;
        config.training.gradient_accumulation = accumulation;
        config
    };
    // 18 training rows: one batch of 18, or three of 6.
    let (one, three) = (first(&whole_epoch(18, 1), "one"), first(&whole_epoch(6, 3), "three"));
    assert_eq!(one.labeled_tokens, three.labeled_tokens);
    assert!((one.loss - three.loss).abs() < 1e-5, "{} {}", one.loss, three.loss);
    assert!((one.grad_norm - three.grad_norm).abs() < 1e-4 * one.grad_norm.max(1.0));
}

#[test]
fn fewer_steps_than_are_done_are_refused_and_nothing_is_lost() {
    let home = tempfile::tempdir().unwrap();
    let (config, folder) = (tiny_run(home.path()), home.path().join("run"));
    let talk = Talk::new();
    train(&talk, &folder, &config, false);
    let before = (bytes(&folder, "config.json"), bytes(&folder, "metrics.jsonl"));
    let mut shorter = config;
    shorter.training.steps = 5;
    talk.send(Ask::Train { folder: folder.clone(), config: Box::new(shorter), resume: true, until: None });
    match talk.until_end().last() {
        Some(Report::Failed(failure)) => assert!(failure.what.to_string().contains("12 steps"), "{failure:?}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(before, (bytes(&folder, "config.json"), bytes(&folder, "metrics.jsonl")));
}

fn recomputing(mut config: RunConfig) -> RunConfig {
    config.training.gradient_checkpointing = true;
    config
}

#[test]
fn a_run_that_runs_its_blocks_again_is_the_same_run() {
    let home = tempfile::tempdir().unwrap();
    let (kept, again) = (home.path().join("kept"), home.path().join("again"));
    let config = with_mlp(tiny_run(home.path()));
    train(&Talk::new(), &kept, &config, false);
    train(&Talk::new(), &again, &recomputing(config), false);
    assert_eq!(curve(&kept), curve(&again));
    let adapter = "adapter/adapter_model.safetensors";
    assert_eq!(bytes(&kept, adapter), bytes(&again, adapter));
}

#[test]
fn a_killed_run_that_runs_its_blocks_again_goes_on_as_if_nothing_had_happened() {
    let home = tempfile::tempdir().unwrap();
    let config = recomputing(with_mlp(tiny_run(home.path())));
    let (whole, folder) = (home.path().join("whole"), home.path().join("killed"));
    train(&Talk::new(), &whole, &config, false);
    interrupt(home.path(), &config, 5, &folder);
    train(&Talk::new(), &folder, &config, true);
    assert_eq!(curve(&whole), curve(&folder));
    for file in ["adapter/adapter_model.safetensors", "checkpoints/step-000012/state.safetensors"] {
        assert_eq!(bytes(&whole, file), bytes(&folder, file), "{file}");
    }
}
