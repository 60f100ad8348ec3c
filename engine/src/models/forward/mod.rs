//! A forward pass: what its blocks are given, which of them run, and the hooks on what they make.

mod activation_cache;
mod blocks;
mod dropout;
mod hooks;
mod layer_range;
mod pass;
mod run;
mod tokens;

pub use self::activation_cache::ActivationCache;
pub use self::dropout::{BaseDropout, DropoutRates};
pub use self::hooks::{HookName, HookPoint, Hooks, StackName};
pub use self::layer_range::LayerRange;
pub use self::pass::{ForwardPass, PaddedRows, Stack};
pub(crate) use self::tokens::untrained_row;
pub use self::tokens::{EmbeddingOptions, Tokens};
