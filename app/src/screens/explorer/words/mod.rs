//! An adapter in words, and what it costs elsewhere.

pub(super) mod forgetting;
pub(super) mod said;
