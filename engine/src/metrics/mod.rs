//! Figures of predictions, each equal to a reference implementation: one file a metric. Numbers and texts alone; nothing
//! here knows a model, a tokenizer or a run.

mod answers;
pub mod bertscore;
pub mod bootstrap;
pub mod classification;
pub mod correlation;
mod counted;
pub mod entities;
mod exact_match;
#[cfg(test)]
mod golden;
pub mod interval;
pub mod multirc;
pub mod perplexity;
pub mod ranking;
mod registry;
mod scores;
mod squad2;
mod tags;
pub mod text;
mod token_f1;

pub use answers::AnswerForm;
pub use bootstrap::{Bootstrap, Interval, Paired};
pub use counted::{Counted, Counter};
pub use exact_match::ExactMatch;
pub use interval::{mean_interval, share_interval};
pub use registry::{DEFAULT_METRICS, Metric, Needs};
pub use scores::{Comparison, Score, Scores, Unscored, compare, mean_score, metric_of_texts, score, score_with};
pub use squad2::{AnswerFigures, BestThreshold, Questions, Squad2, Squad2Report, best_threshold, squad2_report};
pub use tags::EntityF1;
pub use text::{Resources, Scale, TextMetric, TextRow};
pub use token_f1::TokenF1;
