//! The database lost, broken, of another version, or not there at all: it is made again from the run folders.

use super::*;

#[test]
fn a_lost_database_is_made_again_from_the_folders() {
    let mut bench = Bench::new();
    let finished = bench.begin(20);
    bench.train(&finished, 1, 20, 20);
    finish(&bench, Outcome::StoppedEarly);
    let stopped = bench.begin(30);
    bench.train(&stopped, 1, 13, 30);
    finish(&bench, Outcome::Stopped);
    bench.send(Request::Rename { run: stopped.clone(), name: "mine".into() });
    bench.send(Request::Star { run: stopped.clone(), starred: true });
    bench.send(Request::Tags { run: stopped.clone(), tags: vec!["paper".into(), "首选".into()] });
    bench.send(Request::Notes { run: stopped.clone(), text: "two\nlines".into() });
    bench.send(Request::Archive { run: finished.clone(), archived: true });
    bench.send(Request::Experiment { run: stopped.clone(), name: Some("lengths".into()) });
    let rows = bench.runs();
    assert!(rows[0].starred && rows[0].tags.len() == 2 && rows[0].notes.ends_with("lines") && rows[1].archived);
    assert!(rows[0].settings["data"].is_object() && rows[0].figures.contains_key("perplexity"), "{rows:?}");
    let details = [&finished, &stopped].map(|run| bench.detail(run, Cursor::default()));
    bench.store.close();
    fs::remove_file(bench.workspace.database()).unwrap();
    bench.reopen();
    assert_eq!(bench.runs(), rows);
    for (before, run) in details.iter().zip([&finished, &stopped]) {
        let after = bench.detail(run, Cursor::default());
        assert_eq!(after.series, before.series);
        assert_eq!(after.evaluations, before.evaluations);
        assert_eq!(after.samples, before.samples);
        assert_eq!(after.checkpoints, before.checkpoints);
        assert_eq!(after.log, before.log);
        assert_eq!((after.config, after.facts), (before.config.clone(), before.facts.clone()));
    }
}

#[test]
fn a_broken_database_is_set_aside() {
    let mut bench = Bench::new();
    let run = bench.begin(10);
    bench.train(&run, 1, 10, 10);
    finish(&bench, Outcome::Completed);
    bench.store.close();
    let garbage = b"this is no database, whatever its name says".repeat(100);
    fs::write(bench.workspace.database(), &garbage).unwrap();
    bench.reopen();
    let notice = bench.answer(|answer| match answer {
        Answer::Notice(text) => Some(text.to_string()),
        _ => None,
    });
    assert!(notice.to_string().contains("damaged"), "{notice}");
    assert_eq!(bench.runs()[0].id, run);
    assert_eq!(fs::read(bench.workspace.root().join("experiments.db.broken")).unwrap(), garbage);
}

#[test]
fn damaged_pages_are_found_at_the_start() {
    let mut bench = Bench::new();
    let run = bench.begin(200);
    bench.train(&run, 1, 200, 200);
    finish(&bench, Outcome::Completed);
    bench.store.close();
    let mut bytes = fs::read(bench.workspace.database()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0xa5);
    fs::write(bench.workspace.database(), bytes).unwrap();
    bench.reopen();
    assert_eq!(bench.runs()[0].step, 200);
    assert!(bench.workspace.root().join("experiments.db.broken").exists());
}

#[test]
fn a_newer_database_is_refused_and_left_alone() {
    let bench = Bench::new();
    bench.begin(10);
    bench.store.close();
    let path = bench.workspace.database();
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let bytes = fs::read(&path).unwrap();
    let error = Store::open(&bench.workspace, || {}).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 99, known: 5, .. }));
    assert!(error.to_string().contains("version 99") && error.to_string().contains("up to 5"), "{error}");
    assert!(error.advice().to_string().contains("experiments.db.version-99"), "{}", error.advice());
    assert_eq!(fs::read(&path).unwrap(), bytes);
    let aside = app::store::set_aside(&bench.workspace).unwrap();
    assert_eq!(fs::read(aside).unwrap(), bytes);
    let (store, answers) = Store::open(&bench.workspace, || {}).unwrap();
    store.send(Request::ListRuns);
    assert_eq!(pick_from(&answers, runs).len(), 1);
}

#[test]
fn without_a_database_runs_can_be_looked_at_and_deleted() {
    let mut bench = Bench::new();
    let (run, other) = (finished(&bench), finished(&bench));
    bench.store.close();
    // As little to be opened as one on a full disk.
    fs::remove_file(bench.workspace.database()).unwrap();
    fs::create_dir(bench.workspace.database()).unwrap();
    bench.reopen();
    assert!(notice(&bench).contains("kept in memory only"));
    assert_eq!(bench.runs().len(), 2);
    assert_eq!(bench.detail(&run, Cursor::default()).evaluations.len(), 1);
    bench.send(Request::RememberDataset { train: "/sets/other.csv".into(), validation: None });
    assert!(bench.refusal().what.to_string().contains("kept nowhere else"));
    bench.send(Request::Star { run: other.clone(), starred: true });
    assert!(bench.runs().iter().any(|row| row.id == other && row.starred), "the folder keeps it");
    bench.send(Request::Delete(run.clone()));
    assert_eq!(bench.runs().remove(0).id, other);
    assert!(!bench.workspace.run_folder(&run).exists());
    // As soon as there is room again, the database is made.
    fs::remove_dir(bench.workspace.database()).unwrap();
    bench.send(Request::Delete(other));
    assert!(bench.runs().is_empty());
    assert!(bench.workspace.database().is_file());
}

/// Changes the database as nobody should, while no store has it open.
fn tamper(bench: &Bench, sql: &str) {
    bench.store.close();
    let database = rusqlite::Connection::open(bench.workspace.database()).unwrap();
    database.pragma_update(None, "foreign_keys", false).unwrap();
    database.execute_batch(sql).unwrap();
}

#[test]
fn a_database_whose_tables_are_wrong_is_made_again_with_what_people_wrote() {
    for sql in [
        "DROP TABLE metrics",
        "ALTER TABLE runs RENAME COLUMN synced TO sunk",
        "PRAGMA user_version = 0",
        "PRAGMA user_version = 1",
        "UPDATE runs SET name = x'00'",
        "UPDATE runs SET created = 'yesterday'",
        "UPDATE runs SET id = '../../victim'",
        "UPDATE checkpoints SET folder = '../../victim'",
    ] {
        let mut bench = Bench::new();
        let run = finished(&bench);
        let victim = bench.workspace.root().join("victim");
        fs::create_dir(&victim).unwrap();
        bench.send(Request::Notes { run: run.clone(), text: "mine".into() });
        tamper(&bench, sql);
        bench.reopen();
        let row = bench.runs().remove(0);
        assert_eq!((&row.id, row.name.as_str(), row.step), (&run, "prefix 20 · records", 10), "{sql}");
        let detail = bench.detail(&run, Cursor::default());
        assert_eq!(detail.series[0].points.len(), 10, "{sql}");
        assert!(bench.workspace.root().join("experiments.db.broken").exists(), "{sql}");
        assert_eq!(detail.notes, "mine", "{sql}");
        assert!(victim.exists());
    }
}

#[test]
fn a_database_that_was_closed_is_not_read_whole_and_damage_is_found_where_it_is_read() {
    let mut bench = Bench::new();
    let run = bench.begin(3000);
    bench.train(&run, 1, 3000, 3000);
    finish(&bench, Outcome::Completed);
    bench.store.close();
    let path = bench.workspace.database();
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let (from, to) = (bytes.len() / 4, bytes.len() / 4 * 3);
    bytes[from..to].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    bench.reopen();
    let detail = bench.detail(&run, Cursor::default());
    assert_eq!((detail.row.step, detail.series[0].points.len()), (3000, 3000));
    assert!(bench.workspace.root().join("experiments.db.broken").exists());
}
