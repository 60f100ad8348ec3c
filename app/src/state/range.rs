//! A learning-rate range test of the form.

use engine::error::Failure;
use engine::message::{JobId, Phase, RangeFindings, RangePoint};

/// The test that was asked for last.
#[derive(Clone, Debug, Default)]
pub struct RangeTest {
    /// It is under way.
    pub job: Option<JobId>,
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
}
