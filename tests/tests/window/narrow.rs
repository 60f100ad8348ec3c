//! A window of 900 points: nothing of any screen is out of reach, in either language.

use app::action::Screen;
use app::i18n::Language;
use app::store::Answer;
use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use crate::fixtures::{detail, hub_facts};
use crate::scenes::{chosen, click, perform, runs};
use crate::world::{Bench, Start, settings};

/// The width that the window cannot be made smaller than.
const WIDTH: f32 = 900.0;

fn start(language: Language) -> Start {
    let settings = app::settings::Settings { language, ..settings() };
    Start { settings, size: [WIDTH, 700.0], ..Start::default() }
}

/// The names of controls that reach beyond the right side of the window.
pub(crate) fn out_of_reach(bench: &Bench) -> Vec<String> {
    let controls = [
        Role::Button,
        Role::CheckBox,
        Role::RadioButton,
        Role::TextInput,
        Role::MultilineTextInput,
        Role::ComboBox,
        Role::Slider,
        Role::SpinButton,
        Role::Link,
        Role::Tab,
        Role::Image,
    ];
    let nodes = bench.harness.root().children_recursive();
    nodes
        .filter(|node| controls.contains(&node.accesskit_node().role()))
        .filter(|node| node.rect().max.x > WIDTH + 0.5)
        // The columns of the table of runs scroll beside the name.
        .filter(|node| !node.accesskit_node().label().is_some_and(|label| is_title(&label)))
        .map(|node| format!("{:?} at {:?}", node.accesskit_node().label(), node.rect()))
        .collect()
}

/// Whether it is the title of a column.
fn is_title(label: &str) -> bool {
    label.starts_with("Sort by ") || (label.starts_with('按') && label.ends_with("排序"))
}

fn screen(language: Language, screen: Screen) -> Bench {
    let mut bench = match screen {
        Screen::Training | Screen::Evaluate | Screen::Explorer | Screen::Compare => chosen(start(language), screen),
        other => perform(Bench::with_runs(start(language), runs()), app::action::Action::Show(other)),
    };
    if screen == Screen::Compare {
        for run in [0, 3] {
            let toggle = app::screens::compare::action::CompareAction::ToggleColumn(runs()[run].id.clone());
            bench = perform(bench, app::action::Action::Compare(toggle));
            bench.answer(Answer::Detail(Box::new(detail(runs().remove(run), 400))));
        }
    }
    if screen == Screen::NewRun {
        bench.answer_form();
    }
    if screen == Screen::Library {
        bench.hear(app::window::backend::BackendEvent::Hub(hub_facts()));
    }
    bench
}

#[test]
fn every_control_of_every_screen_is_within_a_narrow_window() {
    for language in [Language::English, Language::Chinese] {
        for shown in Screen::ALL {
            let bench = screen(language, shown);
            let lost = out_of_reach(&bench);
            assert!(lost.is_empty(), "{shown:?} in {language:?}: {lost:#?}");
        }
    }
}

#[test]
fn what_stands_over_the_screens_is_within_a_narrow_window_too() {
    let mut bench = Bench::with_runs(start(Language::English), runs());
    for key in [egui::Key::F1, egui::Key::F1] {
        bench.harness.key_press(key);
        bench.settle();
        assert_eq!(out_of_reach(&bench), Vec::<String>::new());
    }
    bench.harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::K);
    bench.settle();
    bench.harness.get_by_label("Find something to do");
    assert_eq!(out_of_reach(&bench), Vec::<String>::new());
    bench.harness.key_press(egui::Key::Escape);
    bench.settle();
    click(&mut bench, "Idle");
    assert_eq!(out_of_reach(&bench), Vec::<String>::new());
}
