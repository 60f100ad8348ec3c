//! How a run is trained, as data.

use serde::{Deserialize, Serialize};

/// How a run is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Optimizer steps; 0 means `epochs` decides.
    pub steps: usize,
    /// Passes over the training rows, when `steps` is 0.
    pub epochs: f64,
    /// Rows in one forward pass.
    pub batch_size: usize,
    /// Forward passes in one optimizer step; the effective batch is `batch_size * accumulation`.
    pub accumulation: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// How the learning rate moves after the warm-up.
    pub schedule: Schedule,
    /// Steps in which the learning rate rises from 0.
    pub warmup_steps: usize,
    /// AdamW.
    pub optimizer: AdamWConfig,
    /// Largest norm of the whole gradient; `None` leaves it as it is.
    pub clip_norm: Option<f64>,
    /// What the loss of a batch is.
    pub loss: LossReduction,
    /// Evaluate every so many steps; 0 means ten times in a run.
    pub eval_every: usize,
    /// Rows whose continuation is generated at each evaluation.
    pub sample_rows: usize,
    /// Longest sample, in tokens.
    pub sample_tokens: usize,
    /// Stop after so many evaluations without a better validation loss; `None` goes on to the end.
    pub patience: Option<usize>,
    /// Write a checkpoint to resume from every so many steps; 0 means at each evaluation.
    pub checkpoint_every: usize,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            steps: 0,
            epochs: 5.0,
            batch_size: 8,
            accumulation: 1,
            learning_rate: 5e-3,
            schedule: Schedule::Linear,
            warmup_steps: 0,
            optimizer: AdamWConfig::default(),
            clip_norm: Some(1.0),
            loss: LossReduction::TokenMean,
            eval_every: 0,
            sample_rows: 3,
            sample_tokens: 60,
            patience: None,
            checkpoint_every: 0,
        }
    }
}

/// AdamW's constants.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamWConfig {
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squares.
    pub beta2: f64,
    /// Added to the root of the mean of squares.
    pub epsilon: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

/// How the learning rate moves after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Straight down to 0 at the last step.
    Linear,
    /// Half a cosine down to 0 at the last step.
    Cosine,
    /// Stays.
    Constant,
}

/// What the loss of a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossReduction {
    /// Mean over the labelled tokens of the effective batch; PEFT's and the Trainer's.
    TokenMean,
    /// Sum over the tokens of a row, mean over rows: the paper's code; its 5e-5 belongs to it.
    SentenceSum,
}
