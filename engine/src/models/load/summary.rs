//! A model folder's facts.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::memory::Packing;
use crate::Sentence;
use crate::config::Task;
use crate::models::{LinearName, PretrainedHead, WeightName};

/// A model folder's facts, without its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelSummary {
    /// The folder.
    pub folder: PathBuf,
    /// As `config.json` names it.
    pub architecture: String,
    /// Layers; the decoder's, where there is an encoder too.
    pub n_layers: usize,
    /// Layers of the encoder; 0 without one.
    #[serde(default)]
    pub encoder_layers: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Query heads.
    pub n_heads: usize,
    /// Key and value heads.
    pub n_kv_heads: usize,
    /// Width of a head.
    pub d_head: usize,
    /// Positions.
    pub n_positions: usize,
    /// Tokens.
    pub vocab_size: usize,
    /// Width of the feed-forward layer.
    pub d_ff: usize,
    /// Numbers in the weights.
    pub parameters: usize,
    /// Storage format of the weights, such as `F16`.
    pub dtype: String,
    /// Bytes of the weight files.
    pub file_bytes: u64,
    /// Bytes of the largest tensor that a device must bind at once.
    pub largest_tensor_bytes: u64,
    /// Its numbers by how they can be kept.
    #[serde(default)]
    pub packing: Packing,
    /// Tasks that can be learned with it; first what it does by itself.
    #[serde(default)]
    pub tasks: Vec<Task>,
    /// The head for classes that it was saved with.
    #[serde(default)]
    pub own_head: Option<PretrainedHead>,
    /// Width of the embeddings.
    #[serde(default)]
    pub embedding_width: usize,
    /// Every weight, by the names that adapters use.
    #[serde(skip)]
    pub weights: Vec<WeightName>,
    /// Every linear layer of the blocks.
    #[serde(skip)]
    pub linears: Vec<LinearName>,
    /// Options of its configuration that nobody looks at, in a sentence.
    #[serde(default)]
    pub notice: Option<Sentence>,
}
