//! Rows that are too long lose what transformers takes from them (`tests/golden/truncation.py`).

use std::path::{Path, PathBuf};

use engine::config::{BeginToken, DataConfig, Task, TaskRecord, Truncate};
use engine::data::{Dataset, TokenBatch, Tokenizer};
use engine::tokens::TargetStart;
use serde_json::{Value, json};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

fn made() -> Value {
    serde_json::from_slice(&std::fs::read(golden().join("truncation.json")).unwrap()).unwrap()
}

fn cases(of: &Value) -> impl Iterator<Item = (Tokenizer, &Value)> {
    of.as_object().unwrap().iter().flat_map(|(name, cases)| {
        let tokenizer = Tokenizer::from_folder(&golden().join("tokenizers").join(name)).unwrap();
        cases.as_array().unwrap().iter().map(move |case| (tokenizer.clone(), case))
    })
}

fn ints(values: &Value) -> Vec<i32> {
    values.as_array().unwrap().iter().map(|id| i32::try_from(id.as_i64().unwrap()).unwrap()).collect()
}

fn load(rows: &[&Value], config: DataConfig, task: Task, tokenizer: &Tokenizer, limit: usize) -> Option<Dataset> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    let lines: Vec<String> = rows.iter().map(|row| row.to_string()).collect();
    std::fs::write(&path, lines.join("\n")).unwrap();
    let config = DataConfig { train: path, validation_share: 0.0, max_tokens: Some(limit), ..config };
    let record = TaskRecord { task, ..TaskRecord::default() };
    Dataset::load(&config, &record, TargetStart::default(), tokenizer, 1000, 1).ok()
}

#[test]
fn the_end_of_a_row_is_cut_as_in_the_walk_through() {
    let made = made();
    let mut left_out = 0;
    for (tokenizer, case) in cases(&made["walk_through"]) {
        let limit = usize::try_from(case["limit"].as_u64().unwrap()).unwrap();
        let prompt = "{{ (\"Human: \" ~ instruction ~ \"\\n\" ~ input) | trim }}\n\nAssistant: ";
        let config = DataConfig {
            prompt_template: prompt.to_owned(),
            target_template: "{{ output }}".to_owned(),
            target_column: Some("output".to_owned()),
            begin_token: BeginToken::Template,
            truncate: Truncate::End,
            ..DataConfig::new("")
        };
        let (ids, labels) = (ints(&case["ids"]), ints(&case["labels"]));
        let Some(data) = load(&[&case["row"]], config, Task::Causal, &tokenizer, limit) else {
            assert!(labels.iter().all(|label| *label == -100), "{case}");
            left_out += 1;
            continue;
        };
        let batch = TokenBatch::new(data.train.held().unwrap(), &[0], tokenizer.pad(), Task::Causal);
        assert_eq!((batch.tokens, batch.labels), (ids, labels), "{case}");
    }
    assert!(left_out >= 4, "rows whose prompt alone fills the limit are among the cases");
}

#[test]
fn pairs_are_cut_as_transformers_cuts_them() {
    let made = made();
    for (tokenizer, case) in cases(&made["pairs"]) {
        let limit = usize::try_from(case["limit"].as_u64().unwrap()).unwrap();
        let truncate = match case["rule"].as_str().unwrap() {
            "longest_first" => Truncate::LongestFirst,
            "only_first" => Truncate::PromptEnd,
            _ => Truncate::End,
        };
        let row = |label: &str| json!({"premise": case["first"], "second": case["second"], "label": label});
        let config = DataConfig {
            source_column: Some("premise".to_owned()),
            second_column: Some("second".to_owned()),
            target_column: Some("label".to_owned()),
            truncate,
            ..DataConfig::new("")
        };
        let rows = [row("a"), row("b")];
        let rows: Vec<&Value> = rows.iter().collect();
        let data = load(&rows, config, Task::SequenceClassification, &tokenizer, limit).unwrap();
        let batch = TokenBatch::new(data.train.held().unwrap(), &[0], tokenizer.pad(), Task::SequenceClassification);
        assert_eq!(batch.tokens, ints(&case["ids"]), "{case}");
    }
}
