//! Files that are too large for memory give the rows that small ones give, and a kept file of them is never believed blindly.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::dataset::Dataset;
use super::encode::Example;
use super::large::Holding;
use super::tokenizer::byte_tokenizer as tokenizer;
use crate::config::{DataConfig, Mixing, MoreData, Task, TaskRecord, Truncate};
use crate::error::Result;
use crate::tokens::{SOFT, TargetStart};

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

#[test]
fn rows_of_a_large_file_are_those_of_a_small_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut rows: Vec<Value> =
        (0..40).map(|i| json!({"source": format!("row {i}"), "target": "x ".repeat(i)})).collect();
    rows[7] = json!("{broken");
    rows[20] = json!({"source": "row 5", "target": "x x x x x", "unread": 4});
    let path = write(folder.path(), &rows);
    let plain = DataConfig { validation_share: 0.25, ..DataConfig::new(path) };
    let soft = "{{ soft(2) }}{{ source }}".to_owned();
    for config in [
        plain.clone(),
        DataConfig { train_rows: Some(9.0), ..plain.clone() },
        DataConfig { validation_share: 0.0, truncate: Truncate::Skip, ..plain.clone() },
        DataConfig { prompt_template: soft, truncate: Truncate::End, ..plain.clone() },
        DataConfig { target_template: "{{ target.a.b }}".to_owned(), ..plain.clone() },
        DataConfig { source_column: Some("nothing".to_owned()), ..plain },
    ] {
        same(load(&config, Task::Causal, &Holding::default()), load(&config, Task::Causal, &all_large(None)));
    }
}

#[test]
fn tables_with_separators_and_arrays_are_read_row_by_row_too() {
    let folder = tempfile::tempdir().unwrap();
    let lines = |first: &str, between: &str, row: &dyn Fn(usize) -> String| {
        let rows: Vec<String> = (0..30).map(row).collect();
        format!("{first}{}", rows.join(between))
    };
    let cell = |i: usize| if i == 9 { "one,two,three".to_owned() } else { format!("\"row, {i}\nof two lines\",x {i}") };
    let quoted = lines("\u{FEFF}source,target\r\n", "\r\n", &cell);
    let lone = lines("source\ttarget\n", "\n", &|i| format!("a 5\" nail {i}\tx {i}"));
    let said = lines("sep=;\nsource;target\n", "\n", &|i| format!("\n山{i};水"));
    let array = lines("[", " ,\n", &|i| match i {
        3 => "4".to_owned(),
        5 => r#"{"source": "a \\\"quoted\\\" ], [ text", "target": "}", "score": NaN}"#.to_owned(),
        _ => format!(r#"{{"source": "row {i}", "target": "x"}}"#),
    });
    for (name, text) in [
        ("a.csv", quoted.clone()),
        ("b.tsv", lone),
        ("c.csv", said),
        ("d.json", format!("{array}]\n")),
        ("e.jsonl", format!(" {array} ]")),
        ("f.csv", "only\na\nb\nc\nd\n".to_owned()),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let config =
            DataConfig { validation_share: 0.25, source_column: Some("source".to_owned()), ..DataConfig::new(path) };
        same(load(&config, Task::Causal, &Holding::default()), load(&config, Task::Causal, &all_large(None)));
    }
    let path = folder.path().join("g.json");
    std::fs::write(&path, array).unwrap();
    let error = load(&DataConfig::new(&path), Task::Causal, &all_large(None)).unwrap_err().to_string();
    assert!(error.contains("ends within the array"), "{error}");
}

#[test]
fn classes_tasks_and_conversations_are_found_in_all_of_a_large_file() {
    let folder = tempfile::tempdir().unwrap();
    let classified = |i: usize| json!({"review": format!("text {i}"), "kind": (["x", "y", "z"][i / 20]), "of": (["a", "b"][i / 30])});
    let path = write(folder.path(), &(0..60).map(classified).collect::<Vec<_>>());
    let (task_column, target_column) = (Some("of".to_owned()), Some("kind".to_owned()));
    let source_column = Some("review".to_owned());
    let config = DataConfig { task_column, source_column, target_column, ..DataConfig::new(path) };
    let task = Task::SequenceClassification;
    same(load(&config, task, &Holding::default()), load(&config, task, &all_large(None)));

    let said = |i: usize| {
        json!({"messages": [
        {"role": "user", "content": format!("asked {i}")}, {"role": "assistant", "content": "a"},
        {"role": "user", "content": "again"}, {"role": "assistant", "content": format!("b {i}")}]})
    };
    let path = write(folder.path(), &(0..30).map(said).collect::<Vec<_>>());
    let config = DataConfig {
        prompt_template: "{% for turn in messages %}{{ turn.content }} {% endfor %}{{ source }}".to_owned(),
        ..DataConfig::new(path)
    };
    same(load(&config, Task::Causal, &Holding::default()), load(&config, Task::Causal, &all_large(None)));
}

#[test]
fn a_soft_prompt_and_a_second_dataset_stand_as_they_do_before_rows_in_memory() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let row = |i: usize| json!({"source": format!("row {i}"), "target": "x"});
    let path = write(folder.path(), &(0..20).map(row).collect::<Vec<_>>());
    let more = MoreData {
        train: write(other.path(), &(0..5).map(row).collect::<Vec<_>>()),
        validation: None,
        name: Some("other".to_owned()),
        source_column: None,
        second_column: None,
        target_column: None,
        prompt_template: None,
        target_template: None,
    };
    let config = DataConfig { more: vec![more], mixing: Mixing::Even, ..DataConfig::new(path) };
    let placed = |holding: &Holding| {
        let mut data = load(&config, Task::Causal, holding)?;
        data.place(&[SOFT, SOFT + 1], true, &tokenizer())?;
        Ok(data)
    };
    same(placed(&Holding::default()), placed(&all_large(None)));
}

#[test]
fn a_kept_file_is_used_again_and_made_again_when_it_is_damaged() {
    let (folder, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let rows: Vec<Value> =
        (0..40).map(|i| json!({"source": format!("row {i}"), "target": "x ".repeat(1 + i)})).collect();
    let config = DataConfig::new(write(folder.path(), &rows));
    let small = || load(&config, Task::Causal, &Holding::default());
    let large = || load(&config, Task::Causal, &all_large(Some(cache.path().to_owned())));
    let kept = || -> Vec<PathBuf> {
        std::fs::read_dir(cache.path().join("rows")).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    same(small(), large());
    let [file] = <[PathBuf; 1]>::try_from(kept()).unwrap();
    let bytes = std::fs::read(&file).unwrap();
    same(small(), large());
    for at in [0, bytes.len() / 2, bytes.len() - 1] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        std::fs::write(&file, damaged).unwrap();
        same(small(), large());
        assert_eq!(std::fs::read(&file).unwrap(), bytes, "byte {at}: it is made again");
    }
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    same(small(), large());
    assert_eq!(kept(), [file]);
    // Rows that changed are others, whatever the time of the file says.
    let seen = std::fs::metadata(&config.train).unwrap().modified().unwrap();
    write(folder.path(), &rows.iter().rev().cloned().collect::<Vec<_>>());
    std::fs::File::options().append(true).open(&config.train).unwrap().set_modified(seen).unwrap();
    same(small(), large());
    assert_eq!(kept().len(), 2);
}

#[test]
fn only_a_sample_of_a_large_file_is_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<Value> = (0..40).map(|i| json!({"source": format!("row {i}"), "target": "x"})).collect();
    let config = DataConfig { validation_share: 0.0, ..DataConfig::new(write(folder.path(), &rows)) };
    let sampled = load(&config, Task::Causal, &Holding { sample: Some(7), ..all_large(None) }).unwrap();
    assert_eq!((sampled.train.len(), sampled.report.total_rows), (7, 7));
}

#[test]
fn rows_are_read_by_their_number() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<Value> = (0..9).map(|i| json!({"source": format!("row {i}"), "target": "x"})).collect();
    let config = DataConfig { validation_share: 0.0, ..DataConfig::new(write(folder.path(), &rows)) };
    let data = load(&config, Task::Causal, &all_large(None)).unwrap();
    let read: Vec<Example> = data.train.read([4, 0, 4]).unwrap();
    assert_eq!(read.iter().map(|row| row.row).collect::<Vec<_>>(), [5, 1, 5]);
}
