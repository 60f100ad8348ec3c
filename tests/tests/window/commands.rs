//! Everything by its name or its keys: the palette, the list of keys, back and forward, the main button, frame times.

use app::action::{Action, Screen};
use app::i18n::Language;
use app::screens::new_run::action::NewRunAction;
use app::store::{Answer, DatasetRow, RunRow, RunState};
use app::theme::ThemeChoice;
use app::window::Workbench;
use egui::{Key, Modifiers, PointerButton};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use engine::protocol::{Ask, Command};

use crate::fixtures::{detail, row};
use crate::scenes::{click, perform, picture, training};
use crate::world::{Bench, Start};

fn runs() -> Vec<RunRow> {
    ["c", "b", "a"].map(|id| row(id, &format!("Run {id}"), RunState::Finished)).to_vec()
}

fn bench() -> Bench {
    Bench::with_runs(Start::default(), runs())
}

fn window(bench: &mut Bench) -> &mut Workbench {
    bench.harness.state_mut().as_mut().expect("the window is open")
}

fn place(bench: &mut Bench) -> (Screen, Option<String>) {
    let state = &window(bench).state;
    (state.screen, state.runs.view.as_ref().map(|view| view.id.0.clone()))
}

fn press(bench: &mut Bench, modifiers: Modifiers, key: Key) {
    bench.harness.key_press_modifiers(modifiers, key);
    bench.settle();
}

/// Does the first thing that the palette finds.
fn find(bench: &mut Bench, typed: &str) {
    press(bench, Modifiers::COMMAND, Key::P);
    bench.harness.get_by_label("Find something to do").type_text(typed);
    bench.settle();
    press(bench, Modifiers::NONE, Key::Enter);
    assert!(bench.harness.query_by_label("Find something to do").is_none(), "{typed:?} does something");
}

#[test]
fn settings_follow_their_names() {
    let mut bench = bench();
    find(&mut bench, "light");
    assert_eq!(window(&mut bench).state.settings.theme, ThemeChoice::Light);
    find(&mut bench, "larger");
    assert!(window(&mut bench).state.settings.zoom > 1.0);
    find(&mut bench, "as large as the system");
    assert_eq!(window(&mut bench).state.settings.zoom, 1.0);
    find(&mut bench, "中文");
    assert_eq!(window(&mut bench).state.settings.language, Language::Chinese);
}

#[test]
fn a_run_is_looked_into_starred_and_duplicated_by_name() {
    let mut bench = bench();
    assert!(window(&mut bench).state.runs.view.is_none());
    find(&mut bench, "open run b");
    bench.answer(Answer::Detail(Box::new(detail(runs().remove(1), 40))));
    assert_eq!(place(&mut bench), (Screen::Training, Some("b".into())));
    find(&mut bench, "star the");
    let starred = bench
        .world
        .borrow()
        .requests
        .iter()
        .any(|request| matches!(request, app::store::Request::Star { run, starred: true } if run.0 == "b"));
    assert!(starred);
    find(&mut bench, "look inside");
    assert_eq!(place(&mut bench).0, Screen::Explorer);
    find(&mut bench, "compare with");
    assert_eq!(place(&mut bench).0, Screen::Compare);
}

#[test]
fn a_run_is_handed_on_by_name() {
    let mut bench = bench();
    find(&mut bench, "open run b");
    bench.answer(Answer::Detail(Box::new(detail(runs().remove(1), 40))));
    find(&mut bench, "export prefix file");
    assert_eq!(place(&mut bench).0, Screen::Runs);
    bench.harness.get_by_label("File to write");
}

#[test]
fn a_run_under_way_is_paused_and_stopped_by_name() {
    let mut bench = training(Start::default());
    find(&mut bench, "pause");
    let paused = |bench: &Bench| bench.last(|c| matches!(c, Command { ask: Ask::Pause, .. }).then_some(()));
    assert_eq!(paused(&bench), Some(()));
    find(&mut bench, "stop");
    assert_eq!(bench.last(|c| matches!(c, Command { ask: Ask::Stop, .. }).then_some(())), Some(()));
}

#[test]
fn rows_and_presets_go_into_the_form() {
    let mut bench = bench();
    let own = DatasetRow {
        train: "/data/own.csv".into(),
        validation: None,
        name: "own".into(),
        rows: Some(12),
        runs: 0,
        last_used: 1,
    };
    bench.answer(Answer::Library { models: Vec::new(), datasets: vec![own] });
    find(&mut bench, "train on own");
    assert_eq!(place(&mut bench).0, Screen::NewRun);
    bench.answer_form();
    let asked = bench.last(|command| match command {
        Command { ask: Ask::Preview { data, .. }, .. } => Some(data.train.clone()),
        _ => None,
    });
    assert_eq!(asked, Some("/data/own.csv".into()));
    find(&mut bench, "settings of gpt-2 webnlg");
    bench.answer_form();
    bench.world.borrow_mut().now += 5.0;
    bench.settle();
    let kept = bench.world.borrow().desks.last().cloned().expect("the desk is kept");
    let desk: app::desk::Desk = serde_json::from_str(&kept).expect("a desk");
    let recipe = desk.form.as_ref().and_then(|form| form.recipe()).map(|recipe| recipe.name);
    assert_eq!(recipe, Some("prefix-gpt2-webnlg"));
}

#[test]
fn a_path_is_asked_for_where_it_belongs() {
    let mut bench = bench();
    find(&mut bench, "choose a base model");
    assert_eq!(place(&mut bench).0, Screen::NewRun);
    press(&mut bench, Modifiers::COMMAND, Key::O);
    assert_eq!(bench.world.borrow().browsed, [app::action::Pick::Model, app::action::Pick::Anything]);
    find(&mut bench, "choose a base model in gguf");
    assert_eq!(bench.world.borrow().browsed.last(), Some(&app::action::Pick::ModelFile));
    bench.hear(app::window::backend::BackendEvent::Picked(app::action::Pick::ModelFile, "/m/SmolLM2.gguf".into()));
    bench.answer_form();
    let described = bench.last(|command| match command {
        Command { ask: Ask::DescribeModel { folder }, .. } => Some(folder.clone()),
        _ => None,
    });
    assert_eq!(described, Some("/m/SmolLM2.gguf".into()));
    bench.hear(app::window::backend::BackendEvent::Picked(app::action::Pick::Anything, "/mail/it.prefix".into()));
    assert_eq!(bench.world.borrow().opened, [vec![std::path::PathBuf::from("/mail/it.prefix")]]);
}

#[test]
fn the_palette_marks_what_was_typed() {
    let mut bench = bench();
    press(&mut bench, Modifiers::COMMAND, Key::K);
    bench.harness.get_by_label("Find something to do").type_text("nrn");
    bench.settle();
    bench.harness.get_by_label("New run · Set one up");
    assert!(bench.harness.query_by_label_contains("Library · ").is_none());
    picture(&mut bench, "palette_marked");
}

#[test]
fn back_and_forward_lead_over_screens_and_runs() {
    let mut bench = bench();
    let open = |run: &str| Action::Open(app::workspace::RunId(run.into()), Screen::Training);
    for action in [open("a"), Action::Show(Screen::Library), open("b")] {
        bench = perform(bench, action);
    }
    press(&mut bench, Modifiers::ALT, Key::ArrowLeft);
    assert_eq!(place(&mut bench).0, Screen::Library);
    press(&mut bench, Modifiers::COMMAND, Key::OpenBracket);
    assert_eq!(place(&mut bench), (Screen::Training, Some("a".into())));
    click(&mut bench, "Back");
    assert_eq!(place(&mut bench).0, Screen::Runs);
    assert!(bench.harness.get_by_label("Back").accesskit_node().is_disabled(), "there is nothing before");
    click(&mut bench, "Forward");
    press(&mut bench, Modifiers::ALT, Key::ArrowRight);
    press(&mut bench, Modifiers::COMMAND, Key::CloseBracket);
    assert_eq!(place(&mut bench), (Screen::Training, Some("b".into())));
}

#[test]
fn the_mouse_goes_back_and_a_run_that_is_gone_is_passed_over() {
    let mut bench = bench();
    let open = |run: &str| Action::Open(app::workspace::RunId(run.into()), Screen::Training);
    for action in [Action::Show(Screen::Library), open("a"), Action::Show(Screen::Settings)] {
        bench = perform(bench, action);
    }
    bench.answer(Answer::Deleted { run: app::workspace::RunId("a".into()), left: None });
    let pos = egui::pos2(600.0, 400.0);
    for pressed in [true, false] {
        let button = PointerButton::Extra1;
        bench.harness.event(egui::Event::PointerButton { pos, button, pressed, modifiers: Modifiers::NONE });
    }
    bench.settle();
    assert_eq!(place(&mut bench).0, Screen::Library);
}

#[test]
fn the_list_of_keys_is_of_the_screen_and_a_question_mark_is_a_letter_while_one_types() {
    let mut bench = bench();
    press(&mut bench, Modifiers::SHIFT, Key::Questionmark);
    bench.harness.get_by_label("Delete the chosen runs");
    press(&mut bench, Modifiers::NONE, Key::Escape);
    click(&mut bench, "Library");
    press(&mut bench, Modifiers::SHIFT, Key::Questionmark);
    assert!(bench.harness.query_by_label("Delete the chosen runs").is_none(), "that is done elsewhere");
    for (keys, what) in [("Alt+←  Ctrl+[", "Back"), ("F12", "Show frame times")] {
        bench.harness.get_by_label(keys);
        assert!(bench.harness.query_all_by_label(what).next().is_some(), "{what}");
    }
    bench.harness.check_accessibility();
    picture(&mut bench, "keys_library");
    press(&mut bench, Modifiers::NONE, Key::F1);
    let field = || "Id of a model or a dataset";
    bench.harness.get_by_label(field()).focus();
    bench.settle();
    press(&mut bench, Modifiers::SHIFT, Key::Questionmark);
    assert!(bench.harness.query_by_label("Everywhere").is_none(), "it belongs to the field");
}

#[test]
fn the_main_button_of_a_screen_is_pressed_by_keys() {
    let mut bench = Bench::with_runs(Start::default(), Vec::new());
    click(&mut bench, "Set up a run");
    bench.answer_form();
    bench.harness.get_by_label("Ready");
    press(&mut bench, Modifiers::COMMAND, Key::Enter);
    bench.settle();
    let sent =
        |bench: &Bench| bench.world.borrow().commands.iter().filter(|c| matches!(c.ask, Ask::Train { .. })).count();
    assert_eq!(sent(&bench), 1);
    bench.settle();
    assert_eq!(sent(&bench), 1, "once");
}

#[test]
fn frame_times_are_shown_on_demand_and_counted_over_a_second() {
    let mut bench = bench();
    for (at, secs) in [(0.0, 0.5), (2.0, 0.004), (2.1, 0.002), (2.2, 0.003)] {
        bench.world.borrow_mut().now = at;
        bench.settle();
        window(&mut bench).took(secs);
    }
    bench.settle();
    assert!(bench.harness.query_by_label("3.0 ms · worst 4.0 ms").is_none(), "nobody asked");
    press(&mut bench, Modifiers::NONE, Key::F12);
    bench.harness.get_by_label("3.0 ms · worst 4.0 ms");
    assert!(bench.world.borrow().kept.last().is_some_and(|settings| settings.frame_times), "and it stays so");
    click(&mut bench, "Settings");
    click(&mut bench, "Show frame times");
    assert!(bench.harness.query_by_label("3.0 ms · worst 4.0 ms").is_none());
}

#[test]
fn the_queue_is_paused_and_goes_on_by_its_keys_and_by_name() {
    let mut bench = bench();
    press(&mut bench, Modifiers::COMMAND, Key::Period);
    assert!(!window(&mut bench).state.live.held, "there is none");
    let run = crate::fixtures::config();
    let mut bench = perform(bench, Action::NewRun(NewRunAction::Start(Box::new(run))));
    press(&mut bench, Modifiers::COMMAND, Key::Period);
    assert!(window(&mut bench).state.live.held);
    find(&mut bench, "let the queue go on");
    assert!(!window(&mut bench).state.live.held);
}
