//! The state on events written by hand: no window, no engine, no store.

use engine::Sentence;
use engine::config::{DataConfig, RunConfig};
use engine::error::Failure;
use engine::protocol::{Ask, Command, Event, JobId, Outcome, Report};

use super::outbox::{Effect, Fill, NewRun};
use super::*;
use crate::action::Action;
use crate::screens::explorer::action::ExplorerAction;
use crate::screens::library::action::LibraryAction;
use crate::screens::new_run::action::NewRunAction;
use crate::screens::new_run::state::preview::{PreviewOf, PreviewQuestion};
use crate::screens::runs::action::{Export, RunAction};
use crate::store::Answer;

fn config() -> RunConfig {
    RunConfig::new("/models/starter", DataConfig::new("/sets/records/train.jsonl"))
}

/// A window that was just opened, with what it asked for at the start taken away.
fn opened() -> State {
    let mut state = State::new("/workspace".into(), Settings::default(), Access::ReadWrite, Some(Box::new(config())));
    state.outbox.effects.clear();
    state
}

/// Takes the asks sent to the engine since the last look, with their jobs.
fn asked(state: &mut State) -> Vec<(JobId, Ask)> {
    let effects = std::mem::take(&mut state.outbox.effects);
    let command = |effect| match effect {
        Effect::Engine(Command { job, ask }) => Some((job, ask)),
        _ => None,
    };
    effects.into_iter().filter_map(command).collect()
}

fn only(state: &mut State) -> JobId {
    let asked = asked(state);
    assert_eq!(asked.len(), 1, "{asked:?}");
    asked[0].0
}

fn tell(state: &mut State, job: JobId, what: Report) {
    state.on_engine(Event { job, what });
}

fn failed() -> Report {
    Report::Failed(Failure { what: Sentence::verbatim("it broke"), advice: Sentence::default() })
}

fn preview(state: &mut State, train: &str) -> JobId {
    let data = Box::new(DataConfig::new(train));
    let question = PreviewQuestion { model: "/models/starter".into(), data, task: None, n_virtual: 20 };
    state.perform(Action::NewRun(NewRunAction::Preview(PreviewOf::Rows, question)));
    only(state)
}

fn start(state: &mut State, run: &str) -> JobId {
    state.on_new_run(NewRun::Trained(Box::new(config())), Ok((RunId(run.into()), format!("/runs/{run}").into())));
    only(state)
}

#[test]
fn a_late_failure_of_rows_that_were_asked_anew_changes_nothing() {
    let mut state = opened();
    let (first, second) = (preview(&mut state, "/a.jsonl"), preview(&mut state, "/b.jsonl"));
    tell(&mut state, first, failed());
    assert!(state.new_run.preview.is_open() && state.new_run.preview.failure().is_none());
    tell(&mut state, second, failed());
    assert!(!state.new_run.preview.is_open() && state.new_run.preview.failure().is_some());
}

#[test]
fn a_model_is_asked_about_once_and_its_failure_is_its_own() {
    let mut state = opened();
    let describe = |folder: &str| Action::Library(LibraryAction::Describe(folder.into()));
    state.perform(describe("/models/a"));
    state.perform(describe("/models/a"));
    let a = only(&mut state);
    state.perform(describe("/models/b"));
    let b = only(&mut state);
    tell(&mut state, a, failed());
    assert!(state.model_failure(Path::new("/models/a")).is_some());
    assert!(
        state.model_failure(Path::new("/models/b")).is_none() && state.library.lookups[Path::new("/models/b")].is(b)
    );
    state.perform(describe("/models/a"));
    assert!(state.model_failure(Path::new("/models/a")).is_none(), "it is read again");
}

#[test]
fn statistics_are_those_of_the_dataset_that_was_asked_for_last() {
    let mut state = opened();
    let count = |train: &str| Action::Library(LibraryAction::Count(train.into(), None));
    state.perform(count("/a.jsonl"));
    let first = only(&mut state);
    state.perform(count("/b.jsonl"));
    let told = asked(&mut state);
    assert!(told[0] == (first, Ask::Stop), "{told:?}");
    let second = told[1].0;
    tell(&mut state, first, Report::Statistics(Box::default()));
    let counted = state.library.counted.as_ref().unwrap();
    assert!(counted.request.answer.is_none() && counted.request.is(second) && counted.train == Path::new("/b.jsonl"));
    tell(&mut state, second, failed());
    assert!(state.library.counted.as_ref().unwrap().request.failure.is_some());
    state.perform(count("/b.jsonl"));
    let third = only(&mut state);
    tell(&mut state, third, Report::Statistics(Box::default()));
    assert!(state.library.counted.as_ref().unwrap().request.answer.is_some());
    state.perform(Action::Library(LibraryAction::HideStatistics));
    assert!(state.library.counted.is_none());
}

#[test]
fn each_adapter_that_is_written_says_where_and_one_that_is_not_says_why() {
    let mut state = opened();
    for to in ["/out/a", "/out/b"] {
        let export = Export::Peft { adapter: "/runs/a".into(), to: to.into() };
        state.perform(Action::Run(RunAction::Export(export)));
    }
    let jobs: Vec<JobId> = asked(&mut state).into_iter().map(|(job, _)| job).collect();
    tell(&mut state, jobs[1], Report::Written { folder: "/out/b".into() });
    tell(&mut state, jobs[1], Report::Finished { outcome: Outcome::Completed });
    tell(&mut state, jobs[0], failed());
    let told: Vec<&str> = state.notices.newest().map(|notice| notice.what.as_str()).collect();
    assert!(told[0].contains("It broke") && told[1].contains("/out/b") && told.len() == 2, "{told:?}");
    assert!(state.runs.exports.is_empty());
}

#[test]
fn one_run_is_computed_at_a_time_and_the_end_waits_for_the_last() {
    let mut state = opened();
    let first = start(&mut state, "a");
    state.on_new_run(NewRun::Trained(Box::new(config())), Ok((RunId("b".into()), "/runs/b".into())));
    assert!(asked(&mut state).is_empty(), "it waits");
    state.leave(ExitState::WhenDone);
    tell(&mut state, first, Report::Finished { outcome: Outcome::Completed });
    let second = only(&mut state);
    assert_eq!(state.leaving, ExitState::WhenDone);
    tell(&mut state, second, failed());
    assert_eq!((state.leaving, state.live.is_idle()), (ExitState::Now, true));
}

#[test]
fn what_is_told_of_a_run_that_has_ended_is_nobodys() {
    let mut state = opened();
    let job = start(&mut state, "a");
    tell(&mut state, job, Report::Finished { outcome: Outcome::Stopped });
    let notices = state.notices.newest().count();
    tell(&mut state, job, failed());
    assert_eq!(state.notices.newest().count(), notices);
}

#[test]
fn the_end_of_the_engine_ends_every_question() {
    let mut state = opened();
    preview(&mut state, "/a.jsonl");
    start(&mut state, "a");
    state.perform(Action::Explorer(ExplorerAction::Explore { checkpoint: "/runs/a/checkpoints/1".into() }));
    state.perform(Action::Library(LibraryAction::Describe("/models/a".into())));
    state.on_engine_gone();
    let is_asking = state.new_run.preview.is_open()
        || state.exploration.grid.is_open()
        || state.env.devices.is_open()
        || state.library.lookups.values().any(|lookup| lookup.is_open());
    assert!(!is_asking && state.live.running.is_empty() && state.notices.banner.is_some());
}

#[test]
fn rows_that_changed_ask_for_what_is_new_about_the_run_on_screen_alone() {
    let mut state = opened();
    let row = |id: &str| RunRow { id: RunId(id.into()), ..RunRow::example() };
    state.on_store(Answer::Runs(vec![row("b"), row("a")]));
    state.perform(Action::Open(RunId("a".into()), Screen::Training));
    // What was asked when it was opened is answered by nothing new.
    let view = state.runs.view.as_mut().expect("it is on screen");
    (view.asked, view.stale) = (false, false);
    state.outbox.effects.clear();
    for (id, asks) in [("b", 0), ("a", 1)] {
        state.on_store(Answer::RunsChanged { rows: vec![row(id)], gone: Vec::new() });
        assert_eq!(state.outbox.effects.len(), asks, "{id}: {:?}", state.outbox.effects);
    }
    state.on_store(Answer::RunsChanged { rows: Vec::new(), gone: vec![RunId("b".into())] });
    assert_eq!(state.runs.rows().map(|row| row.id.0.as_str()).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn what_only_the_system_can_do_is_sent_and_done_by_nobody_here() {
    let mut state = opened();
    state.perform(Action::NewRun(NewRunAction::Start(Box::new(config()))));
    state.perform(Action::NewRun(NewRunAction::UseModel("/models/b".into())));
    let effects = std::mem::take(&mut state.outbox.effects);
    assert!(matches!(&effects[..], [Effect::NewRun(NewRun::Trained(_)), Effect::Fill(Fill::Model(_))]), "{effects:?}");
    assert!(state.live.is_idle() && state.screen == Screen::NewRun);
}

#[test]
fn a_question_about_an_adapter_ends_with_the_next_checkpoint_and_with_the_engine() {
    use engine::analysis::Question;

    use crate::screens::explorer::state::{Basis, Inquiry};

    let mut state = opened();
    let row = RunRow { id: RunId("a".into()), ..RunRow::example() };
    state.on_store(Answer::Runs(vec![row.clone()]));
    let mut view = RunView::new(row.id.clone());
    (view.row, view.config) = (Some(row.clone()), Some(Box::new(config())));
    state.runs.view = Some(view);
    let explore = |folder: &str| Action::Explorer(ExplorerAction::Explore { checkpoint: folder.into() });
    let look = |folder: &str| {
        let (question, basis) = (Question::Lens, Basis::default());
        let inquiry = Inquiry { run: RunId("a".into()), adapter: folder.into(), question, basis, other: None };
        Action::Explorer(ExplorerAction::Look(Box::new(inquiry)))
    };
    state.perform(explore("/1"));
    asked(&mut state);
    state.perform(look("/1"));
    state.perform(look("/1"));
    let first = only(&mut state);
    state.perform(explore("/2"));
    let told = asked(&mut state);
    assert!(told.contains(&(first, Ask::Stop)), "{told:?}");
    state.perform(look("/2"));
    let second = only(&mut state);
    state.on_engine_gone();
    asked(&mut state);
    tell(&mut state, second, failed());
    state.perform(look("/2"));
    assert_eq!(asked(&mut state).len(), 1, "it was never answered");
}
