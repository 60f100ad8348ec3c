//! *Training* as tiles: they are kept over a restart, and go back to where they were.

use app::action::Screen;
use app::desk::Desk;
use app::store::Answer;
use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;

use crate::fixtures::detail;
use crate::scenes::{chosen, click, pictures, runs};
use crate::world::{Bench, Start, settings};

fn palette(bench: &mut Bench, typed: &str) {
    bench.harness.key_press_modifiers(Modifiers::COMMAND, Key::P);
    bench.settle();
    bench.harness.get_by_label("Find something to do").type_text(typed);
    bench.settle();
    bench.harness.key_press(Key::Enter);
    bench.settle();
}

fn desk(bench: &mut Bench) -> Desk {
    bench.world.borrow_mut().now += 5.0;
    bench.settle();
    let kept = bench.world.borrow().desks.last().cloned().expect("the desk is kept");
    serde_json::from_str(&kept).expect("a desk")
}

#[test]
fn tiles_are_kept_over_a_restart_and_put_back_from_the_palette() {
    let mut bench = chosen(Start::default(), Screen::Training);
    assert!(desk(&mut bench).tiles.is_none(), "it begins as a page");
    click(&mut bench, "As tiles");
    bench.harness.check_accessibility();
    assert!(bench.harness.query_all_by_label("Learning rate").next().is_some());
    click(&mut bench, "Log");
    let kept = desk(&mut bench);
    assert!(kept.tiles.is_some());
    let mut again = Bench::with_runs(Start::default(), runs());
    again.harness.state_mut().as_mut().expect("the window is open").restore(kept.clone());
    again.answer(Answer::Runs(runs()));
    again.answer(Answer::Detail(Box::new(detail(runs().remove(2), 400))));
    assert_eq!(desk(&mut again).tiles, kept.tiles, "the tab that was shown is, too");
    palette(&mut again, "tiles of training back");
    assert!(desk(&mut again).tiles.is_none());
    again.harness.get_by_label("As tiles");
    palette(&mut again, "arrange training as tiles");
    assert!(desk(&mut again).tiles.is_some());
    click(&mut again, "As a page");
    assert!(desk(&mut again).tiles.is_none());
}

#[test]
fn tiles_look_like_this() {
    let scene = |start: Start, button: &str| {
        let mut bench = chosen(start, Screen::Training);
        click(&mut bench, button);
        bench
    };
    let light = app::settings::Settings { theme: app::theme::ThemeChoice::Light, ..settings() };
    let chinese = app::settings::Settings { language: app::i18n::Language::Chinese, ..settings() };
    pictures([
        (scene(Start { settings: light, ..Start::default() }, "As tiles"), "training_tiles_light"),
        (
            scene(Start { settings: chinese, size: [900.0, 800.0], ..Start::default() }, "排成面板"),
            "training_tiles_narrow",
        ),
    ]);
}
