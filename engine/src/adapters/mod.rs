//! Adapters in training and as they are kept: each method turns its parameters into what the frozen model is given,
//! keys and values, embeddings or weights.
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
mod plan;

pub use self::adapter::{Adapter, AdapterGradParams};
pub use self::formats::lookalike::{Lookalike, no_adapter};
pub use self::formats::programs::{CacheForm, CacheNumbers, Program};
pub use self::methods::few_shot::{FewShotSpec, FewShotState};
pub use self::methods::full::{TunedWeights, WeightsSpec, WeightsState};
pub use self::methods::head::{Head, HeadSpec, HeadState};
pub use self::methods::init::{InitContext, WarmStart};
pub use self::methods::prefix::{
    Demonstrations, Place, Prefix, PrefixShape, PrefixSource, PrefixSpec, PrefixState, TargetRow,
};
pub use self::methods::prompt::{
    PromptEncoderShape, PromptSource, PromptSpec, PromptStart, PromptState, PromptTasksShape, PromptTasksState,
    SoftPrompt,
};
pub use self::methods::{AdapterPart, Method, NamedShape, PartSpec, PartState, Spec, Trained};
pub use self::ops::combine::{Combination, combine};
pub use self::ops::merge_gguf::GgufNumbers;
pub use self::parameters::{GradParams, Parameter};
pub use self::plan::{AdapterSpec, plan};
pub use self::state::{AdapterState, PrefixPlacement};
