//! Files that are too large for memory give the rows that small ones give, whatever stands in them.

use std::path::{Path, PathBuf};

use engine::config::{DataConfig, Task, TaskRecord};
use engine::data::{Dataset, Holding, Tokenizer};
use engine::error::Result;
use engine::tokens::TargetStart;
use proptest::prelude::*;
use serde_json::{Value, json};

fn tokenizer() -> Tokenizer {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/tokenizers/qwen2");
    Tokenizer::from_folder(&folder).unwrap()
}

fn write(folder: &Path, rows: &[Value]) -> PathBuf {
    let path = folder.join("rows.jsonl");
    let lines: Vec<String> =
        rows.iter().map(|row| row.as_str().map_or_else(|| row.to_string(), str::to_owned)).collect();
    std::fs::write(&path, lines.join("\n")).unwrap();
    path
}

fn load(config: &DataConfig, task: Task, holding: &Holding) -> Result<Dataset> {
    Dataset::load_holding(config, &TaskRecord::of(task), (TargetStart::default(), 24), &tokenizer(), 3, holding)
}

/// Every file is large, and few rows are encoded at once.
fn all_large(cache: Option<PathBuf>) -> Holding {
    Holding { large: 0, cache, part: 3, ..Holding::default() }
}

/// The same rows and the same report.
fn same(small: Result<Dataset>, large: Result<Dataset>) {
    let (small, large) = match (small, large) {
        (Ok(small), Ok(large)) => (small, large),
        (Err(small), Err(large)) => return assert_eq!(small.to_string(), large.to_string()),
        (small, large) => panic!("{small:?} is not {large:?}"),
    };
    assert!(small.train.held().is_some() && large.train.held().is_none());
    assert_eq!((&small.train, &small.validation), (&large.train, &large.validation));
    assert!((0..small.train.len()).all(|row| small.train.length(row) == large.train.length(row)));
    assert_eq!((small.task, small.report), (large.task, large.report));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_rows_are_the_same_from_a_file_as_from_memory(
        rows in prop::collection::vec((".{0,20}", ".{0,40}"), 1..20), share in 0..4_usize, part in 1..6_usize,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let rows: Vec<Value> = rows.into_iter().map(|(source, target)| json!({"source": source, "target": target})).collect();
        let config = DataConfig { validation_share: share as f64 / 4.0, ..DataConfig::new(write(folder.path(), &rows)) };
        let holding = Holding { part, ..all_large(None) };
        same(load(&config, Task::Causal, &Holding::default()), load(&config, Task::Causal, &holding));
    }
}
