//! The plan of an init comparison, its scores and its result.

use serde::{Deserialize, Serialize};

use crate::config::PrefixInit;
use crate::error::Failure;

/// The plan of an init comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InitComparisonPlan {
    /// Initial values.
    pub starts: Vec<PrefixInit>,
    /// Each decides the initial values, the order of the rows and the dropout of one trial of each start.
    pub seeds: Vec<u64>,
    /// Optimizer steps of a trial.
    pub steps: usize,
    /// At most so many validation rows are scored.
    pub validation_rows: usize,
}

impl Default for InitComparisonPlan {
    fn default() -> Self {
        use PrefixInit::{Frequent, Random, ScaledRandom, Vocabulary, Zero};
        let starts = vec![ScaledRandom, Random, Zero, Vocabulary, Frequent];
        Self { starts, seeds: vec![1, 2, 3], steps: 50, validation_rows: 100 }
    }
}

/// A step of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct InitStep {
    /// Index of the start in the plan.
    pub start: usize,
    /// The seed of the trial.
    pub seed: u64,
    /// From 1.
    pub step: usize,
    /// The loss before the step, in the units of a run's.
    #[serde(deserialize_with = "crate::number::or_nan")]
    pub loss: f64,
}

/// The score of a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InitScore {
    /// Index of the start in the plan.
    pub start: usize,
    /// The seed of the trial.
    pub seed: u64,
    /// Steps done.
    pub step: usize,
    /// Nats per labeled token of the validation rows; `None` where it is no number any more, or the trial never began.
    pub loss: Option<f64>,
    /// Why it never began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// The scores of a start over the seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InitRow {
    /// Index of the start in the plan.
    pub start: usize,
    /// The start's initial values.
    pub init: PrefixInit,
    /// Validation loss before the first step.
    pub before: Option<Spread>,
    /// Validation loss after the last step, of the trials that came so far.
    pub after: Option<Spread>,
    /// Trials whose loss became no number.
    pub diverged: usize,
    /// Why trials never began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// Mean and spread of some numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, with n - 1; `None` of a single number.
    pub deviation: Option<f64>,
}

impl Spread {
    /// Of some numbers; `None` if there are none.
    pub fn of(numbers: &[f64]) -> Option<Self> {
        let n = numbers.len() as f64;
        let mean = numbers.iter().sum::<f64>() / n;
        let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
        let deviation = (numbers.len() > 1).then(|| (squares / (n - 1.0)).sqrt());
        (!numbers.is_empty()).then_some(Self { mean, deviation })
    }
}

/// Ranks the starts of a plan by the scores so far: the lowest loss after the last step first, those that diverged
/// behind those that did not.
pub fn rank(plan: &InitComparisonPlan, scores: &[InitScore]) -> Vec<InitRow> {
    let row = |(start, init): (usize, &_)| {
        let own = || scores.iter().filter(move |score| score.start == start);
        let losses = |step: usize| own().filter(|score| score.step == step).filter_map(|score| score.loss).collect();
        let (before, after): (Vec<f64>, Vec<f64>) = (losses(0), losses(plan.steps));
        InitRow {
            start,
            init: Clone::clone(init),
            before: Spread::of(&before),
            after: Spread::of(&after),
            diverged: own().filter(|score| score.loss.is_none() && score.failure.is_none()).count(),
            failure: own().find_map(|score| score.failure.clone()),
        }
    };
    let mut rows: Vec<InitRow> = plan.starts.iter().enumerate().map(row).collect();
    let mean = |row: &InitRow| row.after.map_or(f64::INFINITY, |after| after.mean);
    let whole = |row: &InitRow| (row.after.is_none(), row.diverged);
    rows.sort_by(|a, b| whole(a).cmp(&whole(b)).then(mean(a).total_cmp(&mean(b))));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(start: usize, seed: u64, step: usize, loss: Option<f64>) -> InitScore {
        InitScore { start, seed, step, loss, failure: None }
    }

    #[test]
    fn the_lowest_loss_is_first_and_what_diverged_or_never_began_is_last() {
        let starts = vec![PrefixInit::Random, PrefixInit::Classes, PrefixInit::Zero, PrefixInit::ScaledRandom];
        let plan = InitComparisonPlan { starts, seeds: vec![1, 2], steps: 5, ..InitComparisonPlan::default() };
        let failure = Failure { what: crate::Sentence::verbatim("no classes"), advice: crate::Sentence::default() };
        let scores = [
            score(0, 1, 0, Some(9.0)),
            score(0, 1, 5, Some(0.5)),
            score(0, 2, 0, Some(7.0)),
            score(0, 2, 3, None),
            InitScore { failure: Some(failure), ..score(1, 1, 0, None) },
            score(2, 1, 0, Some(4.0)),
            score(2, 1, 5, Some(3.0)),
            score(3, 1, 5, Some(1.0)),
            score(3, 2, 5, Some(2.0)),
        ];
        let rows = rank(&plan, &scores);
        let order: Vec<usize> = rows.iter().map(|row| row.start).collect();
        assert_eq!(order, [3, 2, 0, 1]);
        let spread = rows[0].after.unwrap();
        assert!((spread.mean, spread.deviation) == (1.5, Some(0.5_f64.sqrt())), "{spread:?}");
        assert_eq!(rows[1].after, Some(Spread { mean: 3.0, deviation: None }), "a single number has no spread");
        assert_eq!((rows[2].diverged, rows[2].before.map(|spread| spread.mean)), (1, Some(8.0)));
        assert_eq!((rows[3].diverged, rows[3].after, rows[3].failure.is_some()), (0, None, true));
    }
}
