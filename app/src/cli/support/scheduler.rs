//! Trains the runs of an experiment: asks what is due, hands it to an engine that has nothing to do, follows what is told, and
//! asks again. What a run is and where it stands is kept in its folder, so that the program may end at any time.

use std::collections::BTreeSet;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use engine::device::DeviceChoice;
use engine::error::Failure;
use engine::protocol::{Ask, Command, Event, JobId, Outcome, Report};
use engine::training::{EvaluationReport, RunFacts};

use crate::cli::support::error::CliError;
use crate::cli::support::out;
use crate::cli::support::pool::{News, Pool};
use crate::cli::support::scheduler_progress::Progress;
use crate::cli::support::session::note_interrupted;
use crate::experiments::{Due, Plan, Stand};
use crate::store::{Answer, Request, RunState, Store};
use crate::workspace::Workspace;

/// What decides how an experiment is trained, but not what comes of it.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Pace {
    /// Devices of the engines, one each; `None` is that of the run.
    pub(in crate::cli) devices: Vec<Option<DeviceChoice>>,
    /// Runs that failed are tried once more.
    pub(in crate::cli) again: bool,
    /// Go no further when so many runs have come to an end.
    pub(in crate::cli) stop_after: Option<usize>,
}

/// The end of a run in this sitting, or of its part up to where it is held against others.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Ended {
    /// In the plan.
    pub(in crate::cli) index: usize,
    pub(in crate::cli) state: RunState,
    pub(in crate::cli) step: usize,
    pub(in crate::cli) facts: Option<Box<RunFacts>>,
    /// Validation loss of the first evaluation of this sitting.
    pub(in crate::cli) first_loss: Option<f64>,
    /// The least of this sitting.
    pub(in crate::cli) loss: Option<f64>,
    /// The figure by which evaluations are held against each other, its best value and the step of that.
    pub(in crate::cli) best: Option<(String, f64, usize)>,
    pub(in crate::cli) secs: f64,
    pub(in crate::cli) failure: Option<Failure>,
}

/// What came of a sitting.
#[derive(Debug)]
pub(in crate::cli) struct Sitting {
    /// In the order in which they ended.
    pub(in crate::cli) ended: Vec<Ended>,
    /// Where each run stands now.
    pub(in crate::cli) stands: Vec<Option<Stand>>,
    /// Somebody asked to stop, or so many runs were done as were asked for.
    pub(in crate::cli) stopped: bool,
}

/// A run that an engine computes.
struct UnderWay {
    job: JobId,
    begun: Instant,
    ended: Ended,
}

struct Scheduler<'a> {
    plan: &'a Plan,
    workspace: &'a Workspace,
    store: &'a Store,
    answers: &'a Receiver<Answer>,
    pool: Pool,
    pace: Pace,
    progress: &'a mut Progress,
    stands: Vec<Option<Stand>>,
    /// What each engine does.
    slots: Vec<Option<UnderWay>>,
    /// Runs that are not begun again in this sitting.
    tried: BTreeSet<usize>,
    ended: Vec<Ended>,
    stopping: bool,
    /// Notices that were shown: many runs have the same rows.
    noted: BTreeSet<String>,
    jobs: u64,
}

/// Trains what is due until nothing is. Runs that failed before stay so, but for those that are asked for again.
pub(in crate::cli) fn train(
    plan: &Plan,
    workspace: &Workspace,
    (store, answers): &(Store, Receiver<Answer>),
    mut stands: Vec<Option<Stand>>,
    (pool, pace): (Pool, Pace),
    progress: &mut Progress,
) -> Result<Sitting, CliError> {
    if pace.again {
        // Of those that fail once more in this sitting nothing is tried a third time.
        let failed = stands.iter_mut().flatten().filter(|stand| stand.state == RunState::Failed);
        failed.for_each(|stand| stand.state = RunState::Interrupted);
    }
    let slots = (0..pool.len()).map(|_| None).collect();
    let mut scheduler = Scheduler {
        plan,
        workspace,
        store,
        answers,
        pool,
        pace,
        progress,
        stands,
        slots,
        tried: BTreeSet::new(),
        ended: Vec::new(),
        stopping: false,
        noted: BTreeSet::new(),
        jobs: 0,
    };
    let done = scheduler.run();
    scheduler.progress.end();
    if done.is_err() {
        store.send(Request::EngineGone);
    }
    store.flush();
    done?;
    Ok(Sitting { ended: scheduler.ended, stands: scheduler.stands, stopped: scheduler.stopping })
}

impl Scheduler<'_> {
    fn run(&mut self) -> Result<(), CliError> {
        self.progress.begin(self.plan, &self.stands);
        loop {
            self.fill()?;
            if self.slots.iter().all(Option::is_none) {
                return Ok(());
            }
            match self.pool.next()? {
                News::Interrupt => self.interrupt()?,
                News::Engine(event) => self.heard(event),
            }
        }
    }

    /// Gives every engine that has nothing to do what is due next.
    fn fill(&mut self) -> Result<(), CliError> {
        while let Some(slot) = self.slots.iter().position(Option::is_none).filter(|_| !self.stopping) {
            let under_way = |index| self.slots.iter().flatten().any(|run| run.ended.index == index);
            let due = self.plan.due_of(&self.stands, false);
            let next = due.into_iter().find(|due| !self.tried.contains(&due.index) && !under_way(due.index));
            let Some(due) = next else { return Ok(()) };
            self.begin(slot, &due)?;
        }
        Ok(())
    }

    fn begin(&mut self, slot: usize, due: &Due) -> Result<(), CliError> {
        let planned = &self.plan.runs[due.index];
        let mut config = planned.config.clone();
        if let Some(Some(device)) = self.pace.devices.get(slot) {
            config.device = *device;
        }
        let (run, folder) = (planned.run.clone(), self.workspace.make_run_folder(&planned.run)?);
        if self.workspace.misses_files(&run) {
            let experiment = Some(self.plan.experiment.name.clone());
            self.store.send(Request::Register { run: run.clone(), config: config.clone(), experiment });
        }
        self.jobs += 1;
        let job = JobId(self.jobs);
        self.store.send(Request::Begin { job, run });
        self.store.flush();
        if let Some(failure) = refusal(self.answers) {
            // Another program computes it.
            self.progress.say(&format!("{}: {}. {}", planned.name, failure.what, failure.advice));
            self.tried.insert(due.index);
            return Ok(());
        }
        let before = self.stands[due.index];
        let (step, total_steps) = before.map_or((0, 0), |stand| (stand.step, stand.total_steps));
        let figure = before.and_then(|stand| stand.figure);
        self.stands[due.index] = Some(Stand { state: RunState::Preparing, step, total_steps, figure });
        let ended = Ended {
            index: due.index,
            state: RunState::Preparing,
            step,
            facts: None,
            first_loss: None,
            loss: None,
            best: None,
            secs: 0.0,
            failure: None,
        };
        self.slots[slot] = Some(UnderWay { job, begun: Instant::now(), ended });
        self.progress.began(self.plan, due.index);
        let ask = Ask::Train { folder, config, resume: due.resume, until: due.until };
        self.pool.send(slot, Command { job, ask })
    }

    /// Stops what is computed, each with a checkpoint, and begins nothing more.
    fn interrupt(&mut self) -> Result<(), CliError> {
        self.progress.say("Writing checkpoints; Ctrl-C again ends at once");
        self.stopping = true;
        for (slot, run) in self.slots.iter().enumerate() {
            if let Some(run) = run {
                self.pool.send(slot, Command { job: run.job, ask: Ask::Stop })?;
            }
        }
        Ok(())
    }

    fn heard(&mut self, event: Event) {
        let Some(slot) = self.slots.iter().position(|run| run.as_ref().is_some_and(|run| run.job == event.job)) else {
            return;
        };
        let Some(run) = self.slots[slot].as_mut() else { return };
        let Some(stand) = self.stands[run.ended.index].as_mut() else { return };
        match event.what {
            Report::RunStarted(facts) => {
                (stand.state, stand.step, stand.total_steps) = (RunState::Running, facts.done_steps, facts.total_steps);
                run.ended.facts = Some(facts);
            }
            Report::Step(step) => {
                stand.step = step.step;
                let name = &self.plan.runs[run.ended.index].name;
                self.progress.step(name, self.plan, &self.stands);
            }
            Report::Evaluated(evaluation) => evaluated(&mut run.ended, stand, &evaluation),
            Report::Notice { text } if self.noted.insert(text.to_string()) => {
                self.progress.say(&format!("Note: {text}"));
            }
            Report::Finished { outcome } => {
                let state = match outcome {
                    Outcome::Completed | Outcome::StoppedEarly => RunState::Finished,
                    Outcome::Stopped => RunState::Stopped,
                };
                self.end(slot, state, None);
            }
            Report::Failed(failure) => self.end(slot, RunState::Failed, Some(failure)),
            _ => {}
        }
    }

    fn end(&mut self, slot: usize, state: RunState, failure: Option<Failure>) {
        let Some(UnderWay { begun, mut ended, .. }) = self.slots[slot].take() else { return };
        let before = ended.step;
        (ended.state, ended.failure, ended.secs) = (state, failure, begun.elapsed().as_secs_f64());
        if let Some(stand) = self.stands[ended.index].as_mut() {
            stand.state = state;
            ended.step = stand.step;
        }
        // What ends without a step, and would be due again as it was, would go on for ever.
        let goes_round =
            ended.step == before && self.plan.due_of(&self.stands, false).iter().any(|due| due.index == ended.index);
        if goes_round || state == RunState::Failed {
            self.tried.insert(ended.index);
        }
        self.progress.ended(self.plan, &ended, &self.stands);
        self.ended.push(ended);
        if self.pace.stop_after.is_some_and(|runs| self.ended.len() >= runs) {
            self.stopping = true;
        }
    }
}

fn evaluated(ended: &mut Ended, stand: &mut Stand, evaluation: &EvaluationReport) {
    ended.first_loss.get_or_insert(evaluation.loss);
    ended.loss = Some(ended.loss.map_or(evaluation.loss, |least| least.min(evaluation.loss)));
    if evaluation.best {
        let (name, value) = match &evaluation.metric {
            None => ("validation loss".to_owned(), evaluation.loss),
            Some(metric) => (metric.name.clone(), metric.value),
        };
        stand.figure = Some(value);
        ended.best = Some((name, value, evaluation.step));
    }
}

/// The store's refusal, if there is one; what else it has to say is said.
fn refusal(answers: &Receiver<Answer>) -> Option<Failure> {
    let mut refused = None;
    for answer in answers.try_iter() {
        match answer {
            Answer::Refused(failure) => refused = Some(failure),
            Answer::Notice(text) => out::note(format_args!("Note: {text}")),
            Answer::Interrupted(n) => note_interrupted(n),
            _ => {}
        }
    }
    refused
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::sync::mpsc::{Sender, channel};

    use engine::config::{DataConfig, RunConfig};
    use engine::experiment::{Experiment, Member, Strategy};
    use engine::training::StepReport;
    use serde_json::json;

    use super::*;
    use crate::cli::support::engine_link;

    /// Runs that were begun: which engine, which run, and whether it went on.
    type Begun = Rc<RefCell<Vec<(usize, String, bool)>>>;

    fn step(step: usize) -> Report {
        let (loss, learning_rate, grad_norm, elapsed_secs) = (1.0, 0.1, 1.0, 0.1);
        Report::Step(StepReport { step, loss, learning_rate, grad_norm, labeled_tokens: 1, tokens: 1, elapsed_secs })
    }

    fn evaluation(loss: f64) -> Report {
        Report::Evaluated(EvaluationReport {
            step: 2,
            loss,
            best: true,
            elapsed_secs: 0.1,
            figures: None,
            metric: None,
        })
    }

    /// An engine that ends each run at once: the third of a plan fails.
    fn played(engine: usize, outbox: Sender<News>, begun: Begun) -> engine_link::Send {
        Box::new(move |Command { job, ask }| {
            let Ask::Train { folder, resume, .. } = ask else { return true };
            let name = folder.file_name().unwrap().to_string_lossy().into_owned();
            let fails = name.ends_with("-3");
            begun.borrow_mut().push((engine, name.rsplit('-').next().unwrap().to_owned(), resume));
            let failed = || Report::Failed(crate::i18n::failure("the loss is no longer a number", "Lower the rate"));
            let end = if fails { failed() } else { Report::Finished { outcome: Outcome::Completed } };
            for what in [step(1), step(2), evaluation(0.5), end] {
                outbox.send(News::Engine(Event { job, what })).unwrap();
            }
            true
        })
    }

    fn plan(workspace: &Workspace, n: usize) -> Plan {
        let mut config = RunConfig::new("/m", DataConfig::new("/d.jsonl"));
        config.training.steps = 2;
        let member = |seed: usize| Member {
            name: format!("seed {seed}"),
            values: vec![("seed".to_owned(), json!(seed))],
            settings: json!({}),
        };
        let members = (1..=n).map(|seed| (member(seed), config.clone())).collect();
        let (name, base, axes) = ("e".to_owned(), json!({}), Vec::new());
        Plan::create(workspace, Experiment { name, base, axes, strategy: Strategy::Grid, first: None }, members)
            .unwrap()
    }

    /// A sitting over a plan with so many engines, and the runs that were begun.
    fn sat(plan: &Plan, workspace: &Workspace, stands: Vec<Option<Stand>>, pace: Pace) -> (Sitting, Begun) {
        let (outbox, inbox) = channel();
        let begun = Begun::default();
        let engine = |index| played(index, outbox.clone(), Rc::clone(&begun));
        let pool = Pool::with((0..pace.devices.len()).map(engine).collect(), inbox);
        let store = Store::open(workspace, || {}).unwrap();
        let sitting = train(plan, workspace, &store, stands, (pool, pace), &mut Progress::quiet(true)).unwrap();
        store.0.close();
        (sitting, begun)
    }

    fn one() -> Pace {
        Pace { devices: vec![None], ..Pace::default() }
    }

    #[test]
    fn a_run_that_fails_does_not_end_the_experiment() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(folder.path()).unwrap();
        let plan = plan(&workspace, 4);
        let (sitting, begun) = sat(&plan, &workspace, vec![None; 4], one());
        let order: Vec<String> = begun.borrow().iter().map(|(_, name, _)| name.clone()).collect();
        assert_eq!(order, ["1", "2", "3", "4"]);
        let states: Vec<RunState> = sitting.ended.iter().map(|ended| ended.state).collect();
        assert_eq!(states, [RunState::Finished, RunState::Finished, RunState::Failed, RunState::Finished]);
        assert!(sitting.ended[2].failure.is_some() && !sitting.stopped);
        let best = ("validation loss".to_owned(), 0.5, 2);
        assert_eq!((sitting.ended[0].step, sitting.ended[0].best.clone()), (2, Some(best)));
        // Nothing more is due, and the one that failed is tried once where that is asked for.
        let (_, begun) = sat(&plan, &workspace, sitting.stands.clone(), one());
        assert!(begun.borrow().is_empty());
        let (_, begun) = sat(&plan, &workspace, sitting.stands, Pace { again: true, ..one() });
        assert_eq!(*begun.borrow(), [(0, "3".to_owned(), true)]);
    }

    #[test]
    fn it_goes_no_further_than_it_is_asked_to() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(folder.path()).unwrap();
        let plan = plan(&workspace, 4);
        let (sitting, begun) = sat(&plan, &workspace, vec![None; 4], Pace { stop_after: Some(1), ..one() });
        assert!(sitting.stopped && begun.borrow().len() == 1);
        let (sitting, begun) = sat(&plan, &workspace, sitting.stands, one());
        assert!(!sitting.stopped);
        assert_eq!(begun.borrow().iter().map(|(_, name, _)| name.as_str()).collect::<Vec<_>>(), ["2", "3", "4"]);
    }

    #[test]
    fn every_engine_has_a_run_and_none_is_computed_twice() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(folder.path()).unwrap();
        let plan = plan(&workspace, 5);
        let pace = Pace { devices: vec![Some(DeviceChoice::Cpu); 2], ..Pace::default() };
        let (sitting, begun) = sat(&plan, &workspace, vec![None; 5], pace);
        assert_eq!(sitting.ended.len(), 5);
        let begun = begun.borrow();
        let names: BTreeSet<&str> = begun.iter().map(|(_, name, _)| name.as_str()).collect();
        assert!(names.len() == 5 && begun.iter().any(|(engine, ..)| *engine == 1), "{begun:?}");
    }
}
