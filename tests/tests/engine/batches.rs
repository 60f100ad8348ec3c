//! Rows of a batch: grouped by length or as they come, several in a line, and how many memory has room for.

use std::path::Path;

use engine::config::{CandidateLoss, MethodConfig, RunConfig};
use engine::protocol::{Ask, Report};
use engine::training::{BatchFit, BatchTrial, StepReport};
use tests::{Talk, golden_cases, tiny_run};

/// A short run on rows of many lengths.
fn run_of_lengths(folder: &Path) -> RunConfig {
    let words = |n: usize| (0..n).map(|i| ["a", "b", "c"][(n + i) % 3]).collect::<Vec<_>>().join(" ");
    let row = |n: usize| serde_json::json!({ "source": words(1 + n % 3), "target": words(1 + n * 5 % 11) }).to_string();
    let mut config = tiny_run(folder);
    std::fs::write(&config.data.train, (0..24).map(row).collect::<Vec<_>>().join("\n")).unwrap();
    config.training.steps = 5;
    config
}

fn steps(config: &RunConfig, folder: &Path) -> Vec<StepReport> {
    let (n, folder, config) = (config.training.steps, folder.to_owned(), Box::new(config.clone()));
    let told = Talk::new().run(Ask::Train { folder, config, resume: false, until: None });
    let steps: Vec<StepReport> =
        told.into_iter().filter_map(|report| if let Report::Step(step) = report { Some(step) } else { None }).collect();
    assert_eq!(steps.len(), n);
    steps
}

fn refusal(ask: Ask) -> String {
    let talk = Talk::new();
    talk.send(ask);
    match talk.until_end().last() {
        Some(Report::Failed(failure)) => failure.what.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn several_rows_in_a_line_are_the_same_steps() {
    let home = tempfile::tempdir().unwrap();
    let mut config = run_of_lengths(home.path());
    for method in [config.method.clone(), MethodConfig::lora(), MethodConfig::full()] {
        config.method = method;
        config.training.group_by_length = false;
        config.training.packing = false;
        let folder = |name: &str| home.path().join(format!("{}-{name}", config.method.n_virtual()));
        let apart = steps(&config, &folder("apart"));
        config.training.packing = true;
        let together = steps(&config, &folder("together"));
        for (apart, together) in apart.iter().zip(&together) {
            let same = |report: &StepReport| (report.step, report.tokens, report.labeled_tokens);
            assert_eq!(same(apart), same(together));
            assert!((apart.loss - together.loss).abs() < 1e-3 * apart.loss, "{} {}", apart.loss, together.loss);
            assert!((apart.grad_norm - together.grad_norm).abs() < 1e-2 * apart.grad_norm);
        }
        std::fs::remove_dir_all(folder("apart")).unwrap();
        std::fs::remove_dir_all(folder("together")).unwrap();
    }
}

#[test]
fn what_cannot_stand_in_one_line_is_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let refused = |change: &dyn Fn(&mut RunConfig)| {
        let mut config = run_of_lengths(home.path());
        config.training.packing = true;
        change(&mut config);
        let said = refusal(Ask::TimeSteps { config: Box::new(config), steps: 1 });
        assert!(said.starts_with("training.packing"), "{said}");
        said
    };
    let infix = refused(&|config| {
        if let MethodConfig::Prefix(prefix) = &mut config.method {
            prefix.infix = true;
        }
    });
    assert!(infix.contains("infix"), "{infix}");
    assert!(refused(&|config| config.training.candidate_loss = CandidateLoss::Among).contains("candidates"));
    let pair = refused(&|config| config.model = golden_cases().join("t5-prefix-2x40/model"));
    assert!(pair.contains("causal models"), "{pair}");
    let both_ways = refused(&|config| config.model = golden_cases().join("chatglm6b-prefix-2x32/model"));
    assert!(both_ways.contains("both directions"), "{both_ways}");
    let longrope = refused(&|config| config.model = golden_cases().join("phi3-lora-2x24-longrope/model"));
    assert!(longrope.contains("length of a text"), "{longrope}");
}

#[test]
fn rows_are_grouped_by_length_unless_one_says_otherwise() {
    let home = tempfile::tempdir().unwrap();
    let mut config = run_of_lengths(home.path());
    assert!(config.training.group_by_length && !serde_json::to_string(&config).unwrap().contains("group_by_length"));
    // Eighteen rows train: an epoch of whole batches.
    (config.training.steps, config.training.batch_size) = (6, 3);
    let grouped = steps(&config, &home.path().join("grouped"));
    config.training.group_by_length = false;
    let plain = steps(&config, &home.path().join("plain"));
    let tokens = |steps: &[StepReport]| steps.iter().map(|step| step.tokens).collect::<Vec<_>>();
    // An epoch has all rows either way.
    assert_eq!(tokens(&grouped).iter().sum::<usize>(), tokens(&plain).iter().sum::<usize>());
    let spread = |steps: &[StepReport]| tokens(steps).iter().max().unwrap() - tokens(steps).iter().min().unwrap();
    assert!(spread(&grouped) > spread(&plain), "{:?} {:?}", tokens(&grouped), tokens(&plain));
}

#[test]
fn the_largest_batch_is_found_by_steps_of_the_longest_rows() {
    let home = tempfile::tempdir().unwrap();
    let config = Box::new(run_of_lengths(home.path()));
    let before: Vec<_> = std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let told = Talk::new().run(Ask::FindBatchSize { config: config.clone() });
    let trials: Vec<BatchTrial> = told
        .iter()
        .filter_map(|report| if let Report::BatchTrial(trial) = report { Some(*trial) } else { None })
        .collect();
    let fits: Vec<BatchFit> =
        told.iter().filter_map(|report| if let Report::BatchFit(fit) = report { Some(*fit) } else { None }).collect();
    let [fit] = fits.as_slice() else { panic!("{told:?}") };
    // A quarter of the 24 rows validates.
    assert_eq!(trials.iter().map(|trial| trial.rows).collect::<Vec<_>>(), [1, 2, 4, 8, 16, 18]);
    assert_eq!((fit.rows, fit.tried, fit.is_all), (18, 18, true));
    assert!(fit.memory_bytes > 0 && fit.memory_bytes <= fit.limit_bytes && fit.longest > 8, "{fit:?}");
    let after: Vec<_> = std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(before, after);
    let mut nothing = config;
    nothing.method = serde_json::from_str(r#"{"type": "few_shot", "instruction": "a"}"#).unwrap();
    assert!(refusal(Ask::FindBatchSize { config: nothing }).starts_with("method.type"));
}
