//! An init comparison of the form: initial values held against each other.

use engine::config::{PrefixInit, RunConfig};
use engine::protocol::{Event, JobId, Report};
use engine::training::rank;
use engine::training::{InitComparisonPlan, InitRow, InitScore, InitStep};

use crate::state::request::Request;

/// The comparison that was asked for last.
#[derive(Clone, Debug, Default)]
pub struct InitComparison {
    /// The question; what it tells stands below.
    pub request: Request<()>,
    /// Starts, seeds and steps that are compared.
    pub plan: Option<InitComparisonPlan>,
    /// The run whose first steps are done.
    pub config: Option<Box<RunConfig>>,
    /// A row for each start, the best first.
    pub rows: Vec<InitRow>,
    /// Training losses of the last trial of each of the plan's starts.
    pub curves: Vec<Vec<f32>>,
    /// Trials that are over.
    pub done: usize,
    /// Steps of the trial under way.
    pub step: usize,
    scores: Vec<InitScore>,
}

impl InitComparison {
    /// A comparison that has just been asked for.
    pub fn new(config: Box<RunConfig>, plan: InitComparisonPlan, job: JobId) -> Self {
        let mut comparison = Self {
            rows: rank(&plan, &[]),
            curves: vec![Vec::new(); plan.starts.len()],
            plan: Some(plan),
            config: Some(config),
            ..Self::default()
        };
        comparison.request.start(job);
        comparison
    }

    /// Takes in what its job tells.
    pub fn on(&mut self, event: &Event) -> bool {
        if !self.request.on(event, |_| None) {
            return false;
        }
        match &event.what {
            Report::InitStep(step) => self.stepped(step),
            Report::InitScore(score) => self.scored(score.clone()),
            _ => {}
        }
        true
    }

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

    /// Progress, 0 to 1.
    pub fn share(&self) -> f32 {
        let Some(plan) = &self.plan else { return 0.0 };
        let trials = (plan.starts.len() * plan.seeds.len()).max(1) as f32;
        (self.done as f32 + self.step as f32 / plan.steps.max(1) as f32) / trials
    }

    fn stepped(&mut self, step: &InitStep) {
        self.step = step.step;
        if let Some(curve) = self.curves.get_mut(step.start) {
            if step.step == 1 {
                curve.clear();
            }
            curve.push(step.loss as f32);
        }
    }

    fn scored(&mut self, score: InitScore) {
        let Some(plan) = &self.plan else { return };
        if score.loss.is_none() || score.step >= plan.steps {
            (self.done, self.step) = (self.done + 1, 0);
        }
        self.scores.push(score);
        self.rows = rank(plan, &self.scores);
    }
}
