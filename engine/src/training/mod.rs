//! Training a prefix: schedule, loss, one step, evaluation, checkpoints, and the job that ties them together.

pub mod checkpoint;
pub mod figures;
pub mod loss;
pub mod memory;
pub mod optimizer;
pub mod origin;
pub mod run_folder;
pub mod schedule;

mod feed;
mod job;
mod lab;
mod matrices;
#[cfg(test)]
mod precision_tests;
mod prepare;
mod range;
mod recompute;
#[cfg(test)]
mod recompute_tests;
mod report;
mod run;
mod samples;
mod sizes;
mod starts;

pub use self::job::TrainJob;
pub use self::lab::{LabJob, rank};
pub use self::prepare::{Beginning, room_for_text};
pub use self::range::RangeJob;
pub use self::report::{
    EvaluationReport, LabPlan, LabRow, LabScore, LabStep, NamedFigures, RangeFindings, RangePoint, RateRange, RunFacts,
    SampleReport, Spread, StepReport, TaskFigures,
};
pub use self::sizes::count_parameters;
