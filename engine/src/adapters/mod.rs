//! What is trained: each method turns its parameters into what the frozen model is given, keys and values, embeddings or
//! weights.

pub mod folded;
pub mod foreign;
pub mod merge;
pub mod parameters;
mod patterns;
pub mod peft;
pub mod prefix;
pub mod single_file;

mod adapter;
mod by_site;
mod combine;
mod combined;
mod convention;
mod describe;
mod fit;
mod head;
mod heads;
mod incoming;
mod init;
mod lookalike;
mod lora;
mod part;
mod placed;
mod prompt;
mod prompt_init;
mod residual;
mod tensors;
mod text;
mod tuned_weights;
mod unread;
mod weights;

pub use self::adapter::{Adapter, Leaves};
pub use self::combine::{Combination, combine};
use self::describe::describe;
pub use self::folded::{FoldedAdapter, FoldedLora, FoldedPrefix, FoldedPrompt, FoldedTasks, LoraMatrices, TokenRows};
pub use self::head::{Head, HeadShape};
pub use self::incoming::Incoming;
pub use self::init::{Place, PrefixTarget, TargetRow};
pub use self::lookalike::{Lookalike, no_adapter};
pub use self::lora::{ALL_LINEAR, Lora, LoraLayer, LoraShape, TokenTable, default_targets, is_of_a_head, last_names};
pub use self::parameters::{Parameter, Trainables};
pub use self::part::{Part, PartPlan};
pub use self::prefix::{Prefix, PrefixShape, count_parameters};
pub use self::prompt::{PromptEncoderShape, PromptShape, PromptTasksShape, SoftPrompt};
pub(crate) use self::prompt_init::frequent;
pub use self::prompt_init::{PromptStart, PromptTarget};
pub use self::residual::Residual;
pub use self::tuned_weights::TunedWeights;
