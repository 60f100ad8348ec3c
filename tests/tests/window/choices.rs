//! The window keeps no choice that nobody made, loses none that somebody made, and never shows an answer to another
//! question.

use app::action::{Action, Pick, Screen};
use app::desk::Desk;
use app::screens::compare::action::CompareAction;
use app::screens::compare::state::ColumnSetup;
use app::screens::explorer::action::ExplorerAction;
use app::state::outbox::Fill;
use app::store::{Answer, Request, RunState};
use app::t;
use app::window::Workbench;
use app::window::backend::BackendEvent;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use engine::analysis::PrefixGrid;
use engine::config::{DataConfig, MethodConfig};
use engine::data::DataPreview;
use engine::error::Failure;
use engine::protocol::{Ask, Command, GeneratedStream, JobId, Outcome, Report};
use engine::training::{BatchFit, BatchTrial};

use crate::fixtures::{config, detail, preview_rows, row};
use crate::scenes::{click, perform, started, train_job, training, type_into};
use crate::world::{Bench, Start};

/// The form of a new run in a window of this height.
fn form(height: f32) -> Bench {
    let mut bench = Bench::with_runs(Start { size: [1280.0, height], ..Start::default() }, Vec::new());
    click(&mut bench, "Set up a run");
    bench.answer_form();
    bench
}

/// The form waits until typing has paused.
fn wait(bench: &mut Bench) {
    for _ in 0..8 {
        bench.harness.run_steps(10);
    }
}

fn window(bench: &mut Bench) -> &mut Workbench {
    bench.harness.state_mut().as_mut().expect("the window is open")
}

fn last_preview(bench: &Bench) -> (JobId, DataConfig) {
    let asked = bench.last(|command| match command {
        Command { job, ask: Ask::Preview { data, .. } } => Some((*job, data.clone())),
        _ => None,
    });
    asked.expect("rows were asked for")
}

#[test]
fn a_validation_file_that_nobody_chose_goes_with_its_rows() {
    let mut bench = form(1500.0);
    let starter = config().data;
    assert_eq!(last_preview(&bench).1.validation, starter.validation);
    type_into(&mut bench, "Training rows", "x");
    wait(&mut bench);
    let (_, data) = last_preview(&bench);
    assert!(data.train != starter.train && data.validation.is_none(), "{data:?}");
    bench.hear(BackendEvent::Picked(Pick::Train, starter.train.clone()));
    wait(&mut bench);
    assert_eq!(last_preview(&bench).1.validation, starter.validation, "it comes back with them");
}

#[test]
fn a_validation_file_that_somebody_chose_stays_and_is_held_against_the_rows() {
    let mut bench = form(1500.0);
    bench.hear(BackendEvent::Picked(Pick::Validation, "/own/dev.csv".into()));
    bench.hear(BackendEvent::Picked(Pick::Train, "/own/train.csv".into()));
    wait(&mut bench);
    let (job, data) = last_preview(&bench);
    assert_eq!((data.train, data.validation), ("/own/train.csv".into(), Some("/own/dev.csv".into())));
    bench.event(job, Report::Preview(Box::new(preview_rows())));
    let looked_at = bench.last(|command| match command {
        Command { job, ask: Ask::Preview { data, .. } } if data.train.ends_with("dev.csv") => Some(*job),
        _ => None,
    });
    let other = DataPreview { columns: vec!["question".into(), "text".into()], ..preview_rows() };
    bench.event(looked_at.expect("its columns are looked at"), Report::Preview(Box::new(other)));
    let warning = "The validation file lacks: record. It has: question, text";
    assert_eq!(bench.harness.query_all_by_label(warning).count(), 2, "at the field and on the card");
    bench.hear(BackendEvent::Picked(Pick::Validation, "/own/gone.csv".into()));
    wait(&mut bench);
    let job = bench.last(|command| match command {
        Command { job, ask: Ask::Preview { data, .. } } if data.train.ends_with("gone.csv") => Some(*job),
        _ => None,
    });
    let failure =
        Failure { what: engine::Sentence::verbatim("there is no such file"), advice: engine::Sentence::default() };
    bench.event(job.expect("it is looked at"), Report::Failed(failure));
    assert_eq!(bench.harness.query_all_by_label_contains("cannot be read: there is no such file").count(), 2);
}

#[test]
fn the_rate_of_an_untouched_form_follows_the_method() {
    let mut bench = form(2300.0);
    bench.harness.get_by_label("More settings");
    bench.harness.get_by_label("Follows method, optimizer and model");
    click(&mut bench, "LoRA");
    assert_eq!(started(&mut bench).training.learning_rate, 4e-3, "as small models learn");
    let mut bench = form(2300.0);
    type_into(&mut bench, "Learning rate", "1");
    bench.harness.get_by_label("Back to 0.02, which suits method and model");
    click(&mut bench, "Prompt tuning");
    assert_ne!(started(&mut bench).training.learning_rate, 2e-2, "it was typed");
}

#[test]
fn a_number_that_cannot_be_taken_is_said() {
    let mut bench = form(2300.0);
    let field = "Prefix length (virtual tokens)";
    bench.harness.get_by_label(field).click();
    bench.settle();
    bench.harness.get_by_label(field).type_text("twenty");
    bench.settle();
    bench.harness.get_by_label_contains("“twenty” is no number");
    bench.harness.key_press(egui::Key::Enter);
    bench.settle();
    bench.harness.get_by_label_contains("“twenty” is no number");
    let MethodConfig::Prefix(prefix) = started(&mut bench).method else { panic!("a prefix") };
    assert_eq!(prefix.n_virtual, 20);
}

#[test]
fn what_is_not_known_of_the_rows_is_a_dash_and_old_figures_go() {
    let mut bench = Bench::with_runs(Start::default(), Vec::new());
    click(&mut bench, "Set up a run");
    wait(&mut bench);
    let job = bench
        .last(|command| if let Command { job, ask: Ask::DescribeModel { .. } } = command { Some(*job) } else { None });
    let model = Box::new(crate::fixtures::model_summary());
    bench.event(job.expect("the model was asked for"), Report::Model(model));
    bench.harness.get_by_label_contains("– longest row");
    let (job, _) = last_preview(&bench);
    bench.event(job, Report::Preview(Box::new(preview_rows())));
    assert!(bench.harness.query_by_label_contains("– longest row").is_none());
    bench.hear(BackendEvent::Picked(Pick::Train, "/own/train.csv".into()));
    wait(&mut bench);
    bench.harness.get_by_label_contains("– longest row");
    assert!(bench.harness.query_by_label_contains("1,196").is_none(), "those are other rows");
}

/// Two runs of one model, the second compared with the base and answered.
fn compared() -> Bench {
    let runs = vec![row("b", "Second", RunState::Finished), row("a", "First", RunState::Finished)];
    let bench = Bench::with_runs(Start::default(), runs.clone());
    let mut bench = perform(bench, Action::Open(runs[0].id.clone(), Screen::Compare));
    bench.answer(Answer::Detail(Box::new(detail(runs[0].clone(), 40))));
    let (job, _) = last_preview(&bench);
    let mut rows = preview_rows();
    for (n, row) in rows.rows.iter_mut().enumerate() {
        row.prompt = format!("prompt {n}");
        row.target = format!(" wanted {n}");
    }
    bench.event(job, Report::Preview(Box::new(rows)));
    answer(&mut bench);
    bench
}

fn answer(bench: &mut Bench) {
    let asked = bench.last(|command| match command {
        Command { job, ask: Ask::Generate(request) } => Some((*job, request.streams.len())),
        _ => None,
    });
    let (job, n) = asked.expect("it was asked");
    let stream = |index: usize| GeneratedStream {
        text: format!("said by {index}"),
        tokens: vec![1; 3],
        adapter_hash: String::new(),
        proven_base: (index == 0).then_some(true),
        elapsed_secs: 0.1,
        log_probability: -1.0,
        beams: Vec::new(),
        ..GeneratedStream::default()
    };
    bench.event(job, Report::Generated { streams: (0..n).map(stream).collect() });
}

#[test]
fn a_text_for_another_prompt_or_other_settings_says_so() {
    let mut bench = compared();
    bench.harness.get_by_label("Base proven");
    type_into(&mut bench, "Prompt", "more");
    assert!(bench.harness.query_by_label("Base proven").is_none(), "its badges go");
    assert_eq!(bench.harness.query_all_by_label("For another prompt").count(), 2);
    click(&mut bench, "Generate");
    answer(&mut bench);
    bench.harness.get_by_label("Base proven");
    assert!(bench.harness.query_by_label("For another prompt").is_none());
    let column = window(&mut bench).state.comparison.columns[1].clone();
    let setup = ColumnSetup { checkpoint: Some("/elsewhere".into()), ..column.setup };
    bench = perform(bench, Action::Compare(CompareAction::SetColumn(column.id, Box::new(setup))));
    bench.harness.get_by_label("For other settings");
    bench.harness.get_by_label("Base proven");
}

#[test]
fn another_row_is_asked_at_once_and_a_column_that_goes_ends_what_was_asked() {
    let mut bench = compared();
    click(&mut bench, "Next row");
    let asked = bench.last(|command| match command {
        Command { job, ask: Ask::Generate(request) } => Some((*job, format!("{:?}", request.streams[0].prompt))),
        _ => None,
    });
    let (job, prompt) = asked.expect("it was asked");
    assert!(prompt.contains("prompt 1"), "{prompt}");
    bench.harness.get_by_label("Wanted: wanted 1");
    click(&mut bench, "Remove Second");
    let stopped =
        bench.last(|c| matches!(c, Command { job: stopped, ask: Ask::Stop } if *stopped == job).then_some(()));
    assert_eq!(stopped, Some(()), "its texts would come into other columns");
}

#[test]
fn the_cell_that_was_clicked_is_asked_of_the_next_checkpoint_too() {
    let run = row("a", "First", RunState::Finished);
    let bench = Bench::with_runs(Start::default(), vec![run.clone()]);
    let mut bench = perform(bench, Action::Open(run.id.clone(), Screen::Explorer));
    bench.answer(Answer::Detail(Box::new(detail(run, 400))));
    let grid = |bench: &mut Bench| {
        let job =
            bench.last(|c| if let Command { job, ask: Ask::DescribePrefix { .. } } = c { Some(*job) } else { None });
        let norms = vec![1.0; 12];
        let (key_norm, value_norm) = (norms.clone(), norms);
        let grid = PrefixGrid { n_layers: 3, n_virtual: 4, key_norm, value_norm, ..PrefixGrid::default() };
        bench.event(job.expect("norms were asked for"), Report::Grid(Box::new(grid)));
    };
    grid(&mut bench);
    bench.harness.get_by_label_contains("Layer 2, position 3,").click();
    bench.settle();
    bench = perform(
        bench,
        Action::Explorer(ExplorerAction::Explore { checkpoint: "/workspace/runs/a/checkpoints/40".into() }),
    );
    grid(&mut bench);
    let asked = bench.last(|command| match command {
        Command { ask: Ask::Neighbors(request), .. } => {
            Some((request.adapter.clone(), request.layers.clone(), request.positions.clone()))
        }
        _ => None,
    });
    assert_eq!(asked, Some(("/workspace/runs/a/checkpoints/40".into(), vec![1], vec![2])));
}

#[test]
fn a_run_that_waits_leaves_the_form_where_it_is() {
    let mut bench = training(Start::default());
    click(&mut bench, "New run");
    bench.answer_form();
    click(&mut bench, "Add to queue");
    assert_eq!(window(&mut bench).state.screen, Screen::NewRun);
    bench.harness.get_by_label("prefix 20 · records #2 is queued, at place 1");
    let job = train_job(&bench);
    bench.event(job, Report::Finished { outcome: Outcome::Completed });
    bench.harness.get_by_label("prefix 20 · records is done");
}

#[test]
fn equal_runs_have_names_of_their_own_and_a_typed_name_stays() {
    let taken = |id: &str, name: &str| row(id, name, RunState::Finished);
    let runs = vec![taken("a", "prefix 20 · records"), taken("b", "prefix 20 · records #2")];
    let mut bench = Bench::with_runs(Start { size: [1280.0, 2300.0], ..Start::default() }, runs);
    click(&mut bench, "Begin a run");
    bench.answer_form();
    assert_eq!(started(&mut bench).name, "prefix 20 · records #3");
}

#[test]
fn what_was_typed_before_a_duplicate_can_be_brought_back() {
    let mut bench = form(2300.0);
    type_into(&mut bench, "Name of the run", "mine");
    window(&mut bench).state.fill(Fill::Run(Box::new(config())));
    bench.settle();
    click(&mut bench, "Bring back what was typed");
    assert_eq!(started(&mut bench).name, "mine");
}

#[test]
fn a_curve_that_was_tried_with_other_settings_gives_no_rate() {
    let mut bench = form(3200.0);
    click(&mut bench, "Test the range…");
    let job = bench.last(|c| if let Command { job, ask: Ask::TestLrRange { .. } } = c { Some(*job) } else { None });
    let findings = engine::training::LrRangeFindings { steepest: Some(1e-3), diverged: None };
    let job = job.expect("a test was asked for");
    let point = engine::training::LrRangePoint { learning_rate: 1e-3, loss: 2.0, smoothed: 2.0 };
    bench.event(job, Report::LrRangeStep(point));
    bench.event(job, Report::LrRange(findings));
    bench.event(job, Report::Finished { outcome: Outcome::Completed });
    let label = "Use 1e-3 (falls fastest)";
    assert!(!bench.harness.get_by_label(label).accesskit_node().is_disabled());
    click(&mut bench, "LoRA");
    assert!(bench.harness.get_by_label(label).accesskit_node().is_disabled());
    bench.harness.get_by_label_contains("tried with other settings");
}

#[test]
fn the_largest_batch_is_found_and_taken_over_and_says_nothing_of_other_settings() {
    let mut bench = form(3200.0);
    let find = "Find the largest";
    click(&mut bench, find);
    let asked = |bench: &Bench| {
        bench.last(|command| match command {
            Command { job, ask: Ask::FindBatchSize { .. } } => Some(*job),
            _ => None,
        })
    };
    let job = asked(&bench).expect("a search was asked for");
    bench.event(job, Report::BatchTrial(BatchTrial { rows: 16, memory_bytes: 3_000_000_000, step_secs: 6.0 }));
    bench.harness.get_by_label("16 rows: 3.00 GB");
    let fit = BatchFit {
        rows: 24,
        tried: 16,
        is_all: false,
        memory_bytes: 4_100_000_000,
        limit_bytes: 5_000_000_000,
        longest: 128,
        step_secs: 6.0,
    };
    bench.event(job, Report::BatchFit(fit));
    bench.event(job, Report::Finished { outcome: Outcome::Completed });
    let found = "Fits: 24 rows of up to 128 tokens, 4.10 GB of 5.00 GB";
    bench.harness.get_by_label(found);
    bench.harness.get_by_label("Reckoned from steps of up to 16 rows");
    click(&mut bench, "Use 24");
    bench.harness.get_by_label(found);
    assert!(bench.harness.query_by_label("Use 24").is_none(), "it is taken");
    click(&mut bench, "LoRA");
    assert!(bench.harness.query_by_label(found).is_none(), "another method takes other memory");
    click(&mut bench, find);
    let again = asked(&bench).expect("a search was asked for");
    assert_ne!(again, job);
    click(&mut bench, "Stop");
    bench.event(again, Report::BatchFit(fit));
    assert!(bench.harness.query_by_label(found).is_none(), "nobody waits for it any more");
}

#[test]
fn the_desk_is_found_as_it_was_left() {
    let runs = || vec![row("b", "Second", RunState::Finished), row("a", "First", RunState::Finished)];
    let mut bench = Bench::with_runs(Start { size: [1280.0, 2300.0], ..Start::default() }, runs());
    type_into(&mut bench, t!("runs.filter"), "loss<2");
    click(&mut bench, "Begin a run");
    bench.answer_form();
    type_into(&mut bench, "Name of the run", "half a na");
    bench = perform(bench, Action::Open(runs()[1].id.clone(), Screen::Training));
    bench.world.borrow_mut().now += 5.0;
    bench.settle();
    let kept = bench.world.borrow().desks.last().cloned().expect("the desk is kept");
    let desk: Desk = serde_json::from_str(&kept).expect("a desk");
    assert_eq!((desk.screen, desk.run.clone()), (Screen::Training, Some(runs()[1].id.clone())));

    let mut bench = Bench::new(Start { size: [1280.0, 2300.0], ..Start::default() });
    window(&mut bench).restore(desk);
    bench.answer(Answer::Runs(runs()));
    let state = &window(&mut bench).state;
    assert_eq!(state.screen, Screen::Training);
    assert_eq!(state.runs.view.as_ref().map(|view| view.id.clone()), Some(runs()[1].id.clone()));
    click(&mut bench, "New run");
    bench.answer_form();
    assert_eq!(started(&mut bench).name, "half a na");
}

#[test]
fn nothing_is_generated_by_itself_after_a_restart() {
    let mut left = compared();
    left.world.borrow_mut().now += 5.0;
    left.settle();
    let kept = left.world.borrow().desks.last().cloned().expect("the desk is kept");
    let desk: Desk = serde_json::from_str(&kept).expect("a desk");
    let run = row("b", "Second", RunState::Finished);
    let mut bench = Bench::new(Start::default());
    window(&mut bench).restore(desk);
    bench.answer(Answer::Runs(vec![run.clone()]));
    assert_eq!(window(&mut bench).state.screen, Screen::Compare);
    bench.answer(Answer::Detail(Box::new(detail(run, 40))));
    let (job, _) = last_preview(&bench);
    bench.event(job, Report::Preview(Box::new(preview_rows())));
    let asked = bench.last(|c| matches!(c, Command { ask: Ask::Generate(_), .. }).then_some(()));
    assert_eq!(asked, None, "what ended the program may be what it computed");
    click(&mut bench, "Generate");
}

#[test]
fn a_run_that_was_interrupted_is_resumed_from_its_notice() {
    let mut bench = Bench::new(Start::default());
    bench.answer(Answer::Interrupted(1));
    let run = row("a", "First", RunState::Interrupted);
    bench.answer(Answer::Runs(vec![run.clone()]));
    bench.harness.get_by_label("1 run was interrupted and can be resumed");
    click(&mut bench, "Resume it");
    bench.answer(Answer::Detail(Box::new(detail(run, 40))));
    let resumed = bench.last(|c| matches!(c, Command { ask: Ask::Train { resume: true, .. }, .. }).then_some(()));
    assert_eq!(resumed, Some(()));
    assert!(bench.harness.query_by_label("Resume it").is_none(), "the notice goes");
    assert!(bench.world.borrow().requests.iter().any(|request| matches!(request, Request::Begin { .. })));
}
