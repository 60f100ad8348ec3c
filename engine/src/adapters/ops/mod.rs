//! One adapter of others, or of an adapter something else: combined, merged into its base model, cut to one head.

pub mod combine;
pub mod merge;

mod select_head;
