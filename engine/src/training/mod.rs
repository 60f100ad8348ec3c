//! Training a prefix: schedule, loss, one step, evaluation, checkpoints, and the job that ties them together.

pub mod answers;
pub mod candidates;
#[cfg(test)]
mod candidates_tests;
pub mod checkpoint;
pub mod hidden_slots;
pub mod loss;
pub mod metrics;
pub mod optimizer_state;
pub mod origin;
pub mod run_folder;
pub mod schedule;
pub mod teacher;
pub mod trainer;

pub(crate) mod batch_fit;
pub(crate) mod batch_sampler;
pub(crate) mod best;
pub(crate) mod extent;
mod gradient_checkpointing;
#[cfg(test)]
mod gradient_checkpointing_tests;
mod group_rates;
mod init_comparison;
pub(crate) mod inputs;
mod intervals;
mod lr_range_test;
pub(crate) mod notices;
#[cfg(test)]
mod packing_tests;
#[cfg(test)]
mod precision_tests;
pub(crate) mod prepare;
mod report;
pub(crate) mod samples;
pub(crate) mod sources;
pub(crate) mod text_writer;

pub use self::batch_fit::{BatchFit, BatchTrial};
pub use self::best::best_metrics;
pub use self::extent::room_for_text;
pub use self::init_comparison::{InitComparisonPlan, InitRow, InitScore, InitStep, Spread, rank};
pub use self::lr_range_test::{LrRangeFindings, LrRangePoint, RateRange};
pub use self::prepare::Beginning;
pub use self::report::{
    AnswerMetrics, BestAnswers, BestFigure, ClassificationMetrics, EvaluationReport, MacroRanking, NamedMetrics,
    QuestionMetrics, RankingMetrics, RegressionMetrics, RunFacts, SampleReport, StepReport, StepTime,
};
