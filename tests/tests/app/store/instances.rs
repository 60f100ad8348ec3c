//! Several programs in one workspace, and one that is killed.

use super::*;

#[test]
fn a_second_instance_looks_and_takes_over_nothing() {
    let bench = Bench::new();
    let run = bench.begin(10);
    bench.train(&run, 1, 10, 10);
    bench.store.flush();
    let (second, answers) = Store::open(&bench.workspace, || {}).unwrap();
    assert!(matches!(second.access(), Access::ReadOnly(why) if why.to_string().contains("Another")));
    second.send(Request::ListRuns);
    let seen = pick_from(&answers, runs);
    assert_eq!((seen[0].state, seen[0].step), (RunState::Running, 10), "a live run is not called interrupted");
    second.send(Request::Star { run: run.clone(), starred: true });
    second.send(Request::Delete(run.clone()));
    for _ in 0..2 {
        let failure = pick_from(&answers, |answer| match answer {
            Answer::Refused(failure) => Some(failure),
            _ => None,
        });
        assert!(failure.what.to_string().contains("another Prefix Workbench"), "{failure:?}");
    }
    assert!(!bench.runs()[0].starred);
}

#[test]
fn a_run_of_a_second_instance_reaches_the_first() {
    let mut first = Bench::new();
    let (store, answers) = Store::open(&first.workspace, || {}).unwrap();
    let second = Bench { _folder: tempfile::tempdir().unwrap(), workspace: first.workspace.clone(), store, answers };
    let run = second.begin(20);
    second.train(&run, 1, 10, 20);
    second.store.flush();
    first.send(Request::Rescan);
    let row = first.runs().remove(0);
    assert_eq!((row.state, row.step, row.best_loss), (RunState::Running, 10, Some(0.4)));
    first.send(Request::Delete(run.clone()));
    assert!(first.refusal().what.to_string().contains("being computed"));
    let seen = first.detail(&run, Cursor::default());
    // The engine goes on in its file; the first instance reads on where it was.
    let mut file =
        fs::OpenOptions::new().append(true).open(first.workspace.run_folder(&run).join("metrics.jsonl")).unwrap();
    line(&mut file, "step", serde_json::to_value(step_report(11)).unwrap());
    first.send(Request::Rescan);
    let news = first.detail(&run, seen.cursor);
    assert!(!news.replace);
    assert_eq!(news.series[0].points.len(), 1);
    finish(&second, Outcome::Stopped);
    second.store.close();
    first.send(Request::Rescan);
    assert_eq!(first.runs()[0].state, RunState::Stopped);
    first.reopen();
    assert_eq!(first.runs()[0].step, 11);
}

#[test]
fn what_is_said_of_a_run_that_another_instance_computes_outlives_its_end() {
    let first = Bench::new();
    let (store, answers) = Store::open(&first.workspace, || {}).unwrap();
    let second = Bench { _folder: tempfile::tempdir().unwrap(), workspace: first.workspace.clone(), store, answers };
    let run = second.begin(10);
    second.train(&run, 1, 5, 10);
    second.store.flush();
    first.send(Request::Rescan);
    first.send(Request::Star { run: run.clone(), starred: true });
    first.send(Request::Rename { run: run.clone(), name: "Aurora".into() });
    first.send(Request::Notes { run: run.clone(), text: "mine".into() });
    first.store.flush();
    second.train(&run, 6, 10, 10);
    finish(&second, Outcome::Completed);
    second.store.close();
    first.send(Request::Rescan);
    let row = first.runs().remove(0);
    assert_eq!(
        (row.state, row.starred, row.name.as_str(), row.notes.as_str()),
        (RunState::Finished, true, "Aurora", "mine")
    );
    let text = fs::read_to_string(first.workspace.run_folder(&run).join("run.json")).unwrap();
    assert!(text.contains("Aurora") && text.contains("mine"), "{text}");
}

/// Not a test by itself: the process that is killed below.
#[test]
#[ignore = "started by killed_in_mid_transaction_loses_nothing_committed"]
fn the_process_to_kill() {
    let root = std::env::var_os("STORE_TEST_WORKSPACE").expect("the parent names the workspace");
    let workspace = Workspace::open(Path::new(&root)).unwrap();
    let (store, answers) = Store::open(&workspace, || {}).unwrap();
    let bench = Bench { _folder: tempfile::tempdir().unwrap(), workspace, store, answers };
    let run = bench.begin(1000);
    bench.train(&run, 1, 30, 1000);
    bench.store.flush();
    let mut other = rusqlite::Connection::open(bench.workspace.database()).unwrap();
    let torn = other.transaction().unwrap();
    torn.execute("INSERT INTO metrics SELECT run, step + 5000, name, value FROM metrics", []).unwrap();
    println!("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

#[test]
fn killed_in_mid_transaction_loses_nothing_committed() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::instances::the_process_to_kill", "--ignored", "--nocapture"])
        .env("STORE_TEST_WORKSPACE", folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = std::io::BufReader::new(child.stdout.take().unwrap());
    let ready = std::io::BufRead::lines(output).map_while(Result::ok).any(|line| line.contains("ready"));
    assert!(ready, "the child reached its transaction");
    child.kill().unwrap();
    child.wait().unwrap();
    let workspace = Workspace::open(folder.path()).unwrap();
    let (store, answers) = Store::open(&workspace, || {}).unwrap();
    let bench = Bench { _folder: folder, workspace, store, answers };
    let interrupted = bench.answer(|answer| match answer {
        Answer::Interrupted(n) => Some(n),
        _ => None,
    });
    assert_eq!(interrupted, 1);
    let row = bench.runs().remove(0);
    assert_eq!((row.state, row.step, row.best_step), (RunState::Interrupted, 30, Some(30)));
    let detail = bench.detail(&row.id, Cursor::default());
    assert!(detail.series.iter().all(|series| series.points.len() == 30));
}

#[test]
fn many_may_begin_at_once_in_a_new_workspace() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = Workspace::open(folder.path()).unwrap();
    // Another instance has the lock, and its database is not there yet.
    let held = fs::File::create(workspace.database_lock()).unwrap();
    held.lock().unwrap();
    let (store, answers) = Store::open(&workspace, || {}).unwrap();
    let bench = Bench { _folder: folder, workspace, store, answers };
    let run = bench.begin(10);
    bench.train(&run, 1, 10, 10);
    assert_eq!(bench.runs()[0].step, 10);
    finish(&bench, Outcome::Completed);
    bench.store.close();
    drop(held);
    let (store, answers) = Store::open(&bench.workspace, || {}).unwrap();
    store.send(Request::ListRuns);
    assert_eq!(pick_from(&answers, runs)[0].state, RunState::Finished);
}
