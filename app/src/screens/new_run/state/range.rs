//! A learning-rate range test of the form.

use engine::config::RunConfig;
use engine::error::Failure;
use engine::protocol::{JobId, Phase};
use engine::training::{RangeFindings, RangePoint};

/// The test that was asked for last.
#[derive(Clone, Debug, Default)]
pub struct RangeTest {
    /// It is under way.
    pub job: Option<JobId>,
    /// The run whose first steps were tried.
    pub config: Option<Box<RunConfig>>,
    /// What it is doing before its first step.
    pub phase: Option<Phase>,
    /// Rates that were tried.
    pub points: Vec<RangePoint>,
    /// What it suggests, once it is over.
    pub findings: Option<RangeFindings>,
    /// What went wrong.
    pub failure: Option<Failure>,
}

impl RangeTest {
    /// Nothing was asked for.
    pub fn is_empty(&self) -> bool {
        self.job.is_none() && self.points.is_empty() && self.failure.is_none()
    }

    /// Whether it says something of this run too: nothing but the rate, and the name, is another.
    pub fn is_about(&self, run: &RunConfig) -> bool {
        self.config.as_ref().is_none_or(|tried| {
            let mut tried = tried.as_ref().clone();
            tried.training.learning_rate = run.training.learning_rate;
            tried.name.clone_from(&run.name);
            tried == *run
        })
    }
}
