//! Rules that settings keep, and limits that several of them share.

use std::ops::RangeInclusive;

use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

/// Reason for a number that is none to divide or multiply by.
pub(super) const POSITIVE: Sentence = sentence!("must be a positive, finite number");

/// Reason for a dropout that is none.
pub(super) const SHARE: Sentence = sentence!("must be at least 0 and below 1");

/// Reason for a learning rate that is none.
pub(super) const RATE: Sentence = sentence!("must be above 0 and below 1,000");

/// Whether a number is a learning rate.
pub(super) fn is_rate(rate: f64) -> bool {
    rate.is_finite() && rate > 0.0 && rate < 1e3
}

/// Widths that a network may have.
pub(super) const WIDTHS: RangeInclusive<usize> = 1..=65_536;
pub(super) const WIDTH: Sentence = sentence!("must be between 1 and 65536");

/// Rows of a batch, and batches of a step.
pub(crate) const ROWS: RangeInclusive<usize> = 1..=65_536;
/// Tokens that a row or a sample may have; no model here reads more.
pub(super) const MAX_TOKENS: usize = 1 << 20;

/// The first rule that does not hold, as an error: whether it does, the field, the reason.
pub(crate) fn refuse(rules: &[(bool, &'static str, Sentence)]) -> Result<()> {
    match rules.iter().find(|(ok, ..)| !ok) {
        None => Ok(()),
        Some((_, field, reason)) => Err(EngineError::Setting { field, reason: reason.clone() }),
    }
}

/// Refuses a prefix or a soft prompt of a length that cannot be.
pub(super) fn check_length(n_virtual: usize) -> Result<()> {
    refuse(&[
        (n_virtual >= 1, "method.n_virtual", sentence!("there must be at least one virtual token")),
        (n_virtual <= 4096, "method.n_virtual", sentence!("at most 4096 virtual tokens")),
    ])
}

/// Refuses numbers of initial values that cannot be.
pub(super) fn check_start(bound: f64, first: usize) -> Result<()> {
    refuse(&[
        (bound > 0.0 && bound <= 100.0, "method.init.bound", sentence!("must be above 0, at most 100")),
        (first >= 1, "method.init.first", sentence!("must be at least 1")),
    ])
}

/// Bound of uniform initial values where nobody says.
pub(super) fn usual_bound() -> f64 {
    0.5
}

/// Training rows that are read as demonstrations where nobody says: as many as CT-KV takes.
pub(super) fn usual_shots() -> usize {
    16
}

/// Tokens of a vocabulary that are taken for frequent where nobody says.
pub(super) fn usual_first() -> usize {
    5000
}
