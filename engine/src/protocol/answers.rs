//! Answers about models, rows and adapters, and about their outputs.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Sentence;
use crate::bundle::Manifest;
use crate::config::{LoraConfig, MethodConfig, Task};
use crate::evaluation::MetricFigure;
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
    /// Number of rows that all of them answered.
    pub total: usize,
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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// Of each of the tokens, if that was asked for and there are no beams.
    #[serde(default, skip_serializing_if = "TextScore::is_empty")]
    pub score: TextScore,
}

/// The tokens of a text with their probabilities, before temperature, penalties and the like.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TextScore {
    /// In their order.
    pub tokens: Vec<ScoredToken>,
}

/// A token of a text with the probability that a model gives it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScoredToken {
    /// The token as people read it.
    pub text: String,
    /// Logarithm of its probability, in nats.
    #[serde(deserialize_with = "crate::number::or_nan")]
    pub log_probability: f64,
    /// 1 for the most probable token.
    pub rank: usize,
    /// The most probable tokens at its place, best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top: Vec<LikelyToken>,
}

/// A token that is probable at some place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LikelyToken {
    /// The token as people read it.
    pub text: String,
    /// Logarithm of its probability, in nats.
    #[serde(deserialize_with = "crate::number::or_nan")]
    pub log_probability: f64,
}

impl TextScore {
    /// Whether nothing was scored.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Nats per token; NaN of no text.
    pub fn loss(&self) -> f64 {
        -self.tokens.iter().map(|token| token.log_probability).sum::<f64>() / self.tokens.len() as f64
    }

    /// The exponential of the loss.
    pub fn perplexity(&self) -> f64 {
        self.loss().exp()
    }
}

/// The texts of all columns for one row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ComparedRow {
    /// The first row of its file that has the source, from 1.
    pub row: usize,
    /// The prompt or source.
    pub source: String,
    /// Texts that would be right.
    pub references: Vec<String>,
    /// Text of each column.
    pub texts: Vec<String>,
    /// Nats per token of the row's target under each column; empty where that was not asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<Option<f64>>,
}

/// The figures of one column over the rows that were written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ComparedColumn {
    /// Short hash of the adapter; empty for the base.
    pub adapter_hash: String,
    /// Of all rows, metric by metric.
    pub figures: Vec<MetricFigure>,
    /// Of each row in the order of the file, metric by metric.
    pub rows: Vec<Vec<Option<f64>>>,
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
