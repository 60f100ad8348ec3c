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
mod fits;

pub use self::adapter::{Adapter, Leaves};
pub use self::formats::lookalike::{Lookalike, no_adapter};
pub use self::methods::few_shot::FewShotState;
pub use self::methods::full::{TunedWeights, WeightsState};
pub use self::methods::head::{Head, HeadShape, HeadState};
pub use self::methods::lora::residual::Residual;
pub use self::methods::lora::{
    ALL_LINEAR, Lora, LoraLayer, LoraMatrices, LoraShape, LoraState, TokenRows, TokenTable, default_targets,
    is_of_a_head, last_names,
};
pub use self::methods::prefix::init::{Place, PrefixTarget, TargetRow};
pub use self::methods::prefix::{Prefix, PrefixShape, PrefixState, count_parameters};
pub(crate) use self::methods::prompt::init::frequent;
pub use self::methods::prompt::init::{PromptStart, PromptTarget};
pub use self::methods::prompt::{
    PromptEncoderShape, PromptShape, PromptState, PromptTasksShape, PromptTasksState, SoftPrompt,
};
pub use self::methods::{Part, PartPlan, PartState};
pub use self::ops::combine::{Combination, combine};
pub use self::parameters::{Parameter, Trainables};
pub use self::state::{AdapterState, NamedTensor, PrefixPlacement};
