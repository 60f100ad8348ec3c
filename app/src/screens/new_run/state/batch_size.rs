//! The largest batch that memory has room for, as the form asked for it.

use engine::config::RunConfig;
use engine::protocol::{Event, JobId, Report};
use engine::training::{BatchFit, BatchTrial};

use crate::screens::new_run::vary::cost::key_of;
use crate::state::request::Request;

/// The search that was asked for last.
#[derive(Clone, Debug, Default)]
pub struct BatchSize {
    /// The question; what fits is the answer.
    pub request: Request<BatchFit>,
    /// The run whose rows are tried.
    pub config: Option<Box<RunConfig>>,
    /// The size that was tried last.
    pub tried: Option<BatchTrial>,
}

impl BatchSize {
    /// A search for a run that has just been asked for.
    pub fn new(config: Box<RunConfig>, job: JobId) -> Self {
        let mut search = Self { config: Some(config), ..Self::default() };
        search.request.start(job);
        search
    }

    /// Takes in what its job tells.
    pub fn on(&mut self, event: &Event) -> bool {
        self.request.on(event, |report| match report {
            Report::BatchTrial(trial) => {
                self.tried = Some(*trial);
                None
            }
            Report::BatchFit(fit) => Some(*fit),
            _ => None,
        })
    }

    /// Whether it says something of this run too: nothing that memory depends on is another.
    pub fn is_about(&self, run: &RunConfig) -> bool {
        let alike = |run: &RunConfig| {
            let mut key = key_of(run);
            key.training.batch_size = 1;
            key
        };
        self.config.as_ref().is_some_and(|tried| alike(tried) == alike(run))
    }
}

#[cfg(test)]
mod tests {
    use engine::config::DataConfig;

    use super::*;

    #[test]
    fn an_answer_is_about_runs_whose_rows_take_the_same_memory() {
        let run = RunConfig::new("/m", DataConfig::new("/d.jsonl"));
        let mut search = BatchSize::new(Box::new(run.clone()), JobId(1));
        let trial = BatchTrial { rows: 2, memory_bytes: 5, step_secs: 0.5 };
        assert!(search.on(&Event { job: JobId(1), what: Report::BatchTrial(trial) }));
        assert!(search.request.is_open() && search.tried == Some(trial));
        let fit =
            BatchFit { rows: 2, tried: 2, is_all: false, memory_bytes: 5, limit_bytes: 6, longest: 9, step_secs: 0.5 };
        assert!(search.on(&Event { job: JobId(1), what: Report::BatchFit(fit) }));
        assert_eq!((search.request.is_open(), search.request.answer), (false, Some(fit)));
        let mut other = run.clone();
        (other.training.batch_size, other.training.learning_rate) = (64, 0.5);
        assert!(search.is_about(&run) && search.is_about(&other));
        other.training.gradient_checkpointing = true;
        assert!(!search.is_about(&other) && !BatchSize::default().is_about(&run));
    }
}
