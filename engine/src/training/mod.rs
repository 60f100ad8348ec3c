//! Training a prefix: schedule, loss, one step, evaluation, checkpoints, and the job that ties them together.

pub mod checkpoint;
pub mod figures;
pub mod loss;
pub mod memory;
pub mod optimizer;
pub mod origin;
pub mod run_folder;
pub mod schedule;

pub(crate) mod extent;
pub(crate) mod feed;
pub(crate) mod inputs;
mod lab;
pub(crate) mod notices;
#[cfg(test)]
mod precision_tests;
pub(crate) mod prepare;
mod range;
mod recompute;
#[cfg(test)]
mod recompute_tests;
mod report;
pub(crate) mod samples;

pub use self::extent::room_for_text;
pub use self::lab::{LabPlan, LabRow, LabScore, LabStep, Spread, rank};
pub use self::prepare::Beginning;
pub use self::range::{RangeFindings, RangePoint, RateRange};
pub use self::report::{EvaluationReport, NamedFigures, RunFacts, SampleReport, StepReport, TaskFigures};
