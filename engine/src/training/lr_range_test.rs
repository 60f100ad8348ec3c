//! Learning rates of a range test, and its findings.

use serde::{Deserialize, Serialize};

/// Learning rates to be tried, each the same factor above the one before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RateRange {
    /// The lowest.
    pub from: f64,
    /// The highest.
    pub to: f64,
    /// Number of rates, each for one step.
    pub steps: usize,
}

impl Default for RateRange {
    fn default() -> Self {
        Self { from: 1e-6, to: 10.0, steps: 100 }
    }
}

/// One learning rate of a range test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LrRangePoint {
    /// The rate of the step.
    pub learning_rate: f64,
    /// The loss before it, in the units of a run's.
    #[serde(deserialize_with = "crate::number::or_nan")]
    pub loss: f64,
    /// Mean of the loss with those before it.
    #[serde(deserialize_with = "crate::number::or_nan")]
    pub smoothed: f64,
}

/// The rates that a range test suggests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LrRangeFindings {
    /// The rate where the smoothed loss falls fastest; `None` if it never falls.
    pub steepest: Option<f64>,
    /// The first rate after the lowest smoothed loss at which it is higher than it began, or four times the lowest, or no
    /// number; `None` if it does not come to that.
    pub diverged: Option<f64>,
}

impl LrRangeFindings {
    /// A tenth of the rate that was too high.
    pub fn tenth(&self) -> Option<f64> {
        self.diverged.map(|rate| rate / 10.0)
    }
}
