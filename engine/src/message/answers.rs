//! What is answered about models, rows and adapters, and what these say.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::TaskFigures;
use crate::Sentence;
use crate::adapters::single_file::About;
use crate::config::{LoraConfig, MethodConfig, Task};
use crate::models::{LinearName, OwnHead, Site, WeightName};
use crate::nn::positions::Positions;

/// One nearest token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Token id.
    pub token: u32,
    /// The token as text, with invisible characters escaped.
    pub text: String,
    /// In the units of the metric, in the space that was asked for.
    pub score: f32,
    /// Its cosine in standard deviations above the mean of the whole vocabulary's.
    pub z: f32,
    /// The same before training, if that is known.
    pub before: Option<f32>,
}

/// The nearest tokens of one cell, beside what the whole vocabulary gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NeighbourList {
    /// Layer, from 0.
    pub layer: usize,
    /// Prefix position, from 0.
    pub position: usize,
    /// Nearest first.
    pub nearest: Vec<Neighbour>,
    /// The same query on the prefix's initial values, if known: history, not a bar to exceed.
    pub initial: Vec<Neighbour>,
    /// How the cosines of the whole vocabulary lie.
    pub vocabulary: VocabularyScores,
}

impl NeighbourList {
    /// Whether a token of the list is nearer than chance explains; never where that cannot be told.
    pub fn is_above_chance(&self, near: &Neighbour) -> bool {
        self.vocabulary.limit.is_some_and(|limit| near.z > limit)
    }

    /// How many of the nearest are nearer than chance explains.
    pub fn above_chance(&self) -> usize {
        self.nearest.iter().filter(|near| self.is_above_chance(near)).count()
    }
}

/// The cosines of one vector with every token of the vocabulary, and what chance makes of so many.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VocabularyScores {
    /// Tokens.
    pub tokens: usize,
    /// Mean of their cosines.
    pub mean: f32,
    /// Standard deviation of their cosines.
    pub sd: f32,
    /// The z that the nearest of so many tokens has by chance, in the mean.
    pub best: f32,
    /// The z that the nearest of so many tokens exceeds by chance in one list of twenty. None in [`Space::Raw`](super::Space::Raw): beside
    /// what all tokens share little is left of a cosine, and there the nearest is always further out.
    pub limit: Option<f32>,
    /// How many tokens have which z: bins of [`Self::STEP`] from [`Self::LOWEST`] on; what lies beyond is in the outer two.
    pub histogram: Vec<u32>,
}

impl VocabularyScores {
    /// Where the histogram begins, in z.
    pub const LOWEST: f32 = -5.0;
    /// Width of a bin of the histogram, in z.
    pub const STEP: f32 = 0.25;
    /// Bins of the histogram.
    pub const BINS: usize = 40;
    /// The share of lists in which chance alone puts a token above the limit.
    pub const LEVEL: f64 = 0.05;

    /// A cosine in standard deviations above the mean; 0 where all cosines are the same.
    pub fn z(&self, cosine: f32) -> f32 {
        if self.sd == 0.0 { 0.0 } else { (cosine - self.mean) / self.sd }
    }
}

/// How often several adapters are right, each and by their majority. A text is right when it is the wanted one, without
/// spaces around it; the accuracy is then the share of such texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VoteReport {
    /// Of each adapter, in the order they were named.
    pub members: Vec<TaskFigures>,
    /// Of the majority.
    pub vote: TaskFigures,
    /// Answers that as many gave as another one, where their log-probabilities decided.
    pub by_score: usize,
    /// Row by row.
    pub rows: Vec<VoteRow>,
}

impl VoteReport {
    /// Mean accuracy of the adapters.
    pub fn mean(&self) -> f64 {
        self.members.iter().map(|of| of.accuracy).sum::<f64>() / self.members.len().max(1) as f64
    }

    /// The highest accuracy of an adapter.
    pub fn best(&self) -> f64 {
        self.members.iter().map(|of| of.accuracy).fold(0.0, f64::max)
    }
}

/// What is answered to one row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VoteRow {
    /// From 1, as the file counts.
    pub row: usize,
    /// What was wanted.
    pub reference: String,
    /// Of each adapter.
    pub answers: Vec<String>,
    /// Of the majority.
    pub vote: String,
}

/// The end of one stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GeneratedStream {
    /// The whole continuation.
    pub text: String,
    /// Its tokens.
    pub tokens: Vec<u32>,
    /// Short hash of the adapter, or of nothing for the base.
    pub adapter_hash: String,
    /// For the base and for strength 0: logits of the first token equal those of the untouched model bit for bit.
    pub proven_base: Option<bool>,
    /// Seconds that went into this stream: its prompt, and the batches it was in. What others need does not count.
    pub elapsed_secs: f64,
    /// Of the text, in nats; sampling and penalties do not count.
    pub log_probability: f64,
    /// What beam search returns, the text above first; empty without it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beams: Vec<GeneratedBeam>,
}

/// One of the texts that beam search returns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GeneratedBeam {
    /// The continuation.
    pub text: String,
    /// Its tokens.
    pub tokens: Vec<u32>,
    /// What it is worth, in nats: its log-probability divided by its length to the power of the length penalty.
    pub score: f32,
}

/// What an adapter is that somebody sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdapterFacts {
    /// The file or folder.
    pub path: PathBuf,
    /// A sentence on what was found.
    pub sentence: Sentence,
    /// What it is, as far as its files say how it was trained.
    pub method: MethodConfig,
    /// Matrices of low rank beside that.
    pub lora: Option<LoraConfig>,
    /// Length of a prefix or a soft prompt.
    pub n_virtual: usize,
    /// Where the text's positions begin.
    pub positions: Positions,
    /// What it was trained for.
    pub task: Task,
    /// Names of the classes, where there are some.
    pub classes: Vec<String>,
    /// Names of the tasks that share a prompt, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<String>,
    /// Why it is for another model than the one it is held against, though its shapes fit.
    pub other_base: Option<Sentence>,
    /// What a file of ours says beside its numbers.
    pub about: Option<Box<About>>,
}

/// Logits after the last token of a few rows, with an adapter, beside others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeReport {
    /// Rows.
    pub rows: usize,
    /// The largest size of a logit.
    pub largest: f32,
    /// Largest difference from the base model's: what the adapter does.
    pub from_base: f32,
    /// Largest difference from those that the sender computed; `None` if there are none.
    pub from_sender: Option<f32>,
    /// The difference up to which the sender's are the same.
    pub tolerance: f32,
}

impl ProbeReport {
    /// What the probe says of the adapter.
    pub fn verdict(&self) -> ProbeVerdict {
        match self.from_sender {
            Some(difference) if difference <= self.tolerance => ProbeVerdict::AsTheSender,
            Some(_) => ProbeVerdict::NotAsTheSender,
            None if self.from_base <= self.tolerance => ProbeVerdict::DoesNothing,
            None => ProbeVerdict::DoesSomething,
        }
    }
}

/// What a probe says of an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeVerdict {
    /// It computes what its sender computed.
    AsTheSender,
    /// It computes something else: another model, other positions, or a damaged file.
    NotAsTheSender,
    /// Nobody says what it should compute; it changes what the model says.
    DoesSomething,
    /// Nobody says what it should compute; the model says the same without it.
    DoesNothing,
}

/// Norms of a prefix, cell by cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PrefixGrid {
    /// Layers.
    pub n_layers: usize,
    /// Prefix length.
    pub n_virtual: usize,
    /// `[layer][position]` row by row: norm of the key over all heads.
    pub key_norm: Vec<f32>,
    /// `[layer][position]` row by row: norm of the value over all heads.
    pub value_norm: Vec<f32>,
    /// How far each key has come since the start, over all heads; empty where the start is not known.
    #[serde(default)]
    pub key_change: Vec<f32>,
    /// The same of each value.
    #[serde(default)]
    pub value_change: Vec<f32>,
    /// The places of a sequence-to-sequence model's prefix in the order of the layers, each with how many are its.
    #[serde(default)]
    pub sites: Vec<(Site, usize)>,
    /// The cells are the slots of a soft prompt, one row of embeddings; both norms are the slot's.
    #[serde(default)]
    pub is_prompt: bool,
    /// What is changed of the model's weights.
    #[serde(default)]
    pub changes: Vec<WeightChange>,
}

/// How much an adapter changes of a weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WeightChange {
    /// The module or the weight, as adapters call it.
    pub name: String,
    /// Frobenius norm of what is added.
    pub norm: f32,
    /// The same, divided by the norm of the weight itself; 0 where that is 0.
    pub share: f32,
}

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
    /// Bytes of the largest tensor as f32.
    pub largest_tensor_bytes: u64,
    /// What can be learned with it; first what it does by itself.
    #[serde(default)]
    pub tasks: Vec<Task>,
    /// The head for classes that it was saved with.
    #[serde(default)]
    pub own_head: Option<OwnHead>,
    /// Width of the embeddings.
    #[serde(default)]
    pub embedding_width: usize,
    /// Every weight, by the names that adapters use.
    #[serde(skip)]
    pub weights: Vec<WeightName>,
    /// Every linear layer of the blocks.
    #[serde(skip)]
    pub linears: Vec<LinearName>,
    /// What its configuration says and nobody looks at, a sentence.
    #[serde(default)]
    pub notice: Option<Sentence>,
}

/// Rows as training would see them, and what is odd about the dataset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DataPreview {
    /// Columns of the file, in order.
    pub columns: Vec<String>,
    /// Column that `source` stands for.
    pub source_column: String,
    /// Column that `target` stands for.
    pub target_column: String,
    /// The first rows.
    pub rows: Vec<TokenRow>,
    /// Rows of the training file.
    pub total_rows: usize,
    /// Training rows used after the split.
    pub train_rows: usize,
    /// Validation rows used.
    pub validation_rows: usize,
    /// Rows cut to the length limit.
    pub truncated_rows: usize,
    /// What is worth knowing of how the rows were read, a sentence each.
    #[serde(default)]
    pub notices: Vec<Sentence>,
    /// Rows are written as turns of the model's chat template, because the run says so or because they are conversations.
    #[serde(default)]
    pub chat: bool,
    /// Rows skipped: number from 1 and reason, the first ten.
    pub skipped: Vec<(usize, Sentence)>,
    /// How many were skipped in all.
    pub skipped_rows: usize,
    /// Tokens of every usable row, before the limit.
    pub lengths: Vec<u32>,
    /// The limit in force.
    pub max_tokens: usize,
    /// The model says how it wants conversations written, so that rows can be turns of one.
    pub has_chat_template: bool,
    /// What stands in for tokens that the tokenizer does not name.
    pub tokenizer_notes: Vec<Sentence>,
    /// What is learned of a row.
    #[serde(default)]
    pub task: Task,
    /// Names of the classes, where there are some.
    #[serde(default)]
    pub classes: Vec<String>,
}

/// One row as training would see it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TokenRow {
    /// From 1, as people count: a header is no row.
    pub row: usize,
    /// The tokens as text, invisible characters escaped.
    pub tokens: Vec<String>,
    /// Whether each token has a label.
    pub labelled: Vec<bool>,
    /// The class of each token that has one; empty where there are no classes of tokens.
    #[serde(default)]
    pub classes: Vec<String>,
    /// Cut to the length limit.
    pub truncated: bool,
    /// The rendered prompt.
    pub prompt: String,
    /// The rendered target.
    pub target: String,
}
