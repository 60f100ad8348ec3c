//! Training a prefix: schedule, loss, one step, evaluation, checkpoints, and the job that ties them together.

pub mod checkpoint;
pub mod figures;
pub mod loss;
pub mod memory;
pub mod optimizer;
pub mod run_folder;
pub mod schedule;

mod feed;
mod job;
mod prepare;
mod range;
mod run;
mod samples;
mod sizes;

pub use self::job::TrainJob;
pub use self::prepare::room_for_text;
pub use self::range::RangeJob;
pub use self::sizes::count_parameters;
