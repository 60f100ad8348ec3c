//! A set of rows in *Compare*: asked for, followed, sorted and filtered, judged blindly, written to files.

use app::action::Pick;
use app::i18n::Language;
use app::screens::compare::state::votes::SetVote;
use app::window::Workbench;
use app::window::backend::BackendEvent;
use egui::Key;
use egui_kittest::kittest::Queryable as _;
use engine::evaluation::MetricFigure;
use engine::protocol::{Ask, Command, ComparedColumn, ComparedRow, JobId, Outcome, Phase, Report, RowSetRequest};

use crate::compare::{answer, comparing};
use crate::narrow::out_of_reach;
use crate::scenes::{click, failure, pictures};
use crate::world::{Bench, Start, settings};

fn window(bench: &mut Bench) -> &mut Workbench {
    bench.harness.state_mut().as_mut().expect("the window is open")
}

/// High enough for every part of the screen.
fn high() -> Start {
    Start { size: [1280.0, 1700.0], ..Start::default() }
}

fn asked(bench: &Bench) -> (JobId, RowSetRequest) {
    let sent = bench.last(|command| match command {
        Command { job, ask: Ask::CompareRows(request) } => Some((*job, request.as_ref().clone())),
        _ => None,
    });
    sent.expect("the rows were sent")
}

fn told(number: usize, texts: [&str; 2], losses: [f64; 2]) -> Report {
    let row = ComparedRow {
        row: number,
        source: format!("source {number}"),
        references: vec!["Blue Spice is a pub.".into()],
        texts: texts.map(str::to_owned).to_vec(),
        losses: losses.map(Some).to_vec(),
    };
    Report::RowCompared { done: number, total: 3, row: Box::new(row) }
}

fn scored() -> Report {
    let figure = |value| MetricFigure { name: "bleu".into(), figure: value, low: 0.1, high: 0.9, signature: None };
    let column = |value, rows: [f64; 3]| ComparedColumn {
        adapter_hash: String::new(),
        figures: vec![figure(value)],
        rows: rows.map(|figure| vec![Some(figure)]).to_vec(),
    };
    Report::SetCompared {
        rows: vec![1, 2, 3],
        columns: vec![column(0.2, [0.2, 0.3, 0.1]), column(0.4, [0.6, 0.1, 0.1])],
    }
}

/// The texts of three rows under the base and a run, scored.
fn compared(bench: &mut Bench) {
    answer(bench, true);
    click(bench, "A set of rows");
    click(bench, "Compare the rows");
    let (job, _) = asked(bench);
    bench.event(job, Report::Phase(Phase::Predicting { share: 0.1 }));
    bench.event(job, told(1, ["The river was cold.", "Blue Spice is a pub."], [4.0, 1.0]));
    bench.event(job, told(2, ["The old man said nothing.", "Blue Spice is cheap."], [3.0, 3.5]));
    bench.event(job, told(3, ["Nothing.", "Nothing."], [2.0, 2.0]));
    bench.event(job, scored());
    bench.event(job, Report::Finished { outcome: Outcome::Completed });
}

fn rows_in_sight(bench: &Bench) -> Vec<usize> {
    let numbers =
        (1..=3).filter(|number| bench.harness.query_by_label(&format!("Row {number}: source {number}")).is_some());
    let top =
        |number: &usize| bench.harness.get_by_label(&format!("Row {number}: source {number}")).rect().top() as i64;
    let mut rows: Vec<usize> = numbers.collect();
    rows.sort_by_key(top);
    rows
}

#[test]
fn every_column_writes_for_the_rows_of_the_compared_run() {
    let mut bench = comparing(high());
    answer(&mut bench, true);
    click(&mut bench, "A set of rows");
    click(&mut bench, "Compare the rows");
    let (job, request) = asked(&bench);
    assert!(request.data.train.ends_with("validation.jsonl") && request.data.validation.is_none());
    assert!(request.columns.len() == 2 && request.columns[1].adapter.is_some() && request.losses);
    assert!(!request.metrics.is_empty() && request.limit == Some(40));
    bench.event(job, told(1, ["a", "b"], [1.0, 2.0]));
    assert_eq!(rows_in_sight(&bench), [1], "rows are shown as they come");
    click(&mut bench, "Stop and score");
    let stopped =
        bench.last(|c| matches!(c, Command { job: stopped, ask: Ask::Stop } if *stopped == job).then_some(()));
    assert_eq!(stopped, Some(()));
    assert!(window(&mut bench).state.comparison.set.request.is_open(), "what is there is scored first");
    let columns = vec![ComparedColumn::default(), ComparedColumn::default()];
    bench.event(job, Report::SetCompared { rows: vec![1], columns });
    bench.event(job, Report::Finished { outcome: Outcome::Stopped });
    click(&mut bench, "Compare the rows");
}

#[test]
fn rows_are_sorted_filtered_and_walked_through_by_key() {
    let mut bench = comparing(high());
    compared(&mut bench);
    bench.harness.check_accessibility();
    assert_eq!(rows_in_sight(&bench), [1, 2, 3]);
    click(&mut bench, "By figure");
    assert_eq!(rows_in_sight(&bench), [1, 2, 3], "the losses of the first differ by 3, of the second by 0.5");
    click(&mut bench, "Changed");
    assert_eq!(rows_in_sight(&bench), [1, 2]);
    click(&mut bench, "Worse than the base");
    assert_eq!(rows_in_sight(&bench), [2]);
    click(&mut bench, "All");
    click(&mut bench, "Mark row 3");
    click(&mut bench, "Marked");
    assert_eq!(rows_in_sight(&bench), [3]);
    click(&mut bench, "All");
    click(&mut bench, "As in the file");
    bench.harness.key_press(Key::ArrowDown);
    bench.settle();
    bench.harness.key_press(Key::ArrowDown);
    bench.settle();
    bench.harness.get_by_label("Note on row 2").focus();
    bench.harness.get_by_label("Note on row 2").type_text("odd");
    bench.settle();
    let rows = &window(&mut bench).state.comparison.set.rows;
    assert_eq!((rows[1].note.as_str(), rows[2].starred), ("odd", true));
    pictures([(bench, "compare_rows")]);
}

#[test]
fn texts_are_judged_without_their_names_and_the_win_rate_has_its_interval() {
    let mut bench = comparing(high());
    compared(&mut bench);
    click(&mut bench, "Judge blindly");
    let says = |bench: &Bench, text: &str| bench.harness.query_by_label_contains(text).is_some();
    assert!(!says(&bench, "Figures of the columns") && says(&bench, "0 of 2 rows judged"));
    bench.harness.check_accessibility();
    let order = window(&mut bench).state.comparison.set.blind_order(1);
    let run = order.iter().position(|&column| column == 1).expect("the run is shown");
    bench.harness.key_press(if run == 0 { Key::Num1 } else { Key::Num2 });
    bench.settle();
    assert!(says(&bench, "1 of 2 rows judged") && says(&bench, "source 2"), "the next row comes");
    bench.harness.key_press(Key::Num0);
    bench.settle();
    let votes: Vec<Option<SetVote>> = window(&mut bench).state.comparison.set.rows.iter().map(|row| row.vote).collect();
    assert_eq!(votes, [Some(SetVote::Best(1)), Some(SetVote::Tie), None]);
    click(&mut bench, "Show the names");
    bench.harness.get_by_label("100 % (21 … 100), 1 of 1");
    bench.harness.get_by_label("0 % (0 … 79), 0 of 1");
}

#[test]
fn a_set_is_written_in_the_form_that_its_name_ends_in() {
    let mut bench = comparing(high());
    compared(&mut bench);
    for (name, word) in
        [("x.csv", "row,source"), ("x.json", "\"columns\""), ("x.md", "| --- |"), ("x.html", "<!doctype")]
    {
        bench.hear(BackendEvent::Picked(Pick::ComparisonFile, format!("/out/{name}").into()));
        click(&mut bench, "Write the file");
        let world = bench.world.borrow();
        let (path, text) = world.written.last().expect("it is written");
        assert!(path.ends_with(name) && text.contains(word), "{name}: {text}");
        assert!(text.contains("Blue Spice is cheap."), "{name}");
    }
}

#[test]
fn a_set_that_fails_says_why_in_both_languages() {
    for language in [Language::English, Language::Chinese] {
        let settings = app::settings::Settings { language, ..settings() };
        let mut bench = comparing(Start { settings, ..high() });
        answer(&mut bench, true);
        app::i18n::set_language(language);
        click(&mut bench, app::t!("compare.set_of_rows"));
        click(&mut bench, app::t!("compare.start_rows"));
        let (job, _) = asked(&bench);
        bench.event(job, Report::Failed(failure()));
        bench.harness.get_by_label_contains("no tokenizer.json");
        bench.harness.check_accessibility();
    }
}

#[test]
fn a_set_and_every_view_have_their_controls_within_a_narrow_window() {
    let size = [900.0, 1700.0];
    let mut bench = comparing(Start { size, ..Start::default() });
    answer(&mut bench, true);
    for view in ["Plain", "Probabilities", "Same text", "Differing words"] {
        click(&mut bench, view);
        assert_eq!(out_of_reach(&bench), Vec::<String>::new(), "{view}");
    }
    compared(&mut bench);
    assert_eq!(out_of_reach(&bench), Vec::<String>::new());
    click(&mut bench, "Judge blindly");
    assert_eq!(out_of_reach(&bench), Vec::<String>::new());
}
