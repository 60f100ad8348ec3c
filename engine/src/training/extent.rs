//! The extent of a run: steps, epochs, and the room for text beside the prefix.

use crate::config::{EpochEnd, MethodConfig, RunConfig};
use crate::error::{EngineError, Result};
use crate::models::ModelShape;

/// Optimizer steps of a run on so many rows.
pub(crate) fn total_steps(config: &RunConfig, rows: usize) -> usize {
    let t = &config.training;
    if matches!(config.method, MethodConfig::FewShot(_)) {
        return 0;
    }
    if t.steps > 0 { t.steps } else { ((t.epochs * steps_per_epoch(config, rows)).ceil() as usize).max(1) }
}

/// A broken number where the last step of an epoch reaches into the next one.
pub(crate) fn steps_per_epoch(config: &RunConfig, rows: usize) -> f64 {
    let t = &config.training;
    let steps = rows.div_ceil(t.batch_size) as f64 / t.gradient_accumulation as f64;
    if t.epoch_end == EpochEnd::SmallerStep { steps.ceil() } else { steps }
}

/// Tokens of text that fit beside the prefix.
///
/// # Errors
/// The prefix leaves no room, or less than the configuration asks for.
pub fn room_for_text(n_virtual: usize, max_tokens: Option<usize>, model: &ModelShape) -> Result<usize> {
    let tokens = max_tokens.unwrap_or(2);
    let n_positions = model.n_positions;
    if n_virtual.checked_add(tokens).is_none_or(|needed| needed > n_positions) {
        return Err(EngineError::ContextOverflow { n_virtual, tokens, n_positions });
    }
    Ok(max_tokens.unwrap_or(n_positions - n_virtual))
}
