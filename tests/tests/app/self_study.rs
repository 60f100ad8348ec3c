//! The command that lets a model write rows about a document, and a run that learns from a teacher which reads it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::{is_usage, line, runs};

/// A model with room for requests and answers.
fn starter() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/models/starter")
}

#[test]
fn rows_that_a_model_writes_about_a_document_are_learned_from_a_teacher_that_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = folder.path().join("workspace");
    let place = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (document, rows, model) = (place("document.txt"), place("rows.jsonl"), starter());
    let model = model.to_string_lossy().into_owned();
    fs::write(&document, "name : Ada | kind : bridge | material : stone | length : long | city : York").unwrap();
    let study = |document: &str| {
        let study = ["--device", "cpu", "self-study", "--model", &model, "--document", document, "--to", &rows];
        line(&workspace, &[&study[..], &["--rows", "12", "--chunk", "8", "--max-new-tokens", "6"]].concat())
    };
    study(&document).unwrap();
    let written: Vec<serde_json::Value> =
        fs::read_to_string(&rows).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!written.is_empty() && written.len() <= 12, "{written:?}");
    assert!(written.iter().all(|row| !row["source"].as_str().unwrap().is_empty() && row["kind"].is_string()));
    let kept = fs::read_to_string(&rows).unwrap();
    study(&document).unwrap();
    assert_eq!(fs::read_to_string(&rows).unwrap(), kept, "the same seed writes the same rows");
    let distillation = format!("training.distillation.document={document}");
    let train =
        ["--device", "cpu", "train", "--model", &model, "--data", &rows, "--steps", "2", "--set", &distillation];
    line(&workspace, &[&train[..], &["--set", "method.n_virtual=4"]].concat()).unwrap();
    let config = fs::read_to_string(runs(&workspace)[0].folder.join("config.json")).unwrap();
    assert!(config.contains("document.txt") && config.contains("\"top_k\": 20"), "{config}");
    fs::write(&document, " ").unwrap();
    assert!(is_usage(&study(&document).unwrap_err()));
}
