//! The table of runs in depth: columns, groups, tags, stars, notes, the baseline, what is put away and deleted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use app::desk::Desk;
use app::store::{Answer, Request, RunRow, RunState};
use app::workspace::RunId;
use egui::{Key, Modifiers, Rect};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use serde_json::{Value, json};

use crate::fixtures::row;
use crate::scenes::{click, picture, pictures};
use crate::world::{Bench, Start, settings};

/// A run of that length, with that loss and that seed.
fn run(id: &str, name: &str, (n_virtual, seed): (u64, u64), loss: f64) -> RunRow {
    let settings = json!({
        "seed": seed,
        "method": {"type": "prefix", "n_virtual": n_virtual},
        "training": {"learning_rate": 2e-3, "best_metric": "loss"},
    });
    RunRow {
        best_loss: Some(loss),
        settings: Arc::new(settings),
        figures: Arc::new(BTreeMap::from([("accuracy".to_owned(), 1.0 - loss / 4.0)])),
        ..row(id, name, RunState::Finished)
    }
}

/// A sweep of two lengths with two seeds each, and a run beside it.
fn runs() -> Vec<RunRow> {
    let of_sweep = |row: RunRow| RunRow { experiment: Some("Length sweep".into()), ..row };
    vec![
        run("e", "First try", (10, 1), 1.75),
        of_sweep(run("d", "n_virtual 20, seed 2", (20, 2), 1.125)),
        of_sweep(run("c", "n_virtual 20, seed 1", (20, 1), 1.25)),
        of_sweep(run("b", "n_virtual 5, seed 2", (5, 2), 1.5)),
        of_sweep(RunRow { state: RunState::Failed, ..run("a", "n_virtual 5, seed 1", (5, 1), 1.625) }),
    ]
}

/// Three runs of no experiment.
fn plain() -> Vec<RunRow> {
    vec![
        run("c", "Short", (5, 1), 1.5),
        RunRow { tags: vec!["paper".into()], ..run("b", "Long", (20, 1), 1.25) },
        run("a", "Middle", (10, 1), 1.375),
    ]
}

/// The control of that name: a label may say the same.
fn place(bench: &Bench, label: &str) -> Rect {
    let named = bench.harness.query_all_by_label(label);
    let mut controls = named.filter(|node| node.accesskit_node().role() != egui::accesskit::Role::Label);
    controls.next().unwrap_or_else(|| panic!("no control is called {label:?}")).rect()
}

/// These rows from top to bottom.
fn order<'a>(bench: &Bench, names: &[&'a str]) -> Vec<&'a str> {
    let mut places: Vec<(f32, &str)> = names.iter().map(|name| (place(bench, name).top(), *name)).collect();
    places.sort_by(|a, b| a.0.total_cmp(&b.0));
    places.into_iter().map(|(_, name)| name).collect()
}

fn press(bench: &mut Bench, key: Key) {
    bench.harness.key_press(key);
    bench.settle();
}

fn click_with(bench: &mut Bench, modifiers: Modifiers, label: &str) {
    {
        let named = bench.harness.query_all_by_label(label);
        let mut controls = named.filter(|node| node.accesskit_node().role() != egui::accesskit::Role::Label);
        controls.next().expect("a control of that name").click_modifiers(modifiers);
    }
    bench.settle();
}

fn wheel(x: f32, y: f32) -> egui::Event {
    egui::Event::MouseWheel {
        unit: egui::MouseWheelUnit::Point,
        delta: egui::vec2(x, y),
        modifiers: Modifiers::NONE,
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Wheel,
    }
}

/// What the store was asked for last.
fn asked<T>(bench: &Bench, pick: impl Fn(&Request) -> Option<T>) -> Vec<T> {
    bench.world.borrow().requests.iter().filter_map(pick).collect()
}

/// The table as it is kept, some seconds later.
fn kept(bench: &mut Bench) -> Value {
    bench.world.borrow_mut().now += 5.0;
    bench.settle();
    let text = bench.world.borrow().desks.last().cloned().expect("the desk is kept");
    serde_json::from_str::<Value>(&text).expect("a desk")["runs"].clone()
}

#[test]
fn the_filter_is_completed_while_it_is_typed() {
    let mut bench = Bench::with_runs(Start::default(), plain());
    let field =
        |bench: &Bench| bench.harness.get_by_label("Filter the runs").accesskit_node().value().unwrap_or_default();
    bench.harness.get_by_label("Filter the runs").focus();
    bench.harness.get_by_label("Filter the runs").type_text("meth");
    bench.settle();
    bench.harness.get_by_label("↑ ↓ choose · Tab or Enter takes");
    picture(&mut bench, "runs_filter");
    press(&mut bench, Key::Tab);
    assert!(field(&bench).starts_with("method"), "{}", field(&bench));
    press(&mut bench, Key::Escape);
    assert!(bench.harness.query_by_label("↑ ↓ choose · Tab or Enter takes").is_none());
    // Without a word that is typed the tabulator goes on.
    let mut bench = Bench::with_runs(Start::default(), plain());
    bench.harness.get_by_label("Filter the runs").focus();
    bench.settle();
    press(&mut bench, Key::Tab);
    assert!(!bench.harness.get_by_label("Filter the runs").accesskit_node().is_focused());
}

#[test]
fn any_setting_and_figure_can_be_a_column_and_sorts() {
    let mut bench = Bench::with_runs(Start::default(), plain());
    click(&mut bench, "Columns…");
    bench.harness.check_accessibility();
    bench.harness.get_by_label("Find a setting or a figure").type_text("n_virt");
    bench.settle();
    click(&mut bench, "n_virtual");
    picture(&mut bench, "runs_columns");
    click(&mut bench, "n_virtual further to the left");
    click(&mut bench, "Done");
    let names = ["Short", "Long", "Middle"];
    assert_eq!(order(&bench, &names), names, "newest first");
    // Its title is at the right of all others.
    let columns = kept(&mut bench)["columns"].as_array().expect("columns").len();
    assert_eq!(kept(&mut bench)["columns"][columns - 2]["column"], json!({"value": "method.n_virtual"}));
    click(&mut bench, "Sort by Best val. loss");
    assert_eq!(order(&bench, &names), ["Long", "Middle", "Short"]);
    click(&mut bench, "Sort by Best val. loss");
    assert_eq!(order(&bench, &names), ["Short", "Middle", "Long"]);
    click(&mut bench, "Sort by Best val. loss");
    assert_eq!(order(&bench, &names), names, "the third click gives the order up");
}

#[test]
fn what_differs_becomes_columns_and_all_is_there_after_a_restart() {
    let mut bench = Bench::with_runs(Start::default(), plain());
    click(&mut bench, "Columns…");
    bench.harness.run_steps(4);
    click(&mut bench, "What differs");
    click(&mut bench, "Done");
    assert_eq!(kept(&mut bench)["columns"][1]["column"], json!({"value": "method.n_virtual"}));
    click(&mut bench, "Sort by n_virtual");
    assert_eq!(order(&bench, &["Short", "Long", "Middle"]), ["Short", "Middle", "Long"]);
    let mut second = Bench::new(Start::default());
    let desk = Desk { runs: serde_json::from_value(kept(&mut bench)).expect("a table"), ..Desk::default() };
    second.harness.state_mut().as_mut().expect("the window is open").restore(desk);
    second.answer(Answer::Runs(plain()));
    assert_eq!(order(&second, &["Short", "Long", "Middle"]), ["Short", "Middle", "Long"]);
    place(&second, "Sort by n_virtual");
}

#[test]
fn a_title_is_drawn_to_another_place() {
    let mut bench = Bench::with_runs(Start::default(), plain());
    let (from, to) = (place(&bench, "Sort by Steps").center(), place(&bench, "Sort by Best val. loss").center());
    assert!(from.x > to.x);
    bench.harness.drag_at(from);
    bench.harness.run_steps(2);
    bench.harness.hover_at(from - egui::vec2(20.0, 0.0));
    bench.harness.run_steps(2);
    bench.harness.hover_at(to);
    bench.harness.run_steps(2);
    bench.harness.drop_at(to);
    bench.settle();
    assert!(place(&bench, "Sort by Steps").center().x < place(&bench, "Sort by Best val. loss").center().x);
}

#[test]
fn an_experiment_has_a_line_of_its_own_that_chooses_and_folds_its_runs() {
    let mut bench = Bench::with_runs(Start::default(), runs());
    bench.harness.check_accessibility();
    bench.harness.get_by_label("3 of 4");
    let line = "Length sweep · 4 runs";
    assert!(place(&bench, line).top() < place(&bench, "n_virtual 20, seed 2").top());
    assert!(place(&bench, "First try").top() > place(&bench, "No experiment · 1 run").top());
    picture(&mut bench, "runs_groups");
    click(&mut bench, line);
    click(&mut bench, "Tags…");
    bench.harness.get_by_label("Tags of 4 runs");
    press(&mut bench, Key::Escape);
    click(&mut bench, "Fold Length sweep");
    assert!(bench.harness.query_by_label("n_virtual 20, seed 2").is_none());
    assert_eq!(kept(&mut bench)["folded"], json!(["Length sweep"]));
    click(&mut bench, "Unfold Length sweep");
    place(&bench, "n_virtual 20, seed 2");
}

#[test]
fn runs_stand_together_by_what_differs_but_the_seed() {
    let mut bench = Bench::with_runs(Start::default(), runs());
    click(&mut bench, "Group the runs");
    click(&mut bench, "all settings but the seed");
    bench.harness.get_by_label_contains("1.1875 ±");
    assert!(bench.harness.query_by_label("Length sweep · 4 runs").is_none());
}

#[test]
fn several_runs_get_their_tags_together_and_a_tag_filters() {
    let mut bench = Bench::with_runs(Start::default(), plain());
    click(&mut bench, "Short");
    click_with(&mut bench, Modifiers::COMMAND, "Long");
    click(&mut bench, "Tags…");
    bench.harness.check_accessibility();
    bench.harness.get_by_label("New tag").type_text("best of all");
    bench.settle();
    picture(&mut bench, "runs_tags");
    click(&mut bench, "Keep the tags");
    let sent = asked(&bench, |request| match request {
        Request::Tags { run, tags } => Some((run.0.clone(), tags.join(", "))),
        _ => None,
    });
    assert_eq!(sent, [("b".into(), "best of all, paper".into()), ("c".into(), "best of all".into())]);
    let mut bench = Bench::with_runs(Start::default(), plain());
    click(&mut bench, "Filter by the tag paper of Long");
    assert!(bench.harness.query_by_label("Short").is_none());
    place(&bench, "Long");
    click(&mut bench, "Filter by the tag paper of Long");
    place(&bench, "Short");
}

#[test]
fn a_star_is_one_click_and_notes_are_kept_when_one_has_written() {
    let mut bench = Bench::with_runs(Start::default(), plain());
    click(&mut bench, "Star Middle");
    let starred = asked(&bench, |request| match request {
        Request::Star { run, starred } => Some((run.0.clone(), *starred)),
        _ => None,
    });
    assert_eq!(starred, [("a".into(), true)]);
    click(&mut bench, "Middle");
    bench.harness.check_accessibility();
    bench.harness.get_by_label("Notes").focus();
    bench.harness.get_by_label("Notes").type_text("better than it looks");
    bench.settle();
    click(&mut bench, "Long");
    let notes = asked(&bench, |request| match request {
        Request::Notes { run, text } => Some((run.0.clone(), text.clone())),
        _ => None,
    });
    assert_eq!(notes, [("a".into(), "better than it looks".into())]);
    click(&mut bench, "Hide details");
    assert!(bench.harness.query_by_label("Notes").is_none());
    assert_eq!(kept(&mut bench)["side"]["open"], json!(false));
}

#[test]
fn the_baseline_stays_on_top_and_the_others_say_by_how_much_they_differ() {
    let mut bench = Bench::with_runs(Start::default(), plain());
    click(&mut bench, "Middle");
    click(&mut bench, "More");
    click(&mut bench, "Pin as baseline");
    assert_eq!(order(&bench, &["Short", "Long", "Middle"]), ["Middle", "Short", "Long"]);
    bench.harness.get_by_label("+0.125");
    bench.harness.get_by_label("−0.125");
    bench.harness.check_accessibility();
    picture(&mut bench, "runs_baseline");
    click(&mut bench, "Sort by Name");
    assert_eq!(order(&bench, &["Short", "Long", "Middle"]), ["Middle", "Long", "Short"]);
    click(&mut bench, "More");
    click(&mut bench, "No longer the baseline");
    assert!(bench.harness.query_by_label("+0.125").is_none());
}

#[test]
fn what_is_put_away_is_out_of_sight_and_can_be_taken_back() {
    let mut bench = Bench::with_runs(Start::default(), plain());
    click(&mut bench, "Short");
    click(&mut bench, "More");
    click(&mut bench, "Archive");
    let archived = |bench: &Bench| {
        asked(bench, |request| match request {
            Request::Archive { run, archived } => Some((run.0.clone(), *archived)),
            _ => None,
        })
    };
    assert_eq!(archived(&bench), [("c".into(), true)]);
    let away = RunRow { archived: true, ..plain().remove(0) };
    bench.answer(Answer::RunsChanged { rows: vec![away], gone: Vec::new() });
    let is_there = |bench: &Bench| bench.harness.query_all_by_label("Star Short").next().is_some();
    assert!(!is_there(&bench));
    click(&mut bench, "Archived (1)");
    assert!(is_there(&bench));
    click(&mut bench, "Undo");
    assert_eq!(archived(&bench), [("c".into(), true), ("c".into(), false)]);
}

#[test]
fn runs_that_were_deleted_come_back_with_one_press() {
    let mut bench = Bench::with_runs(Start::default(), plain());
    click(&mut bench, "Short");
    click_with(&mut bench, Modifiers::SHIFT, "Long");
    click(&mut bench, "Delete");
    for run in ["c", "b"] {
        bench.answer(Answer::Deleted { run: RunId(run.into()), left: None });
    }
    bench.harness.get_by_label("2 runs are deleted; their files are kept for seven days");
    assert!(bench.harness.query_by_label("Star Short").is_none());
    click(&mut bench, "Undo");
    let back = asked(&bench, |request| match request {
        Request::Undelete(run) => Some(run.0.clone()),
        _ => None,
    });
    assert_eq!(back, ["c", "b"]);
    bench.answer(Answer::RunsChanged { rows: plain()[..2].to_vec(), gone: Vec::new() });
    place(&bench, "Star Short");
    assert!(bench.harness.query_by_label("Undo").is_none(), "it is done");
}

#[test]
fn in_a_narrow_window_the_name_stays_and_the_last_column_can_be_reached() {
    let mut bench = Bench::with_runs(Start { size: [900.0, 600.0], ..Start::default() }, runs());
    let name = place(&bench, "Sort by Name");
    assert!(bench.harness.query_by_label("Sort by Model").is_none(), "there is no room for it");
    bench.harness.hover_at(place(&bench, "n_virtual 20, seed 2").center());
    bench.harness.event(wheel(-2000.0, 0.0));
    for _ in 0..6 {
        bench.harness.run_steps(8);
    }
    let last = place(&bench, "Sort by Model");
    assert!(last.right() <= 900.0, "{last:?}");
    assert_eq!(place(&bench, "Sort by Name"), name);
    pictures([(bench, "runs_narrow_end")]);
}

#[test]
fn the_whole_table_is_in_chinese() {
    let settings = app::settings::Settings { language: app::i18n::Language::Chinese, ..settings() };
    let mut bench = Bench::with_runs(Start { settings, ..Start::default() }, runs());
    bench.harness.get_by_label("3 / 4");
    click(&mut bench, "列…");
    bench.harness.get_by_label("训练设置");
    bench.harness.check_accessibility();
    click(&mut bench, "完成");
    picture(&mut bench, "chinese_runs_groups");
}

/// By hand: `cargo test -p tests --release --test window a_thousand -- --ignored --nocapture`.
#[test]
#[ignore = "prints times, which a busy machine makes longer"]
fn a_thousand_runs_are_scrolled_through() {
    let settings = |n: u64| {
        let named = (0..57).map(|i| (format!("setting_{i}"), json!(i * n % 7)));
        let training: serde_json::Map<String, Value> = named.chain([("learning_rate".into(), json!(2e-3))]).collect();
        json!({"seed": n % 3, "method": {"type": "prefix", "n_virtual": n % 20}, "training": training})
    };
    let many = (0..1000u64).rev().map(|n| {
        let row = run(&format!("{n:04}"), &format!("Run {n}"), (n % 20, n % 3), 1.0 + n as f64 / 1000.0);
        let tags = if n.is_multiple_of(3) { vec!["paper".into()] } else { Vec::new() };
        RunRow { settings: Arc::new(settings(n)), tags, experiment: Some(format!("Sweep {}", n / 50)), ..row }
    });
    let many: Vec<RunRow> = many.collect();
    let mut bench = Bench::with_runs(Start::default(), many.clone());
    bench.harness.hover_at(egui::pos2(700.0, 500.0));
    let mut measure = |what: &str, each: &mut dyn FnMut(&mut Bench)| {
        let mut times: Vec<f64> = (0..100)
            .map(|_| {
                each(&mut bench);
                let begun = Instant::now();
                bench.harness.step();
                begun.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        println!("{what}: median {:.1} ms, 95th {:.1} ms, worst {:.1} ms", times[50], times[94], times[99]);
    };
    measure("still", &mut |_| {});
    measure("scrolling", &mut |bench| {
        bench.harness.event(wheel(0.0, -120.0));
    });
    let mut step = 0;
    measure("scrolling while a run trains", &mut |bench| {
        step += 1;
        let rows = vec![RunRow { step, ..many[0].clone() }];
        let news = app::window::backend::BackendEvent::Answer(Answer::RunsChanged { rows, gone: Vec::new() });
        bench.world.borrow_mut().news.push_back(news);
    });
}
