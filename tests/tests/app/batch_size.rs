//! `train --probe-batch-size`, whose steps are taken in a process of their own.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn program(workspace: &Path, words: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_workbench-under-test");
    Command::new(program).arg("--workspace").arg(workspace).args(words).output().unwrap()
}

#[test]
fn the_rows_that_fit_are_said_and_no_run_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let config = tests::tiny_run(folder.path());
    let file = folder.path().join("run.toml");
    fs::write(&file, app::cli::run_file::write(&config)).unwrap();
    let file = file.to_string_lossy();
    let workspace = folder.path().join("workspace");
    let out = program(&workspace, &["--json", "train", &file, "--probe-batch-size"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let rows = |event: &str| -> Vec<u64> {
        lines.iter().filter(|line| line["event"] == event).map(|line| line["rows"].as_u64().unwrap()).collect()
    };
    assert_eq!((rows("batch_trial"), rows("batch_fit")), (vec![1, 2, 4, 8, 16, 18], vec![18]));
    let out = program(&workspace, &["train", &file, "--probe-batch-size", "--set", "training.batch_size=4"]);
    let said = String::from_utf8(out.stdout).unwrap();
    assert!(said.starts_with("fits: 18 rows of up to ") && said.contains("all that there are"), "{said}");
    assert!(fs::read_dir(workspace.join("runs")).map_or(0, Iterator::count) == 0, "no run is made");
}

#[test]
fn what_the_process_fails_of_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = tests::tiny_run(folder.path());
    config.method = serde_json::from_str(r#"{"type": "few_shot", "instruction": "a"}"#).unwrap();
    let file = folder.path().join("run.toml");
    fs::write(&file, app::cli::run_file::write(&config)).unwrap();
    let words = ["train", &*file.to_string_lossy(), "--probe-batch-size"];
    let out = program(&folder.path().join("workspace"), &words);
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(!out.status.success() && said.contains("has no steps to be tried"), "{said}");
}
