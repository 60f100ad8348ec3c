//! From a folder of Hugging Face to a model: its configuration, what its files list, its weights, and weights in their
//! place.

mod base;
pub(crate) mod catalog;
mod config_file;
mod folder;
mod generation_config;
mod gguf;
mod graph_cut;
mod head_sizes;
mod layer_position;
mod loader;
mod matrices;
mod memory;
mod overrides;
mod packed;
pub(crate) mod place;
mod rope;
mod summary;
mod unread;
mod weight_cache;

pub use self::base::BaseModel;
pub(crate) use self::config_file::{ConfigFile, model_options};
pub use self::folder::ModelFolder;
pub use self::generation_config::GenerationConfig;
pub(crate) use self::gguf::{GgufLayout, TensorPlan, gguf_metadata};
pub use self::graph_cut::GraphCut;
pub(crate) use self::graph_cut::{Leaf, leaf, with_gradient};
pub use self::layer_position::LayerPosition;
pub(crate) use self::loader::Loader;
pub use self::loader::Weights;
pub(crate) use self::matrices::of_one_type;
pub use self::memory::Packing;
pub use self::overrides::{Rows, WeightOverrides};
pub(crate) use self::packed::{PACKED_FILES, PACKED_OPTIONS};
pub(crate) use self::rope::RopeSettings;
pub use self::summary::ModelSummary;
pub(crate) use self::weight_cache::tied_head;
pub use self::weight_cache::{LinearName, Role, WeightCache, WeightName};
