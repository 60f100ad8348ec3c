//! A run in a folder without a list of runs, as a job on a cluster trains it: begun, asked to end, gone on with, taken in.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use app::store::{Answer, Request, RunRow, RunState, Store};
use app::workspace::{Workspace, now};
use serde_json::{Value, json};

fn program(home: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_workbench-under-test"));
    command.arg("--workspace").arg(home.join("w")).args(words);
    command
}

/// The exit code of a line, and what it said.
fn ended(home: &Path, words: &[&str]) -> (Option<i32>, String) {
    let done = program(home, words).output().unwrap();
    (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
}

fn run_file(home: &Path, steps: usize) -> String {
    let mut config = tests::tiny_run(home);
    config.training.steps = steps;
    config.training.eval_every = steps / 2;
    let file = home.join("run.toml");
    fs::write(&file, app::cli::run_file::write(&config)).unwrap();
    file.to_string_lossy().into_owned()
}

fn adapter(folder: &Path) -> Vec<u8> {
    fs::read(folder.join("adapter/adapter_model.safetensors")).unwrap()
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[test]
fn a_run_alone_is_the_run_of_the_list_and_writes_its_folder_only() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let (file, alone) = (run_file(home, 6), home.join("disk/alone"));
    let into = text(&alone);
    let train = ["train", &file, "--into", &into, "--experiment", "lengths"];
    assert_eq!(ended(home, &train).0, Some(0));
    let mut names: Vec<String> =
        fs::read_dir(&alone).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let (listed, unlisted) = (["adapter", "config.json", "lock", "log.jsonl", "run.json"], ["heartbeat.json"]);
    assert!(listed.iter().all(|name| names.iter().any(|found| found == name)), "{names:?}");
    assert!(unlisted.iter().all(|name| names.iter().all(|found| found != name)), "it has ended: {names:?}");
    assert!(!home.join("w/experiments.db").exists() && !home.join("w/runs").exists());

    let (code, said) = ended(home, &train);
    assert!(code == Some(2) && said.contains("there is a run in"), "{said}");
    let (code, said) = ended(home, &[&train[..], &["--resume"]].concat());
    assert!(code == Some(0) && said.contains("finished"), "{said}");
    let (code, said) = ended(home, &["resume", "--into", &into]);
    assert!(code == Some(2) && said.contains("done 6 of 6 steps"), "{said}");
    assert_eq!(ended(home, &["resume", "--into", &text(&home.join("none"))]).0, Some(2));

    assert_eq!(ended(home, &["train", &file]).0, Some(0));
    let listed = fs::read_dir(home.join("w/runs")).unwrap().next().unwrap().unwrap().path();
    assert_eq!(tests::curve(&alone), tests::curve(&listed));
    assert_eq!(adapter(&alone), adapter(&listed));
}

#[cfg(unix)]
#[test]
fn a_job_that_is_asked_to_end_says_go_on_and_goes_on_to_the_same_bytes() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let (file, whole, parted) = (run_file(home, 3000), home.join("whole"), home.join("parted"));
    assert_eq!(ended(home, &["train", &file, "--into", &text(&whole)]).0, Some(0));

    let words = ["--json", "train", &file, "--into", &text(&parted), "--resume"];
    let mut job = program(home, &words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut told = BufReader::new(job.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("\"event\":\"step\"") {
        line.clear();
        assert!(told.read_line(&mut line).unwrap() > 0, "it ended before a step");
    }
    let beat: Value = serde_json::from_str(&fs::read_to_string(parted.join("heartbeat.json")).unwrap()).unwrap();
    assert_eq!(beat["pid"], job.id());
    assert!(beat["at"].as_i64().unwrap() > 0 && !beat["host"].as_str().unwrap().is_empty());
    // A scheduler may say it twice.
    for _ in 0..2 {
        assert!(Command::new("kill").args(["-TERM", &job.id().to_string()]).status().unwrap().success());
    }
    told.read_to_string(&mut line).unwrap();
    assert_eq!(job.wait().unwrap().code(), Some(75));
    assert!(!parted.join("heartbeat.json").exists() && app::store::kept_state(&parted) == Some(RunState::Stopped));

    let (code, said) = ended(home, &words[1..]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(tests::curve(&parted), tests::curve(&whole));
    assert_eq!(adapter(&parted), adapter(&whole));
    let log = fs::read_to_string(parted.join("log.jsonl")).unwrap();
    assert!(log.contains("Training from step"), "it went on from its checkpoint: {log}");
}

fn rows(store: &(Store, std::sync::mpsc::Receiver<Answer>)) -> Vec<RunRow> {
    store.0.send(Request::Rescan);
    store.0.send(Request::ListRuns);
    let runs = |answer| match answer {
        Answer::Runs(rows) => Some(rows),
        _ => None,
    };
    store.1.iter().find_map(runs).unwrap()
}

/// A run's folder as a job on another host leaves it in the middle.
fn foreign(folder: &Path) -> impl Fn(i64) + use<> {
    fs::create_dir_all(folder).unwrap();
    let config = tests::tiny_run(folder);
    let write = |folder: PathBuf, name: &str, value: Value| fs::write(folder.join(name), value.to_string()).unwrap();
    write(folder.to_owned(), "config.json", serde_json::to_value(&config).unwrap());
    write(folder.to_owned(), "run.json", json!({"name": "over there", "state": "running", "created": 1_795_219_200}));
    let step =
        json!({"kind": "step", "step": 3, "loss": 1.5, "learning_rate": 0.1, "grad_norm": 1.0, "elapsed_secs": 0.1});
    fs::write(folder.join("metrics.jsonl"), format!("{step}\n")).unwrap();
    let folder = folder.to_owned();
    move |at: i64| write(folder.clone(), "heartbeat.json", json!({"host": "node-of-a-test", "pid": 1, "at": at}))
}

#[cfg(unix)]
#[test]
fn a_run_on_another_host_is_seen_while_it_lives_and_is_interrupted_when_its_heartbeat_stops() {
    let home = tempfile::tempdir().unwrap();
    let (home, disk) = (home.path(), home.path().join("disk"));
    let beat = foreign(&disk.join("job-1"));
    beat(now());
    let (code, said) = ended(home, &["runs", "adopt", &text(&disk)]);
    assert!(code == Some(0) && said.contains("running on node-of-a-test"), "{said}");
    assert_eq!(ended(home, &["runs", "adopt", &text(home)]).0, Some(1), "there is no run in it");

    let store = Store::open(&Workspace::open(&home.join("w")).unwrap(), || {}).unwrap();
    let row = rows(&store).remove(0);
    assert_eq!((row.state, row.step, row.host.as_deref()), (RunState::Running, 3, Some("node-of-a-test")));
    assert!(row.id.0.starts_with("20261121-000000-"), "as old as it is: {}", row.id);
    let more =
        json!({"kind": "step", "step": 4, "loss": 1.25, "learning_rate": 0.1, "grad_norm": 1.0, "elapsed_secs": 0.1});
    let metrics = disk.join("job-1/metrics.jsonl");
    fs::write(&metrics, format!("{}{more}\n", fs::read_to_string(&metrics).unwrap())).unwrap();
    assert_eq!(rows(&store)[0].step, 4, "what it writes is followed");

    beat(now() - 1000);
    let row = rows(&store).remove(0);
    assert_eq!((row.state, row.host), (RunState::Interrupted, None));
    beat(now());
    assert_eq!(rows(&store)[0].state, RunState::Running, "it is there again");
    store.0.close();

    // Nobody else begins it, and deleting it takes away the link alone.
    let (code, said) = ended(home, &["resume", "--into", &text(&disk.join("job-1"))]);
    assert!(code == Some(1) && said.contains("is being computed on node-of-a-test"), "{said}");
    let (code, said) = ended(home, &["runs", "delete", "over there", "--yes"]);
    assert!(code == Some(1) && said.contains("being computed"), "{said}");
    beat(now() - 1000);
    assert_eq!(ended(home, &["runs", "delete", "over there", "--yes"]).0, Some(0));
    assert_eq!(ended(home, &["runs", "empty-trash", "--yes"]).0, Some(0));
    assert!(metrics.is_file());
}
