//! A person's work: screens are walked through in both languages, a run is started, paused, stopped and left.

use app::action::Screen;
use app::i18n::Language;
use app::settings::Settings;
use app::store::{Answer, Request, RunState};
use app::window::backend::BackendEvent;
use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use engine::error::Failure;
use engine::hub::{HubCommand, HubEvent, Token};
use engine::protocol::{Ask, Command, JobId, Outcome, Report};

use crate::fixtures::{detail, hub_facts, listing, model_summary, row};
use crate::scenes::{click, train_job, training};
use crate::world::{Bench, Start, settings};

#[test]
fn every_screen_opens_by_its_key_in_both_languages_with_every_control_named() {
    for language in [Language::English, Language::Chinese] {
        let settings = Settings { language, ..settings() };
        let runs = vec![row("a", "甲 run", RunState::Finished)];
        let mut bench = Bench::with_runs(Start { settings, ..Start::default() }, runs);
        let keys = [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5, Key::Num6, Key::Num7, Key::Num8];
        for (screen, key) in Screen::ALL.into_iter().zip(keys) {
            bench.harness.key_press_modifiers(Modifiers::COMMAND, key);
            bench.settle();
            if screen == Screen::Training {
                bench.answer(Answer::Detail(Box::new(detail(row("a", "甲 run", RunState::Finished), 80))));
            }
            if screen == Screen::NewRun {
                bench.answer_form();
            }
            let window = bench.harness.state().as_ref().expect("the window is open");
            assert_eq!(window.state.screen, screen);
            // Panics for a control without a name; a character without a glyph panics while drawing.
            bench.harness.check_accessibility();
        }
    }
}

#[test]
fn at_one_and_a_half_times_the_size_no_control_leaves_the_window() {
    for language in [Language::English, Language::Chinese] {
        let settings = Settings { language, zoom: 1.5, ..settings() };
        let runs = vec![row("a", "A run", RunState::Finished)];
        let mut bench = Bench::with_runs(Start { settings, ..Start::default() }, runs);
        // The table of runs scrolls sideways; nothing else does.
        let keys = [Key::Num2, Key::Num3, Key::Num4, Key::Num5, Key::Num6, Key::Num7, Key::Num8];
        for key in keys {
            bench.harness.key_press_modifiers(Modifiers::COMMAND, key);
            bench.settle();
            if key == Key::Num2 {
                bench.answer_form();
            }
            if key == Key::Num3 {
                bench.answer(Answer::Detail(Box::new(detail(row("a", "A run", RunState::Finished), 80))));
            }
            let width = bench.harness.ctx.content_rect().width();
            assert!(width < 900.0, "the window is {width} wide");
            let inputs = bench.harness.root().children_recursive();
            for node in inputs.filter(|node| egui::accessibility::is_input(node.accesskit_node().role())) {
                let rect = node.rect();
                assert!(rect.min.x >= -1.0 && rect.max.x <= width + 1.0, "{key:?}: {node:?} is at {rect:?}");
            }
        }
    }
}

#[test]
fn every_character_of_both_languages_has_a_glyph() {
    for language in [Language::English, Language::Chinese] {
        let mut harness = egui_kittest::Harness::new_ui(move |ui| {
            app::theme::install(ui.ctx());
            for text in app::i18n::words(language).values() {
                ui.label(text);
            }
        });
        harness.run_steps(2);
    }
}

#[test]
fn the_starter_run_is_one_click_away() {
    let mut bench = Bench::with_runs(Start::default(), Vec::new());
    click(&mut bench, "Train the starter example");
    let world = bench.world.borrow();
    let begin =
        world.requests.iter().position(|r| matches!(r, Request::Begin { .. })).expect("the store is told first");
    assert!(world.requests[..begin].iter().any(|r| matches!(r, Request::Register { .. })));
    assert!(world.commands.iter().any(|c| matches!(c, Command { ask: Ask::Train { resume: false, .. }, .. })));
}

#[test]
fn a_run_is_paused_continued_and_stopped() {
    let mut bench = training(Start::default());
    let job = train_job(&bench);
    click(&mut bench, "Pause");
    bench.event(job, Report::Paused { paused: true });
    click(&mut bench, "Continue");
    bench.event(job, Report::Paused { paused: false });
    click(&mut bench, "Checkpoint now");
    click(&mut bench, "Stop");
    bench.harness.get_by_label("Stopping");
    let sent: Vec<&str> = bench
        .world
        .borrow()
        .commands
        .iter()
        .filter_map(|command| match command {
            Command { ask: Ask::Pause, .. } => Some("pause"),
            Command { ask: Ask::Continue, .. } => Some("continue"),
            Command { ask: Ask::Checkpoint, .. } => Some("checkpoint"),
            Command { ask: Ask::Stop, .. } => Some("stop"),
            _ => None,
        })
        .collect();
    assert_eq!(sent, ["pause", "continue", "checkpoint", "stop"]);
    bench.event(job, Report::Finished { outcome: Outcome::Stopped });
    bench.answer(Answer::Runs(vec![row("20261121-031502-beef", "prefix 20 · records", RunState::Stopped)]));
    bench.harness.get_by_label("Resume");
    bench.harness.get_by_label("Compare with the base");
}

#[test]
fn a_run_whose_rows_have_changed_is_resumed_only_with_a_yes() {
    let mut bench = training(Start::default());
    let job = train_job(&bench);
    let run = "20261121-031502-beef";
    let stopped = || vec![row(run, "prefix 20 · records", RunState::Stopped)];
    bench.event(job, Report::Finished { outcome: Outcome::Stopped });
    bench.answer(Answer::Runs(stopped()));
    bench.answer(Answer::Detail(Box::new(detail(stopped().remove(0), 80))));
    click(&mut bench, "Resume");
    let job = train_job(&bench);
    bench.event(
        job,
        Report::Changed { differences: vec![engine::Sentence::verbatim("the training rows (77 then, 116 now)")] },
    );
    let failure = Failure {
        what: engine::Sentence::verbatim("the run began with something else"),
        advice: engine::Sentence::verbatim("Put it back"),
    };
    bench.event(job, Report::Failed(failure));
    bench.answer(Answer::Runs(stopped()));
    bench.answer(Answer::Detail(Box::new(detail(stopped().remove(0), 80))));
    bench.harness.get_by_label("the training rows (77 then, 116 now)");
    assert!(
        !bench.world.borrow().commands.iter().any(|c| matches!(c, Command { ask: Ask::ResumeOnOthers { .. }, .. }))
    );
    click(&mut bench, "Go on anyway");
    assert!(bench.world.borrow().commands.iter().any(|c| matches!(c, Command { ask: Ask::ResumeOnOthers { .. }, .. })));
    assert!(bench.harness.query_by_label("Go on anyway").is_none(), "it was answered");
}

#[test]
fn a_second_run_waits_for_the_first() {
    let mut bench = training(Start::default());
    bench.harness.key_press_modifiers(Modifiers::COMMAND, Key::Num2);
    bench.settle();
    bench.answer_form();
    click(&mut bench, "Add to queue");
    let trains = |bench: &Bench| {
        bench.world.borrow().commands.iter().filter(|c| matches!(c, Command { ask: Ask::Train { .. }, .. })).count()
    };
    assert_eq!(trains(&bench), 1);
    let job = train_job(&bench);
    bench.event(job, Report::Finished { outcome: Outcome::Completed });
    assert_eq!(trains(&bench), 2);
}

#[test]
fn closing_during_a_run_asks_and_can_be_taken_back() {
    let mut bench = training(Start::default());
    let window = bench.harness.state_mut().as_mut().expect("the window is open");
    window.state.leaving = app::state::exit::ExitState::Asking;
    bench.settle();
    bench.harness.get_by_label("Keep running until done");
    click(&mut bench, "Cancel");
    assert!(bench.harness.query_by_label("Keep running until done").is_none());
    let window = bench.harness.state_mut().as_mut().expect("the window is open");
    window.state.leaving = app::state::exit::ExitState::Asking;
    bench.settle();
    click(&mut bench, "Pause and quit");
    let job = train_job(&bench);
    assert!(bench.last(|c| matches!(c, Command { ask: Ask::Stop, .. }).then_some(())).is_some());
    bench.event(job, Report::Finished { outcome: Outcome::Stopped });
    let window = bench.harness.state().as_ref().expect("the window is open");
    assert_eq!(window.state.leaving, app::state::exit::ExitState::Now);
}

#[test]
fn a_model_that_cannot_be_used_is_explained_under_its_field() {
    let mut bench = Bench::with_runs(Start::default(), Vec::new());
    click(&mut bench, "Set up a run");
    bench.answer_form();
    let job = bench
        .last(|command| match command {
            Command { job, ask: Ask::Preview { .. } } => Some(*job),
            _ => None,
        })
        .expect("rows were asked for");
    bench.harness.get_by_label("Ready");
    // A late answer of an old question changes nothing.
    bench.event(
        job,
        Report::Failed(Failure {
            what: engine::Sentence::verbatim("late"),
            advice: engine::Sentence::verbatim("none"),
        }),
    );
    bench.harness.get_by_label("Model: a folder, or an id on the hub").focus();
    bench.harness.get_by_label("Model: a folder, or an id on the hub").type_text("x");
    for _ in 0..8 {
        bench.harness.run_steps(10);
    }
    let asked = bench.last(|command| match command {
        Command { job, ask: Ask::DescribeModel { folder } } => Some((*job, folder.clone())),
        _ => None,
    });
    let (job, folder) = asked.expect("the new folder was asked for");
    assert!(folder.display().to_string().contains('x'));
    let failure = Failure {
        what: engine::Sentence::verbatim("the model folder has no config.json"),
        advice: engine::Sentence::verbatim("Choose a folder"),
    };
    bench.event(job, Report::Failed(failure));
    bench.harness.get_by_label("Not ready");
    assert!(bench.harness.query_all_by_label("The model folder has no config.json").count() >= 1);
}

/// The window with a list of files, and a download of them under way.
fn downloading() -> (Bench, JobId) {
    let mut bench = Bench::with_runs(Start::default(), Vec::new());
    bench.hear(BackendEvent::Hub(hub_facts()));
    click(&mut bench, "Library");
    bench.harness.get_by_label("Id of a model or a dataset").focus();
    bench.harness.get_by_label("Id of a model or a dataset").type_text("Langboat/bloom-389m-zh");
    bench.settle();
    click(&mut bench, "Look up");
    let job = last_job(&bench);
    bench.hear(BackendEvent::Hub(HubEvent::Listed { job, listing: Box::new(listing()) }));
    click(&mut bench, "Download 664 MB");
    let job = last_job(&bench);
    (bench, job)
}

/// Of what was last asked of the hub.
fn last_job(bench: &Bench) -> JobId {
    let job = bench.last_of_hub(|command| match command {
        HubCommand::LookUp { job, .. } | HubCommand::Download { job, .. } => Some(*job),
        _ => None,
    });
    job.expect("the hub was asked")
}

#[test]
fn a_downloaded_model_is_read_and_can_be_trained_with() {
    let (mut bench, job) = downloading();
    let folder = listing().folder;
    bench.hear(BackendEvent::Hub(HubEvent::Fetched { job, folder: folder.clone() }));
    // As a banner in its card, and as a notice on any other screen.
    assert_eq!(bench.harness.query_all_by_label_contains("Langboat/bloom-389m-zh is here").count(), 2);
    let asked = bench.last(|command| match command {
        Command { job, ask: Ask::DescribeModel { folder } } => Some((*job, folder.clone())),
        _ => None,
    });
    let (job, read) = asked.expect("its facts are read");
    assert_eq!(read, folder);
    let model = Box::new(engine::models::ModelSummary { folder: folder.clone(), ..model_summary() });
    bench.event(job, Report::Model(model));
    let remembered =
        bench.world.borrow().requests.iter().any(|r| matches!(r, Request::RememberModel(m) if m.folder == folder));
    assert!(remembered, "the library keeps it");
}

#[test]
fn a_download_is_cancelled_and_its_late_news_change_nothing() {
    let (mut bench, job) = downloading();
    click(&mut bench, "Cancel the download");
    assert_eq!(bench.last_of_hub(|c| matches!(c, HubCommand::Cancel { .. }).then_some(())), Some(()));
    bench.harness.get_by_label("Stopping");
    bench.hear(BackendEvent::Hub(HubEvent::Cancelled { job }));
    bench.harness.get_by_label("Download 664 MB");
    bench.hear(BackendEvent::Hub(HubEvent::Fetched { job, folder: "/late".into() }));
    bench.harness.get_by_label("Download 664 MB");
    click(&mut bench, "Not now");
    assert!(bench.harness.query_by_label("Download 664 MB").is_none());
}

#[test]
fn an_id_that_is_none_never_reaches_the_hub() {
    let mut bench = Bench::with_runs(Start::default(), Vec::new());
    click(&mut bench, "Library");
    bench.harness.get_by_label("Id of a model or a dataset").focus();
    bench.harness.get_by_label("Id of a model or a dataset").type_text("../etc");
    bench.settle();
    click(&mut bench, "Look up");
    bench.harness.get_by_label_contains("is no model id");
    assert!(bench.last_of_hub(|c| matches!(c, HubCommand::LookUp { .. }).then_some(())).is_none());
}

#[test]
fn address_and_token_are_set_without_the_token_being_kept_anywhere_else() {
    // Tall enough for the card to be in sight: what is not cannot be pressed.
    let mut bench = Bench::with_runs(Start { size: [1280.0, 1400.0], ..Start::default() }, Vec::new());
    bench.hear(BackendEvent::Hub(hub_facts()));
    click(&mut bench, "Settings");
    bench.harness.get_by_label("Address of the hub").focus();
    bench.harness.get_by_label("Address of the hub").type_text("https://mirror.example");
    bench.settle();
    assert!(bench.world.borrow().kept.is_empty(), "an address that is half typed is none");
    bench.harness.get_by_label("Access token").focus();
    bench.settle();
    bench.harness.get_by_label("Access token").type_text("hf_secret");
    bench.settle();
    assert_eq!(bench.world.borrow().kept.last().unwrap().hub_endpoint, "https://mirror.example");
    let described = bench.last_of_hub(|command| match command {
        HubCommand::Describe { endpoint } => Some(endpoint.clone()),
        _ => None,
    });
    assert_eq!(described, Some(Some("https://mirror.example".to_owned())));
    click(&mut bench, "Keep it");
    let kept = bench.last_of_hub(|command| match command {
        HubCommand::KeepToken(token) => Some(token.clone()),
        _ => None,
    });
    assert_eq!(kept, Some(Token::new("hf_secret")));
    let world = bench.world.borrow();
    let said = format!("{:?} {:?} {:?} {:?}", world.asked_hub, world.kept, world.requests, world.commands);
    assert!(!said.contains("hf_secret"));
}

#[test]
fn another_instance_writes_so_this_one_only_looks() {
    let sentence = "Another Prefix Workbench has this workspace open".to_owned();
    let start = Start { read_only: Some(sentence.clone()), ..Start::default() };
    let mut bench = Bench::with_runs(start, Vec::new());
    bench.harness.get_by_label(&sentence);
    click(&mut bench, "Set up a run");
    bench.answer_form();
    bench.harness.get_by_label("Not ready");
}
