//! Questions about an adapter from the command line.

use std::fs;
use std::path::Path;

use app::cli::{CliError, run};

fn line(workspace: &Path, words: &[&str]) -> Result<(), CliError> {
    let head = ["prefix-workbench".into(), "--workspace".into(), workspace.as_os_str().to_owned()];
    run(head.into_iter().chain(words.iter().map(std::ffi::OsString::from)), |_, _| Ok(()))
}

#[test]
fn what_a_run_costs_elsewhere_and_what_it_says_are_asked_by_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = folder.path().join("workspace");
    let file = folder.path().join("run.toml");
    fs::write(&file, app::cli::run_file::write(&tests::tiny_run(folder.path()))).unwrap();
    line(&workspace, &["train", &file.to_string_lossy(), "--name", "first", "--set", "training.steps=4"]).unwrap();
    let analyze = |words: &[&str]| line(&workspace, &[&["analyze", "--run", "first", "--what"], words].concat());
    // Of the texts that come with the program.
    analyze(&["forgetting", "--limit", "2", "--strengths", "0,1"]).unwrap();
    let text = folder.path().join("mine.txt");
    fs::write(&text, "rain falls on the sea\n").unwrap();
    analyze(&["forgetting", "--data", &text.to_string_lossy(), "--json"]).unwrap();
    let error = analyze(&["forgetting", "--data", "/no/text.txt"]).unwrap_err();
    assert!(error.to_string().contains("/no/text.txt"), "{error}");
    analyze(&["words", "--samples", "0", "--passes", "4", "--longest", "2", "--limit", "4"]).unwrap();
    let error = line(&workspace, &["analyze", "--what", "words", "--base"]).unwrap_err();
    assert!(error.to_string().contains("no adapter"), "{error}");
}
