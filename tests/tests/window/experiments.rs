//! Experiments: lists in fields make one, its runs follow each other, and it is paused, stopped and gone on with.

use app::action::{Action, Screen};
use app::experiments::Plan;
use app::i18n::Language;
use app::machines::Via;
use app::screens::new_run::action::NewRunAction;
use app::settings::{MachinesChoice, Settings};
use app::store::{Answer, Request, RunRow, RunState};
use app::window::Workbench;
use app::window::backend::BackendEvent;
use app::workspace::RunId;
use egui_kittest::kittest::Queryable as _;
use engine::config::RunConfig;
use engine::device::DeviceChoice;
use engine::error::{EngineError, Failure};
use engine::protocol::{Ask, Command, JobId, Outcome, Report};
use engine::training::StepTime;

use crate::fixtures::{config, row};
use crate::scenes::{click, perform, picture, type_into};
use crate::world::{Bench, Start, settings};

const LENGTH: &str = "Prefix length (virtual tokens)";

/// The form of a new run in a tall window.
fn form() -> Bench {
    let mut bench = Bench::with_runs(Start { size: [1280.0, 2600.0], ..Start::default() }, Vec::new());
    click(&mut bench, "Set up a run");
    bench.answer_form();
    bench
}

fn window(bench: &Bench) -> &Workbench {
    bench.harness.state().as_ref().expect("the window is open")
}

/// The run that was sent last: job, id, settings, from a checkpoint.
fn sent(bench: &Bench) -> (JobId, RunId, RunConfig, bool) {
    let sent = bench.last(|command| match command {
        Command { job, ask: Ask::Train { folder, config, resume, .. } } => {
            Some((*job, RunId(app::workspace::last_name(folder)), config.as_ref().clone(), *resume))
        }
        _ => None,
    });
    sent.expect("a run was sent")
}

fn sent_so_far(bench: &Bench) -> usize {
    bench.world.borrow().commands.iter().filter(|command| matches!(command.ask, Ask::Train { .. })).count()
}

/// The run under way ends, and the store tells of it.
fn ends(bench: &mut Bench, state: RunState) {
    let (job, run, config, _) = sent(bench);
    let what = match state {
        RunState::Failed => Report::Failed(Failure::from(&EngineError::Diverged { step: 12 })),
        _ => Report::Finished { outcome: Outcome::Completed },
    };
    bench.event(job, what);
    let row = RunRow { experiment: Some("lengths".into()), ..row(&run.0, &config.name, state) };
    bench.answer(Answer::RunsChanged { rows: vec![row], gone: Vec::new() });
}

/// An experiment of three lengths, whose first run is under way.
fn begun() -> Bench {
    let mut bench = form();
    type_into(&mut bench, LENGTH, "5, 10, 20");
    click(&mut bench, "Start 3 runs");
    bench
}

fn lengths(plan: &Plan) -> Vec<usize> {
    plan.runs.iter().map(|planned| planned.config.method.n_virtual()).collect()
}

#[test]
fn a_list_in_a_field_makes_an_experiment_whose_runs_follow_each_other() {
    let mut bench = form();
    type_into(&mut bench, LENGTH, "5, 10, 20");
    bench.harness.get_by_label("3 values: 5, 10, 20");
    bench.harness.get_by_label("This experiment");
    bench.harness.get_by_label("23,040 to 92,160");
    bench.harness.check_accessibility();
    picture(&mut bench, "new_run_experiment");
    click(&mut bench, "Start 3 runs");
    let plan = bench.world.borrow().plans[0].clone();
    assert_eq!(lengths(&plan), [5, 10, 20]);
    assert_eq!(window(&bench).state.screen, Screen::Runs);
    let registered = |bench: &Bench| {
        let requests = &bench.world.borrow().requests;
        requests.iter().filter(|request| matches!(request, Request::Register { experiment: Some(_), .. })).count()
    };
    for (n, wanted) in [5, 10, 20].into_iter().enumerate() {
        let (_, run, config, resume) = sent(&bench);
        assert_eq!((run, config.method.n_virtual(), resume), (plan.runs[n].run.clone(), wanted, false));
        assert_eq!((registered(&bench), sent_so_far(&bench)), (n + 1, n + 1));
        ends(&mut bench, RunState::Finished);
    }
    assert_eq!(sent_so_far(&bench), 3);
    bench.harness.get_by_label_contains("is done: 3 runs");
}

#[test]
fn a_list_that_becomes_one_number_is_a_number_again() {
    let mut bench = form();
    type_into(&mut bench, LENGTH, "5, 10");
    bench.harness.get_by_label("Start 2 runs");
    bench.harness.get_by_label(LENGTH).focus();
    bench.settle();
    bench.harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
    bench.settle();
    type_into(&mut bench, LENGTH, "7");
    bench.harness.key_press(egui::Key::Enter);
    bench.settle();
    click(&mut bench, "Start");
    assert_eq!(sent(&bench).2.method.n_virtual(), 7);
}

#[test]
fn what_is_wrong_with_a_list_stands_under_its_field_and_nothing_starts() {
    let mut bench = form();
    type_into(&mut bench, LENGTH, "5, many");
    bench.harness.get_by_label("Not ready");
    assert!(bench.harness.query_all_by_label_contains("many").count() >= 2, "under the field, and on the card");
    click(&mut bench, "Start");
    assert_eq!(sent_so_far(&bench), 0);
}

#[test]
fn more_than_twenty_runs_are_started_after_a_question() {
    let mut bench = form();
    type_into(&mut bench, LENGTH, "1 .. 21");
    click(&mut bench, "Start 21 runs");
    bench.harness.get_by_label("Start 21 runs?");
    bench.harness.check_accessibility();
    click(&mut bench, "Cancel");
    assert!(bench.world.borrow().plans.is_empty() && bench.harness.query_by_label("Start 21 runs?").is_none());
    click(&mut bench, "Start 21 runs");
    click(&mut bench, "Yes, all 21");
    assert_eq!(bench.world.borrow().plans[0].runs.len(), 21);
    assert_eq!(sent_so_far(&bench), 1);
}

#[test]
fn methods_and_initial_values_are_ticked_and_taken_back() {
    let mut bench = form();
    click(&mut bench, "Vary the method…");
    click(&mut bench, "With LoRA");
    click(&mut bench, "With Prompt tuning");
    bench.harness.check_accessibility();
    bench.harness.key_press(egui::Key::Escape);
    bench.settle();
    click(&mut bench, "Vary the initial values…");
    click(&mut bench, "With Zero");
    bench.harness.key_press(egui::Key::Escape);
    bench.settle();
    bench.harness.get_by_label("Start 5 runs");
    click(&mut bench, "Back to a single run");
    bench.harness.get_by_label("Start");
}

#[test]
fn the_time_expected_comes_from_a_few_steps_of_each_kind_of_run() {
    let mut bench = form();
    let time = StepTime {
        step_secs: 0.5,
        evaluation_secs: 2.0,
        preparation_secs: 10.0,
        total_steps: 100,
        evaluations: 5,
        trained_parameters: 92_160,
    };
    let timed = |bench: &Bench| {
        let asked = bench.last(|command| match command {
            Command { job, ask: Ask::TimeSteps { config, steps: 3 } } => Some((*job, config.method.n_virtual())),
            _ => None,
        });
        asked.expect("steps are timed")
    };
    click(&mut bench, "Time 3 steps");
    let (job, _) = timed(&bench);
    bench.event(job, Report::StepTime(time));
    let about = |secs: f64| format!("about {}", app::format::duration(secs));
    bench.harness.get_by_label(&about(70.0));
    type_into(&mut bench, LENGTH, "5, 10");
    assert!(bench.harness.query_by_label(&about(70.0)).is_none(), "it was that of another run");
    click(&mut bench, "Time 3 steps");
    for n_virtual in [5, 10] {
        let (job, of) = timed(&bench);
        assert_eq!(of, n_virtual);
        bench.event(job, Report::StepTime(StepTime { preparation_secs: 2.0 * n_virtual as f64, ..time }));
    }
    bench.harness.get_by_label(&about(2.0 * 60.0 + 10.0 + 20.0));
}

#[test]
fn an_experiment_is_paused_and_its_failed_runs_are_run_again() {
    let mut bench = begun();
    let name = bench.world.borrow().plans[0].experiment.name.clone();
    click(&mut bench, "1 running · 1 queued");
    bench.harness.get_by_label("0 of 3");
    bench.harness.check_accessibility();
    picture(&mut bench, "queue_experiment");
    click(&mut bench, &format!("Pause: {name}"));
    ends(&mut bench, RunState::Failed);
    assert_eq!(sent_so_far(&bench), 1, "it waits");
    bench.harness.get_by_label("1 failed");
    click(&mut bench, &format!("Go on: {name}"));
    assert_eq!(sent(&bench).2.method.n_virtual(), 10, "what failed is passed over");
    ends(&mut bench, RunState::Finished);
    ends(&mut bench, RunState::Finished);
    assert_eq!(sent_so_far(&bench), 3);
    click(&mut bench, &format!("Re-run failed: {name}"));
    let (_, _, config, resume) = sent(&bench);
    assert_eq!((config.method.n_virtual(), resume, sent_so_far(&bench)), (5, true, 4));
}

#[test]
fn the_queue_is_put_in_order_by_its_presses_and_held() {
    let mut bench = begun();
    bench.harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::Num2);
    bench.settle();
    click(&mut bench, "Back to a single run");
    click(&mut bench, "Add to queue");
    let waiting = |bench: &Bench| -> Vec<String> {
        window(bench).state.live.queue.iter().map(|queued| queued.config.name.clone()).collect()
    };
    let before = waiting(&bench);
    assert_eq!(before.len(), 2);
    click(&mut bench, "1 running · 2 queued");
    click(&mut bench, &format!("Move up: {}", before[1]));
    assert_eq!(waiting(&bench), [before[1].clone(), before[0].clone()]);
    click(&mut bench, "Pause the queue");
    ends(&mut bench, RunState::Finished);
    assert_eq!(sent_so_far(&bench), 1);
    click(&mut bench, "Let the queue go on");
    assert_eq!((sent_so_far(&bench), sent(&bench).2.name), (2, before[1].clone()));
}

#[test]
fn what_is_not_done_is_offered_at_the_start_and_nothing_begins_by_itself() {
    for language in [Language::English, Language::Chinese] {
        let plan = begun().world.borrow().plans[0].clone();
        let start = Start { settings: Settings { language, ..settings() }, ..Start::default() };
        let mut bench = Bench::new(start);
        bench.hear(BackendEvent::Experiments(vec![plan.clone()], Vec::new()));
        bench.answer(Answer::Runs(vec![row(&plan.runs[0].run.0, "first", RunState::Interrupted)]));
        assert_eq!(sent_so_far(&bench), 0);
        bench.harness.check_accessibility();
        click(&mut bench, if language == Language::English { "Go on" } else { "继续实验" });
        let (_, run, _, resume) = sent(&bench);
        assert_eq!((run, resume), (plan.runs[0].run.clone(), true), "from its last checkpoint");
    }
}

#[test]
fn each_of_several_devices_that_are_chosen_computes_a_run() {
    let start = Start { size: [1280.0, 1400.0], ..Start::default() };
    let mut bench = perform(Bench::with_runs(start, Vec::new()), Action::Show(Screen::Settings));
    click(&mut bench, "Several");
    let (gpu, cpu) = (DeviceChoice::Wgpu(Some(0)), DeviceChoice::Cpu);
    assert_eq!(window(&bench).state.settings.run_devices, [gpu, cpu]);
    click(&mut bench, "2 runs");
    assert_eq!(window(&bench).state.settings.run_devices, [gpu, cpu, cpu]);
    bench.harness.check_accessibility();
    assert_eq!(bench.world.borrow().kept.last().map(|settings| settings.run_devices.len()), Some(3));
    for _ in 0..4 {
        let run = RunConfig { device: DeviceChoice::Auto, ..config() };
        bench = perform(bench, Action::NewRun(NewRunAction::Start(Box::new(run))));
    }
    let commands: Vec<Command> = bench.world.borrow().commands.clone();
    let devices = commands.iter().filter_map(|command| match &command.ask {
        Ask::Train { config, .. } => Some(config.device),
        _ => None,
    });
    assert_eq!(devices.collect::<Vec<_>>(), [gpu, cpu, cpu]);
    assert_eq!(window(&bench).state.live.queue.len(), 1, "the fourth waits");
    bench = perform(bench, Action::Show(Screen::Settings));
    click(&mut bench, "One after the other");
    assert!(window(&bench).state.settings.run_devices.is_empty());
}

#[test]
fn an_experiment_goes_to_the_machines_that_settings_name() {
    for language in [Language::English, Language::Chinese] {
        let settings = Settings { language, ..settings() };
        let start = Start { size: [1280.0, 2600.0], settings, ..Start::default() };
        let mut bench = perform(Bench::with_runs(start, Vec::new()), Action::Show(Screen::Settings));
        click(&mut bench, "Slurm");
        let flags = if language == Language::English { "Further flags" } else { "更多参数" };
        type_into(&mut bench, flags, "--partition=gpu --comment 'a b'");
        bench.harness.check_accessibility();
        // What is typed counts when the field is left.
        click(&mut bench, "Slurm");
        assert_eq!(window(&bench).state.settings.machines, MachinesChoice::Slurm);
        let plan = begun().world.borrow().plans[0].clone();
        bench.hear(BackendEvent::ExperimentMade(Ok(Box::new(plan.clone()))));
        let world = bench.world.borrow();
        let (handed, due, how) = &world.handed[0];
        assert_eq!((handed.id.clone(), due.len(), how.via.clone()), (plan.id, 3, Via::Slurm));
        assert_eq!(how.flags, ["--partition=gpu", "--comment", "a b"]);
        assert!(!world.commands.iter().any(|command| matches!(command.ask, Ask::Train { .. })));
    }
}
