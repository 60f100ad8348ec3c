//! Soft-capping: numbers within a bound, `cap · tanh(x / cap)`, as Gemma 2 has it on scores and logits.
//!
//! Only models with a cap come here; the slope follows from what came out, so nothing is kept for the backward.

use super::lanes::{tanh, vectorized};

vectorized! {
    /// Each number within the bound.
    pub(super) fn cap(numbers: &mut [f32], cap: f32) {
        for x in numbers.iter_mut() {
            *x = cap * tanh(*x / cap);
        }
    }

    /// Each number within the bound, and how fast it still grows there.
    pub(super) fn cap_with_slopes(numbers: &mut [f32], slopes: &mut [f32], cap: f32) {
        for (x, slope) in numbers.iter_mut().zip(slopes) {
            let bounded = tanh(*x / cap);
            *x = cap * bounded;
            *slope = 1.0 - bounded * bounded;
        }
    }

    /// Gradients of what was within the bound become those of what it was before.
    pub(super) fn times_slopes(grads: &mut [f32], slopes: &[f32]) {
        for (grad, slope) in grads.iter_mut().zip(slopes) {
            *grad *= slope;
        }
    }
}

/// The slope where `capped` came out.
#[inline(always)]
pub(super) fn slope(capped: f32, cap: f32) -> f32 {
    1.0 - (capped / cap) * (capped / cap)
}
