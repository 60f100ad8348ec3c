//! What a forward pass is given: tokens, and the blocks that run.

mod layer_range;
mod tokens;

pub use self::layer_range::Span;
pub(crate) use self::tokens::look_up;
pub use self::tokens::{Lookup, Tokens};
