//! The time that a run of the form takes, or an experiment: a few steps of it are timed.

use engine::config::RunConfig;
use engine::error::Failure;
use engine::protocol::{Ask, Event, Report};
use engine::training::StepTime;

use crate::screens::new_run::vary::cost::key_of;
use crate::state::outbox::Outbox;
use crate::state::request::Request;

/// Steps that are timed.
const TIMED_STEPS: usize = 3;

/// The times that were asked for last: one run after the other.
#[derive(Clone, Debug, Default)]
pub struct StepTimes {
    request: Request<StepTime>,
    runs: Vec<RunConfig>,
    times: Vec<StepTime>,
}

impl StepTimes {
    /// Begins to time these runs; what was under way ends.
    pub fn start(&mut self, runs: Vec<RunConfig>, outbox: &mut Outbox) {
        self.request.stop(outbox);
        *self = Self { runs, ..Self::default() };
        self.go_on(outbox);
    }

    /// Takes in what its job tells.
    pub fn on(&mut self, event: &Event) -> bool {
        let is_ours = self.request.on(event, |report| match report {
            Report::StepTime(time) => Some(*time),
            _ => None,
        });
        self.times.extend(self.request.answer.take());
        is_ours
    }

    /// Asks for the next run, once the last was answered.
    pub fn go_on(&mut self, outbox: &mut Outbox) {
        let waits = !self.request.is_open() && self.request.failure.is_none();
        if let Some(run) = self.runs.get(self.times.len()).filter(|_| waits) {
            let config = Box::new(run.clone());
            self.request.start(outbox.ask(Ask::TimeSteps { config, steps: TIMED_STEPS }));
        }
    }

    /// Ends what is under way.
    pub fn stop(&mut self, outbox: &mut Outbox) {
        self.request.stop(outbox);
        *self = Self::default();
    }

    /// Runs that are timed, and those that were.
    pub fn progress(&self) -> Option<(usize, usize)> {
        self.request.is_open().then_some((self.times.len(), self.runs.len()))
    }

    /// The times of these runs, if it is these that were timed, or others that cost the same but for their length.
    pub fn of(&self, runs: &[RunConfig]) -> Option<(&[RunConfig], &[StepTime])> {
        (self.is_about(runs) && self.times.len() == runs.len() && !runs.is_empty()).then_some((&self.runs, &self.times))
    }

    /// Why these runs could not be timed.
    pub fn failure(&self, runs: &[RunConfig]) -> Option<&Failure> {
        self.request.failure.as_ref().filter(|_| self.is_about(runs))
    }

    fn is_about(&self, runs: &[RunConfig]) -> bool {
        self.runs.len() == runs.len() && self.runs.iter().zip(runs).all(|(a, b)| key_of(a) == key_of(b))
    }

    /// There will be no answer.
    pub fn engine_gone(&mut self) {
        self.request.engine_gone();
    }
}

#[cfg(test)]
mod tests {
    use engine::config::DataConfig;
    use engine::protocol::{Command, JobId};

    use super::*;
    use crate::state::outbox::Effect;

    const TIME: StepTime = StepTime {
        step_secs: 0.5,
        evaluation_secs: 1.0,
        preparation_secs: 2.0,
        total_steps: 10,
        evaluations: 1,
        trained_parameters: 7,
    };

    fn run(batch_size: usize) -> RunConfig {
        let mut run = RunConfig::new("/m", DataConfig::new("/d.jsonl"));
        run.training.batch_size = batch_size;
        run
    }

    fn asked(outbox: &mut Outbox) -> Vec<JobId> {
        let effects = std::mem::take(&mut outbox.effects);
        let job = |effect| match effect {
            Effect::Engine(Command { job, ask: Ask::TimeSteps { .. } }) => Some(job),
            _ => None,
        };
        effects.into_iter().filter_map(job).collect()
    }

    #[test]
    fn runs_are_timed_one_after_the_other_and_of_others_nothing_is_said() {
        let (mut times, mut outbox) = (StepTimes::default(), Outbox::default());
        let runs = vec![run(8), run(16)];
        times.start(runs.clone(), &mut outbox);
        for done in 0..2 {
            let jobs = asked(&mut outbox);
            assert_eq!((jobs.len(), times.progress()), (1, Some((done, 2))));
            assert!(times.of(&runs).is_none(), "not all are known");
            assert!(times.on(&Event { job: jobs[0], what: Report::StepTime(TIME) }));
            times.go_on(&mut outbox);
        }
        assert!(asked(&mut outbox).is_empty() && times.progress().is_none());
        let mut alike = runs.clone();
        (alike[0].seed, alike[1].training.learning_rate) = (7, 0.5);
        assert_eq!(times.of(&alike).map(|(_, times)| times), Some(&[TIME, TIME][..]));
        assert!(times.of(&[run(8), run(32)]).is_none() && times.of(&runs[..1]).is_none());
    }
}
