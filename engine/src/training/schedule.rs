//! The learning rate over the steps of a run.
//! Equal to huggingface/transformers: src/transformers/optimization.py.

use std::f64::consts::PI;

use crate::config::{Schedule, TrainingConfig};

/// The learning rate of a step, counted from 1, of a run of `total` steps.
pub fn learning_rate(config: &TrainingConfig, step: usize, total: usize) -> f64 {
    let (peak, warmup, done) = (config.learning_rate, config.warmup(total), step.saturating_sub(1));
    if done < warmup {
        return peak * (done as f64 / warmup as f64);
    }
    let span = total.saturating_sub(warmup).max(1) as f64;
    let progress = ((done - warmup) as f64 / span).min(1.0);
    match config.schedule {
        Schedule::Constant => peak,
        Schedule::Linear => peak * (1.0 - progress),
        Schedule::Cosine => peak * half_cosine(progress),
        Schedule::Polynomial { power, end_rate } => (peak - end_rate) * (1.0 - progress).powf(power) + end_rate,
        Schedule::InverseSqrt { timescale } => {
            let usual = if warmup > 0 { warmup } else { 10_000 };
            let timescale = timescale.unwrap_or(usual) as f64;
            peak / (((done - warmup) as f64 + timescale) / timescale).sqrt()
        }
        Schedule::CosineWithRestarts { .. } if progress >= 1.0 => 0.0,
        Schedule::CosineWithRestarts { cycles } => peak * half_cosine((cycles as f64 * progress) % 1.0),
    }
}

/// From 1 at 0 to 0 at 1.
fn half_cosine(progress: f64) -> f64 {
    (0.5 * (1.0 + (PI * progress).cos())).max(0.0)
}
