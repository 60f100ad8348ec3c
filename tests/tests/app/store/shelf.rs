//! Deleting, naming, starring; the library; what is left behind.

use super::*;

#[test]
fn a_run_is_deleted_with_its_files() {
    let bench = Bench::new();
    let run = bench.begin(10);
    bench.train(&run, 1, 10, 10);
    bench.send(Request::Delete(run.clone()));
    assert_eq!(bench.refusal().advice, "Stop it first, then delete it");
    finish(&bench, Outcome::Stopped);
    bench.send(Request::Delete(run.clone()));
    let left = bench.answer(|answer| match answer {
        Answer::Deleted { run: gone, left } => (gone == run).then_some(left),
        _ => None,
    });
    assert_eq!(left, None);
    assert!(bench.runs().is_empty());
    assert!(!bench.workspace.run_folder(&run).exists());
    bench.send(Request::Detail { run, since: Cursor::default() });
    assert!(bench.refusal().what.to_string().contains("there is no run"));
}

#[test]
fn a_run_without_files_stays_until_it_is_forgotten() {
    let bench = Bench::new();
    let run = bench.begin(10);
    bench.train(&run, 1, 10, 10);
    finish(&bench, Outcome::Completed);
    bench.store.flush();
    fs::remove_dir_all(bench.workspace.run_folder(&run)).unwrap();
    assert!(bench.runs()[0].files_missing);
    bench.send(Request::Star { run: run.clone(), starred: true });
    assert!(bench.runs()[0].starred, "the row keeps it");
    bench.send(Request::Delete(run));
    let left = bench.answer(|answer| match answer {
        Answer::Deleted { left, .. } => Some(left),
        _ => None,
    });
    assert!(left.is_some_and(|why| why.to_string().contains("cannot be taken back")));
    assert!(bench.runs().is_empty());
}

#[test]
fn stars_tags_and_notes_stay() {
    let mut bench = Bench::new();
    let run = bench.begin(10);
    bench.send(Request::Star { run: run.clone(), starred: true });
    bench.send(Request::Tags {
        run: run.clone(),
        tags: vec!["paper".into(), " ".into(), "首选".into(), "paper".into()],
    });
    bench.send(Request::Notes { run: run.clone(), text: "two lines\nof notes".into() });
    bench.send(Request::Rename { run: run.clone(), name: "  Aurora ".into() });
    bench.send(Request::Rename { run: run.clone(), name: " ".into() });
    assert!(bench.refusal().what.to_string().contains("needs a name"));
    bench.reopen();
    let row = &bench.runs()[0];
    assert_eq!((row.starred, row.name.as_str()), (true, "Aurora"));
    assert_eq!(row.tags, ["paper", "首选"]);
    assert_eq!(row.notes, "two lines\nof notes");
    assert_eq!(bench.detail(&run, Cursor::default()).notes, "two lines\nof notes");
}

#[test]
fn the_library_knows_what_was_used() {
    let bench = Bench::new();
    let run = bench.begin(10);
    bench.train(&run, 1, 1, 10);
    let file = |name: &str| bench.workspace.root().join(name);
    fs::write(file("e2e.csv"), "source,target\n").unwrap();
    bench.send(Request::RememberDataset { train: file("e2e.csv"), validation: None });
    fs::write(file("rows.csv"), "SQLite format 3\0").unwrap();
    for (name, word) in [("rows.csv", "an SQLite database"), ("none.csv", "no such file")] {
        bench.send(Request::RememberDataset { train: file(name), validation: None });
        let refused = bench.refusal().what;
        assert!(refused.to_string().contains(word), "{refused}");
    }
    bench.send(Request::ForgetModel(PathBuf::from("/models/tiny")));
    assert!(bench.refusal().what.to_string().contains("there are runs of this model"));
    bench.send(Request::ListLibrary);
    let (models, datasets) = bench.answer(|answer| match answer {
        Answer::Library { models, datasets } => Some((models, datasets)),
        _ => None,
    });
    assert_eq!((models[0].name.as_str(), models[0].architecture.as_deref(), models[0].runs), ("tiny", Some("gpt2"), 1));
    let names: Vec<&str> = datasets.iter().map(|dataset| dataset.name.as_str()).collect();
    assert_eq!((names.len(), names.contains(&"e2e"), names.contains(&"records")), (2, true, true));
}

#[test]
fn a_dataset_that_no_run_could_read_is_not_offered() {
    let bench = Bench::new();
    let datasets = || {
        bench.send(Request::ListLibrary);
        bench.answer(|answer| match answer {
            Answer::Library { datasets, .. } => Some(datasets.len()),
            _ => None,
        })
    };
    bench.begin(10);
    assert_eq!(datasets(), 1, "a run that begins is on it");
    let failure =
        Failure { what: engine::Sentence::verbatim("no such file"), advice: engine::Sentence::verbatim("check") };
    bench.tell(Report::Failed(failure.clone()));
    assert_eq!(datasets(), 0);
    let run = bench.begin(10);
    bench.train(&run, 1, 1, 10);
    bench.tell(Report::Failed(failure));
    assert_eq!(datasets(), 1, "its rows were read, whatever came afterwards");
}

#[cfg(unix)]
#[test]
fn one_run_folder_that_cannot_be_read_is_named_and_keeps_nobody_from_the_others() {
    let mut bench = Bench::new();
    let (good, profile) = (finished(&bench), bench.workspace.root().join("profile"));
    fs::write(&profile, "mine\n").unwrap();
    let pipe = |path: &Path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    let spoil: [&dyn Fn(&Path); 6] = [
        &|run| std::os::unix::fs::symlink(&profile, run.join("log.jsonl")).unwrap(),
        &|run| std::os::unix::fs::symlink("nowhere", run.join("lock")).unwrap(),
        &|run| pipe(&run.join("lock")),
        &|run| pipe(&run.join("metrics.jsonl")),
        &|run| fs::create_dir(run.join("metrics.jsonl")).unwrap(),
        &|run| fs::write(run.join("checkpoints.json"), r#"{"all": ["../../../profile"]}"#).unwrap(),
    ];
    bench.store.close();
    for (index, spoil) in spoil.iter().enumerate() {
        let bad = bench.workspace.runs().join("20260101-000000-0000");
        fs::create_dir(&bad).unwrap();
        fs::copy(bench.workspace.run_folder(&good).join("config.json"), bad.join("config.json")).unwrap();
        spoil(&bad);
        bench.reopen();
        let told = notice(&bench);
        assert!(told.contains("20260101-000000-0000 is left out"), "{index}: {told}");
        assert_eq!(bench.runs().iter().map(|row| &row.id).collect::<Vec<_>>(), [&good], "{index}");
        assert_eq!(bench.detail(&good, Cursor::default()).evaluations.len(), 1);
        bench.store.close();
        fs::remove_dir_all(&bad).unwrap();
    }
    assert_eq!(fs::read_to_string(&profile).unwrap(), "mine\n");
}

#[test]
fn what_killed_programs_left_is_removed() {
    let mut bench = Bench::new();
    let run = bench.begin(20);
    bench.train(&run, 1, 10, 20);
    finish(&bench, Outcome::Stopped);
    bench.store.close();
    let folder = bench.workspace.run_folder(&run);
    let text = fs::read_to_string(folder.join("run.json")).unwrap();
    fs::write(folder.join("run.json"), text.replace("stopped", "running")).unwrap();
    let draft = folder.join("checkpoints/.draft-abc");
    fs::create_dir(&draft).unwrap();
    let (empty, young) = (bench.workspace.runs().join("old"), bench.workspace.runs().join("young"));
    let half = bench.workspace.runs().join(".deleted-20260101-000000-0000");
    for folder in [&empty, &young, &half] {
        fs::create_dir(folder).unwrap();
    }
    let yesterday = std::time::SystemTime::now() - std::time::Duration::from_secs(48 * 3600);
    fs::File::open(&empty).unwrap().set_modified(yesterday).unwrap();
    bench.reopen();
    assert_eq!(bench.runs()[0].state, RunState::Interrupted);
    assert!(!draft.exists() && !empty.exists() && !half.exists());
    assert!(young.exists(), "a run that is just beginning");
}

#[test]
fn a_dataset_that_could_not_be_read_is_not_offered_again() {
    let bench = Bench::new();
    bench.begin(10);
    let failure = Failure {
        what: engine::Sentence::verbatim("no row can be trained on"),
        advice: engine::Sentence::verbatim("Check the columns"),
    };
    bench.tell(Report::Failed(failure));
    bench.send(Request::ListLibrary);
    let known = bench.answer(|answer| match answer {
        Answer::Library { models, datasets } => Some((models.len(), datasets.len())),
        _ => None,
    });
    assert_eq!(known, (0, 0));
}

#[test]
fn a_deleted_folder_does_not_come_back_with_the_end_of_its_run() {
    let bench = Bench::new();
    let run = bench.begin(10);
    bench.train(&run, 1, 5, 10);
    bench.store.flush();
    fs::remove_dir_all(bench.workspace.run_folder(&run)).unwrap();
    let failure = Failure {
        what: engine::Sentence::verbatim("cannot create a checkpoint"),
        advice: engine::Sentence::verbatim("Check"),
    };
    bench.tell(Report::Failed(failure));
    let row = bench.runs().remove(0);
    assert!(row.files_missing && row.state == RunState::Failed);
    assert!(!bench.workspace.run_folder(&run).exists());
    bench.send(Request::Delete(run));
    assert!(bench.runs().is_empty());
}

#[cfg(unix)]
#[test]
fn runs_and_database_are_nobody_elses_business() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    let run = finished(&bench);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&bench.workspace.run_folder(&run)), 0o700);
    assert_eq!(mode(&bench.workspace.database()), 0o600);
}
