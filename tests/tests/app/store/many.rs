//! A thousand runs.

use std::sync::Arc;
use std::time::Instant;

use super::*;

/// A workspace with the folders of so many finished runs, before any database.
fn workspace_of(runs: usize) -> (TempDir, Workspace) {
    let folder = tempfile::tempdir().unwrap();
    let workspace = Workspace::open(folder.path()).unwrap();
    for index in 0..runs {
        let run = workspace.run_folder(&RunId(format!("20261101-000000-{index:04}")));
        fs::create_dir(&run).unwrap();
        let mut config = config(10 + index % 7);
        config.seed = index as u64;
        fs::write(run.join("config.json"), serde_json::to_string(&config).unwrap()).unwrap();
        let file = json!({"name": format!("run {index}"), "state": "finished", "created": index});
        fs::write(run.join("run.json"), file.to_string()).unwrap();
    }
    (folder, workspace)
}

/// The store sends what changed, and what did not change is the same in memory.
#[test]
fn one_run_of_many_that_changes_is_told_alone_and_shares_what_stayed() {
    let (folder, workspace) = workspace_of(60);
    let (store, answers) = Store::open(&workspace, || {}).unwrap();
    let bench = Bench { _folder: folder, workspace, store, answers };
    let rows = bench.runs();
    assert_eq!(rows.len(), 60);
    let told = || {
        bench.answer(|answer| match answer {
            Answer::RunsChanged { rows, .. } => Some(rows),
            _ => None,
        })
    };
    // What was read at the start is told once.
    told();
    bench.send(Request::Tags { run: rows[30].id.clone(), tags: vec!["paper".into()] });
    let changed = told();
    assert_eq!(changed.iter().map(|row| &row.id).collect::<Vec<_>>(), [&rows[30].id]);
    assert!(Arc::ptr_eq(&changed[0].settings, &rows[30].settings));
    let again = bench.runs();
    assert!(again.iter().zip(&rows).all(|(a, b)| Arc::ptr_eq(&a.settings, &b.settings)));
}

/// By hand: `cargo test --release -p tests --test app -- --ignored --nocapture thousand`.
#[test]
#[ignore = "prints how long a thousand runs take"]
fn a_thousand_runs_in_milliseconds() {
    let (folder, workspace) = workspace_of(1000);
    let (store, answers) = Store::open(&workspace, || {}).unwrap();
    let mut bench = Bench { _folder: folder, workspace, store, answers };
    bench.runs();
    bench.reopen();
    bench.store.flush();
    let mut took = Vec::new();
    for what in ["listed first", "listed again", "listed again"] {
        let began = Instant::now();
        let rows = bench.runs();
        took.push(format!("{what} {:.1} ms ({} runs)", began.elapsed().as_secs_f64() * 1e3, rows.len()));
    }
    let rows = bench.runs();
    let began = Instant::now();
    bench.send(Request::Star { run: rows[500].id.clone(), starred: true });
    bench.store.flush();
    took.push(format!("one changed {:.2} ms", began.elapsed().as_secs_f64() * 1e3));
    let rows: Vec<&RunRow> = rows.iter().collect();
    let began = Instant::now();
    let filter = app::study::filter::parse("method:prefix n_virtual>10 seed<900 lr<1 paper");
    let passing = rows.iter().filter(|row| app::study::filter::passes(row, &filter)).count();
    took.push(format!("filtered {:.2} ms ({passing})", began.elapsed().as_secs_f64() * 1e3));
    let began = Instant::now();
    let names = app::study::names(&rows).len();
    took.push(format!("names {:.2} ms ({names})", began.elapsed().as_secs_f64() * 1e3));
    let began = Instant::now();
    let groups = app::study::over_seeds(&rows, "loss").len();
    took.push(format!("over seeds {:.2} ms ({groups})", began.elapsed().as_secs_f64() * 1e3));
    println!("{}", took.join("\n"));
}
