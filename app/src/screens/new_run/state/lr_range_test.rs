//! A learning-rate range test of the form.

use engine::config::RunConfig;
use engine::protocol::{Event, JobId, Report};
use engine::training::{LrRangeFindings, LrRangePoint};

use crate::state::request::Request;

/// The test that was asked for last.
#[derive(Clone, Debug, Default)]
pub struct LrRangeTest {
    /// The question; what it suggests is the answer.
    pub request: Request<LrRangeFindings>,
    /// The run whose first steps were tried.
    pub config: Option<Box<RunConfig>>,
    /// Rates that were tried.
    pub points: Vec<LrRangePoint>,
}

impl LrRangeTest {
    /// A test of a run that has just been asked for.
    pub fn new(config: Box<RunConfig>, job: JobId) -> Self {
        let mut test = Self { config: Some(config), ..Self::default() };
        test.request.start(job);
        test
    }

    /// Takes in what its job tells.
    pub fn on(&mut self, event: &Event) -> bool {
        self.request.on(event, |report| match report {
            Report::LrRangeStep(point) => {
                self.points.push(*point);
                None
            }
            Report::LrRange(findings) => Some(*findings),
            _ => None,
        })
    }

    /// Nothing was asked for.
    pub fn is_empty(&self) -> bool {
        !self.request.is_open() && self.points.is_empty() && self.request.failure.is_none()
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
