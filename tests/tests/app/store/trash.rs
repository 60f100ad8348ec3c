//! Deleted runs: out of the list, and back with all that was said of them.

use std::time::{Duration, SystemTime};

use app::store::trashed_runs;

use super::*;

fn names(folder: &Path) -> Vec<String> {
    let found = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> = found.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_deleted_run_comes_back_with_all_that_was_said_of_it() {
    let mut bench = Bench::new();
    let (run, other) = (finished(&bench), finished(&bench));
    bench.send(Request::Rename { run: run.clone(), name: "Aurora".into() });
    bench.send(Request::Experiment { run: run.clone(), name: Some("lengths".into()) });
    bench.send(Request::Star { run: run.clone(), starred: true });
    bench.send(Request::Tags { run: run.clone(), tags: vec!["paper".into()] });
    bench.send(Request::Notes { run: run.clone(), text: "look at the tail".into() });
    bench.send(Request::Archive { run: run.clone(), archived: true });
    let rows = bench.runs();
    let detail = bench.detail(&run, Cursor::default());
    bench.send(Request::Delete(run.clone()));
    assert_eq!(bench.runs().iter().map(|row| &row.id).collect::<Vec<_>>(), [&other]);
    assert!(!bench.workspace.run_folder(&run).exists());
    let kept = trashed_runs(&bench.workspace);
    assert_eq!(kept.iter().map(|run| (&run.id, run.name.as_str())).collect::<Vec<_>>(), [(&run, "Aurora")]);

    // Neither the next start nor a database that is made again finds it among the runs.
    bench.store.close();
    fs::remove_file(bench.workspace.database()).unwrap();
    bench.reopen();
    assert_eq!(bench.runs().len(), 1);
    assert_eq!(trashed_runs(&bench.workspace).len(), 1, "seven days are not over");

    bench.send(Request::Undelete(run.clone()));
    let told = bench.answer(|answer| match answer {
        Answer::RunsChanged { rows, .. } => rows.into_iter().find(|row| row.id == run),
        _ => None,
    });
    assert_eq!(told.name, "Aurora");
    assert_eq!(bench.runs(), rows);
    let again = bench.detail(&run, Cursor::default());
    assert_eq!((again.series, again.evaluations, again.log), (detail.series, detail.evaluations, detail.log));
    assert!(trashed_runs(&bench.workspace).is_empty());
}

#[test]
fn what_is_not_in_the_trash_is_refused() {
    let bench = Bench::new();
    let run = finished(&bench);
    for (asked, word) in
        [(run.0.as_str(), "need not be"), ("nobody", "is kept"), ("../runs", "is kept"), ("", "is kept")]
    {
        bench.send(Request::Undelete(RunId(asked.to_owned())));
        let refused = bench.refusal().what.to_string();
        assert!(refused.contains(word), "{asked}: {refused}");
    }
    assert_eq!(bench.runs().len(), 1);
}

#[test]
fn the_trash_is_emptied_of_what_is_old_at_the_start_and_of_everything_when_asked() {
    let mut bench = Bench::new();
    let (old, young) = (finished(&bench), finished(&bench));
    bench.send(Request::Delete(old.clone()));
    bench.send(Request::Delete(young.clone()));
    bench.store.flush();
    let days = |n: u64| SystemTime::now() - Duration::from_secs(n * 24 * 3600);
    for (run, age) in [(&old, days(8)), (&young, days(6))] {
        fs::File::open(bench.workspace.trash().join(&run.0)).unwrap().set_modified(age).unwrap();
    }
    bench.reopen();
    assert!(bench.runs().is_empty());
    assert_eq!(names(&bench.workspace.trash()), [young.0.as_str()]);
    bench.send(Request::EmptyTrash);
    let emptied = bench.answer(|answer| match answer {
        Answer::TrashEmptied { runs, left } => Some((runs, left)),
        _ => None,
    });
    assert_eq!(emptied, (1, None));
    assert!(names(&bench.workspace.trash()).is_empty());
    bench.send(Request::Undelete(young));
    assert!(bench.refusal().what.to_string().contains("is kept"));
}

#[test]
fn a_run_that_is_deleted_twice_is_kept_twice() {
    let bench = Bench::new();
    let run = finished(&bench);
    bench.send(Request::Delete(run.clone()));
    bench.store.flush();
    // Somebody puts a copy back by hand.
    let (here, there) = (bench.workspace.run_folder(&run), bench.workspace.trash().join(&run.0));
    fs::create_dir(&here).unwrap();
    for name in ["config.json", "run.json"] {
        fs::copy(there.join(name), here.join(name)).unwrap();
    }
    bench.send(Request::Rescan);
    assert_eq!(bench.runs().len(), 1);
    bench.send(Request::Delete(run.clone()));
    assert!(bench.runs().is_empty());
    assert_eq!(names(&bench.workspace.trash()), [run.0.clone(), format!("{run}-2")]);
}

#[test]
fn without_a_place_for_the_trash_a_deleted_run_stays_hidden_beside_the_others() {
    let mut bench = Bench::new();
    let run = finished(&bench);
    fs::write(bench.workspace.trash(), "no folder").unwrap();
    bench.send(Request::Delete(run.clone()));
    assert!(bench.runs().is_empty());
    assert_eq!(names(&bench.workspace.runs()), [format!(".trash-{run}")]);
    bench.reopen();
    assert!(bench.runs().is_empty());
    bench.send(Request::Undelete(run.clone()));
    assert_eq!(bench.runs()[0].id, run);
}
