//! An init lab of the form: initial values held against each other.

use engine::config::{PrefixInit, RunConfig};
use engine::error::Failure;
use engine::protocol::{Ask, JobId, Phase};
use engine::training::rank;
use engine::training::{LabPlan, LabRow, LabScore, LabStep};

use crate::state::{Purpose, State};

/// The lab that was asked for last.
#[derive(Clone, Debug, Default)]
pub struct InitLab {
    /// It is under way.
    pub job: Option<JobId>,
    /// What it is doing before its first step.
    pub phase: Option<Phase>,
    /// What it holds against each other.
    pub plan: Option<LabPlan>,
    /// The run whose first steps are done.
    pub config: Option<Box<RunConfig>>,
    /// What is known of each start, the best first.
    pub rows: Vec<LabRow>,
    /// Training losses of the last trial of each of the plan's starts.
    pub curves: Vec<Vec<f32>>,
    /// Trials that are over.
    pub done: usize,
    /// Steps of the trial under way.
    pub step: usize,
    /// What went wrong.
    pub failure: Option<Failure>,
    scores: Vec<LabScore>,
}

impl InitLab {
    /// Whether it says something of this run too: nothing but where it begins, and its name, is another.
    pub fn is_about(&self, run: &RunConfig) -> bool {
        let alike = |tried: &RunConfig| RunConfig { name: String::new(), method: run.method.clone(), ..tried.clone() };
        let begins_alike = |tried: &RunConfig| {
            let init = PrefixInit::Random;
            match (tried.method.with_init(&init), run.method.with_init(&init)) {
                (Ok(a), Ok(b)) => a == b,
                _ => tried.method == run.method,
            }
        };
        self.config.as_ref().is_none_or(|tried| begins_alike(tried) && alike(tried) == alike(run))
    }

    /// How far it is, 0 to 1.
    pub fn share(&self) -> f32 {
        let Some(plan) = &self.plan else { return 0.0 };
        let trials = (plan.starts.len() * plan.seeds.len()).max(1) as f32;
        (self.done as f32 + self.step as f32 / plan.steps.max(1) as f32) / trials
    }

    pub(crate) fn stepped(&mut self, step: &LabStep) {
        self.step = step.step;
        if let Some(curve) = self.curves.get_mut(step.start) {
            if step.step == 1 {
                curve.clear();
            }
            curve.push(step.loss as f32);
        }
    }

    pub(crate) fn scored(&mut self, score: LabScore) {
        let Some(plan) = &self.plan else { return };
        if score.loss.is_none() || score.step >= plan.steps {
            (self.done, self.step) = (self.done + 1, 0);
        }
        self.scores.push(score);
        self.rows = rank(plan, &self.scores);
    }
}

impl State {
    pub(crate) fn compare_starts(&mut self, config: Box<RunConfig>, plan: LabPlan) {
        if let Some(job) = self.lab.job.take() {
            self.ask_engine(job, Ask::Stop);
        }
        let job = self.job(Purpose::Lab);
        self.lab = InitLab {
            job: Some(job),
            rows: rank(&plan, &[]),
            curves: vec![Vec::new(); plan.starts.len()],
            plan: Some(plan.clone()),
            config: Some(config.clone()),
            ..InitLab::default()
        };
        self.ask_engine(job, Ask::InitLab { config, plan });
    }

    /// A lab under way stops and keeps its table; the table of one that is over goes.
    pub(crate) fn end_lab(&mut self) {
        match self.lab.job.take() {
            Some(job) => self.ask_engine(job, Ask::Stop),
            None => self.lab = InitLab::default(),
        }
    }
}
