//! Which parts of an adapter matter.

pub(super) mod ablation;
pub(super) mod importance;
pub(super) mod shorter;
pub(super) mod slots;
mod weighed;
