//! What the runs of an experiment cost, where that is not the same: parameters, memory, and the time by a few timed steps.

use engine::config::{PrefixInit, RunConfig, Schedule};
use engine::experiment::{Experiment, Member};
use engine::training::StepTime;

use super::super::budget::{self, Parameters};
use super::super::form::RunForm;
use super::plan::Known;

/// At most so many kinds of runs are timed: those between them are taken for alike.
const TIMED_KINDS: usize = 4;

/// Costs of several runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Costs {
    /// Runs of which no two cost the same, but for their length.
    kinds: Vec<Kind>,
    /// The kind of each run.
    kind_of: Vec<usize>,
    /// Fewest and most parameters that are trained.
    pub trained: Option<(usize, usize)>,
    /// The form of the run that needs the most memory, with the folder of its model.
    pub largest: Option<Box<RunForm>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Kind {
    /// Without what costs nothing.
    key: RunConfig,
    run: RunConfig,
}

/// A run without what decides neither the time of a step nor its memory.
pub fn key_of(run: &RunConfig) -> RunConfig {
    let mut key = run.clone();
    key.name.clear();
    key.seed = 0;
    key.data.split_seed = None;
    key.method = run.method.with_init(&PrefixInit::Random).unwrap_or_else(|_| run.method.clone());
    let training = &mut key.training;
    (training.learning_rate, training.steps, training.epochs) = (1.0, 0, 1.0);
    (training.warmup_steps, training.warmup_ratio) = (0, 0.0);
    (training.schedule, training.patience, training.eval_every) = (Schedule::Constant, None, 0);
    key
}

impl Costs {
    /// Of the runs of an experiment.
    pub(super) fn of(runs: &[(Member, RunConfig)], known: &Known<'_>) -> Self {
        let (mut kinds, mut kind_of) = (Vec::<Kind>::new(), Vec::new());
        for (_, run) in runs {
            let key = key_of(run);
            let place = kinds.iter().position(|kind| kind.key == key).unwrap_or(kinds.len());
            if place == kinds.len() {
                kinds.push(Kind { key, run: run.clone() });
            }
            kind_of.push(place);
        }
        let mut counted: Vec<(Parameters, u64, &RunConfig)> = Vec::new();
        for kind in &kinds {
            let Some(model) = known.model_in(&kind.run.model) else { continue };
            let form = RunForm::from(&kind.run);
            if let Some(counts) = budget::parameters(&form, model, known.n_classes) {
                let need = budget::training(&form, counts, model, SEQ.min(model.n_positions)).total();
                counted.push((counts, need, &kind.run));
            }
        }
        let trained = counted.iter().map(|(counts, ..)| counts.trained);
        let trained = trained.clone().min().zip(trained.max());
        let largest = counted.iter().max_by_key(|(_, need, _)| *need).map(|(.., run)| Box::new(RunForm::from(*run)));
        Self { kinds, kind_of, trained, largest }
    }

    /// Runs of which a few steps are timed.
    pub fn timed(&self) -> Vec<RunConfig> {
        places(self.kinds.len()).map(|place| self.kinds[place].run.clone()).collect()
    }

    /// Seconds of all runs, by the times of [`timed`](Self::timed) in their order.
    pub fn secs(&self, experiment: &Experiment, runs: &[(Member, RunConfig)], times: &[StepTime]) -> Option<f64> {
        let places: Vec<usize> = places(self.kinds.len()).collect();
        if times.len() != places.len() || times.is_empty() {
            return None;
        }
        let mut whole = 0.0;
        let mut steps = Vec::new();
        for ((_, run), kind) in runs.iter().zip(&self.kind_of) {
            // The nearest of those that were timed stands for the others.
            let nearest = (0..places.len()).min_by_key(|at| places[*at].abs_diff(*kind))?;
            let (time, timed) = (times[nearest], &self.kinds[places[nearest]].run);
            steps.push(steps_of(run, timed, &time));
            whole += secs_of(run, timed, &time);
        }
        let longest = steps.iter().copied().fold(0.0, f64::max) as usize;
        let every = runs.first().map_or(0, |(_, run)| run.training.eval_every);
        // Where nothing is said there are ten evaluations.
        let every = if every > 0 { every } else { longest.div_ceil(10).max(1) };
        let rungs = experiment.strategy.rungs(runs.len(), longest, every);
        Some(whole * share(runs.len(), longest, &rungs))
    }
}

/// Tokens of a row by which runs are held against each other: it is the order of their needs that counts.
const SEQ: usize = 128;

/// The places of those that are timed among so many, evenly apart, the first and the last among them.
fn places(kinds: usize) -> impl Iterator<Item = usize> {
    let timed = kinds.min(TIMED_KINDS);
    (0..timed).map(move |n| if timed < 2 { 0 } else { n * (kinds - 1) / (timed - 1) })
}

/// Seconds of one run, by the steps of another of its kind.
pub fn secs_of(run: &RunConfig, timed: &RunConfig, time: &StepTime) -> f64 {
    let ratio = steps_of(run, timed, time) / time.total_steps.max(1) as f64;
    let apart = |run: &RunConfig| run.training.eval_every.max(1) as f64;
    // Where evaluations come once an epoch they are as many as the run is long.
    let evaluations = match (timed.training.eval_every, run.training.eval_every) {
        (0, _) | (_, 0) => time.evaluations as f64 * ratio,
        _ => time.evaluations as f64 * ratio * apart(timed) / apart(run),
    };
    let steps = time.total_steps as f64 * ratio;
    time.preparation_secs + steps * time.step_secs + evaluations * time.evaluation_secs
}

fn steps_of(run: &RunConfig, timed: &RunConfig, time: &StepTime) -> f64 {
    let (a, b) = (&run.training, &timed.training);
    if a.steps > 0 {
        return a.steps as f64;
    }
    let rows = |training: &engine::config::TrainingConfig| {
        (training.batch_size * training.gradient_accumulation).max(1) as f64
    };
    time.total_steps as f64 * a.epochs / b.epochs.max(1e-9) * rows(b) / rows(a)
}

/// Share of all steps that is taken where runs are left behind.
fn share(runs: usize, steps: usize, rungs: &[(usize, usize)]) -> f64 {
    let (mut taken, mut left, mut at) = (0, runs, 0);
    for &(step, go_on) in rungs {
        taken += left * (step.min(steps) - at.min(steps));
        (left, at) = (go_on.min(left), step);
    }
    taken += left * steps.saturating_sub(at);
    taken as f64 / (runs * steps).max(1) as f64
}

#[cfg(test)]
mod tests {
    use engine::config::DataConfig;

    use super::*;

    const TIME: StepTime = StepTime {
        step_secs: 0.1,
        evaluation_secs: 2.0,
        preparation_secs: 5.0,
        total_steps: 100,
        evaluations: 4,
        trained_parameters: 1,
    };

    fn run(change: impl Fn(&mut RunConfig)) -> RunConfig {
        let mut run = RunConfig::new("/m", DataConfig::new("/d.jsonl"));
        (run.training.steps, run.training.eval_every) = (100, 25);
        change(&mut run);
        run
    }

    #[test]
    fn seeds_and_rates_cost_nothing_and_a_longer_prefix_does() {
        let usual = key_of(&run(|_| {}));
        assert_eq!(usual, key_of(&run(|run| (run.seed, run.training.learning_rate) = (7, 0.5))));
        assert_eq!(usual, key_of(&run(|run| run.training.steps = 7)));
        let longer = |run: &mut RunConfig| {
            let prefix = engine::config::PrefixConfig { n_virtual: 99, ..Default::default() };
            run.method = engine::config::MethodConfig::Prefix(prefix);
        };
        assert_ne!(usual, key_of(&run(longer)));
    }

    #[test]
    fn the_time_of_a_run_follows_its_length_and_how_often_it_is_evaluated() {
        let timed = run(|_| {});
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        close(secs_of(&timed, &timed, &TIME), TIME.whole_secs());
        close(secs_of(&run(|run| run.training.steps = 200), &timed, &TIME), 5.0 + 20.0 + 16.0);
        close(secs_of(&run(|run| run.training.eval_every = 50), &timed, &TIME), 5.0 + 10.0 + 4.0);
        let epochs = |epochs: f64, batch: usize| {
            run(|run| (run.training.steps, run.training.epochs, run.training.batch_size) = (0, epochs, batch))
        };
        close(secs_of(&epochs(2.0, 16), &epochs(1.0, 8), &TIME), TIME.whole_secs());
    }

    #[test]
    fn runs_that_are_left_behind_take_less() {
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        close(share(9, 90, &[]), 1.0);
        close(share(9, 90, &[(10, 3), (30, 1)]), (90.0 + 60.0 + 60.0) / 810.0);
    }

    #[test]
    fn a_few_of_many_kinds_are_timed() {
        assert_eq!(places(0).count(), 0);
        assert_eq!(places(3).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(places(10).collect::<Vec<_>>(), [0, 3, 6, 9]);
    }
}
