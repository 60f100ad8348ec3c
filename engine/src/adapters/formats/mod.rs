//! The forms in which adapters are kept: PEFT's folder, the workbench's own, and those of other programs.

pub mod import;
pub mod lookalike;
pub mod peft;

pub(crate) mod native;
pub(crate) mod tensors;
