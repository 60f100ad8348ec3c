//! Further settings of a new run: found, added, changed, refused, taken away, and shown where a run has them.

use app::i18n::Language;
use app::state::outbox::Fill;
use egui_kittest::kittest::Queryable as _;

use crate::fixtures::config;
use crate::scenes::{click, started, type_into};
use crate::world::{Bench, Start, settings};

/// The form of a new run in a window that is high enough for all of it.
fn form(start: Start, button: &str) -> Bench {
    let mut bench = Bench::with_runs(Start { size: [1280.0, 2800.0], ..start }, Vec::new());
    click(&mut bench, button);
    bench.answer_form();
    bench
}

/// Adds a setting that is found by some words.
fn add(bench: &mut Bench, wanted: &str, key: &str) {
    click(bench, "Add a setting…");
    bench.harness.get_by_label("Find a setting").focus();
    bench.harness.get_by_label("Find a setting").type_text(wanted);
    bench.settle();
    click(bench, key);
}

/// Types over what stands in a field.
fn retype(bench: &mut Bench, key: &str, text: &str) {
    bench.harness.get_by_label(key).focus();
    bench.settle();
    bench.harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
    type_into(bench, key, text);
}

#[test]
fn a_setting_without_a_field_is_found_by_its_name_elsewhere_and_sent() {
    let mut bench = form(Start::default(), "Set up a run");
    click(&mut bench, "Further settings");
    add(&mut bench, "save_steps", "training.save_every");
    retype(&mut bench, "training.save_every", "many");
    let said = bench.harness.query_all_by_label_contains("training.save_every = many");
    assert!(said.count() > 0, "it stands under its row");
    retype(&mut bench, "training.save_every", "25");
    bench.harness.get_by_label("Further settings (1 added)");
    bench.harness.check_accessibility();
    assert_eq!(started(&mut bench).training.save_every, 25);
}

#[test]
fn a_setting_that_is_removed_is_as_in_a_new_run() {
    let mut bench = form(Start::default(), "Set up a run");
    let usual = config().training.save_every;
    click(&mut bench, "Further settings");
    add(&mut bench, "save", "training.save_every");
    retype(&mut bench, "training.save_every", "25");
    click(&mut bench, "Remove");
    bench.harness.get_by_label("Further settings");
    assert_eq!(started(&mut bench).training.save_every, usual);
}

#[test]
fn a_run_shows_what_it_has_that_has_no_field() {
    let mut bench = form(Start::default(), "Set up a run");
    let mut with_beams = config();
    with_beams.generation.beams.n_beams = 5;
    let window = bench.harness.state_mut().as_mut().expect("the window is open");
    window.state.fill(Fill::Run(Box::new(with_beams)));
    bench.settle();
    click(&mut bench, "Further settings (1 added)");
    bench.harness.get_by_label("generation.beams.n_beams");
    assert_eq!(started(&mut bench).generation.beams.n_beams, 5);
}

#[test]
fn further_settings_in_both_languages() {
    for (language, button, section) in
        [(Language::English, "Set up a run", "Further settings"), (Language::Chinese, "设置一次训练", "其他设置")]
    {
        let settings = app::settings::Settings { language, ..settings() };
        let start = Start { settings, ..Start::default() };
        let mut bench = form(start, button);
        click(&mut bench, section);
        let add = if language == Language::Chinese { "添加设置…" } else { "Add a setting…" };
        click(&mut bench, add);
        assert!(bench.harness.query_all_by_label("data.name").next().is_some());
        bench.harness.check_accessibility();
    }
}
