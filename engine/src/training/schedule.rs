//! How the learning rate moves.
//! Equal to huggingface/transformers: src/transformers/optimization.py.

use crate::config::{Schedule, TrainingConfig};

/// The learning rate of a step, counted from 1, of a run of `total` steps.
pub fn learning_rate(config: &TrainingConfig, step: usize, total: usize) -> f64 {
    config.learning_rate * factor(config.schedule, config.warmup_steps, step.saturating_sub(1), total)
}

/// The share of the peak rate that the optimizer uses after `done` steps.
fn factor(schedule: Schedule, warmup: usize, done: usize, total: usize) -> f64 {
    if done < warmup {
        return done as f64 / warmup as f64;
    }
    let span = total.saturating_sub(warmup).max(1) as f64;
    let progress = (done - warmup) as f64 / span;
    match schedule {
        Schedule::Constant => 1.0,
        Schedule::Linear => (1.0 - progress).max(0.0),
        Schedule::Cosine => (0.5 * (1.0 + (std::f64::consts::PI * progress).cos())).max(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_with_warm_up_is_transformers_s() {
        // get_linear_schedule_with_warmup(optimizer, 2, 7): the rates of the first six steps.
        let expected = [0.0, 0.5, 1.0, 0.8, 0.6, 0.4];
        for (done, want) in expected.into_iter().enumerate() {
            assert!((factor(Schedule::Linear, 2, done, 7) - want).abs() < 1e-12);
        }
    }

    #[test]
    fn cosine_ends_at_zero_and_constant_stays() {
        assert!((factor(Schedule::Cosine, 0, 5, 10) - 0.5).abs() < 1e-12);
        assert!(factor(Schedule::Cosine, 0, 10, 10) < 1e-12);
        assert!((factor(Schedule::Constant, 3, 9, 10) - 1.0).abs() < 1e-12);
    }
}
