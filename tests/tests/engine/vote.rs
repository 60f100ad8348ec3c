//! A vote of several adapters from the outside: what each says, what the majority says, and who decides a tie.

use std::path::{Path, PathBuf};

use engine::config::{DataConfig, FullConfig, MethodConfig, RunConfig, Task};
use engine::device::DeviceChoice;
use engine::nn::Precision;
use engine::protocol::{Ask, EnsembleReport, EnsembleRequest, EnsembleRow, Report};
use serde_json::json;
use tests::{Talk, golden_cases, tiny_run};

/// Rows of two columns, with the second of one row as it should not be.
fn rows(home: &Path, name: &str, rows: &[(&str, &str)], wrong: Option<(usize, &str)>) -> PathBuf {
    let row = |(at, (text, label)): (usize, &(&str, &str))| {
        let label = wrong.filter(|(row, _)| *row == at).map_or(*label, |(_, label)| label);
        json!({"source": text, "target": label}).to_string()
    };
    let path = home.join(format!("{name}.jsonl"));
    let lines: Vec<String> = rows.iter().enumerate().map(row).collect();
    std::fs::write(&path, lines.join("\n")).unwrap();
    path
}

/// An adapter that has learned these rows by heart.
fn learned(talk: &Talk, home: &Path, config: &RunConfig, name: &str, train: PathBuf) -> PathBuf {
    let folder = home.join(name);
    let mut config = config.clone();
    config.data = DataConfig { validation_share: 0.0, ..DataConfig::new(train) };
    talk.run(Ask::Train { folder: folder.clone(), config: Box::new(config), resume: false, until: None });
    folder.join("adapter")
}

fn asked(model: PathBuf, adapters: Vec<PathBuf>, train: PathBuf) -> Ask {
    let (device, data) = (DeviceChoice::Cpu, DataConfig::new(train));
    let request = EnsembleRequest { model, device, numbers: Precision::F32.into(), adapters, data, max_new_tokens: 4 };
    Ask::Ensemble(Box::new(request))
}

fn vote(talk: &Talk, config: &RunConfig, adapters: &[PathBuf], train: &Path) -> (EnsembleReport, Vec<EnsembleRow>) {
    let (mut report, mut told) = (None, Vec::new());
    for event in talk.run(asked(config.model.clone(), adapters.to_vec(), train.to_owned())) {
        match event {
            Report::Ensemble(vote) => report = Some(*vote),
            Report::Voted { rows } => told.extend(rows),
            _ => {}
        }
    }
    (report.expect("they voted"), told)
}

fn config_of(home: &Path, case: &str, task: Task, method: MethodConfig) -> RunConfig {
    let mut config = tiny_run(home);
    config.model = golden_cases().join(case).join("model");
    (config.task, config.method) = (Some(task), method);
    config.training.steps = 100;
    config.training.eval_every = 100;
    config
}

/// Three adapters that each learned another row wrong: each is right about all but one, and their majority about all.
fn each_is_wrong_once(config: &RunConfig, home: &Path, of: &[(&str, &str)], wrong: [&str; 3]) {
    let talk = Talk::new();
    let truth = rows(home, "truth", of, None);
    let member = |at: usize| {
        let name = format!("wrong-{at}");
        learned(&talk, home, config, &name, rows(home, &name, of, Some((at, wrong[at]))))
    };
    let members = [0, 1, 2].map(member);
    let (all, rows) = vote(&talk, config, &members, &truth);
    let share = 1.0 - 1.0 / of.len() as f64;
    let found: Vec<f64> = all.members.iter().map(|figures| figures.accuracy.unwrap()).collect();
    assert!(found.iter().all(|accuracy| (accuracy - share).abs() < 1e-9), "{found:?}, {rows:?}");
    assert!((all.mean() - share).abs() < 1e-9 && (all.best() - share).abs() < 1e-9);
    assert!((all.vote.accuracy.unwrap() - 1.0).abs() < 1e-9 && all.by_score == 0, "{all:?}");
    assert_eq!((all.total, rows[1].answers[1].trim()), (of.len(), wrong[1]));
    assert_eq!(rows[1].vote, rows[1].reference);
    // Of two, none has the majority where they differ: the one that is surer is believed.
    let (two, rows) = vote(&talk, config, &members[..2], &truth);
    assert_eq!(two.by_score, 2, "{two:?}");
    assert!(rows.iter().all(|row| row.answers.contains(&row.vote)));
    let (_, again) = vote(&talk, config, &[members[1].clone(), members[0].clone()], &truth);
    let said = |rows: &[EnsembleRow]| rows.iter().map(|row| row.vote.clone()).collect::<Vec<_>>();
    assert_eq!(said(&rows), said(&again), "the order of the adapters does not decide");
}

#[test]
fn a_majority_tells_classes_that_each_adapter_gets_wrong_once() {
    let home = tempfile::tempdir().unwrap();
    let method = MethodConfig::Full(FullConfig::default());
    let mut config = config_of(home.path(), "bert-prefix-seq", Task::SequenceClassification, method);
    config.training.learning_rate = 0.005;
    let of = [("a b", "yes"), ("c d", "no"), ("e e", "yes"), ("f g f", "no")];
    each_is_wrong_once(&config, home.path(), &of, ["no", "yes", "no"]);
}

#[test]
fn a_majority_writes_what_each_adapter_writes_wrong_once() {
    let home = tempfile::tempdir().unwrap();
    let method = MethodConfig::Full(FullConfig::default());
    let mut config = config_of(home.path(), "gpt2-prefix-2x44", Task::Causal, method);
    config.training.learning_rate = 0.005;
    let of = [("a", "e f"), ("b", "g"), ("c", "a b")];
    each_is_wrong_once(&config, home.path(), &of, ["g", "e f", "f"]);
}

#[test]
fn a_vote_needs_adapters_of_one_task() {
    let home = tempfile::tempdir().unwrap();
    let talk = Talk::new();
    let method = MethodConfig::Full(FullConfig::top(0));
    let mut config = config_of(home.path(), "bert-prefix-seq", Task::SequenceClassification, method);
    config.training.steps = 1;
    let of = |name, labels: [&'static str; 2]| rows(home.path(), name, &[("a", labels[0]), ("b", labels[1])], None);
    let (first, second) = (of("first", ["x", "y"]), of("second", ["p", "q"]));
    let one = learned(&talk, home.path(), &config, "one", first.clone());
    let other = learned(&talk, home.path(), &config, "other", second);
    for (adapters, word) in [(vec![one.clone(), other], "different tasks or classes"), (vec![one], "at least two")] {
        talk.send(asked(config.model.clone(), adapters, first.clone()));
        match talk.until_end().last() {
            Some(Report::Failed(failure)) => assert!(failure.what.to_string().contains(word), "{failure:?}"),
            other => panic!("{other:?}"),
        }
    }
}
