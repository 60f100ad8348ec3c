//! A window as a test begins with it: on a screen, with a run, and its picture.

use std::sync::OnceLock;

use app::action::{Action, Screen};
use app::store::{Answer, RunState};
use egui_kittest::SnapshotResults;
use egui_kittest::kittest::Queryable as _;
use engine::config::RunConfig;
use engine::error::Failure;
use engine::protocol::{Ask, Command, JobId, Phase, Report};
use engine::training::StepReport;

use crate::fixtures::{detail, facts, row};
use crate::world::{Bench, Start, press};

/// Pictures need a graphics adapter; Mesa's lavapipe will do.
fn can_draw() -> bool {
    static DRAWS: OnceLock<bool> = OnceLock::new();
    *DRAWS.get_or_init(|| {
        let drawn =
            std::panic::catch_unwind(|| egui_kittest::Harness::new_ui(|ui| drop(ui.label("?"))).render().is_ok());
        let draws = drawn.unwrap_or(false);
        assert!(
            draws || std::env::var_os("WORKBENCH_REQUIRE_WGPU").is_none(),
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

pub(crate) fn picture(bench: &mut Bench, name: &str) {
    bench.settle();
    if can_draw() {
        bench.harness.snapshot(name);
    }
}

/// Pictures of several windows; all that differ are named.
pub(crate) fn pictures<const N: usize>(windows: [(Bench, &str); N]) {
    let mut results = SnapshotResults::new();
    for (mut bench, name) in windows {
        picture(&mut bench, name);
        results.extend(bench.harness.take_snapshot_results());
    }
}

/// Presses the control of that name.
pub(crate) fn click(bench: &mut Bench, label: &str) {
    press(&bench.harness, label);
    bench.settle();
}

/// Types behind what stands in a field.
pub(crate) fn type_into(bench: &mut Bench, label: &str, text: &str) {
    bench.harness.get_by_label(label).focus();
    bench.settle();
    bench.harness.get_by_label(label).type_text(text);
    bench.settle();
}

/// Presses *Start*: the run that is sent.
pub(crate) fn started(bench: &mut Bench) -> RunConfig {
    click(bench, "Start");
    let sent = bench.last(|command| match command {
        Command { ask: Ask::Train { config, .. }, .. } => Some(config.as_ref().clone()),
        _ => None,
    });
    sent.expect("the run was sent")
}

/// Saves what is shown by a line of the menu *Save* as a file.
pub(crate) fn save_as(bench: &mut Bench, line: &str, path: &str) {
    click(bench, "Save");
    click(bench, line);
    bench.harness.get_by_label("File to write").focus();
    bench.harness.get_by_label("File to write").type_text(path);
    bench.settle();
    click(bench, "Write");
}

pub(crate) fn runs() -> Vec<app::store::RunRow> {
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
    bench.event(job, Report::Phase(Phase::Training));
    bench.event(job, Report::RunStarted(Box::new(facts())));
    for step in 225..=240 {
        bench.event(job, Report::Step(step_report(step)));
    }
    bench
}

pub(crate) fn train_job(bench: &Bench) -> JobId {
    bench
        .last(|command| match command {
            Command { job, ask: Ask::Train { .. } } => Some(*job),
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
        labeled_tokens: 300,
        tokens: 900,
        elapsed_secs: 0.11,
    }
}

/// A window whose second run is chosen and shown on that screen.
pub(crate) fn chosen(start: Start, screen: Screen) -> Bench {
    let mut bench = perform(Bench::with_runs(start, runs()), Action::Open(runs()[2].id.clone(), screen));
    bench.answer(Answer::Detail(Box::new(detail(runs().remove(2), 400))));
    bench
}

/// A window without runs on that screen.
pub(crate) fn shown(screen: Screen) -> Bench {
    perform(Bench::with_runs(Start::default(), Vec::new()), Action::Show(screen))
}

pub(crate) fn perform(mut bench: Bench, action: Action) -> Bench {
    let window = bench.harness.state_mut().as_mut().expect("the window is open");
    window.state.perform(action);
    bench.settle();
    bench
}

pub(crate) fn failure() -> Failure {
    Failure {
        what: engine::Sentence::verbatim("the model folder has no tokenizer.json: /models/tiny"),
        advice: engine::Sentence::verbatim("Choose a folder as Hugging Face writes it"),
    }
}
