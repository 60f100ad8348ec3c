//! Heads behind a model: one that names classes, one that fills masks, and the one that a checkpoint was trained with.

mod class;
mod mask_fill;
mod pretrained;

pub use self::class::{ClassHead, HeadKind};
pub use self::mask_fill::MaskHead;
pub use self::pretrained::PretrainedHead;
