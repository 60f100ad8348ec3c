//! What is trained and what is kept: each method turns its parameters into what the frozen model is given, keys and values,
//! embeddings or weights.
//!
//! Methods know sizes and names of a model; `ops` makes one adapter of others; `formats` stands above both and knows the
//! files.

pub mod formats;
pub mod methods;
pub mod ops;
pub mod parameters;
pub mod state;

mod adapter;
mod describe;
mod placed;

pub use self::adapter::{Adapter, Leaves};
pub(crate) use self::describe::describe;
pub use self::formats::lookalike::{Lookalike, no_adapter};
pub use self::methods::full::TunedWeights;
pub use self::methods::head::{Head, HeadShape};
pub use self::methods::lora::residual::Residual;
pub use self::methods::lora::{
    ALL_LINEAR, Lora, LoraLayer, LoraShape, TokenTable, default_targets, is_of_a_head, last_names,
};
pub use self::methods::prefix::init::{Place, PrefixTarget, TargetRow};
pub use self::methods::prefix::{Prefix, PrefixShape, count_parameters};
pub(crate) use self::methods::prompt::init::frequent;
pub use self::methods::prompt::init::{PromptStart, PromptTarget};
pub use self::methods::prompt::{PromptEncoderShape, PromptShape, PromptTasksShape, SoftPrompt};
pub use self::methods::{Part, PartPlan};
pub use self::ops::combine::{Combination, combine};
pub use self::parameters::{Parameter, Trainables};
pub use self::state::{
    FoldedAdapter, FoldedLora, FoldedPrefix, FoldedPrompt, FoldedTasks, LoraMatrices, NamedTensor, TokenRows,
};
