//! Experiments on the command line: begun, interrupted, gone on with, looked at.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use app::cli::{CliError, run};
use app::experiments::Plan;
use app::store::{Answer, Request, RunRow, RunState, Store};
use app::workspace::Workspace;
use engine::protocol::{Ask, Command, Event, JobId, Report};
use engine::worker::Engine;

fn line(workspace: &Path, words: &[&str]) -> Result<(), CliError> {
    let head = ["prefix-workbench".into(), "--workspace".into(), workspace.as_os_str().to_owned()];
    run(head.into_iter().chain(words.iter().map(OsString::from)), |_, _| Ok(()))
}

fn rows(workspace: &Workspace) -> Vec<RunRow> {
    let (store, answers) = Store::open(workspace, || {}).unwrap();
    store.send(Request::ListRuns);
    let rows = answers.iter().find_map(|answer| match answer {
        Answer::Runs(rows) => Some(rows),
        _ => None,
    });
    store.close();
    rows.unwrap()
}

/// Two lengths and two seeds on a few rows of the starter, twelve steps each.
const FILE: &str = "[run]\ndata.validation_rows = 6\ndata.train_rows = 40\n\
    [run.method]\ntype = \"prefix\"\nreparameterization = \"none\"\n\
    [run.training]\nsteps = 12\neval_every = 4\nsample_rows = 0\nbatch_size = 2\n\
    [vary]\nmethod.n_virtual = [1, 2]\nseed = [1, 2]\n";

fn written(folder: &Path, text: &str) -> String {
    let file = folder.join("lengths.toml");
    fs::write(&file, text).unwrap();
    file.to_string_lossy().into_owned()
}

/// The runs of the newest experiment: what differs, state and best loss.
fn told(workspace: &Path) -> Vec<(String, Option<RunState>, Option<f64>)> {
    let workspace = Workspace::open(workspace).unwrap();
    let plan = Plan::list(&workspace).0.swap_remove(0);
    let rows = rows(&workspace);
    let of = |planned: &app::experiments::PlannedRun| {
        let row = rows.iter().find(|row| row.id == planned.run);
        (planned.name.clone(), row.map(|row| row.state), row.and_then(|row| row.best_loss))
    };
    plan.runs.iter().map(of).collect()
}

/// A program that begins the second run of an experiment and is gone after its first checkpoint.
fn crash_in_the_second_run(folder: &Path) -> PathBuf {
    let workspace = Workspace::open(folder).unwrap();
    let plan = Plan::list(&workspace).0.swap_remove(0);
    let planned = &plan.runs[1];
    let (store, _answers) = Store::open(&workspace, || {}).unwrap();
    let run_folder = workspace.make_run_folder(&planned.run).unwrap();
    let (config, experiment) = (planned.config.clone(), Some(plan.experiment.name));
    store.send(Request::Register { run: planned.run.clone(), config: config.clone(), experiment });
    store.send(Request::Begin { job: JobId(1), run: planned.run.clone() });
    let (outbox, inbox) = std::sync::mpsc::channel();
    let record = store.clone();
    let engine = Engine::spawn(workspace.cache(), None, move |event: Event| {
        record.send(Request::Record(event.clone()));
        outbox.send(event.what).unwrap_or_default();
    })
    .unwrap();
    let ask = Ask::Train { folder: run_folder.clone(), config, resume: false, until: None };
    engine.send(Command { job: JobId(1), ask }).unwrap();
    // It may have gone on behind the checkpoint: those steps are done again.
    assert!(inbox.iter().any(|report| matches!(report, Report::CheckpointWritten { step: 4, .. })));
    store.close();
    run_folder
}

#[test]
fn an_experiment_that_was_ended_in_the_middle_goes_on_to_the_same_table() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, parted) = (folder.path().join("whole"), folder.path().join("parted"));
    let file = written(folder.path(), FILE);
    line(&whole, &["experiment", &file, "--device", "cpu"]).unwrap();
    let expected = told(&whole);
    assert_eq!(expected.len(), 4);
    assert!(expected.iter().all(|(_, state, loss)| *state == Some(RunState::Finished) && loss.is_some()));

    line(&parted, &["sweep", &file, "--device", "cpu", "--stop-after", "1"]).unwrap();
    let ended: Vec<Option<RunState>> = told(&parted).into_iter().map(|(_, state, _)| state).collect();
    assert_eq!(ended, [Some(RunState::Finished), None, None, None]);
    let crashed = crash_in_the_second_run(&parted);
    assert_eq!(told(&parted)[1].1, Some(RunState::Interrupted));
    line(&parted, &["experiment", "resume", "lengths"]).unwrap();
    assert_eq!(told(&parted), expected);
    let log = fs::read_to_string(crashed.join("log.jsonl")).unwrap();
    assert!(log.contains("Training from step"), "it went on from its checkpoint: {log}");
    // Nothing is left to do, also by the file.
    line(&parted, &["experiment", &file, "--device", "cpu", "--resume"]).unwrap();
    let workspace = Workspace::open(&parted).unwrap();
    assert_eq!((Plan::list(&workspace).0.len(), rows(&workspace).len()), (1, 4));
    let kept = workspace.experiment_folder(&Plan::list(&workspace).0[0].id).join("experiment.toml");
    assert_eq!(fs::read_to_string(kept).unwrap(), FILE);
    for words in [
        &["experiment", "list"][..],
        &["experiment", "status"],
        &["experiment", "table", "lengths", "--by", "loss"],
        &["experiment", "table", "--csv"],
        &["experiment", "table", "--over", "seeds", "--json"],
    ] {
        line(&parted, words).unwrap();
    }
    let error = line(&parted, &["experiment", "table", "--by", "nothing"]).unwrap_err();
    assert!(error.exit_code() == ExitCode::from(2) && error.to_string().contains("nothing"), "{error}");
}

#[test]
fn several_at_once_come_to_the_same_and_a_run_that_fails_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    // No model has so many layers.
    let bad = FILE.replace("seed = [1, 2]", "method.layers = [[0], [99]]");
    let file = written(folder.path(), &bad);
    let failed = line(&one, &["experiment", &file, "--device", "cpu"]).unwrap_err();
    assert_eq!(failed.exit_code(), ExitCode::from(1));
    let text = failed.to_string();
    assert!(text.starts_with("2 of 4 runs failed") && text.contains("--again"), "{text}");
    let expected = told(&one);
    let states: Vec<RunState> = expected.iter().filter_map(|(_, state, _)| *state).collect();
    let n = |state: RunState| states.iter().filter(|other| **other == state).count();
    assert_eq!((n(RunState::Finished), n(RunState::Failed)), (2, 2), "{states:?}");
    line(&two, &["experiment", &file, "--device", "cpu", "--at-once", "2"]).unwrap_err();
    assert_eq!(told(&two), expected);
    // Those that failed stay so until they are asked for.
    line(&one, &["experiment", "resume"]).unwrap();
    line(&one, &["experiment", "resume", "--again"]).unwrap_err();
    assert_eq!(told(&one), expected);
}

#[test]
fn a_first_run_is_trained_before_those_that_begin_with_its_adapter() {
    let folder = tempfile::tempdir().unwrap();
    let vary = "[first]\nname = \"all\"\n[vary]\n\
        method.init = [{ type = \"adapter\", path = \"first\" }, \"scaled_random\"]\n";
    let text = format!("{}{vary}", &FILE[..FILE.find("[vary]").unwrap()]);
    let (home, file) = (folder.path().join("w"), written(folder.path(), &text));
    line(&home, &["experiment", &file, "--device", "cpu"]).unwrap();
    let told = told(&home);
    assert!(told.len() == 3 && told.iter().all(|(_, state, _)| *state == Some(RunState::Finished)), "{told:?}");
    let workspace = Workspace::open(&home).unwrap();
    let plan = Plan::list(&workspace).0.swap_remove(0);
    let first = workspace.run_folder(&plan.runs[0].run);
    assert_eq!((told[0].0.as_str(), plan.runs[1].config.method.starts_from()), ("all", Some(first.as_path())));
    let metrics = fs::read_to_string(workspace.run_folder(&plan.runs[1].run).join("metrics.jsonl")).unwrap();
    let untouched: serde_json::Value = serde_json::from_str(metrics.lines().next().unwrap()).unwrap();
    let (began, ended) = (untouched["loss"].as_f64().unwrap(), told[0].2.unwrap());
    assert!(
        untouched["step"] == 0 && (began - ended).abs() < 1e-3,
        "it begins where the first was best: {began}, {ended}"
    );
    line(&home, &["experiment", &file, "--device", "cpu", "--resume"]).unwrap();
    line(&home, &["report", "lengths", "--to", folder.path().join("r.html").to_str().unwrap()]).unwrap();
}

#[test]
fn the_best_of_a_halving_are_trained_to_the_end_and_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let text =
        FILE.replace("[1, 2]\nseed", "[1, 8]\nseed") + "[strategy]\ntype = \"halving\"\nfactor = 2\nfirst_steps = 4\n";
    let file = written(folder.path(), &text);
    line(folder.path(), &["experiment", &file, "--device", "cpu"]).unwrap();
    let workspace = Workspace::open(folder.path()).unwrap();
    let plan = Plan::list(&workspace).0.swap_remove(0);
    let rows = rows(&workspace);
    let all: Vec<&RunRow> = rows.iter().collect();
    let standing = plan.standing(&all);
    assert_eq!((standing.runs, standing.done, standing.dropped), (4, 4, 3));
    let mut steps: Vec<u64> = rows.iter().map(|row| row.step).collect();
    steps.sort_unstable();
    assert_eq!(steps, [4, 4, 8, 12]);
    let lines = |row: &RunRow| {
        let text = fs::read_to_string(row.folder.join("metrics.jsonl")).unwrap();
        text.lines().filter(|line| line.contains("\"learning_rate\"")).count() as u64
    };
    assert!(rows.iter().all(|row| lines(row) == row.step), "each step was done once");
}

#[test]
fn what_an_experiment_would_train_is_said_before_anything_is_begun() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), FILE);
    line(folder.path(), &["experiment", &file, "--dry-run"]).unwrap();
    line(folder.path(), &["experiment", "prefix-length", "--dry-run", "--vary", "seed=1,2", "--json"]).unwrap();
    line(folder.path(), &["experiment", "--list-ready"]).unwrap();
    let usage = |words: &[&str]| {
        let error = line(folder.path(), words).unwrap_err();
        assert_eq!(error.exit_code(), ExitCode::from(2), "{words:?}: {error}");
        error.to_string()
    };
    assert!(usage(&["experiment"]).contains("--list-ready"));
    assert!(usage(&["experiment", "nothing-of-the-kind"]).contains("prefix-length"));
    assert!(usage(&["experiment", &file, "--vary", "seed=3"]).contains("single value"));
    assert!(usage(&["experiment", "low-data", "--set", "seed=3"]).contains("together"));
    assert!(usage(&["experiment", "status", "nobody"]).contains("nobody"));
    // A test has no terminal to say yes on.
    assert!(usage(&["experiment", "low-data"]).contains("36 runs"));
    assert!(!folder.path().join("experiments").exists(), "nothing was begun");
}
