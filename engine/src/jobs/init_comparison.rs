//! An init comparison: several initial values of a run held against each other on its first steps, over some seeds.
//!
//! All trials of a seed see the same rows in the same order, with the same dropout, and all trials are scored on the same
//! validation rows. Nothing of them is kept.

use std::collections::BTreeSet;

use crate::bundle;
use crate::config::{RunConfig, refuse};
use crate::data::{CandidateReading, Example, TokenBatch, evaluation_batches, rows_of_epoch};
use crate::error::{EngineError, Failure, Result};
use crate::jobs::{Job, Outbox, Progress};
use crate::protocol::{Outcome, Phase, Report};
use crate::sentence;
use crate::session::Session;
use crate::training::batch_sampler::BatchSampler;
use crate::training::candidates::learned;
use crate::training::extent::total_steps;
use crate::training::inputs::RunInputs;
use crate::training::loss::{score, weighted};
use crate::training::schedule::learning_rate;
use crate::training::trainer::{StepSettings, Trainer};
use crate::training::{InitComparisonPlan, InitScore, InitStep, rank};

/// An init comparison.
pub(super) struct InitComparisonJob {
    config: RunConfig,
    plan: InitComparisonPlan,
    comparison: Option<Comparison>,
}

/// A comparison under way.
struct Comparison {
    inputs: RunInputs,
    validation: Vec<TokenBatch>,
    total_steps: usize,
    /// Trials that began.
    begun: usize,
    trial: Option<Trial>,
    scores: Vec<InitScore>,
}

/// One start under one seed.
struct Trial {
    start: usize,
    config: RunConfig,
    trainer: Trainer,
    feed: BatchSampler,
    /// The validation rows are being scored.
    scoring: Option<Scoring>,
}

#[derive(Default)]
struct Scoring {
    next_batch: usize,
    nll: f64,
    labels: usize,
}

impl InitComparisonJob {
    /// A comparison for a run.
    pub(super) fn new(config: RunConfig, plan: InitComparisonPlan) -> Self {
        Self { config, plan, comparison: None }
    }

    fn start(&self, session: &mut Session, out: &Outbox) -> Result<Comparison> {
        check(&self.plan)?;
        self.plan.starts.iter().try_for_each(|init| self.config.method.with_init(init).map(drop))?;
        let tell = |phase| out.send(Report::Phase(phase));
        // The run's own initial values are not made.
        let model = out.load(&self.config, session)?;
        let inputs = RunInputs::load(&self.config, model, bundle::open, &out.preparing())?;
        let rows = &inputs.data.validation[..inputs.data.validation.len().min(self.plan.validation_rows)];
        if rows.is_empty() {
            let reason = sentence!("there are none to hold the starts against each other");
            return Err(EngineError::Setting { field: "data.validation", reason });
        }
        let lengths: Vec<usize> = rows.iter().map(Example::length).collect();
        let config = &self.config;
        let reading = CandidateReading::of(&inputs.model.tokenizer, inputs.data.task.task, &config.data);
        let by = (&reading, config.training.candidate_loss);
        let batches = evaluation_batches(&lengths, self.config.training.batch_size);
        let validation = batches.iter().map(|chosen| learned(rows, chosen, by)).collect();
        // Trials are the beginning of the run, with its warm-up and its schedule.
        let n_rows = rows_of_epoch(&inputs.data.train, &self.config.data);
        let total_steps = total_steps(&self.config, n_rows).max(self.plan.steps);
        tell(Phase::Training);
        Ok(Comparison { inputs, validation, total_steps, begun: 0, trial: None, scores: Vec::new() })
    }
}

impl Job for InitComparisonJob {
    fn step(&mut self, session: &mut Session, out: &Outbox) -> Result<Progress> {
        let Some(comparison) = &mut self.comparison else {
            self.comparison = Some(self.start(session, out)?);
            return Ok(Progress::More);
        };
        let Some(mut trial) = comparison.trial.take() else {
            if comparison.begun < self.plan.starts.len() * self.plan.seeds.len() {
                comparison.begin(&self.config, &self.plan, out)?;
                return Ok(Progress::More);
            }
            out.send(Report::InitComparison { rows: rank(&self.plan, &comparison.scores) });
            return Ok(Progress::Done(Outcome::Completed));
        };
        let done = trial.trainer.step;
        let found = match &mut trial.scoring {
            Some(scoring) => match scoring.advance(comparison, &trial.trainer)? {
                None => None,
                Some(loss) => {
                    trial.scoring = None;
                    Some((done, Some(loss).filter(|loss| loss.is_finite())))
                }
            },
            None => match trial.advance(comparison)? {
                Some(step) => {
                    trial.scoring = (step.step >= self.plan.steps).then(Scoring::default);
                    out.send(Report::InitStep(step));
                    None
                }
                None => Some((done, None)),
            },
        };
        let over = found.is_some_and(|(step, loss)| step >= self.plan.steps || loss.is_none());
        if let Some((step, loss)) = found {
            let score = InitScore { start: trial.start, seed: trial.config.seed, step, loss, failure: None };
            comparison.tell(score, out);
        }
        comparison.trial = (!over).then_some(trial);
        Ok(Progress::More)
    }
}

impl Comparison {
    /// The next trial; seed by seed, so that every start soon has a row. A start that cannot be made is one that failed.
    fn begin(&mut self, config: &RunConfig, plan: &InitComparisonPlan, out: &Outbox) -> Result<()> {
        let (start, seed) = (self.begun % plan.starts.len(), plan.seeds[self.begun / plan.starts.len()]);
        self.begun += 1;
        let config = RunConfig { method: config.method.with_init(&plan.starts[start])?, seed, ..config.clone() };
        match self.inputs.begin(&config) {
            Ok(trainer) => {
                let (feed, scoring) = (BatchSampler::default(), Some(Scoring::default()));
                self.trial = Some(Trial { start, config, trainer, feed, scoring });
            }
            Err(error) => {
                let failure = Some(Failure::from(&error));
                self.tell(InitScore { start, seed, step: 0, loss: None, failure }, out);
            }
        }
        Ok(())
    }

    fn tell(&mut self, score: InitScore, out: &Outbox) {
        self.scores.push(score.clone());
        out.send(Report::InitScore(score));
    }
}

impl Trial {
    /// One step; nothing where the loss is no longer a number.
    fn advance(&mut self, comparison: &Comparison) -> Result<Option<InitStep>> {
        let (t, model) = (&self.config.training, &comparison.inputs.model);
        let of = CandidateReading::of(&model.tokenizer, self.trainer.adapter.task.task, &self.config.data);
        let batches = self.feed.micro_batches(self.trainer.step, &self.config, &comparison.inputs.data.train, &of)?;
        let batches = weighted(t.loss, batches);
        let learning_rate = learning_rate(t, self.trainer.step + 1, comparison.total_steps);
        let settings = StepSettings { learning_rate, max_grad_norm: t.max_grad_norm, seed: self.config.seed };
        match self.trainer.step(&model.model, &batches, &settings, &model.device) {
            Ok((loss, _)) => {
                Ok(Some(InitStep { start: self.start, seed: self.config.seed, step: self.trainer.step, loss }))
            }
            Err(EngineError::Diverged { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Scoring {
    /// One batch; the loss when there is none left.
    fn advance(&mut self, comparison: &Comparison, trainer: &Trainer) -> Result<Option<f64>> {
        let model = &comparison.inputs.model;
        if let Some(batch) = comparison.validation.get(self.next_batch) {
            let conditioning = trainer.adapter.eval_conditioning();
            let tuned = model.model.with_overrides(&conditioning.tuned)?;
            let scored = score(tuned.as_ref().unwrap_or(&model.model), &conditioning, batch, &model.device)?;
            (self.nll, self.labels) = (self.nll + scored.nll, self.labels + scored.labels);
            self.next_batch += 1;
        }
        let over = self.next_batch >= comparison.validation.len();
        Ok(over.then(|| self.nll / self.labels.max(1) as f64))
    }
}

fn check(plan: &InitComparisonPlan) -> Result<()> {
    let InitComparisonPlan { starts, seeds, steps, validation_rows } = plan;
    let twice = seeds.iter().collect::<BTreeSet<_>>().len() < seeds.len();
    refuse(&[
        ((1..=32).contains(&starts.len()), "lab.starts", sentence!("there must be 1 to 32")),
        ((1..=100).contains(&seeds.len()), "lab.seeds", sentence!("there must be 1 to 100")),
        (!twice, "lab.seeds", sentence!("one is named twice")),
        ((1..=100_000).contains(steps), "lab.steps", sentence!("must be between 1 and 100000")),
        (*validation_rows > 0, "lab.validation_rows", sentence!("must be at least 1")),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_that_holds_nothing_against_anything_is_refused() {
        let plan = InitComparisonPlan::default();
        assert!(check(&plan).is_ok());
        for wrong in [
            InitComparisonPlan { starts: Vec::new(), ..plan.clone() },
            InitComparisonPlan { seeds: Vec::new(), ..plan.clone() },
            InitComparisonPlan { seeds: vec![3, 3], ..plan.clone() },
            InitComparisonPlan { steps: 0, ..plan.clone() },
            InitComparisonPlan { validation_rows: 0, ..plan.clone() },
        ] {
            assert!(check(&wrong).is_err(), "{wrong:?}");
        }
    }
}
