//! One adapter of others, or of an adapter something else: combined, merged into its base model, cut to one head
//! or to some slots.

pub mod combine;
pub mod merge;
pub mod merge_gguf;

mod keep_slots;
mod select_head;
