//! Answers about models, rows and adapters, and about their outputs.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Sentence;
use crate::bundle::Manifest;
use crate::config::{LoraConfig, MethodConfig, Task};
use crate::nn::positions::PositionConvention;
use crate::training::ClassificationMetrics;

/// Metrics of several adapters, each and by their majority. A text is right when it is the wanted one, without spaces
/// around it; the accuracy is then the share of such texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnsembleReport {
    /// Of each adapter, in the order they were named.
    pub members: Vec<ClassificationMetrics>,
    /// Of the majority.
    pub vote: ClassificationMetrics,
    /// Answers that as many gave as another one, where their log-probabilities decided.
    pub by_score: usize,
    /// Row by row.
    pub rows: Vec<EnsembleRow>,
}

impl EnsembleReport {
    /// Mean accuracy of the adapters.
    pub fn mean(&self) -> f64 {
        self.members.iter().filter_map(|of| of.accuracy).sum::<f64>() / self.members.len().max(1) as f64
    }

    /// The highest accuracy of an adapter.
    pub fn best(&self) -> f64 {
        self.members.iter().filter_map(|of| of.accuracy).fold(0.0, f64::max)
    }
}

/// The answers to one row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnsembleRow {
    /// From 1, as the file counts.
    pub row: usize,
    /// The wanted answer.
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
    /// Tokens of the text.
    pub tokens: Vec<u32>,
    /// Short hash of the adapter, or of nothing for the base.
    pub adapter_hash: String,
    /// For the base and for strength 0: logits of the first token equal those of the untouched model bit for bit.
    pub proven_base: Option<bool>,
    /// Seconds that went into this stream: its prompt, and the batches it was in. What others need does not count.
    pub elapsed_secs: f64,
    /// Of the text, in nats; sampling and penalties do not count.
    pub log_probability: f64,
    /// The texts of beam search, the one above first; empty without it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beams: Vec<GeneratedBeam>,
}

/// One of the texts that beam search returns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GeneratedBeam {
    /// The continuation.
    pub text: String,
    /// Tokens of the text.
    pub tokens: Vec<u32>,
    /// The beam's score, in nats: its log-probability divided by its length to the power of the length penalty.
    pub score: f32,
}

/// Facts about an adapter that somebody sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdapterFacts {
    /// The file or folder.
    pub path: PathBuf,
    /// A sentence on what was found.
    pub sentence: Sentence,
    /// The adapter's method, as far as its files say how it was trained.
    pub method: MethodConfig,
    /// Matrices of low rank beside that.
    pub lora: Option<LoraConfig>,
    /// Weights of the model itself were trained beside it.
    #[serde(default)]
    pub weights: bool,
    /// Length of a prefix or a soft prompt.
    pub n_virtual: usize,
    /// Where the text's positions begin.
    pub positions: PositionConvention,
    /// The task that it was trained for.
    pub task: Task,
    /// Names of the classes, where there are some.
    pub classes: Vec<String>,
    /// Names of the tasks that share a prompt, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<String>,
    /// Why it is for another model than the one it is held against, though its shapes fit.
    pub other_base: Option<Sentence>,
    /// Manifest of a file of ours, beside its numbers.
    pub about: Option<Box<Manifest>>,
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
    /// The probe's verdict on the adapter.
    pub fn verdict(&self) -> ProbeVerdict {
        match self.from_sender {
            Some(difference) if difference <= self.tolerance => ProbeVerdict::AsTheSender,
            Some(_) => ProbeVerdict::NotAsTheSender,
            None if self.from_base <= self.tolerance => ProbeVerdict::DoesNothing,
            None => ProbeVerdict::DoesSomething,
        }
    }
}

/// The verdict of a probe on an adapter.
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
