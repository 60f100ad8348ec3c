//! Runs of before settings had the names of today. `tests/fixtures/runs-8118152` is a workspace as commit 8118152 left it:
//! folders, database and rows; its models are those of golden cases.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use app::store::{Answer, Cursor, Request, RunDetail, RunRow, RunState, Store};
use app::workspace::Workspace;
use engine::config::{EpochEnd, MethodConfig, RunConfig, Schedule, Task, WeightDecayOn};
use rusqlite::Connection;
use tempfile::TempDir;

/// Where that workspace was.
const THEN: &str = "/workbench";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// The workspace, where it is not touched.
fn old() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&root().join("fixtures/runs-8118152"), folder.path());
    folder
}

/// The same, with its models and rows where they are now.
fn moved() -> TempDir {
    let folder = old();
    let places = [
        (format!("{THEN}/models/gpt2"), root().join("golden/cases/gpt2-prefix-2x44/model")),
        (format!("{THEN}/models/bert"), root().join("golden/cases/bert-prefix-seq/model")),
        (format!("{THEN}/rows.jsonl"), folder.path().join("rows.jsonl")),
        (format!("{THEN}/texts.jsonl"), folder.path().join("texts.jsonl")),
    ];
    let database = Connection::open(folder.path().join("experiments.db")).unwrap();
    for (then, now) in places {
        let now = now.to_string_lossy().into_owned();
        for (table, column) in [("runs", "config"), ("models", "folder"), ("datasets", "train")] {
            let change = format!("UPDATE {table} SET {column} = replace({column}, ?1, ?2)");
            database.execute(&change, [&then, &now]).unwrap();
        }
        for run in fs::read_dir(folder.path().join("runs")).unwrap() {
            let config = run.unwrap().path().join("config.json");
            let text = fs::read_to_string(&config).unwrap();
            fs::write(&config, text.replace(&then, &now)).unwrap();
        }
    }
    folder
}

fn rows_and_details(folder: &Path) -> BTreeMap<String, (RunRow, RunDetail)> {
    let (store, answers) = Store::open(&Workspace::open(folder).unwrap(), || {}).unwrap();
    store.send(Request::ListRuns);
    let rows = answers.iter().find_map(|answer| match answer {
        Answer::Runs(rows) => Some(rows),
        _ => None,
    });
    let with_detail = |row: RunRow| {
        store.send(Request::Detail { run: row.id.clone(), since: Cursor::default() });
        let detail = answers.iter().find_map(|answer| match answer {
            Answer::Detail(detail) => Some(*detail),
            _ => None,
        });
        (row.name.clone(), (row, detail.unwrap()))
    };
    let all = rows.unwrap().into_iter().map(with_detail).collect();
    store.close();
    all
}

/// Name, step and figures of every run's curves, as the database has them.
fn curves(folder: &Path) -> Vec<(String, i64, String, Option<f64>)> {
    let database = Connection::open(folder.join("experiments.db")).unwrap();
    let mut all = database
        .prepare(
            "SELECT runs.name, metrics.step, metrics.name, value FROM metrics JOIN runs ON runs.key = run ORDER BY 1, 2, 3",
        )
        .unwrap();
    let row = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    all.query_map([], row).unwrap().map(Result::unwrap).collect()
}

fn line(workspace: &Path, words: &[&str]) {
    let head = ["prefix-workbench".into(), "--device".into(), "cpu".into(), "--workspace".into()];
    let words = words.iter().map(OsString::from);
    let line: Vec<OsString> = head.into_iter().chain([workspace.as_os_str().to_owned()]).chain(words).collect();
    app::cli::run(line.clone(), |_, _| Ok(())).unwrap_or_else(|error| panic!("{line:?}: {error}"));
}

fn config<'a>(all: &'a BTreeMap<String, (RunRow, RunDetail)>, name: &str) -> &'a RunConfig {
    all[name].1.config.as_deref().unwrap_or_else(|| panic!("{name}"))
}

#[test]
fn rows_settings_and_curves_of_earlier_versions_are_all_there() {
    let folder = old();
    let before = curves(folder.path());
    let all = rows_and_details(folder.path());
    let names: Vec<&str> = all.keys().map(String::as_str).collect();
    assert_eq!(names, ["few-shot", "head", "lora", "prefix", "prompt"]);
    assert!(all.values().all(|(row, _)| row.state == RunState::Finished && !row.files_missing));

    let prefix = config(&all, "prefix");
    let training = &prefix.training;
    assert_eq!((training.steps, training.gradient_accumulation, training.save_every), (4, 2, 2));
    assert_eq!((training.max_grad_norm, training.warmup_ratio), (None, 0.5));
    assert!(matches!(training.schedule, Schedule::Polynomial { .. }));
    assert_eq!((training.epoch_end, training.weight_decay_on), (EpochEnd::NextEpoch, WeightDecayOn::All));
    let method = prefix.method.prefix().unwrap();
    assert_eq!((method.n_virtual, method.reparameterization.as_ref().unwrap().width), (3, Some(4)));
    assert!(matches!(&config(&all, "lora").method, MethodConfig::Lora(lora) if lora.rank_stabilized && lora.rank == 2));
    assert!(matches!(&config(&all, "few-shot").method, MethodConfig::FewShot(few_shot) if few_shot.shots == 1));
    assert!(matches!(&config(&all, "prompt").method, MethodConfig::Prompt(prompt) if prompt.n_virtual == 3));
    assert_eq!(config(&all, "head").task, Some(Task::SequenceClassification));
    assert_eq!(all["prefix"].0.experiment.as_deref(), Some("old"));

    // The database is one of today, and nothing of it is lost.
    let today = |name: &str| if name == "labelled_tokens" { "labeled_tokens".to_owned() } else { name.to_owned() };
    let renamed: Vec<_> = before.iter().map(|(run, step, name, x)| (run.clone(), *step, today(name), *x)).collect();
    let mut sorted = renamed.clone();
    sorted.sort_by(|a, b| (&a.0, a.1, &a.2).cmp(&(&b.0, b.1, &b.2)));
    assert_eq!(curves(folder.path()), sorted);
    assert!(renamed.iter().any(|(_, _, name, x)| name == "labeled_tokens" && x.is_some_and(|x| x > 0.0)));
    for (name, (row, detail)) in all.iter().filter(|(name, _)| *name != "few-shot") {
        let loss = detail.series.iter().find(|series| series.name == "loss").unwrap_or_else(|| panic!("{name}"));
        let then = before.iter().filter(|(run, _, what, _)| run == name && what == "loss");
        let then: Vec<[f64; 2]> = then.map(|(_, step, _, x)| [*step as f64, x.unwrap()]).collect();
        assert_eq!((&loss.points, row.step), (&then, 4), "{name}");
        assert!(!detail.evaluations.is_empty() && !detail.checkpoints.is_empty(), "{name}");
    }
}

#[test]
fn what_people_said_in_earlier_versions_is_in_the_folders_now_and_figures_are_found() {
    let folder = old();
    let database = Connection::open(folder.path().join("experiments.db")).unwrap();
    let version: i64 = database.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert!(version < 5, "of an earlier version: {version}");
    database
        .execute_batch(
            "UPDATE runs SET starred = 1 WHERE name = 'head';
             INSERT INTO tags (run, tag) SELECT key, 'paper' FROM runs WHERE name IN ('head', 'lora');
             INSERT INTO notes (run, text) SELECT key, 'mine' FROM runs WHERE name = 'lora'",
        )
        .unwrap();
    drop(database);
    let with = rows_and_details(folder.path());
    fs::remove_file(folder.path().join("experiments.db")).unwrap();
    let without = rows_and_details(folder.path());
    for all in [&with, &without] {
        let (head, lora, prefix) = (&all["head"].0, &all["lora"].0, &all["prefix"].0);
        assert!(head.starred && !lora.starred && head.tags == ["paper"] && lora.tags == ["paper"]);
        assert_eq!((lora.notes.as_str(), all["lora"].1.notes.as_str(), head.notes.as_str()), ("mine", "mine", ""));
        assert!(!head.archived && prefix.tags.is_empty());
        assert!(head.figures.is_empty(), "nothing is kept that computes its best: {:?}", head.figures);
        let perplexity = prefix.best_loss.unwrap().exp();
        assert_eq!(prefix.figures.get("perplexity"), Some(&perplexity));
        assert_eq!(prefix.settings["training"]["gradient_accumulation"], 2, "by the name of today");
    }
    let text = fs::read_to_string(with["prefix"].0.folder.join("run.json")).unwrap();
    assert!(!text.contains("marks"), "nothing was said of it: {text}");
}

#[test]
fn folders_of_earlier_versions_make_the_same_rows_without_a_database() {
    let folder = old();
    let with = rows_and_details(folder.path());
    fs::remove_file(folder.path().join("experiments.db")).unwrap();
    let without = rows_and_details(folder.path());
    assert!(with.keys().eq(without.keys()));
    for (name, (row, detail)) in &with {
        let (again, detail_again) = &without[name];
        assert_eq!((again.state, again.step, again.best_loss), (row.state, row.step, row.best_loss), "{name}");
        assert_eq!(detail_again.config, detail.config, "{name}");
        assert_eq!(detail_again.series, detail.series, "{name}");
        assert_eq!(detail_again.evaluations, detail.evaluations, "{name}");
    }
}

#[test]
fn runs_of_earlier_versions_go_on_and_are_written_under_the_names_of_today() {
    let folder = moved();
    for name in ["prefix", "prompt", "lora", "head"] {
        line(folder.path(), &["resume", name, "--set", "training.steps=6"]);
    }
    let all = rows_and_details(folder.path());
    for name in ["prefix", "prompt", "lora", "head"] {
        let (row, detail) = &all[name];
        assert_eq!((row.state, row.step), (RunState::Finished, 6), "{name}");
        let labels = detail.series.iter().find(|series| series.name == "labeled_tokens").unwrap();
        assert_eq!(labels.points.len(), 6, "{name}: one curve, of before and of today");
    }
    assert_eq!(config(&all, "prefix").training.gradient_accumulation, 2);
    let written = fs::read_to_string(all["prefix"].0.folder.join("config.json")).unwrap();
    assert!(written.contains("\"gradient_accumulation\": 2") && !written.contains("reparameterisation"), "{written}");
}

#[test]
fn adapters_of_earlier_versions_generate_are_measured_and_exported() {
    let folder = moved();
    for name in ["prefix", "prompt", "lora", "few-shot"] {
        line(folder.path(), &["generate", "--run", name, "--source", "the name", "--max-new-tokens", "3", "--greedy"]);
    }
    line(folder.path(), &["evaluate", "--run", "head"]);
    for name in ["prefix", "prompt", "lora", "head"] {
        let to: PathBuf = folder.path().join(format!("exported-{name}"));
        line(folder.path(), &["export", "--run", name, "--to", &to.to_string_lossy()]);
        let config = fs::read_to_string(to.join("adapter_config.json")).unwrap();
        assert!(config.contains("peft_type"), "{config}");
    }
    let file = folder.path().join("shared.prefix");
    line(folder.path(), &["export", "--run", "prefix", "--to", &file.to_string_lossy()]);
    assert!(file.is_file());
}
