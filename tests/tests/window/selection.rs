//! Several runs that are selected: their curves, what differs between them, charts, and what is saved of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use app::action::Screen;
use app::charts::{Mark, Picture};
use app::store::{Answer, Curve, CurvePoint, Request, RunRow, RunState};
use app::workspace::RunId;
use egui::Modifiers;
use egui::accesskit::{Role, Toggled};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use engine::config::MethodConfig;

use crate::fixtures::{config, row};
use crate::scenes::click;
use crate::world::{Bench, Start};

/// Two lengths, each with two seeds: the longer is better and dearer.
fn runs() -> Vec<RunRow> {
    let run = |(n, (length, seed)): (usize, (usize, u64))| {
        let mut config = config();
        let MethodConfig::Prefix(prefix) = &mut config.method else { panic!("the fixture trains a prefix") };
        (prefix.n_virtual, config.seed) = (length, seed);
        let loss = 1.5 - 0.01 * length as f64 + 0.05 * seed as f64;
        RunRow {
            best_loss: Some(loss),
            trained_parameters: Some(4608 * length as u64),
            settings: Arc::new(serde_json::to_value(&config).expect("settings are JSON")),
            figures: Arc::new(BTreeMap::from([("bleu".to_owned(), 0.2 + 0.01 * length as f64)])),
            ..row(&format!("20261121-01000{n}-000{n}"), &format!("length {length}, seed {seed}"), RunState::Finished)
        }
    };
    [(5, 1), (5, 2), (20, 1), (20, 2)].into_iter().enumerate().map(run).rev().collect()
}

fn curve(run: &RunRow, name: &str) -> Curve {
    let end = run.best_loss.unwrap_or(1.0);
    let point = |step: u64| CurvePoint {
        step,
        tokens: 900 * step,
        secs: 0.5 * step as f64,
        epoch: step as f64 / 150.0,
        value: end + 3.0 * (-(step as f64) / 60.0).exp(),
    };
    Curve { run: run.id.clone(), name: name.into(), points: (1..=300).map(point).collect() }
}

/// All four runs are selected.
fn selected(start: Start) -> Bench {
    let runs = runs();
    let mut bench = Bench::with_runs(start, runs.clone());
    bench.harness.get_by_role_and_label(Role::Row, &runs[0].name).click();
    bench.settle();
    bench.harness.get_by_role_and_label(Role::Row, &runs[3].name).click_modifiers(Modifiers::SHIFT);
    bench.settle();
    bench
}

/// The last curves that were asked for.
fn asked(bench: &Bench) -> Option<(Vec<RunId>, String)> {
    bench.world.borrow().requests.iter().rev().find_map(|request| match request {
        Request::Curves { runs, name } => Some((runs.clone(), name.clone())),
        _ => None,
    })
}

fn with_curves() -> Bench {
    let mut bench = selected(Start::default());
    bench.answer(Answer::Curves(runs().iter().map(|run| curve(run, "loss")).collect()));
    bench
}

fn is_seen(bench: &Bench, curve: &str) -> bool {
    let node = bench.harness.get_by_label(curve);
    node.accesskit_node().toggled() == Some(Toggled::True)
}

/// Opens the menu of what is shown and presses one of its lines.
fn save(bench: &mut Bench, line: &str) {
    click(bench, "Save");
    click(bench, line);
}

fn write(bench: &mut Bench, path: &str) {
    bench.harness.get_by_label("File to write").focus();
    bench.harness.get_by_label("File to write").type_text(path);
    bench.settle();
    click(bench, "Write");
}

#[test]
fn curves_are_asked_for_once_and_a_click_looks_at_one_alone() {
    let mut bench = selected(Start::default());
    let (runs_asked, name) = asked(&bench).expect("curves were asked for");
    assert_eq!((runs_asked.len(), name.as_str()), (4, "loss"));
    let count = |bench: &Bench| {
        let world = bench.world.borrow();
        world.requests.iter().filter(|request| matches!(request, Request::Curves { .. })).count()
    };
    bench.settle();
    assert_eq!(count(&bench), 1, "each frame asks anew");
    bench.answer(Answer::Curves(runs().iter().map(|run| curve(run, "loss")).collect()));
    bench.harness.get_by_label("Curves of the selected runs");
    let (first, second) = ("Curve of length 5, seed 1", "Curve of length 20, seed 2");
    assert!(is_seen(&bench, first) && is_seen(&bench, second));
    click(&mut bench, first);
    assert!(is_seen(&bench, first) && !is_seen(&bench, second));
    click(&mut bench, first);
    assert!(is_seen(&bench, second), "and again at all");
    click(&mut bench, "Mean over seeds");
    let groups = bench.harness.get_all_by_role(Role::CheckBox);
    let names: Vec<String> = groups.filter_map(|node| node.accesskit_node().label()).collect();
    let means = names.iter().filter(|name| name.starts_with("Curve of") && name.contains("(n = 2)")).count();
    assert_eq!(means, 2, "{names:?}");
}

#[test]
fn what_differs_is_shown_copied_and_nothing_else() {
    let mut bench = with_curves();
    click(&mut bench, "What differs");
    bench.harness.get_by_label("n_virtual");
    assert!(bench.harness.query_by_label("learning_rate").is_none(), "it is the same in all runs");
    click(&mut bench, "Save");
    bench.harness.get_by_label("Copy as text").click();
    let copied = (0..4).find_map(|_| {
        bench.harness.step();
        let commands = &bench.harness.output().platform_output.commands;
        commands.iter().find_map(|command| match command {
            egui::OutputCommand::CopyText(text) => Some(text.clone()),
            _ => None,
        })
    });
    let copied = copied.expect("a text was copied");
    assert!(copied.contains("method.n_virtual\t20\t20\t5\t5\n") && !copied.contains("learning_rate"), "{copied}");
    bench.settle();
    save(&mut bench, "Save as CSV…");
    write(&mut bench, "/tmp/what differs.csv");
    let world = bench.world.borrow();
    let (path, text) = world.written.last().expect("a table was written");
    assert_eq!(path, Path::new("/tmp/what differs.csv"));
    assert!(text.starts_with(",\"length"), "names with commas are in quotes: {text}");
}

#[test]
fn the_picture_is_what_is_seen() {
    let mut bench = with_curves();
    click(&mut bench, "Curve of length 5, seed 1");
    save(&mut bench, "Save picture…");
    write(&mut bench, "/tmp/curves.jpg");
    assert!(bench.world.borrow().drawn.is_empty(), "neither SVG nor PNG");
    bench.harness.get_by_label("The name must end in .svg or .png");
    click(&mut bench, "Cancel");
    save(&mut bench, "Save picture…");
    write(&mut bench, "/tmp/curves.svg");
    {
        let world = bench.world.borrow();
        let (path, picture) = world.drawn.last().expect("a picture was asked for");
        let Picture::Chart(chart) = picture else { panic!("{picture:?}") };
        assert_eq!(path, Path::new("/tmp/curves.svg"));
        let names: Vec<&str> = chart.series.iter().map(|series| series.name.as_str()).collect();
        assert_eq!(names, ["length 5, seed 1"]);
        assert_eq!(chart.y.label, "training loss");
    }
    click(&mut bench, "Over seeds");
    save(&mut bench, "Save picture…");
    write(&mut bench, "/tmp/seeds.png");
    let world = bench.world.borrow();
    let (_, picture) = world.drawn.last().expect("a picture was asked for");
    let Picture::Chart(chart) = picture else { panic!("{picture:?}") };
    assert_eq!(chart.x.names.len(), 2);
    let means = chart.series.last().expect("there are means");
    assert!(means.band.iter().zip(&means.points).all(|([low, high], [_, mean])| low < mean && mean < high));
}

#[test]
fn the_front_names_its_runs_and_a_click_opens_one() {
    let mut bench = with_curves();
    click(&mut bench, "Pareto front");
    bench.harness.get_by_label("Figure against its cost");
    // The cheapest and the best; another seed of the same length is beaten.
    bench.harness.get_by_label("Open length 5, seed 1");
    assert!(bench.harness.query_by_label("Open length 20, seed 2").is_none());
    click(&mut bench, "Open length 20, seed 1");
    let window = bench.harness.state().as_ref().expect("the window is open");
    assert_eq!(window.state.screen, Screen::Training);
}

#[test]
fn each_way_to_look_has_its_controls_and_its_picture() {
    let mut bench = with_curves();
    for (tab, plot) in [
        ("Scatter", "Runs as points"),
        ("Parallel axes", "Runs across parallel axes"),
        ("Best so far", "Best so far, run by run"),
        ("Over seeds", "Means over seeds"),
    ] {
        click(&mut bench, tab);
        bench.harness.get_by_label(plot);
    }
    save(&mut bench, "Save picture…");
    write(&mut bench, "/tmp/a.svg");
    let drawn = bench.world.borrow().drawn.last().map(|(_, picture)| picture.clone());
    assert!(matches!(drawn, Some(Picture::Chart(chart)) if chart.series[0].mark == Mark::Points));
    bench.harness.check_accessibility();
}
