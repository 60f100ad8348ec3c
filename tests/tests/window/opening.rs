//! Paths dropped onto the window or named with it go where their kind belongs.

use std::path::{Path, PathBuf};

use app::action::Screen;
use app::experiments::OpenedExperiment;
use app::i18n::Language;
use app::opening::{Opened, PathKind};
use app::store::{RunRow, RunState};
use app::window::Workbench;
use app::workspace::RunId;
use egui_kittest::kittest::Queryable as _;
use engine::config::RunConfig;
use engine::error::Failure;
use engine::experiment::{Experiment, Member, Strategy};
use engine::protocol::{Ask, Command};

use crate::fixtures::{config, row};
use crate::scenes::{click, picture};
use crate::sent::Dropped;
use crate::world::{Bench, Start, settings};

fn runs() -> Vec<RunRow> {
    vec![row("a", "A run", RunState::Finished)]
}

fn window(bench: &Bench) -> &Workbench {
    bench.harness.state().as_ref().expect("the window is open")
}

/// A window onto which something was dropped that is this.
fn dropped(opens: Opened) -> Bench {
    let mut bench = Bench::with_runs(Start { size: [1280.0, 1500.0], ..Start::default() }, runs());
    bench.world.borrow_mut().opens = Some(opens);
    bench.harness.input_mut().dropped_files.push(std::sync::Arc::new(Dropped("/mail/it".into())));
    bench.settle();
    bench.settle();
    assert_eq!(bench.world.borrow().opened, [vec![PathBuf::from("/mail/it")]]);
    bench
}

#[test]
fn rows_set_up_a_run_and_so_do_a_model_and_a_run_file() {
    let mut bench = dropped(Opened::Rows("/mail/own.csv".into(), Some("/mail/dev.csv".into())));
    assert_eq!(window(&bench).state.screen, Screen::NewRun);
    bench.answer_form();
    let asked = bench.last(|command| match command {
        Command { ask: Ask::Preview { data, .. }, .. } => Some((data.train.clone(), data.validation.clone())),
        _ => None,
    });
    assert_eq!(asked, Some(("/mail/own.csv".into(), Some("/mail/dev.csv".into()))));

    let mut bench = dropped(Opened::Model("/mail/bert".into()));
    assert_eq!(window(&bench).state.screen, Screen::NewRun);
    bench.answer_form();
    let asked = bench.last(|command| match command {
        Command { ask: Ask::DescribeModel { folder }, .. } => Some(folder.clone()),
        _ => None,
    });
    assert_eq!(asked.as_deref(), Some(Path::new("/mail/bert")));

    let mut sent = config();
    sent.training.batch_size = 3;
    let mut bench = dropped(Opened::RunFile(Box::new(sent)));
    assert_eq!(window(&bench).state.screen, Screen::NewRun);
    bench.answer_form();
    click(&mut bench, "Start");
    let batch = bench.last(|command| match command {
        Command { ask: Ask::Train { config, .. }, .. } => Some(config.training.batch_size),
        _ => None,
    });
    assert_eq!(batch, Some(3));
}

#[test]
fn a_run_of_this_workspace_is_shown_and_what_cannot_be_opened_says_why() {
    let bench = dropped(Opened::Run(RunId("a".into())));
    assert_eq!(window(&bench).state.screen, Screen::Training);
    let failure = Failure {
        what: engine::Sentence::verbatim("this is nothing that can be opened here: /mail/it"),
        advice: engine::Sentence::verbatim("Rows"),
    };
    let bench = dropped(Opened::Failed(failure));
    bench.harness.get_by_label("This is nothing that can be opened here: /mail/it");
    assert_eq!(window(&bench).state.screen, Screen::Runs);
}

#[test]
fn whoever_holds_something_over_the_window_is_told_what_will_happen() {
    let words = [
        (PathKind::Rows, "Rows to train on"),
        (PathKind::Model, "A base model"),
        (PathKind::RunFile, "A run file"),
        (PathKind::Experiment, "An experiment: a run and what varies"),
        (PathKind::Adapter, "An adapter"),
        (PathKind::Run, "The folder of a run"),
        (PathKind::Other, "Nothing that is opened here"),
    ];
    for (kind, said) in words {
        let mut bench = Bench::with_runs(Start::default(), runs());
        bench.world.borrow_mut().kind = Some(kind);
        let held = egui::HoveredFile { path: Some("/mail/it".into()), ..egui::HoveredFile::default() };
        bench.harness.input_mut().hovered_files.push(held);
        bench.settle();
        bench.settle();
        bench.harness.get_by_label(said);
        if kind == PathKind::Rows {
            picture(&mut bench, "drop");
        }
        bench.harness.input_mut().hovered_files.clear();
        bench.settle();
        assert!(bench.harness.query_by_label(said).is_none(), "it was taken away");
    }
}

#[test]
fn what_the_library_is_asked_to_open_is_looked_at_first() {
    let settings = app::settings::Settings { language: Language::English, ..settings() };
    let mut bench = Bench::with_runs(Start { settings, size: [1280.0, 2000.0], ..Start::default() }, runs());
    click(&mut bench, "Library");
    bench.world.borrow_mut().opens = Some(Opened::Rows("/mail/own.csv".into(), None));
    bench.harness.get_by_label("An adapter that somebody sent").focus();
    bench.harness.get_by_label("An adapter that somebody sent").type_text("/mail/own.csv");
    bench.settle();
    click(&mut bench, "Open adapter…");
    bench.settle();
    assert_eq!(window(&bench).state.screen, Screen::NewRun, "rows are no adapter");
}

#[test]
fn of_several_things_each_is_named_while_they_are_held() {
    let mut bench = Bench::with_runs(Start::default(), runs());
    for path in ["/mail/own.csv", "/mail/run.toml", "/mail/notes.docx"] {
        let held = egui::HoveredFile { path: Some(path.into()), ..egui::HoveredFile::default() };
        bench.harness.input_mut().hovered_files.push(held);
    }
    bench.settle();
    let paths = ["/mail/own.csv", "/mail/run.toml", "/mail/notes.docx"].map(PathBuf::from).to_vec();
    let kinds = vec![PathKind::Rows, PathKind::RunFile, PathKind::Other];
    bench.hear(app::window::backend::BackendEvent::Hovered(paths, kinds));
    for line in ["own.csv · Rows to train on", "run.toml · A run file", "notes.docx · Nothing that is opened here"] {
        bench.harness.get_by_label(line);
    }
    picture(&mut bench, "drop_several");
}

#[test]
fn several_things_go_where_each_belongs_and_those_that_are_refused_say_why() {
    let mut sent = config();
    sent.training.batch_size = 3;
    let failure = Failure {
        what: engine::Sentence::verbatim("2 adapters were dropped"),
        advice: engine::Sentence::verbatim("Drop one of them"),
    };
    let several = vec![
        Opened::RunFile(Box::new(sent)),
        Opened::Model("/mail/bert".into()),
        Opened::Rows("/mail/own.csv".into(), None),
        Opened::Experiment(Box::new(lengths(2))),
        Opened::Failed(failure),
    ];
    let mut bench = dropped(Opened::Several(several));
    assert_eq!(window(&bench).state.screen, Screen::NewRun);
    bench.harness.get_by_label("2 adapters were dropped");
    bench.harness.get_by_label("Start 2 runs");
    bench.answer_form();
    let asked = bench.last(|command| match command {
        Command { ask: Ask::Preview { data, model, .. }, .. } => Some((model.clone(), data.train.clone())),
        _ => None,
    });
    assert_eq!(asked, Some(("/mail/bert".into(), "/mail/own.csv".into())));
}

/// An experiment file of so many seeds.
fn lengths(runs: usize) -> OpenedExperiment {
    let member = |seed: usize| {
        let values = vec![("seed".to_owned(), serde_json::json!(seed))];
        let member = Member { name: format!("seed {seed}"), values, settings: serde_json::json!({}) };
        (member, RunConfig { seed: seed as u64, name: format!("seed {seed}"), ..config() })
    };
    let (name, base, axes) = ("over seeds".to_owned(), serde_json::json!({}), Vec::new());
    OpenedExperiment {
        path: "/mail/over seeds.toml".into(),
        about: "How far seeds are apart".into(),
        trained: Some((2_816, 92_160)),
        experiment: Experiment { name, base, axes, strategy: Strategy::Grid, first: None },
        runs: (1..=runs).map(member).collect(),
        source: "[vary]\n".into(),
    }
}

#[test]
fn an_experiment_file_shows_its_runs_and_trains_them_after_a_yes() {
    let mut bench = dropped(Opened::Experiment(Box::new(lengths(3))));
    bench.harness.get_by_label("seed 2");
    assert!(!bench.world.borrow().commands.iter().any(|command| matches!(command.ask, Ask::Train { .. })));
    bench.harness.check_accessibility();
    click(&mut bench, "Start 3 runs");
    bench.settle();
    let seed = bench.last(|command| match command {
        Command { ask: Ask::Train { config, .. }, .. } => Some(config.seed),
        _ => None,
    });
    assert_eq!(seed, Some(1));
    assert_eq!(window(&bench).state.live.queue.len(), 1, "the next of them");

    let mut bench = dropped(Opened::Experiment(Box::new(lengths(21))));
    click(&mut bench, "Cancel");
    assert!(window(&bench).state.incoming.experiment.is_none());
    let mut bench = dropped(Opened::Experiment(Box::new(lengths(21))));
    click(&mut bench, "Yes, all 21");
    assert_eq!(window(&bench).state.live.running.len(), 1);
}
