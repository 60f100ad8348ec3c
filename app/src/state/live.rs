//! Runs that this program computes right now, and those that wait: what is shown while one moves, and when it will be done.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;

use engine::Sentence;
use engine::config::RunConfig;
use engine::device::DeviceChoice;
use engine::protocol::{JobId, Phase, Report};
use engine::training::{Beginning, EvaluationReport, RunFacts, StepReport};

use crate::experiments::ExperimentId;
use crate::workspace::RunId;

/// Runs that are computed or wait.
#[derive(Debug, Default)]
pub struct LiveRuns {
    /// Those that are computed.
    pub running: BTreeMap<JobId, Live>,
    /// Those that wait.
    pub queue: VecDeque<QueuedRun>,
    /// Nothing of the queue begins until somebody says so.
    pub held: bool,
    /// Seats on which runs were computed, and whose engines hold a model.
    pub seated: BTreeSet<usize>,
    /// A run that was not resumed, and what has changed since it began: somebody may say yes to it.
    pub changed: Option<(RunId, Vec<Sentence>)>,
}

impl LiveRuns {
    /// Nothing is computed, and nothing waits but for a word.
    pub fn is_idle(&self) -> bool {
        self.running.is_empty() && (self.queue.is_empty() || self.held)
    }
}

/// A run that waits for its turn.
#[derive(Clone, Debug)]
pub struct QueuedRun {
    /// The run.
    pub run: RunId,
    /// The run's folder.
    pub folder: PathBuf,
    /// Settings of the run.
    pub config: Box<RunConfig>,
    /// Anew, or from its last checkpoint.
    pub beginning: Beginning,
    /// The step after which it stops, so that others can be held against it.
    pub until: Option<usize>,
    /// The experiment that it belongs to: it stands in the queue for all its runs that follow.
    pub experiment: Option<ExperimentId>,
}

/// A run that is being computed.
#[derive(Clone, Debug)]
pub struct Live {
    /// The run.
    pub run: RunId,
    /// The number of its seat; `None` where one run is computed at a time.
    pub seat: Option<usize>,
    /// The device that it was sent to.
    pub device: DeviceChoice,
    /// Loading, training, evaluating; `None` until the engine has said.
    pub phase: Option<Phase>,
    /// The user paused it.
    pub paused: bool,
    /// The user stopped it; a checkpoint is being written.
    pub stopping: bool,
    /// Steps done.
    pub step: usize,
    /// Steps in all; 0 while unknown.
    pub total: usize,
    /// Steps per pass over the rows.
    pub steps_per_epoch: usize,
    /// Steps done in this sitting.
    seen: usize,
    /// Seconds per step, a moving average of this sitting.
    secs_per_step: f64,
    eval_secs: f64,
    evaluations: usize,
    /// Name of the figure by which an evaluation is the best, where that is not the loss.
    metric: Option<String>,
    /// The device that compiles kernels at the first step, where it is none that does not.
    gpu: Option<String>,
}

const STEPS_BEFORE_ETA: usize = 10;

impl Live {
    /// A run that has just been sent.
    pub fn new(run: RunId) -> Self {
        Self {
            run,
            seat: None,
            device: DeviceChoice::Auto,
            phase: None,
            paused: false,
            stopping: false,
            step: 0,
            total: 0,
            steps_per_epoch: 0,
            seen: 0,
            secs_per_step: 0.0,
            eval_secs: 0.0,
            evaluations: 0,
            metric: None,
            gpu: None,
        }
    }

    /// Takes in what its job tells while it goes on.
    pub fn on(&mut self, report: &Report) {
        match report {
            Report::Phase(phase) => self.phase = Some(*phase),
            Report::RunStarted(facts) => self.started(facts),
            Report::Step(step) => self.stepped(step),
            Report::Evaluated(evaluation) => self.evaluated(evaluation),
            Report::Paused { paused } => self.paused = *paused,
            _ => {}
        }
    }

    /// It knows its extent.
    pub fn started(&mut self, facts: &RunFacts) {
        self.step = facts.done_steps;
        self.total = facts.total_steps;
        self.steps_per_epoch = facts.steps_per_epoch;
        self.gpu = Some(facts.device.clone()).filter(|device| !device.contains("(CPU)"));
    }

    /// One more step.
    pub fn stepped(&mut self, report: &StepReport) {
        self.step = report.step;
        if self.phase == Some(Phase::FirstStep) {
            self.phase = Some(Phase::Training);
        }
        self.seen += 1;
        let weight = if self.seen <= STEPS_BEFORE_ETA { 1.0 / self.seen as f64 } else { 0.1 };
        self.secs_per_step += weight * (report.elapsed_secs - self.secs_per_step);
    }

    /// One more evaluation.
    pub fn evaluated(&mut self, report: &EvaluationReport) {
        self.evaluations += 1;
        self.eval_secs = report.elapsed_secs;
        self.metric = report.metric.as_ref().map(|metric| metric.name.clone());
    }

    /// Name of the figure by which an evaluation is the best, where that is not the loss.
    pub fn metric(&self) -> Option<&str> {
        self.metric.as_deref()
    }

    /// The GPU whose kernels the first step compiles; `None` on the CPU, which has none.
    pub fn gpu(&self) -> Option<&str> {
        self.gpu.as_deref()
    }

    /// Steps done, 0 to 1.
    pub fn share(&self) -> f32 {
        if self.total == 0 { 0.0 } else { self.step as f32 / self.total as f32 }
    }

    /// Seconds until the end, once enough steps of this sitting are known and while it moves.
    pub fn eta_secs(&self) -> Option<f64> {
        let moving = !self.paused && matches!(self.phase, Some(Phase::Training | Phase::FirstStep) | None);
        if self.seen < STEPS_BEFORE_ETA || self.total == 0 || !moving {
            return None;
        }
        let left = self.total.saturating_sub(self.step) as f64;
        let evaluations_left =
            if self.evaluations == 0 { 0.0 } else { left / self.seen as f64 * self.evaluations as f64 };
        Some(left * self.secs_per_step + evaluations_left.min(left) * self.eval_secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: usize) -> StepReport {
        StepReport {
            step,
            loss: 1.0,
            learning_rate: 1e-3,
            grad_norm: 1.0,
            labeled_tokens: 10,
            tokens: 20,
            elapsed_secs: 2.0,
        }
    }

    #[test]
    fn after_its_first_step_a_run_trains() {
        let mut live = Live::new(RunId("a".into()));
        live.phase = Some(Phase::FirstStep);
        live.stepped(&step(606));
        assert_eq!(live.phase, Some(Phase::Training));
        live.phase = Some(Phase::Sampling);
        live.stepped(&step(607));
        assert_eq!(live.phase, Some(Phase::Sampling), "the engine says when it goes on");
    }

    #[test]
    fn after_a_resume_the_time_left_comes_from_this_sitting() {
        let mut live = Live::new(RunId("a".into()));
        live.step = 900;
        live.total = 1000;
        live.phase = Some(Phase::Training);
        for i in 901..=909 {
            live.stepped(&step(i));
        }
        assert_eq!(live.eta_secs(), None, "too early to tell");
        live.stepped(&step(910));
        assert!((live.eta_secs().unwrap() - 180.0).abs() < 1e-6);
        live.paused = true;
        assert_eq!(live.eta_secs(), None);
    }
}
