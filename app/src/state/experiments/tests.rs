//! Experiments on events written by hand: which run comes next, and what pauses, stops and failures do.

use engine::Sentence;
use engine::config::{DataConfig, RunConfig};
use engine::device::DeviceChoice;
use engine::experiment::{Experiment, Strategy};
use engine::protocol::{Ask, Command, Event, JobId, Outcome, Report};
use serde_json::json;

use super::*;
use crate::action::Action;
use crate::experiments::PlannedRun;
use crate::machines::Via;
use crate::screens::experiment::action::ExperimentAction;
use crate::settings::{MachinesChoice, Settings};
use crate::state::outbox::NewRun;
use crate::store::{Answer, Request};

fn config() -> RunConfig {
    let mut config = RunConfig::new("/models/starter", DataConfig::new("/sets/records/train.jsonl"));
    (config.training.steps, config.training.eval_every) = (90, 10);
    config
}

fn id() -> ExperimentId {
    ExperimentId("e".into())
}

fn plan(runs: usize, strategy: Strategy) -> Plan {
    let planned = |n: usize| PlannedRun {
        run: RunId(format!("e-{n}")),
        name: format!("seed {n}"),
        values: vec![("seed".to_owned(), json!(n))],
        config: Box::new(RunConfig { seed: n as u64, name: format!("seed {n}"), ..config() }),
    };
    let (name, axes, first) = ("seeds".into(), Vec::new(), None);
    let experiment = Experiment { name, base: json!({}), axes, strategy, first };
    Plan { id: id(), experiment, runs: (1..=runs).map(planned).collect() }
}

/// The window, and how the runs stand in the store.
struct Bench {
    state: State,
    rows: Vec<RunRow>,
}

impl Bench {
    /// A window whose experiment has just been made.
    fn begun(runs: usize, strategy: Strategy) -> Self {
        let mut bench = Self::opened(Vec::new(), Vec::new());
        bench.state.on_experiment_made(Ok(Box::new(plan(runs, strategy))));
        bench
    }

    fn opened(plans: Vec<Plan>, rows: Vec<RunRow>) -> Self {
        let mut state = State::new("/w".into(), Settings::default(), Access::ReadWrite, None);
        state.on_store(Answer::Runs(rows.clone()));
        state.on_experiments(plans, &[]);
        state.outbox.effects.clear();
        Self { state, rows }
    }

    fn act(&mut self, action: ExperimentAction) {
        self.state.perform(Action::Experiment(action));
    }

    /// Runs that were sent to the engine since the last look: folder, resumed, until.
    fn sent(&mut self) -> Vec<(String, bool, Option<usize>)> {
        let effects = std::mem::take(&mut self.state.outbox.effects);
        let sent = |effect| match effect {
            Effect::Engine(Command { ask: Ask::Train { folder, resume, until, .. }, .. })
            | Effect::Seat { command: Command { ask: Ask::Train { folder, resume, until, .. }, .. }, .. } => {
                Some((crate::workspace::last_name(&folder), resume, until))
            }
            _ => None,
        };
        effects.into_iter().filter_map(sent).collect()
    }

    fn job(&self) -> JobId {
        *self.state.live.running.keys().next().expect("something is computed")
    }

    fn under_way(&self) -> RunId {
        self.state.live.running.values().next().expect("something is computed").run.clone()
    }

    /// The run under way ends; the store tells of it afterwards.
    fn ends(&mut self, end: RunState, step: u64, loss: f64) {
        let (job, run) = (self.job(), self.under_way());
        let what = match end {
            RunState::Failed => {
                Report::Failed(Failure { what: Sentence::verbatim("it broke"), advice: Sentence::default() })
            }
            RunState::Finished => Report::Finished { outcome: Outcome::Completed },
            _ => Report::Finished { outcome: Outcome::Stopped },
        };
        self.state.on_engine(Event { job, what });
        let row = RunRow {
            id: run.clone(),
            name: run.0.clone(),
            state: end,
            step,
            total_steps: 90,
            best_loss: Some(loss),
            ..RunRow::example()
        };
        self.rows.retain(|row| row.id != run);
        self.rows.push(row.clone());
        self.state.on_store(Answer::RunsChanged { rows: vec![row], gone: Vec::new() });
    }

    /// Ids of the runs that wait.
    fn queued(&self) -> Vec<&str> {
        self.state.live.queue.iter().map(|queued| queued.run.0.as_str()).collect()
    }
}

fn new(run: &str) -> (String, bool, Option<usize>) {
    (run.to_owned(), false, None)
}

#[test]
fn runs_of_an_experiment_follow_each_other_and_are_registered_as_they_begin() {
    let mut bench = Bench::begun(3, Strategy::Grid);
    let registered = bench.state.outbox.effects.iter().filter(
        |effect| matches!(effect, Effect::Store(Request::Register { experiment: Some(name), .. }) if name == "seeds"),
    );
    assert_eq!(registered.count(), 1, "the others are not runs yet");
    assert_eq!(bench.sent(), [new("e-1")]);
    assert_eq!((bench.queued(), bench.state.screen), (vec!["e-2"], Screen::Runs));
    bench.ends(RunState::Finished, 90, 1.0);
    assert_eq!(bench.sent(), [new("e-2")]);
    bench.ends(RunState::Failed, 5, 1.0);
    assert_eq!(bench.sent(), [new("e-3")]);
    assert!(!bench.state.is_idle() && bench.queued().is_empty());
    bench.ends(RunState::Finished, 90, 1.0);
    assert!(bench.state.is_idle() && bench.state.experiments.under_way.is_empty());
    bench.act(ExperimentAction::Again(id()));
    assert_eq!(bench.sent(), [("e-2".to_owned(), true, None)], "from its last checkpoint");
    bench.ends(RunState::Failed, 6, 1.0);
    assert!(bench.sent().is_empty() && bench.state.is_idle(), "once is enough");
}

#[test]
fn where_settings_name_machines_what_is_due_is_handed_to_them() {
    let row = RunRow { id: RunId("e-1".into()), state: RunState::Finished, ..RunRow::example() };
    let mut bench = Bench::opened(Vec::new(), vec![row]);
    bench.state.settings.machines = MachinesChoice::Slurm;
    bench.state.settings.submit_with = "--partition=gpu --comment 'a b'".into();
    bench.state.on_experiment_made(Ok(Box::new(plan(3, Strategy::Grid))));
    let handed = |bench: &mut Bench| {
        let effects = std::mem::take(&mut bench.state.outbox.effects);
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Engine(_) | Effect::Seat { .. })), "{effects:?}");
        effects.into_iter().find_map(|effect| match effect {
            Effect::HandOver { due, how, .. } => Some((due.iter().map(|due| due.index).collect::<Vec<_>>(), how)),
            _ => None,
        })
    };
    let (due, how) = handed(&mut bench).unwrap();
    assert_eq!((due, how.via), (vec![1, 2], Via::Slurm));
    assert_eq!(how.flags, ["--partition=gpu", "--comment", "a b"]);
    assert!(bench.state.experiments.under_way.is_empty() && bench.state.is_idle());
    // Hosts that are none are said, and nothing is begun.
    bench.state.settings.machines = MachinesChoice::Ssh;
    bench.act(ExperimentAction::GoOn(id()));
    assert!(handed(&mut bench).is_none());
    bench.state.settings.hosts = "one, two".into();
    bench.act(ExperimentAction::GoOn(id()));
    let (_, how) = handed(&mut bench).unwrap();
    assert_eq!((how.via.to_string().as_str(), how.flags.len()), ("ssh:one,two", 0), "flags are those of Slurm");
}

#[test]
fn with_two_seats_two_runs_of_an_experiment_are_computed_at_the_same_time() {
    let mut bench = Bench::opened(Vec::new(), Vec::new());
    bench.state.settings.run_devices = vec![DeviceChoice::Cpu; 2];
    bench.state.on_experiment_made(Ok(Box::new(plan(4, Strategy::Grid))));
    assert_eq!((bench.sent(), bench.queued()), (vec![new("e-1"), new("e-2")], vec!["e-3"]));
    bench.ends(RunState::Finished, 90, 1.0);
    assert_eq!((bench.sent(), bench.queued()), (vec![new("e-3")], vec!["e-4"]));
    bench.ends(RunState::Failed, 9, 1.0);
    assert_eq!((bench.sent(), bench.queued().len()), (vec![new("e-4")], 0));
    bench.ends(RunState::Finished, 90, 1.0);
    assert!(!bench.state.is_idle() && bench.state.experiments.under_way.len() == 1, "one of them goes on");
    bench.ends(RunState::Finished, 90, 1.0);
    assert!(bench.state.is_idle() && bench.state.experiments.under_way.is_empty());
}

#[test]
fn the_next_run_waits_until_the_store_has_told_how_the_last_one_ended() {
    let mut bench = Bench::begun(2, Strategy::Grid);
    bench.sent();
    let event = Event { job: bench.job(), what: Report::Finished { outcome: Outcome::Completed } };
    bench.state.on_new_run(NewRun::Trained(Box::new(config())), Ok((RunId("other".into()), "/w/runs/other".into())));
    bench.state.on_engine(event);
    assert!(bench.sent().is_empty() && !bench.state.is_idle(), "its turn is not over");
    let row = RunRow { id: RunId("e-1".into()), state: RunState::Finished, step: 90, ..RunRow::example() };
    bench.state.on_store(Answer::RunsChanged { rows: vec![row], gone: Vec::new() });
    assert_eq!((bench.sent(), bench.queued()), (vec![new("e-2")], vec!["other"]));
}

#[test]
fn a_paused_experiment_goes_on_where_it_was_and_lets_others_pass() {
    let mut bench = Bench::begun(3, Strategy::Grid);
    bench.sent();
    bench.act(ExperimentAction::Pause(id()));
    assert!(bench.queued().is_empty());
    bench.ends(RunState::Finished, 90, 1.0);
    assert!(bench.sent().is_empty() && bench.state.is_idle());
    bench.act(ExperimentAction::GoOn(id()));
    assert_eq!((bench.sent(), bench.queued()), (vec![new("e-2")], vec!["e-3"]));
    bench.act(ExperimentAction::StopAfter(id()));
    bench.ends(RunState::Finished, 90, 1.0);
    assert!(bench.sent().is_empty() && bench.state.experiments.under_way.is_empty());
    let plan = bench.state.experiments.plan(&id()).unwrap();
    assert!(bench.state.can_go_on(plan));
}

#[test]
fn stopping_now_stops_the_run_under_way_which_is_resumed_later() {
    let mut bench = Bench::begun(2, Strategy::Grid);
    bench.sent();
    bench.act(ExperimentAction::Stop(id()));
    let stops = bench
        .state
        .outbox
        .effects
        .iter()
        .any(|effect| matches!(effect, Effect::Engine(Command { ask: Ask::Stop, .. })));
    assert!(stops);
    bench.ends(RunState::Stopped, 40, 1.0);
    assert!(bench.sent().is_empty() && bench.state.is_idle());
    bench.act(ExperimentAction::GoOn(id()));
    assert_eq!(bench.sent(), [("e-1".to_owned(), true, None)]);
}

#[test]
fn the_best_of_an_experiment_go_on_from_their_checkpoints() {
    let halving = Strategy::Halving { factor: 3, first_steps: 10, runs: None, seed: 0 };
    let mut bench = Bench::begun(3, halving);
    for (run, loss) in [("e-1", 3.0), ("e-2", 1.0), ("e-3", 2.0)] {
        assert_eq!(bench.sent(), [(run.to_owned(), false, Some(10))]);
        bench.ends(RunState::Stopped, 10, loss);
    }
    let next = bench.sent();
    assert_eq!((next.len(), next[0].0.as_str(), next[0].1), (1, "e-2", true), "{next:?}");
    while !bench.state.live.running.is_empty() {
        let until = next[0].2.filter(|_| bench.rows.iter().all(|row| row.step < 30));
        match until {
            Some(step) => bench.ends(RunState::Stopped, step as u64, 1.0),
            None => bench.ends(RunState::Finished, 90, 1.0),
        }
        assert!(bench.sent().iter().all(|(run, ..)| run == "e-2"), "the others are left behind");
    }
    assert!(bench.state.is_idle());
}

#[test]
fn what_is_not_done_is_offered_at_the_start_and_nothing_begins_by_itself() {
    let done = RunRow { id: RunId("e-1".into()), state: RunState::Finished, step: 90, ..RunRow::example() };
    let mut bench = Bench::opened(vec![plan(2, Strategy::Grid)], vec![done]);
    assert!(bench.sent().is_empty() && bench.state.is_idle());
    let notice = bench.state.notices.newest().next().expect("it is offered");
    let (_, action) = notice.offer.as_ref().and_then(|offer| offer.action(&bench.state)).expect("one press");
    bench.state.perform(action);
    assert_eq!(bench.sent(), [new("e-2")]);
    bench.ends(RunState::Finished, 90, 1.0);
    let again = Bench::opened(vec![plan(2, Strategy::Grid)], bench.rows);
    assert!(again.state.notices.is_empty(), "it is done");
}

#[test]
fn a_held_queue_begins_nothing_and_what_waits_is_moved() {
    let mut bench = Bench::begun(3, Strategy::Grid);
    bench.sent();
    for run in ["a", "b"] {
        bench
            .state
            .on_new_run(NewRun::Trained(Box::new(config())), Ok((RunId(run.into()), format!("/w/runs/{run}").into())));
    }
    bench.act(ExperimentAction::Move(RunId("b".into()), 0));
    assert_eq!(bench.queued(), ["b", "e-2", "a"]);
    bench.act(ExperimentAction::Hold(true));
    bench.ends(RunState::Finished, 90, 1.0);
    assert!(bench.sent().is_empty() && bench.state.is_idle(), "the window may be closed");
    bench.act(ExperimentAction::Hold(false));
    assert_eq!((bench.sent(), bench.queued()), (vec![new("b")], vec!["e-2", "a"]));
    bench.state.withdraw(&RunId("e-2".into()));
    assert!(bench.state.experiments.under_way[&id()].paused, "its turn was given up");
    assert_eq!(bench.queued(), ["a"]);
}

#[test]
fn quitting_leaves_an_experiment_that_can_go_on() {
    let mut bench = Bench::begun(3, Strategy::Grid);
    bench.sent();
    bench.state.leave(ExitState::WhenStopped);
    let withdrawn =
        bench.state.outbox.effects.iter().any(|effect| matches!(effect, Effect::Store(Request::Withdraw(_))));
    assert!(!withdrawn, "the store does not know of runs that have not begun");
    bench.ends(RunState::Stopped, 40, 1.0);
    assert_eq!(bench.state.leaving, ExitState::Now);
}

#[test]
fn an_experiment_of_the_same_name_is_numbered() {
    let mut bench = Bench::begun(2, Strategy::Grid);
    bench.state.outbox.effects.clear();
    let new = NewExperiment { experiment: plan(2, Strategy::Grid).experiment, runs: Vec::new(), source: String::new() };
    bench.act(ExperimentAction::Start(Box::new(new)));
    let named = bench.state.outbox.effects.iter().find_map(|effect| match effect {
        Effect::NewExperiment(new) => Some(new.experiment.name.as_str()),
        _ => None,
    });
    assert_eq!(named, Some("seeds #2"));
    assert!(bench.state.experiments.is_being_made());
}
