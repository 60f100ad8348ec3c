//! A learning-rate range test: the first steps of a run, each with a higher rate than the one before.
//!
//! Smith 2017, "Cyclical Learning Rates for Training Neural Networks", with rates that rise exponentially. It begins
//! where the run would begin and sees the same rows in the same order; nothing of it is kept.

use std::rc::Rc;

use crate::bundle;
use crate::config::{RunConfig, refuse};
use crate::data::{CandidateReading, Examples, settled};
use crate::error::{EngineError, Result};
use crate::jobs::{Job, Outbox, Progress};
use crate::loaded_model::LoadedModel;
use crate::protocol::{Outcome, Phase, Report};
use crate::sentence;
use crate::session::Session;
use crate::training::batch_sampler::BatchSampler;
use crate::training::inputs::RunInputs;
use crate::training::loss::weighted;
use crate::training::trainer::{StepSettings, Trainer};
use crate::training::{LrRangeFindings, LrRangePoint, RateRange};

/// Share of the previous smoothed loss in the next one.
const SMOOTHING: f64 = 0.8;

/// The test is over when the smoothed loss is this many times the lowest.
const TOO_HIGH: f64 = 4.0;

/// A slope is taken over this part of the points, to either side.
const SLOPE_SHARE: usize = 20;

/// A range test.
pub(super) struct LrRangeTestJob {
    config: RunConfig,
    range: RateRange,
    test: Option<Test>,
}

/// A test under way.
struct Test {
    model: Rc<LoadedModel>,
    rows: Examples,
    feed: BatchSampler,
    trainer: Trainer,
    curve: Curve,
}

/// Findings so far.
#[derive(Default)]
struct Curve {
    points: Vec<LrRangePoint>,
    mean: f64,
    /// The rate at which the loss was too high, or no number.
    diverged: Option<f64>,
}

impl LrRangeTestJob {
    /// A test of the rates for a run.
    pub(super) fn new(config: RunConfig, range: RateRange) -> Self {
        Self { config, range, test: None }
    }

    fn start(&self, session: &mut Session, out: &Outbox) -> Result<Test> {
        check(&self.range)?;
        let tell = |phase| out.send(Report::Phase(phase));
        let config = settled(self.config.clone())?;
        let model = out.load(&config, session)?;
        let inputs = RunInputs::load(&config, model, bundle::open, &out.preparing())?;
        let trainer = inputs.fresh(&config)?;
        tell(Phase::Training);
        let (model, rows) = (inputs.model, inputs.data.train);
        Ok(Test { model, rows, feed: BatchSampler::default(), trainer, curve: Curve::default() })
    }
}

impl Job for LrRangeTestJob {
    fn step(&mut self, session: &mut Session, out: &Outbox) -> Result<Progress> {
        let Some(test) = &mut self.test else {
            self.test = Some(self.start(session, out)?);
            return Ok(Progress::More);
        };
        let learning_rate = rate(&self.range, test.curve.points.len());
        if let Some(point) = test.step(&self.config, learning_rate)? {
            out.send(Report::LrRangeStep(point));
        }
        if test.curve.diverged.is_none() && test.curve.points.len() < self.range.steps {
            return Ok(Progress::More);
        }
        out.send(Report::LrRange(test.curve.findings()));
        Ok(Progress::Done(Outcome::Completed))
    }
}

impl Test {
    /// One step; nothing where the loss is no longer a number.
    fn step(&mut self, config: &RunConfig, learning_rate: f64) -> Result<Option<LrRangePoint>> {
        let of = CandidateReading::of(&self.model.tokenizer, self.trainer.adapter.task.task, &config.data);
        let batches = self.feed.micro_batches(self.trainer.step, config, &self.rows, &of)?;
        let batches = weighted(config.training.loss, batches);
        let settings = StepSettings { learning_rate, max_grad_norm: config.training.max_grad_norm, seed: config.seed };
        match self.trainer.step(&self.model.model, &batches, &settings, &self.model.device) {
            Ok((loss, _)) => Ok(Some(self.curve.add(learning_rate, loss))),
            Err(EngineError::Diverged { .. }) => {
                self.curve.diverged = Some(learning_rate);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl Curve {
    fn add(&mut self, learning_rate: f64, loss: f64) -> LrRangePoint {
        self.mean = SMOOTHING * self.mean + (1.0 - SMOOTHING) * loss;
        // Without its beginning at 0.
        let weight = 1.0 - SMOOTHING.powf(self.points.len() as f64 + 1.0);
        let point = LrRangePoint { learning_rate, loss, smoothed: self.mean / weight };
        self.points.push(point);
        let lowest = self.points.iter().map(|point| point.smoothed).fold(f64::INFINITY, f64::min);
        if point.smoothed > TOO_HIGH * lowest {
            self.diverged = Some(learning_rate);
        }
        point
    }

    /// The rate where the smoothed loss falls fastest on its way to the lowest, and the first that is too high.
    fn findings(&self) -> LrRangeFindings {
        let smoothed: Vec<f64> = self.points.iter().map(|point| point.smoothed).collect();
        let lowest = (0..smoothed.len()).min_by(|&a, &b| smoothed[a].total_cmp(&smoothed[b])).unwrap_or(0);
        // The rates rise by the same factor at each step, so that differences are slopes; between neighbors they are
        // those of the rows.
        let reach = (smoothed.len() / SLOPE_SHARE).max(1);
        let slope = |&index: &usize| smoothed[index + reach] - smoothed[index - reach];
        let last = lowest.min(smoothed.len().saturating_sub(reach));
        let steepest = (reach..last).min_by(|a, b| slope(a).total_cmp(&slope(b))).filter(|index| slope(index) < 0.0);
        // A loss that does not grow without bounds comes to rest above where it began.
        let above = (lowest..smoothed.len()).find(|&index| lowest > 0 && smoothed[index] > smoothed[0]);
        let rate = |index: usize| self.points[index].learning_rate;
        LrRangeFindings { steepest: steepest.map(rate), diverged: above.map(rate).or(self.diverged) }
    }
}

/// The rate of a step, counted from 0.
fn rate(range: &RateRange, step: usize) -> f64 {
    let share = step as f64 / range.steps.saturating_sub(1).max(1) as f64;
    range.from * (range.to / range.from).powf(share)
}

fn check(range: &RateRange) -> Result<()> {
    let &RateRange { from, to, steps } = range;
    refuse(&[
        (from.is_finite() && from > 0.0, "range.from", sentence!("must be a positive, finite number")),
        (
            to.is_finite() && to > from && to < 1e3,
            "range.to",
            sentence!("must be above the lowest rate and below 1000"),
        ),
        ((3..=100_000).contains(&steps), "range.steps", sentence!("must be between 3 and 100000")),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(losses: &[f64]) -> Curve {
        let mut curve = Curve::default();
        let range = RateRange { from: 1e-3, to: 1.0, steps: losses.len() };
        for (step, loss) in losses.iter().enumerate() {
            if curve.diverged.is_none() {
                curve.add(rate(&range, step), *loss);
            }
        }
        curve
    }

    #[test]
    fn rates_rise_by_the_same_factor_from_the_first_to_the_last() {
        let range = RateRange { from: 1e-4, to: 1e-1, steps: 4 };
        let rates: Vec<f64> = (0..4).map(|step| rate(&range, step)).collect();
        for (found, wanted) in rates.iter().zip([1e-4, 1e-3, 1e-2, 1e-1]) {
            assert!((found / wanted - 1.0).abs() < 1e-12, "{rates:?}");
        }
    }

    #[test]
    fn the_steepest_descent_is_before_the_lowest_loss_and_a_high_one_ends_the_test() {
        let found = curve(&[4.0, 4.0, 3.9, 3.0, 2.0, 1.8, 1.7, 1.7, 60.0, 90.0]);
        assert_eq!(found.points.len(), 9, "what comes after it is not looked at");
        let findings = found.findings();
        let at = |index: usize| Some(found.points[index].learning_rate);
        assert_eq!(findings.diverged, at(8));
        assert!(findings.steepest >= at(3) && findings.steepest <= at(5), "{findings:?}");
    }

    #[test]
    fn a_loss_that_only_rises_suggests_nothing() {
        let found = curve(&[1.0, 1.1, 1.2, 1.3]);
        assert_eq!(found.findings(), LrRangeFindings { steepest: None, diverged: None });
        assert_eq!(curve(&[]).findings(), LrRangeFindings { steepest: None, diverged: None });
    }

    #[test]
    fn a_loss_that_comes_to_rest_above_its_beginning_was_driven_too_high() {
        let falls = (0..20).map(|step| 4.0 - 0.1 * f64::from(step));
        let found = curve(&falls.chain([6.0; 10]).collect::<Vec<f64>>());
        assert_eq!((found.points.len(), found.diverged), (30, None), "it is never four times the lowest");
        let findings = found.findings();
        let too_high = found.points.iter().position(|point| Some(point.learning_rate) == findings.diverged);
        assert!((21..=24).contains(&too_high.unwrap()), "{too_high:?}");
        assert!(findings.steepest < findings.diverged);
    }

    #[test]
    fn a_smoothed_loss_begins_with_the_first() {
        let found = curve(&[2.0, 2.0, 2.0]);
        assert!(found.points.iter().all(|point| (point.smoothed - 2.0).abs() < 1e-12));
    }

    #[test]
    fn a_range_that_does_not_rise_is_refused() {
        for (from, to, steps) in [(0.0, 1.0, 10), (1.0, 1.0, 10), (1e-3, 1.0, 2), (f64::NAN, 1.0, 10)] {
            assert!(check(&RateRange { from, to, steps }).is_err(), "{from} {to} {steps}");
        }
        assert!(check(&RateRange::default()).is_ok());
    }
}
