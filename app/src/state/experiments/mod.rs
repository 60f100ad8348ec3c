//! Experiments: those of the workspace, which of them are under way, and how their runs come into the queue.
//!
//! One run of an experiment waits in the queue at a time and stands there for all that follow. Which one that is says
//! [`Plan::due`], by how the runs stand in the store.

mod handed_over;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use engine::error::Failure;
use engine::training::Beginning;

use super::State;
use super::exit::ExitState;
use super::live::QueuedRun;
use super::notices::{Level, Offer};
use super::outbox::Effect;
use crate::action::Screen;
use crate::experiments::{Due, ExperimentId, Plan, Standing};
use crate::screens::experiment::action::NewExperiment;
use crate::store::{Access, RunRow, RunState};
use crate::t;
use crate::workspace::RunId;

/// Experiments as the window knows them.
#[derive(Debug, Default)]
pub struct Experiments {
    /// All of them, newest first; `None` until their folder was read.
    pub list: Option<Vec<Plan>>,
    /// Those whose runs are being computed.
    pub under_way: BTreeMap<ExperimentId, UnderWay>,
    /// Experiments that are being made.
    being_made: usize,
    /// Those that are not done were offered.
    offered: bool,
}

/// An experiment whose runs are being computed: each begins when a seat is free.
#[derive(Debug, Default)]
pub struct UnderWay {
    /// It waits: nobody was told to go on.
    pub paused: bool,
    /// Failed runs that are to be trained again.
    again: BTreeSet<RunId>,
    /// Runs that have ended, and of whose end the store has not told yet.
    awaited: BTreeSet<RunId>,
    /// How the runs under way stood when they began.
    before: BTreeMap<RunId, Option<RunRow>>,
}

/// Where a run of an experiment comes into the queue.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before all others: it takes the turn of the one before it.
    First,
    /// Behind all others.
    Last,
}

impl Experiments {
    /// All of them, newest first; none until their folder was read.
    pub fn plans(&self) -> impl Iterator<Item = &Plan> {
        self.list.iter().flatten()
    }

    /// One of them.
    pub fn plan(&self, id: &ExperimentId) -> Option<&Plan> {
        self.plans().find(|plan| plan.id == *id)
    }

    /// The newest of that name.
    pub fn named(&self, name: &str) -> Option<&Plan> {
        self.plans().find(|plan| plan.experiment.name == name)
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.plans().map(|plan| plan.experiment.name.as_str())
    }

    /// The folder of one is being made.
    pub fn is_being_made(&self) -> bool {
        self.being_made > 0
    }

    /// One of them goes on by itself.
    pub fn goes_on(&self) -> bool {
        self.is_being_made() || self.under_way.values().any(|under| !under.paused)
    }

    /// The experiment under way that a run belongs to.
    pub fn of_run(&self, run: &RunId) -> Option<&ExperimentId> {
        let has_run =
            |id: &&ExperimentId| self.plan(id).is_some_and(|plan| plan.runs.iter().any(|planned| planned.run == *run));
        self.under_way.keys().find(has_run)
    }
}

impl State {
    /// Nothing is computed, and nothing will be by itself.
    pub fn is_idle(&self) -> bool {
        self.live.is_idle() && (self.live.held || !self.experiments.goes_on())
    }

    /// How an experiment stands.
    pub fn standing(&self, plan: &Plan) -> Standing {
        plan.standing(&self.rows_of(plan))
    }

    /// Whether some run of an experiment that is not under way can be trained.
    pub fn can_go_on(&self, plan: &Plan) -> bool {
        !self.experiments.under_way.contains_key(&plan.id) && !plan.due(&self.rows_of(plan), false).is_empty()
    }

    fn rows_of(&self, plan: &Plan) -> Vec<&RunRow> {
        let ids: BTreeSet<&RunId> = plan.runs.iter().map(|planned| &planned.run).collect();
        self.runs.rows().filter(|row| ids.contains(&row.id)).collect()
    }

    /// Asks for the folder of an experiment, under a name that no other has.
    pub(crate) fn make_experiment(&mut self, mut new: NewExperiment) {
        let asked = new.experiment.name.clone();
        let is_taken = |name: &str| self.experiments.names().any(|other| other == name);
        if is_taken(&asked) {
            let numbered = (2..).map(|n| format!("{asked} #{n}"));
            new.experiment.name = numbered.into_iter().find(|name| !is_taken(name)).unwrap_or(asked);
        }
        self.experiments.being_made += 1;
        self.outbox.push(Effect::NewExperiment(Box::new(new)));
    }

    /// Takes the folder that was made for an experiment, or why it could not be: its first run begins, or waits.
    pub fn on_experiment_made(&mut self, made: Result<Box<Plan>, Failure>) {
        self.experiments.being_made = self.experiments.being_made.saturating_sub(1);
        let plan = match made {
            Ok(plan) => *plan,
            Err(failure) => return self.notices.banner = Some(failure),
        };
        let sentence = t!("experiment.begun", name = plan.experiment.name, n = plan.runs.len());
        self.notices.add(Level::Info, sentence, "", self.env.now);
        let id = plan.id.clone();
        self.experiments.list.get_or_insert_default().insert(0, plan);
        let is_first = self.live.is_idle();
        self.go_on_with_experiment(&id, false);
        if is_first {
            self.show(Screen::Runs);
        }
    }

    /// Takes the experiments of the workspace, as their folders say.
    pub fn on_experiments(&mut self, plans: Vec<Plan>, unread: &[PathBuf]) {
        for folder in unread {
            let sentence = t!("experiment.unread", path = folder.display());
            self.notices.add(Level::Warn, sentence, "", self.env.now);
        }
        let begun = self.experiments.list.take().unwrap_or_default();
        let known: BTreeSet<ExperimentId> = plans.iter().map(|plan| plan.id.clone()).collect();
        // One that was begun before the list had come is not in it.
        let begun = begun.into_iter().filter(|plan| !known.contains(&plan.id));
        self.experiments.list = Some(begun.chain(plans).collect());
        self.offer_experiments();
    }

    /// Offers to go on with what is not done, once: nothing begins by itself, since it may be what ended the program.
    pub(super) fn offer_experiments(&mut self) {
        let known = self.experiments.list.is_some() && self.runs.list.is_some();
        if !known || self.experiments.offered || self.env.access != Access::ReadWrite {
            return;
        }
        self.experiments.offered = true;
        let open: Vec<&Plan> = self.experiments.plans().filter(|plan| self.can_go_on(plan)).collect();
        let (sentence, offer) = match open.as_slice() {
            [] => return,
            [only] => {
                let standing = self.standing(only);
                let name = &only.experiment.name;
                let sentence = t!("experiment.open_one", name = name, n = standing.done, all = standing.runs);
                (sentence, Offer::GoOn(only.id.clone()))
            }
            several => (t!("experiment.open_several", n = several.len()), Offer::Experiments),
        };
        self.notices.offer(Level::Info, sentence, offer, self.env.now);
    }

    pub(crate) fn go_on_with_experiment(&mut self, id: &ExperimentId, again: bool) {
        if self.hand_over(id, again) {
            return;
        }
        let Some(plan) = self.experiments.plan(id) else { return };
        let is_failed = |row: &&&RunRow| row.state == RunState::Failed;
        let failed: Vec<RunId> = self.rows_of(plan).iter().filter(is_failed).map(|row| row.id.clone()).collect();
        let under = self.experiments.under_way.entry(id.clone()).or_default();
        under.paused = false;
        if again {
            under.again.extend(failed);
        }
        self.feed(id, Place::Last);
        self.start_if_free();
    }

    /// Its run that waits is taken out of the queue; the one under way goes on to its end.
    pub(crate) fn pause_experiment(&mut self, id: &ExperimentId) {
        if let Some(under) = self.experiments.under_way.get_mut(id) {
            under.paused = true;
        }
        self.live.queue.retain(|queued| queued.experiment.as_ref() != Some(id));
        self.end_if_idle();
    }

    pub(crate) fn end_experiment(&mut self, id: &ExperimentId, now: bool) {
        self.pause_experiment(id);
        if now && let Some(plan) = self.experiments.plan(id) {
            let is_ours = |run: &RunId| plan.runs.iter().any(|planned| planned.run == *run);
            let computed: Vec<RunId> =
                self.live.running.values().map(|live| live.run.clone()).filter(is_ours).collect();
            computed.iter().for_each(|run| self.stop(run));
        }
        self.experiments.under_way.remove(id);
        self.start_if_free();
        self.end_if_idle();
    }

    /// No experiment goes on any more.
    pub(super) fn end_experiments(&mut self) {
        self.experiments.under_way.clear();
    }

    /// Puts the next run of an experiment into the queue, unless one is there. Where none is left it is done.
    fn feed(&mut self, id: &ExperimentId, place: Place) {
        let (Some(under), Some(plan)) = (self.experiments.under_way.get(id), self.experiments.plan(id)) else { return };
        let is_queued = self.live.queue.iter().any(|queued| queued.experiment.as_ref() == Some(id));
        if under.paused || !under.awaited.is_empty() || is_queued || self.env.engine_gone {
            return;
        }
        let rows = self.rows_of(plan);
        let due = plan.due(&rows, !under.again.is_empty());
        let is_wanted = |due: &&Due| {
            let run = &plan.runs[due.index].run;
            let failed = rows.iter().any(|row| row.id == *run && row.state == RunState::Failed);
            let is_taken = self.live_of(run).is_some() || self.live.queue.iter().any(|queued| queued.run == *run);
            !is_taken && (!failed || under.again.contains(run))
        };
        match due.iter().find(is_wanted) {
            Some(due) => {
                let planned = &plan.runs[due.index];
                let queued = QueuedRun {
                    run: planned.run.clone(),
                    folder: self.env.workspace.join("runs").join(&planned.run.0),
                    config: planned.config.clone(),
                    beginning: if due.resume { Beginning::Resumed } else { Beginning::Fresh },
                    until: due.until,
                    experiment: Some(id.clone()),
                };
                match place {
                    Place::First => self.live.queue.push_front(queued),
                    Place::Last => self.live.queue.push_back(queued),
                }
            }
            None if plan.runs.iter().all(|planned| self.live_of(&planned.run).is_none()) => self.is_done(id),
            None => {}
        }
    }

    fn is_done(&mut self, id: &ExperimentId) {
        self.experiments.under_way.remove(id);
        let Some(plan) = self.experiments.plan(id) else { return };
        let (standing, name) = (self.standing(plan), &plan.experiment.name);
        let (level, sentence) = match standing.failed {
            0 => (Level::Good, t!("experiment.done", name = name, n = standing.runs)),
            failed => (Level::Warn, t!("experiment.done_but", name = name, n = standing.done, failed = failed)),
        };
        self.notices.offer(level, sentence, Offer::Experiments, self.env.now);
    }

    /// A run of an experiment is being sent to the engine: the one after it waits in its place.
    pub(super) fn member_begins(&mut self, id: &ExperimentId, run: &RunId) {
        let before = self.row(run).cloned();
        if let Some(under) = self.experiments.under_way.get_mut(id) {
            under.before.insert(run.clone(), before);
            under.again.remove(run);
        }
        self.feed(id, Place::First);
    }

    /// A run has ended: what comes next of its experiment depends on how it stands, which the store has to tell.
    pub(super) fn member_ended(&mut self, run: &RunId) {
        let Some(id) = self.experiments.of_run(run).cloned() else { return };
        let row = self.row(run).cloned();
        let Some(under) = self.experiments.under_way.get_mut(&id) else { return };
        let before = under.before.remove(run).flatten();
        let is_told = row.as_ref().is_some_and(|row| !row.state.is_live()) && row != before;
        if !is_told {
            under.awaited.insert(run.clone());
        }
        self.feed(&id, Place::First);
    }

    /// The store told of runs: what waited for that goes on.
    pub(super) fn on_rows(&mut self, told: &[RunId]) {
        let is_over = |run: &RunId| self.row(run).is_none_or(|row| !row.state.is_live());
        let ended: BTreeSet<RunId> = told.iter().filter(|run| is_over(run)).cloned().collect();
        let mut free = Vec::new();
        for (id, under) in &mut self.experiments.under_way {
            let awaited = under.awaited.len();
            under.awaited.retain(|run| !ended.contains(run));
            if under.awaited.len() < awaited {
                free.push(id.clone());
            }
        }
        for id in &free {
            self.feed(id, Place::First);
        }
        if !free.is_empty() {
            self.start_if_free();
            self.end_if_idle();
        }
        self.offer_experiments();
    }

    /// An experiment has its turn, and the store has still to tell how its last run ended.
    pub(super) fn waits_for_store(&self) -> bool {
        self.leaving != ExitState::WhenStopped
            && self.experiments.under_way.values().any(|under| !under.awaited.is_empty())
    }
}

#[cfg(test)]
mod tests;
