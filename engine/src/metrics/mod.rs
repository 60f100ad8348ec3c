//! Figures of predictions, each equal to a reference implementation: one file a metric. Numbers and texts alone; nothing
//! here knows a model, a tokenizer or a run.

pub mod text;

pub use text::{TextMetric, TextRow};
