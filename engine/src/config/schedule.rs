//! Learning-rate schedules.

use serde::{Deserialize, Deserializer, Serialize};

use super::rules::{POSITIVE, ROWS, refuse};
use super::tagged::tagged;
use crate::error::Result;
use crate::sentence;

/// Learning rate after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// Straight down to 0 at the last step.
    Linear,
    /// Half a cosine down to 0 at the last step.
    Cosine,
    /// Stays.
    Constant,
    /// Down to an end that need not be 0.
    Polynomial {
        /// 1 is straight, 2 a parabola.
        #[serde(default = "default_power")]
        power: f64,
        /// The learning rate at the last step.
        #[serde(default = "default_end_rate")]
        end_rate: f64,
    },
    /// One over the root of the step.
    InverseSqrt {
        /// Steps after which the rate is divided by the root of 2; `None` is the warm-up, or 10 000 without one.
        #[serde(default)]
        timescale: Option<usize>,
    },
    /// Half a cosine down to 0, and again from the top.
    CosineWithRestarts {
        /// Number of half cosines.
        #[serde(default = "default_cycles")]
        cycles: usize,
    },
}

fn default_power() -> f64 {
    1.0
}
fn default_end_rate() -> f64 {
    1e-7
}
fn default_cycles() -> usize {
    2
}

impl Schedule {
    /// All of them, with their usual numbers.
    pub fn all() -> [Self; 6] {
        let polynomial = Self::Polynomial { power: default_power(), end_rate: default_end_rate() };
        let restarts = Self::CosineWithRestarts { cycles: default_cycles() };
        [Self::Linear, Self::Cosine, Self::Constant, polynomial, Self::InverseSqrt { timescale: None }, restarts]
    }

    /// As configurations name it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Cosine => "cosine",
            Self::Constant => "constant",
            Self::Polynomial { .. } => "polynomial",
            Self::InverseSqrt { .. } => "inverse_sqrt",
            Self::CosineWithRestarts { .. } => "cosine_with_restarts",
        }
    }

    pub(super) fn check(&self, learning_rate: f64) -> Result<()> {
        match *self {
            Self::Linear | Self::Cosine | Self::Constant => Ok(()),
            Self::Polynomial { power, end_rate } => refuse(&[
                (power.is_finite() && power > 0.0, "training.schedule.power", POSITIVE),
                (
                    (0.0..learning_rate).contains(&end_rate),
                    "training.schedule.end_rate",
                    sentence!("must be at least 0 and below the learning rate"),
                ),
            ]),
            Self::InverseSqrt { timescale } => {
                refuse(&[(timescale != Some(0), "training.schedule.timescale", sentence!("must be at least 1"))])
            }
            Self::CosineWithRestarts { cycles } => refuse(&[(
                ROWS.contains(&cycles),
                "training.schedule.cycles",
                sentence!("must be between 1 and 65536"),
            )]),
        }
    }
}

/// A schedule without numbers may be written as its name alone, as it was when there were no others.
pub(super) fn linear_unless_named<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Schedule, D::Error> {
    tagged(deserializer, "linear")
}
