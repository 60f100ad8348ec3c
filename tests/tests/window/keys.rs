//! Everything by the keyboard: the table of runs, the palette, the list of keys; and the menu under the other button.

use app::action::Screen;
use app::store::{Request, RunRow, RunState};
use app::window::Workbench;
use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use crate::fixtures::row;
use crate::scenes::{click, picture, pictures};
use crate::world::{Bench, Start, settings};

fn runs() -> Vec<RunRow> {
    ["c", "b", "a"].map(|id| row(id, &format!("Run {id}"), RunState::Finished)).to_vec()
}

fn window(bench: &Bench) -> &Workbench {
    bench.harness.state().as_ref().expect("the window is open")
}

fn press(bench: &mut Bench, key: Key) {
    bench.harness.key_press(key);
    bench.settle();
}

/// A table whose first row has the keyboard.
fn table() -> Bench {
    let mut bench = Bench::with_runs(Start::default(), runs());
    bench.harness.get_by_label("Run c").focus();
    bench.settle();
    bench
}

fn focused(bench: &Bench) -> Option<String> {
    let nodes = bench.harness.root().children_recursive();
    nodes.filter(|node| node.accesskit_node().is_focused()).find_map(|node| node.accesskit_node().label())
}

#[test]
fn arrows_go_through_the_rows_and_each_row_is_one_stop() {
    let mut bench = table();
    press(&mut bench, Key::ArrowDown);
    assert_eq!(focused(&bench).as_deref(), Some("Run b"));
    press(&mut bench, Key::End);
    assert_eq!(focused(&bench).as_deref(), Some("Run a"));
    press(&mut bench, Key::ArrowUp);
    press(&mut bench, Key::ArrowUp);
    assert_eq!(focused(&bench).as_deref(), Some("Run c"));
    press(&mut bench, Key::Tab);
    assert_eq!(focused(&bench).as_deref(), Some("Run b"), "its other cells are no stops");
    press(&mut bench, Key::ArrowDown);
    press(&mut bench, Key::Enter);
    assert_eq!(window(&bench).state.screen, Screen::Training);
    assert_eq!(window(&bench).state.runs.view.as_ref().map(|view| view.id.0.as_str()), Some("a"));
}

#[test]
fn a_run_is_renamed_without_the_mouse() {
    let mut bench = table();
    press(&mut bench, Key::F2);
    bench.harness.get_by_label("New name").type_text("better");
    bench.settle();
    press(&mut bench, Key::Enter);
    let renamed = bench
        .world
        .borrow()
        .requests
        .iter()
        .any(|request| matches!(request, Request::Rename { run, name } if run.0 == "c" && name == "better"));
    assert!(renamed, "the field has the keyboard and all of the old name is chosen");
    assert!(bench.harness.query_by_label("New name").is_none());
}

#[test]
fn several_rows_are_chosen_and_deleted_by_the_keyboard() {
    let mut bench = table();
    press(&mut bench, Key::Space);
    bench.harness.key_press_modifiers(Modifiers::SHIFT, Key::ArrowDown);
    bench.settle();
    press(&mut bench, Key::Delete);
    let requests = &bench.world.borrow().requests;
    let deleted: Vec<&str> = requests
        .iter()
        .filter_map(|request| match request {
            Request::Delete(run) => Some(run.0.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(deleted, ["c", "b"]);
}

#[test]
fn the_other_button_of_the_mouse_has_what_can_be_done_with_a_row() {
    let mut bench = Bench::with_runs(Start::default(), runs());
    bench.harness.get_by_label("Run b").click_secondary();
    bench.settle();
    bench.harness.check_accessibility();
    picture(&mut bench, "runs_menu");
    click(&mut bench, "Look inside: Run b");
    assert_eq!(window(&bench).state.screen, Screen::Explorer);
    assert_eq!(window(&bench).state.runs.view.as_ref().map(|view| view.id.0.as_str()), Some("b"));
}

#[test]
fn the_palette_finds_screens_runs_and_settings() {
    let mut bench = Bench::with_runs(Start::default(), runs());
    let open = |bench: &mut Bench, typed: &str| {
        bench.harness.key_press_modifiers(Modifiers::COMMAND, Key::K);
        bench.settle();
        bench.harness.get_by_label("Find something to do").type_text(typed);
        bench.settle();
    };
    open(&mut bench, "libr");
    bench.harness.check_accessibility();
    picture(&mut bench, "palette");
    press(&mut bench, Key::Enter);
    assert_eq!(window(&bench).state.screen, Screen::Library);
    open(&mut bench, "run");
    press(&mut bench, Key::ArrowDown);
    press(&mut bench, Key::Escape);
    assert!(bench.harness.query_by_label("Find something to do").is_none());
    open(&mut bench, "open run b");
    press(&mut bench, Key::Enter);
    assert_eq!(window(&bench).state.runs.view.as_ref().map(|view| view.id.0.as_str()), Some("b"));
    open(&mut bench, "nothing of the kind");
    bench.harness.get_by_label("Nothing is called like that");
    press(&mut bench, Key::Enter);
}

#[test]
fn the_list_of_keys_is_one_press_away_in_both_languages() {
    for language in [app::i18n::Language::English, app::i18n::Language::Chinese] {
        let settings = app::settings::Settings { language, ..settings() };
        let mut bench = Bench::with_runs(Start { settings, ..Start::default() }, runs());
        press(&mut bench, Key::F1);
        bench.harness.get_by_label("F2");
        bench.harness.check_accessibility();
        press(&mut bench, Key::F1);
        assert!(bench.harness.query_by_label("F2").is_none());
    }
}

#[test]
fn a_filter_that_means_nothing_says_what_is_known() {
    let mut bench = Bench::with_runs(Start::default(), runs());
    bench.harness.get_by_label("Filter the runs").focus();
    bench.harness.get_by_label("Filter the runs").type_text("quux>4");
    bench.settle();
    let nodes = bench.harness.root().children_recursive();
    let mut texts = nodes.filter_map(|node| node.accesskit_node().value());
    assert!(texts.any(|text| text.contains("quux") && (text.contains("loss") || text.contains("method"))));
}

#[test]
fn in_a_narrow_window_the_table_and_the_start_of_a_run_are_in_sight() {
    let start = || Start { size: [900.0, 600.0], ..Start::default() };
    let table = Bench::with_runs(start(), runs());
    for column in ["Sort by Name", "Sort by Best val. loss", "Sort by Steps", "Sort by Started"] {
        let rect = table.harness.get_by_label(column).rect();
        assert!(rect.max.x <= 900.0, "{column} is at {rect:?}");
    }
    let mut bench = Bench::with_runs(start(), Vec::new());
    click(&mut bench, "Set up a run");
    bench.answer_form();
    bench.harness.get_by_label("Ready");
    let rect = bench.harness.get_by_label("Start").rect();
    assert!(rect.max.y < 120.0 && rect.max.x <= 900.0, "{rect:?}");
    pictures([(table, "runs_narrow"), (bench, "new_run_narrow")]);
}
