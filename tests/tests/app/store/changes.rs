//! The table of runs follows from the rows that changed.

use std::time::Duration;

use super::*;

/// The next rows that changed and runs that are gone, as the store tells them by itself.
fn changes(bench: &Bench) -> (Vec<RunRow>, Vec<RunId>) {
    bench.answer(|answer| match answer {
        Answer::RunsChanged { rows, gone } => Some((rows, gone)),
        _ => None,
    })
}

/// Two runs that are over, after all about them was told.
fn settled() -> (Bench, [RunId; 2]) {
    let bench = Bench::new();
    let runs = [(); 2].map(|()| {
        let run = bench.begin(10);
        bench.train(&run, 1, 10, 10);
        finish(&bench, Outcome::Completed);
        run
    });
    assert_eq!(bench.runs().len(), 2);
    while is_talking(&bench) {}
    (bench, runs)
}

/// Whether the store says anything about runs by itself within a few of its turns.
fn is_talking(bench: &Bench) -> bool {
    let quiet = Duration::from_millis(400);
    std::iter::from_fn(|| bench.answers.recv_timeout(quiet).ok()).any(|a| matches!(a, Answer::RunsChanged { .. }))
}

#[test]
fn a_run_that_changes_is_told_as_its_row_alone() {
    let (bench, [first, second]) = settled();
    bench.send(Request::Rename { run: second.clone(), name: "Aurora".into() });
    let (rows, gone) = changes(&bench);
    assert_eq!(rows.iter().map(|row| (&row.id, row.name.as_str())).collect::<Vec<_>>(), [(&second, "Aurora")]);
    assert!(gone.is_empty(), "{gone:?}");
    bench.send(Request::Star { run: first.clone(), starred: true });
    let (rows, _) = changes(&bench);
    assert_eq!(rows.iter().map(|row| (&row.id, row.starred)).collect::<Vec<_>>(), [(&first, true)]);
    assert!(bench.runs().contains(&rows[0]), "as it is listed");
}

#[test]
fn a_run_that_is_deleted_is_told_as_gone_once() {
    let (bench, [first, second]) = settled();
    bench.send(Request::Delete(first.clone()));
    let (rows, gone) = changes(&bench);
    assert_eq!((rows.len(), gone), (0, vec![first]));
    assert!(!is_talking(&bench));
    assert_eq!(bench.runs().iter().map(|row| &row.id).collect::<Vec<_>>(), [&second]);
}

#[test]
fn a_table_in_which_nothing_changes_is_not_told_again() {
    let (bench, _) = settled();
    bench.send(Request::Rescan);
    bench.send(Request::ListLibrary);
    assert!(!is_talking(&bench));
}

#[test]
fn files_that_somebody_takes_away_change_a_row() {
    let (bench, [first, _]) = settled();
    fs::remove_dir_all(bench.workspace.run_folder(&first)).unwrap();
    bench.send(Request::Rescan);
    let (rows, _) = changes(&bench);
    assert_eq!(rows.iter().map(|row| (&row.id, row.files_missing)).collect::<Vec<_>>(), [(&first, true)]);
}
