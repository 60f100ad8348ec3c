//! Snapshots of each screen: empty, busy and failed. Without a wgpu adapter the labels are still checked, and it is
//! said why the pictures are skipped.

use std::sync::OnceLock;

use app::store::{Answer, RunState};
use app::text::Language;
use app::theme::ThemeChoice;
use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use engine::message::{
    Command, Event, GeneratedStream, JobId, Neighbour, NeighbourList, Phase, PrefixGrid, StepReport,
};

use crate::world::{Bench, Start, detail, devices, facts, row, settings};

/// Pictures need a graphics adapter; Mesa's lavapipe will do.
fn can_draw() -> bool {
    static DRAWS: OnceLock<bool> = OnceLock::new();
    *DRAWS.get_or_init(|| {
        let drawn =
            std::panic::catch_unwind(|| egui_kittest::Harness::new_ui(|ui| drop(ui.label("?"))).render().is_ok());
        let draws = drawn.unwrap_or(false);
        assert!(
            draws || std::env::var_os("PREFIX_WORKBENCH_REQUIRE_WGPU").is_none(),
            "wgpu is required and there is no adapter"
        );
        if !draws {
            eprintln!(
                "there is no wgpu adapter (apt install mesa-vulkan-drivers): pictures are skipped, labels are checked"
            );
        }
        draws
    })
}

fn picture(bench: &mut Bench, name: &str) {
    bench.settle();
    if can_draw() {
        bench.harness.snapshot(name);
    }
}

/// Presses the control of that name. A screen may say the same word elsewhere, as text.
pub(crate) fn click(bench: &mut Bench, label: &str) {
    let named: Vec<_> = bench.harness.query_all_by_label(label).collect();
    let mut controls = named.iter().filter(|node| node.accesskit_node().role() != Role::Label);
    let control = controls.next().unwrap_or_else(|| panic!("no control is called {label:?}"));
    assert!(controls.next().is_none(), "two controls are called {label:?}");
    control.click();
    bench.settle();
}

fn runs() -> Vec<app::store::RunRow> {
    let mut paper = row("20261121-020000-0002", "Paper setting", RunState::Finished);
    paper.method = "prefix 10 + MLP 512".into();
    paper.best_loss = Some(1.1987);
    vec![
        row("20261121-030000-0004", "prefix 20 · records", RunState::Running),
        row("20261121-021000-0003", "Large rate", RunState::Failed),
        paper,
        row("20261121-010000-0001", "First try", RunState::Stopped),
    ]
}

/// A window in which the starter run is under way.
pub(crate) fn training(start: Start) -> Bench {
    let mut bench = Bench::with_runs(start, Vec::new());
    click(&mut bench, "Train the starter example");
    let run = row("20261121-031502-beef", "prefix 20 · records", RunState::Running);
    bench.answer(Answer::Runs(vec![run.clone()]));
    bench.answer(Answer::Detail(Box::new(detail(run, 240))));
    let job = train_job(&bench);
    bench.event(Event::Phase { job, phase: Phase::Training });
    bench.event(Event::RunStarted { job, facts: Box::new(facts()) });
    for step in 225..=240 {
        bench.event(Event::Step { job, step: step_report(step) });
    }
    bench
}

pub(crate) fn train_job(bench: &Bench) -> JobId {
    bench
        .last(|command| match command {
            Command::Train { job, .. } => Some(*job),
            _ => None,
        })
        .expect("the run was sent")
}

fn step_report(step: usize) -> StepReport {
    StepReport {
        step,
        loss: 1.3,
        learning_rate: 2e-3,
        grad_norm: 0.8,
        labelled_tokens: 300,
        tokens: 900,
        elapsed_secs: 0.11,
    }
}

#[test]
fn runs_without_runs_says_where_to_begin() {
    let mut bench = Bench::with_runs(Start::default(), Vec::new());
    for label in ["Train the starter example", "Open a model folder…", "Set up a run"] {
        bench.harness.get_by_label(label);
    }
    picture(&mut bench, "runs_empty");
}

#[test]
fn runs_in_a_table() {
    let mut bench = Bench::with_runs(Start::default(), runs());
    click(&mut bench, "Paper setting");
    picture(&mut bench, "runs_table");
    click(&mut bench, "Delete…");
    bench.harness.get_by_label("Delete with all files");
    picture(&mut bench, "runs_delete");
}

#[test]
fn a_new_run_is_ready_at_once() {
    let mut bench = Bench::with_runs(Start::default(), Vec::new());
    click(&mut bench, "Set up a run");
    bench.answer_form();
    bench.harness.get_by_label("Ready");
    assert_eq!(bench.harness.query_all_by_label("92,160").count(), 2, "as many are trained as are stored");
    picture(&mut bench, "new_run_ready");
}

#[test]
fn training_while_it_goes_on() {
    let mut bench = training(Start::default());
    for label in ["Pause", "Stop", "Checkpoint now", "Loss over steps", "Smoothing"] {
        assert!(bench.harness.query_all_by_label(label).count() > 0, "{label}");
    }
    picture(&mut bench, "training_busy");
}

#[test]
fn training_that_failed_says_what_to_do() {
    let settings = app::settings::Settings { theme: ThemeChoice::Light, ..settings() };
    let mut bench = Bench::with_runs(Start { settings, ..Start::default() }, runs());
    click(&mut bench, "Large rate");
    click(&mut bench, "Open");
    let failed = row("20261121-021000-0003", "Large rate", RunState::Failed);
    bench.answer(Answer::Detail(Box::new(detail(failed, 120))));
    bench.harness.get_by_label_contains("no longer a number");
    picture(&mut bench, "training_failed_light");
}

#[test]
fn compare_marks_what_the_prefix_changes() {
    let mut bench = Bench::with_runs(Start::default(), runs());
    click(&mut bench, "Paper setting");
    click(&mut bench, "Compare side by side");
    let paper = row("20261121-020000-0002", "Paper setting", RunState::Finished);
    bench.answer(Answer::Detail(Box::new(detail(paper, 400))));
    // Prompts come by themselves, and the first is already there.
    let rows = bench.last(|command| match command {
        Command::Preview { job, .. } => Some(*job),
        _ => None,
    });
    let preview = Box::new(crate::world::preview_rows());
    bench.event(Event::Preview { job: rows.expect("rows were asked for"), preview });
    click(&mut bench, "Next row");
    click(&mut bench, "Generate");
    let job = bench
        .last(|command| match command {
            Command::Generate { job, request } => {
                assert_eq!(request.streams.len(), 2);
                assert!(request.streams[0].adapter.is_none() && request.streams[1].adapter.is_some());
                Some(*job)
            }
            _ => None,
        })
        .expect("the generation was sent");
    bench.event(Event::Token { job, stream: 1, text: " Blue".into() });
    let stream = |text: &str, hash: &str, proven| GeneratedStream {
        text: text.into(),
        tokens: vec![1; 14],
        adapter_hash: hash.into(),
        proven_base: proven,
        elapsed_secs: 0.21,
    };
    bench.event(Event::Generated {
        job,
        streams: vec![
            stream(" The river was cold, and the old man said nothing to the boy.", "", Some(true)),
            stream(" Blue Spice is a Chinese restaurant by the river.", "9f3ac1d2e4", None),
        ],
    });
    bench.harness.get_by_label("Base proven");
    picture(&mut bench, "compare_done");
}

#[test]
fn explorer_greys_what_random_vectors_reach_too() {
    let mut bench = Bench::with_runs(Start::default(), runs());
    click(&mut bench, "Paper setting");
    click(&mut bench, "Look inside");
    let paper = row("20261121-020000-0002", "Paper setting", RunState::Finished);
    bench.answer(Answer::Detail(Box::new(detail(paper, 400))));
    let grid = bench.last(|command| match command {
        Command::DescribePrefix { job, .. } => Some(*job),
        _ => None,
    });
    let norms: Vec<f32> = (0..120).map(|i| 3.0 + ((i * 37) % 41) as f32 * 0.15).collect();
    let norms = PrefixGrid { n_layers: 6, n_virtual: 20, key_norm: norms.clone(), value_norm: norms };
    bench.event(Event::Grid { job: grid.expect("norms were asked for"), grid: Box::new(norms) });
    bench.harness.get_by_label_contains("Layer 3, position 5,").click();
    bench.settle();
    let job = bench.last(|command| match command {
        Command::Neighbours { job, request } => {
            assert!(request.initial.is_some(), "the null needs the values before training");
            Some(*job)
        }
        _ => None,
    });
    let words =
        ["·river", "·restaurant", "·food", "·near", "·serves", "·cheap", "·the", "·of", "\\n", "·a", "·in", "·it"];
    let near = |scale: f32| -> Vec<Neighbour> {
        let list = words.iter().enumerate();
        list.map(|(i, text)| Neighbour { token: i as u32, text: (*text).into(), score: scale - 0.04 * i as f32 })
            .collect()
    };
    let list = NeighbourList {
        layer: 2,
        position: 4,
        nearest: near(0.62),
        initial: near(0.31),
        random_best: (0.29, 0.03),
        vocabulary: (0.01, 0.08),
    };
    bench.event(Event::Neighbours { job: job.expect("neighbours were asked for"), lists: vec![list] });
    bench.harness.get_by_label_contains("·river 0.620");
    picture(&mut bench, "explorer_cell");
}

#[test]
fn library_and_settings_have_something_to_say() {
    let mut bench = Bench::with_runs(Start::default(), Vec::new());
    click(&mut bench, "Library");
    bench.harness.get_by_label("Add a model folder");
    picture(&mut bench, "library_empty");
    click(&mut bench, "Settings");
    bench.harness.get_by_label_contains(&devices()[1].name);
    picture(&mut bench, "settings");
}

#[test]
fn chinese_and_large_is_still_whole() {
    let settings = app::settings::Settings { language: Language::Chinese, theme: ThemeChoice::Light, ..settings() };
    let mut bench = Bench::with_runs(Start { settings, ..Start::default() }, Vec::new());
    click(&mut bench, "设置一次训练");
    bench.answer_form();
    bench.harness.get_by_label("就绪");
    picture(&mut bench, "new_run_chinese_light");
}

#[test]
fn large_type_puts_the_card_above_the_form() {
    let settings = app::settings::Settings { zoom: 1.5, ..settings() };
    let mut bench = Bench::with_runs(Start { settings, ..Start::default() }, Vec::new());
    click(&mut bench, "Set up a run");
    bench.answer_form();
    bench.harness.get_by_label("Ready");
    picture(&mut bench, "new_run_large");
}
