//! The explorer: what it shows, that it answers what was asked, and what it keeps.

use app::action::{Action, Screen};
use app::i18n::Language;
use app::store::{Answer, RunRow, RunState};
use app::theme::ThemeChoice;
use egui_kittest::kittest::Queryable as _;
use engine::analysis::{Neighbor, NeighborList, PrefixGrid, Side, Space, Tail, VocabularyScores};
use engine::protocol::{Ask, Command, JobId, NeighborRequest, Phase, Report};

use crate::fixtures::{detail, row};
use crate::scenes::{chosen, click, failure, perform, picture, pictures, runs, shown};
use crate::world::{Bench, Start, settings};

/// The last question for norms: its job, the adapter, what it began as.
fn asked_for_norms(bench: &Bench) -> (JobId, String, String) {
    let path = |path: &std::path::Path| path.display().to_string();
    let asked = bench.last(|command| match command {
        Command { job, ask: Ask::DescribePrefix { adapter, initial, .. } } => {
            Some((*job, path(adapter), initial.as_deref().map(path).unwrap_or_default()))
        }
        _ => None,
    });
    asked.expect("norms were asked for")
}

/// The last question for neighbors.
fn asked(bench: &Bench) -> (JobId, NeighborRequest) {
    let asked = bench.last(|command| match command {
        Command { job, ask: Ask::Neighbors(request) } => Some((*job, NeighborRequest::clone(request))),
        _ => None,
    });
    asked.expect("neighbors were asked for")
}

fn questions(bench: &Bench) -> usize {
    bench
        .world
        .borrow()
        .commands
        .iter()
        .filter(|command| matches!(command, Command { ask: Ask::Neighbors(_), .. }))
        .count()
}

/// Norms as a trained prefix has them: three cells far above the others.
fn grid() -> PrefixGrid {
    let norm = |i: usize| if i % 41 == 7 { 290.0 } else { 15.0 + ((i * 37) % 41) as f32 * 0.6 };
    let norms: Vec<f32> = (0..120).map(norm).collect();
    let change: Vec<f32> = norms.iter().map(|norm| norm - 3.0).collect();
    PrefixGrid {
        n_layers: 6,
        n_virtual: 20,
        key_norm: norms.clone(),
        value_norm: norms,
        key_change: change.clone(),
        value_change: change,
        ..PrefixGrid::default()
    }
}

/// A window that has asked for the nearest tokens of a cell.
fn exploring(start: Start, cell: &str) -> (Bench, JobId) {
    let mut bench = chosen(start, Screen::Explorer);
    let (job, _, initial) = asked_for_norms(&bench);
    assert!(initial.ends_with("initial"), "a change is measured from the start");
    bench.event(job, Report::Grid(Box::new(grid())));
    bench.harness.get_by_label_contains(cell).click();
    bench.settle();
    let (job, request) = asked(&bench);
    assert!(request.initial.is_some(), "the start is shown beside what it became");
    assert_eq!(request.space, Space::Whitened);
    (bench, job)
}

fn list(layer: usize, position: usize, z: &[f32]) -> NeighborList {
    let words =
        ["·river", "·restaurant", "·food", "·near", "·serves", "·cheap", "·the", "·of", "\\n", "·a", "·in", "·it"];
    let (mean, sd) = (0.012, 0.081);
    let near = |(i, (text, z)): (usize, (&&str, &f32))| Neighbor {
        token: i as u32,
        text: (*text).into(),
        score: mean + z * sd,
        z: *z,
        before: Some(1.9 - i as f32 * 0.3),
    };
    let nearest: Vec<Neighbor> = words.iter().zip(z).enumerate().map(near).collect();
    let bell = |bin: usize| {
        let z = VocabularyScores::LOWEST + (bin as f32 + 0.5) * VocabularyScores::STEP;
        (8192.0 * VocabularyScores::STEP * 0.3989 * (-z * z / 2.0).exp()) as u32
    };
    let histogram = (0..VocabularyScores::BINS).map(bell).collect();
    NeighborList {
        layer,
        position,
        head: None,
        initial: vec![Neighbor { text: "·it".into(), z: 3.4, before: None, ..nearest[0].clone() }],
        nearest,
        vocabulary: VocabularyScores {
            tokens: 8192,
            mean,
            sd,
            best: 3.8,
            limit: Some(4.37),
            tail: Tail::default(),
            histogram,
        },
    }
}

const WORDS: [f32; 12] = [6.4, 5.6, 5.1, 4.6, 4.2, 3.9, 3.7, 3.6, 3.5, 3.5, 3.4, 3.3];
const NOISE: [f32; 12] = [3.9, 3.7, 3.6, 3.5, 3.4, 3.4, 3.3, 3.3, 3.2, 3.2, 3.1, 3.1];

fn answer(bench: &mut Bench, job: JobId, list: NeighborList) {
    bench.event(job, Report::Neighbors { lists: vec![list] });
}

#[test]
fn explorer_marks_what_chance_does_not_explain() {
    let (mut bench, job) = exploring(Start::default(), "Layer 3, position 5,");
    bench.event(job, Report::Phase(Phase::BuildingVocabulary { share: 0.4 }));
    picture(&mut bench, "explorer_busy");
    answer(&mut bench, job, list(2, 4, &WORDS));
    bench.harness.get_by_label("·river 0.530, z 6.4");
    bench.harness.get_by_label_contains("all 8,192 tokens");
    bench.harness.get_by_label_contains("in about 6 of these 120 cells");
    assert!(bench.harness.query_by_label_contains("Nothing here").is_none());
    picture(&mut bench, "explorer_cell");
}

#[test]
fn explorer_says_that_noise_is_noise() {
    let settings = app::settings::Settings { theme: ThemeChoice::Light, ..settings() };
    let (mut bench, job) = exploring(Start { settings, ..Start::default() }, "Layer 3, position 5,");
    answer(&mut bench, job, list(2, 4, &NOISE));
    bench.harness.get_by_label_contains("Nothing here is nearer than chance explains");
    picture(&mut bench, "explorer_noise");
}

#[test]
fn explorer_in_chinese_on_a_narrow_screen_and_in_large_type_is_whole() {
    let chinese = app::settings::Settings { language: Language::Chinese, theme: ThemeChoice::Light, ..settings() };
    let large = app::settings::Settings { zoom: 1.5, ..settings() };
    let start = |settings, size| Start { settings, size, ..Start::default() };
    let windows = [
        (start(chinese, [1280.0, 800.0]), "第 3 层，位置 5", "chinese_explorer"),
        (start(settings(), [900.0, 1100.0]), "Layer 3, position 5,", "explorer_narrow"),
        (start(large, [1280.0, 1400.0]), "Layer 3, position 5,", "explorer_large"),
    ];
    pictures(windows.map(|(start, cell, name)| {
        let (mut bench, job) = exploring(start, cell);
        answer(&mut bench, job, list(2, 4, &WORDS));
        bench.harness.check_accessibility();
        (bench, name)
    }));
}

#[test]
fn explorer_says_why_it_cannot_and_where_to_begin() {
    let (mut bench, job) = exploring(Start::default(), "Layer 3, position 5,");
    bench.event(job, Report::Failed(failure()));
    bench.harness.get_by_label_contains("no tokenizer.json");
    pictures([(bench, "explorer_failed"), (shown(Screen::Explorer), "explorer_empty")]);
}

#[test]
fn a_list_stays_with_the_vectors_it_was_asked_for() {
    let (mut bench, first) = exploring(Start::default(), "Layer 3, position 5,");
    answer(&mut bench, first, list(2, 4, &WORDS));
    click(&mut bench, "Values");
    let (values, request) = asked(&bench);
    assert_eq!((request.side, request.layers, request.positions), (Side::Value, vec![2], vec![4]));
    // Back to the keys, whose list is known, before the values have come: their answer is for nobody now.
    click(&mut bench, "Keys");
    bench.harness.get_by_label("·river 0.530, z 6.4");
    let stopped = bench.last(|command| if let Command { job, ask: Ask::Stop } = command { Some(*job) } else { None });
    assert_eq!(stopped, Some(values));
    answer(&mut bench, values, list(2, 4, &NOISE));
    bench.harness.get_by_label("·river 0.530, z 6.4");
    click(&mut bench, "Values");
    assert!(bench.harness.query_by_label_contains("·river").is_none(), "the values were never answered");
    assert_eq!(asked(&bench).1.side, Side::Value);
    click(&mut bench, "Raw");
    assert_eq!((asked(&bench).1.side, asked(&bench).1.space), (Side::Value, Space::Raw));
}

#[test]
fn another_run_keeps_the_cell_and_never_shows_the_list_of_the_one_before() {
    let (mut bench, job) = exploring(Start::default(), "Layer 3, position 5,");
    answer(&mut bench, job, list(2, 4, &WORDS));
    click(&mut bench, "Values");
    let (old, _) = asked(&bench);
    let other = runs().remove(3);
    let mut bench = perform(bench, Action::Open(other.id.clone(), Screen::Explorer));
    bench.answer(Answer::Detail(Box::new(detail(other.clone(), 400))));
    answer(&mut bench, old, list(2, 4, &NOISE));
    assert!(bench.harness.query_by_label_contains("·river").is_none());
    let (job, adapter, _) = asked_for_norms(&bench);
    assert!(adapter.contains(&other.id.0));
    bench.event(job, Report::Grid(Box::new(grid())));
    let (job, request) = asked(&bench);
    assert!(request.adapter.display().to_string().contains(&other.id.0), "the same cell, of the other run");
    assert_eq!((request.side, request.layers, request.positions), (Side::Value, vec![2], vec![4]));
    answer(&mut bench, job, list(2, 4, &NOISE));
    bench.harness.get_by_label("Values of layer 3, position 5");
    // A prefix that has no such cell shows none.
    let bench = &mut perform(bench, Action::Open(runs()[2].id.clone(), Screen::Explorer));
    bench.answer(Answer::Detail(Box::new(detail(runs().remove(2), 400))));
    let before = questions(bench);
    let shorter = PrefixGrid { n_virtual: 4, key_norm: vec![1.0; 24], value_norm: vec![1.0; 24], ..grid() };
    bench.event(asked_for_norms(bench).0, Report::Grid(Box::new(shorter)));
    assert_eq!(questions(bench), before);
    bench.harness.get_by_label("Click a cell");
}

/// The store's answer about a run that waits: it has no checkpoint.
fn queued_detail() -> Answer {
    let mut detail = detail(queued(), 0);
    detail.checkpoints.clear();
    Answer::Detail(Box::new(detail))
}

fn queued() -> RunRow {
    RunRow { step: 0, ..row("20261121-040000-0005", "Queued one", RunState::Queued) }
}

#[test]
fn the_explorer_opens_for_the_newest_run_that_has_something_to_look_at() {
    let all: Vec<RunRow> = std::iter::once(queued()).chain(runs()).collect();
    let mut bench = Bench::with_runs(Start::default(), all.clone());
    click(&mut bench, "Explorer");
    bench.answer(Answer::Detail(Box::new(detail(all[1].clone(), 120))));
    assert!(asked_for_norms(&bench).1.contains(&all[1].id.0));
    // The same where the run that waits is on screen.
    let bench = Bench::with_runs(Start::default(), all.clone());
    let mut bench = perform(bench, Action::Open(queued().id, Screen::Training));
    bench.answer(queued_detail());
    click(&mut bench, "Explorer");
    bench.answer(Answer::Detail(Box::new(detail(all[1].clone(), 120))));
    let (_, adapter, _) = asked_for_norms(&bench);
    assert!(adapter.contains(&all[1].id.0), "{adapter}");
    // The run on screen is still the one that waits.
    click(&mut bench, "Training");
    assert!(bench.harness.query_all_by_label("Queued one").count() > 0);
}

#[test]
fn a_run_that_is_queued_leaves_the_explorer_where_it_was() {
    let (mut bench, job) = exploring(Start::default(), "Layer 3, position 5,");
    answer(&mut bench, job, list(2, 4, &WORDS));
    let all: Vec<RunRow> = std::iter::once(queued()).chain(runs()).collect();
    bench.answer(Answer::Runs(all));
    let mut bench = perform(bench, Action::Open(queued().id, Screen::Training));
    bench.answer(queued_detail());
    click(&mut bench, "Explorer");
    bench.harness.get_by_label("·river 0.530, z 6.4");
    // Asked for by name it is shown, though there is nothing to see.
    let bench = perform(bench, Action::Open(queued().id, Screen::Explorer));
    assert!(bench.harness.query_by_label_contains("·river").is_none());
}

#[test]
fn cells_are_colored_by_their_change_too() {
    let (mut bench, _) = exploring(Start::default(), "Layer 3, position 5,");
    bench.harness.get_by_label("Layer 1, position 8, norm 290.00");
    click(&mut bench, "Change");
    bench.harness.get_by_label("Layer 1, position 8, change 287.00");
    click(&mut bench, "Each layer");
    picture(&mut bench, "explorer_change");
}
