//! Whatever is typed above the table of runs is read, answered and completed.

use std::collections::BTreeMap;
use std::sync::Arc;

use app::store::{RunRow, RunState};
use app::study::filter::{complete, parse, passes, trouble, values};
use app::study::{Cell, Key, cell, names};
use app::workspace::RunId;
use engine::config::{DataConfig, RunConfig};
use proptest::prelude::*;

fn row(id: &str) -> RunRow {
    let config = RunConfig::new("/models/tiny", DataConfig::new("/sets/records/train.jsonl"));
    RunRow {
        id: RunId(id.to_owned()),
        name: format!("café {id}"),
        state: RunState::Finished,
        host: None,
        phase: None,
        starred: false,
        tags: vec!["paper".to_owned(), "我的".to_owned()],
        experiment: None,
        model: "tiny".to_owned(),
        model_folder: "/models/tiny".into(),
        dataset: "records".to_owned(),
        method: "prefix 20".to_owned(),
        n_virtual: 20,
        trained_parameters: None,
        stored_parameters: Some(184_320),
        best_loss: Some(1.25),
        best_step: Some(90),
        last_loss: Some(f64::NAN),
        step: 100,
        total_steps: 100,
        created: 0,
        started: Some(0),
        ended: None,
        duration_secs: 61.0,
        sparkline: Vec::new(),
        folder: "/runs/x".into(),
        files_missing: false,
        failure: None,
        archived: false,
        notes: "two\nlines".to_owned(),
        settings: Arc::new(serde_json::to_value(config).unwrap()),
        figures: Arc::new(BTreeMap::from([("accuracy".to_owned(), 0.5), ("test/bleu".to_owned(), f64::NAN)])),
    }
}

/// Lines of the pieces that the language has, and of anything else.
fn lines() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "(loss|n_virtual|tag|state|lr|started|test/bleu|data.train|quux)",
        "(:|=|<|<=|>|>=|!=|==)",
        "[-\" \t]",
        "(2.5|1e-3|100k|2026-11-20|paper|我的|é)",
        any::<String>(),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_line_is_too_strange(line in lines(), cursor in 0_usize..60) {
        let rows = [row("a"), row("b")];
        let rows: Vec<&RunRow> = rows.iter().collect();
        let (filter, names) = (parse(&line), names(&rows));
        let all = rows.iter().filter(|row| passes(row, &filter)).count();
        prop_assert!(!filter.is_empty() || all == rows.len(), "nothing is asked, and a run is hidden: {line:?}");
        if let Some(said) = trouble(&filter, &names) {
            prop_assert!(!said.is_empty());
        }
        for completion in complete(&line, cursor, &names, &|name| values(&rows, name)) {
            prop_assert!(completion.cursor <= completion.line.chars().count(), "{completion:?}");
            prop_assert!(!completion.shown.is_empty());
            parse(&completion.line);
        }
        let shown = |cell: Option<Cell>| cell.map(|cell| cell.to_string());
        prop_assert_eq!(shown(cell(rows[0], &line)), shown(Key::of(&line).cell(rows[0])));
    }

    /// What is offered for a name is found by it.
    #[test]
    fn a_value_that_is_offered_is_found(at in 0_usize..200) {
        let rows = [row("a")];
        let rows: Vec<&RunRow> = rows.iter().collect();
        let names = names(&rows);
        let name = &names[at % names.len()].short;
        let values = values(&rows, name);
        let finite = values.iter().filter(|value| *value != "NaN" && !value.contains(['\n', '"']));
        for value in finite {
            let line = format!("{name}=\"{value}\"");
            prop_assert!(passes(rows[0], &parse(&line)), "{}", line);
            let line = format!("-{line}");
            prop_assert!(!passes(rows[0], &parse(&line)), "{}", line);
        }
    }
}
