//! How long a run will take is measured on the run itself, and leaves nothing behind.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use engine::config::{FewShotConfig, LoraConfig, MethodConfig, RunConfig};
use engine::protocol::{Ask, Report};
use engine::training::StepTime;
use tests::{Talk, tiny_run};

fn timed(config: &RunConfig, steps: usize) -> StepTime {
    let events = Talk::new().run(Ask::TimeSteps { config: Box::new(config.clone()), steps });
    let found = events.into_iter().find_map(|event| match event {
        Report::StepTime(found) => Some(found),
        _ => None,
    });
    found.expect("it was timed")
}

fn files(folder: &Path) -> BTreeSet<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn steps_and_evaluations_are_those_of_the_run_and_no_file_is_left() {
    let home = tempfile::tempdir().unwrap();
    let config = tiny_run(home.path());
    let before = files(home.path());
    let found = timed(&config, 3);
    assert_eq!(before, files(home.path()));
    assert!(found.step_secs > 0.0 && found.evaluation_secs > 0.0 && found.preparation_secs > 0.0, "{found:?}");
    let whole = home.path().join("run");
    let events = Talk::new().run(Ask::Train { folder: whole, config: Box::new(config), resume: false, until: None });
    let started = events.iter().find_map(|event| match event {
        Report::RunStarted(facts) => Some(facts.as_ref()),
        _ => None,
    });
    let evaluations = events.iter().filter(|event| matches!(event, Report::Evaluated(_))).count();
    let facts = started.unwrap();
    assert_eq!((found.total_steps, found.evaluations), (facts.total_steps, evaluations));
    assert_eq!(found.trained_parameters, facts.trained_parameters as u64);
    let parts = found.preparation_secs + 12.0 * found.step_secs + 4.0 * found.evaluation_secs;
    assert!((found.whole_secs() - parts).abs() < 1e-9, "{found:?}");
}

#[test]
fn evaluations_are_counted_where_nothing_says_how_many() {
    let home = tempfile::tempdir().unwrap();
    let mut config = tiny_run(home.path());
    config.training.eval_every = 0;
    config.training.steps = 95;
    config.training.sample_rows = 0;
    let found = timed(&config, 1);
    assert_eq!((found.total_steps, found.evaluations), (95, 11), "before the first, after each 10th, at the last");
    config.method = MethodConfig::Lora(LoraConfig::default());
    assert!(timed(&config, 1).trained_parameters > 0);
}

#[test]
fn a_method_without_steps_takes_the_time_of_its_evaluation() {
    let home = tempfile::tempdir().unwrap();
    let mut config = tiny_run(home.path());
    config.method = MethodConfig::FewShot(FewShotConfig { instruction: "a".to_owned(), shots: 0 });
    let found = timed(&config, 3);
    assert_eq!((found.total_steps, found.evaluations), (0, 1));
    assert!(found.step_secs == 0.0 && found.evaluation_secs > 0.0, "{found:?}");
}

#[test]
fn no_steps_are_no_measurement() {
    let home = tempfile::tempdir().unwrap();
    let talk = Talk::new();
    talk.send(Ask::TimeSteps { config: Box::new(tiny_run(home.path())), steps: 0 });
    match talk.until_end().last() {
        Some(Report::Failed(failure)) => {
            assert!(failure.what.to_string().contains("between 1 and 1000"), "{failure:?}")
        }
        other => panic!("{other:?}"),
    }
}
