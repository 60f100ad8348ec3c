//! Training settings: batches, steps, rates, evaluation.

use serde::{Deserialize, Serialize};

use super::candidates::CandidateLoss;
use super::distillation::DistillationConfig;
use super::optimizer::{OptimizerConfig, adamw_unless_named};
use super::rules::{MAX_TOKENS, POSITIVE, RATE, ROWS, is_rate, refuse};
use super::schedule::{Schedule, linear_unless_named};
use crate::error::Result;
use crate::sentence;

/// Rows that one step holds in memory.
pub(crate) const MAX_ROWS_OF_A_STEP: usize = 1 << 20;
const MAX_STEPS: usize = 1_000_000_000;

/// Training settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Optimizer steps; 0 means `epochs` decides.
    pub steps: usize,
    /// Passes over the training rows, when `steps` is 0.
    pub epochs: f64,
    /// Rows in one forward pass.
    pub batch_size: usize,
    /// Rows of similar length stand in a batch together, so that little of it is padding; else those that the order of an
    /// epoch has side by side, as in the Trainer. In runs from before this could be said they were grouped.
    #[serde(skip_serializing_if = "is_true")]
    pub group_by_length: bool,
    /// Short rows of a batch stand behind each other in one line, each by itself: the same rows in each step and the same
    /// loss, of fewer tokens.
    #[serde(skip_serializing_if = "is_false")]
    pub packing: bool,
    /// Forward passes in one optimizer step; the effective batch is `batch_size * accumulation`.
    #[serde(alias = "accumulation")]
    pub gradient_accumulation: usize,
    /// Blocks are run again in the backward pass: the same gradients, in less memory and more time.
    pub gradient_checkpointing: bool,
    /// The base model drops as it was trained: at the rates of its configuration, as in transformers' train mode, which
    /// PEFT trains in. In runs from before this could be said nothing was dropped.
    #[serde(skip_serializing_if = "is_false")]
    pub base_dropout: bool,
    /// Rows of an epoch's last step, where the forward passes of an epoch are no multiple of `accumulation`. Runs
    /// from before this could be said reached into the next epoch.
    #[serde(default = "EpochEnd::before")]
    pub epoch_end: EpochEnd,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Peak learning rate of the head of a task with classes; `None` is `learning_rate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_learning_rate: Option<f64>,
    /// Steps in which the learning rate rises from 0.
    pub warmup_steps: usize,
    /// The same as a share of all steps, rounded up; at most one of the two is more than 0.
    #[serde(alias = "warmup_share")]
    pub warmup_ratio: f64,
    /// Learning rate after the warm-up.
    #[serde(deserialize_with = "linear_unless_named")]
    pub schedule: Schedule,
    /// The update rule.
    #[serde(deserialize_with = "adamw_unless_named")]
    pub optimizer: OptimizerConfig,
    /// Parameters that weight decay shrinks. In runs from before this could be said it shrank everything.
    #[serde(default = "WeightDecayOn::before")]
    pub weight_decay_on: WeightDecayOn,
    /// Largest norm of the whole gradient; `None` leaves it as it is.
    #[serde(alias = "clip_norm")]
    pub max_grad_norm: Option<f64>,
    /// Loss of a batch.
    pub loss: LossReduction,
    /// What is learned of a row with candidates.
    #[serde(skip_serializing_if = "CandidateLoss::is_right")]
    pub candidate_loss: CandidateLoss,
    /// A teacher whose distributions are learned in place of the targets of rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distillation: Option<DistillationConfig>,
    /// Evaluate every so many steps; 0 means ten times in a run.
    pub eval_every: usize,
    /// Rows whose continuation is generated at each evaluation.
    pub sample_rows: usize,
    /// Longest sample, in tokens.
    pub sample_tokens: usize,
    /// Stop after so many evaluations without a better validation figure; `None` goes on to the end.
    pub patience: Option<usize>,
    /// The figure that says which evaluation is the best (transformers: `metric_for_best_model`).
    pub best_metric: String,
    /// Validation rows whose texts are generated at each evaluation, where that figure is one of texts.
    pub metric_rows: usize,
    /// Write a checkpoint to resume from every so many steps; 0 means at each evaluation.
    #[serde(alias = "checkpoint_every")]
    pub save_every: usize,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            steps: 0,
            epochs: 5.0,
            batch_size: 8,
            group_by_length: true,
            packing: false,
            gradient_accumulation: 1,
            gradient_checkpointing: false,
            base_dropout: false,
            epoch_end: EpochEnd::SmallerStep,
            learning_rate: 5e-3,
            head_learning_rate: None,
            warmup_steps: 0,
            warmup_ratio: 0.0,
            schedule: Schedule::Linear,
            optimizer: OptimizerConfig::default(),
            weight_decay_on: WeightDecayOn::Matrices,
            max_grad_norm: Some(1.0),
            loss: LossReduction::TokenMean,
            candidate_loss: CandidateLoss::Right,
            distillation: None,
            eval_every: 0,
            sample_rows: 3,
            sample_tokens: 60,
            patience: None,
            best_metric: "loss".to_owned(),
            metric_rows: 100,
            save_every: 0,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_true(flag: &bool) -> bool {
    *flag
}

impl TrainingConfig {
    /// Steps of the warm-up in a run of so many.
    pub fn warmup(&self, total: usize) -> usize {
        if self.warmup_steps > 0 { self.warmup_steps } else { (self.warmup_ratio * total as f64).ceil() as usize }
    }

    /// Steps from one evaluation to the next in a run of so many.
    pub fn steps_between_evaluations(&self, total: usize) -> usize {
        if self.eval_every > 0 { self.eval_every } else { total.div_ceil(10).max(1) }
    }

    /// Evaluations of a run of so many steps: before the first, and at the last.
    pub fn evaluations(&self, total: usize) -> usize {
        1 + total.div_ceil(self.steps_between_evaluations(total))
    }

    /// Refuses settings that cannot work, by name and with the reason.
    ///
    /// # Errors
    /// [`EngineError::Setting`](crate::error::EngineError::Setting) for the first field that is wrong.
    pub fn check(&self) -> Result<()> {
        let positive = |x: f64| x.is_finite() && x > 0.0;
        refuse(&[
            (ROWS.contains(&self.batch_size), "training.batch_size", sentence!("must be between 1 and 65536")),
            (
                ROWS.contains(&self.gradient_accumulation),
                "training.gradient_accumulation",
                sentence!("must be between 1 and 65536"),
            ),
            (
                self.batch_size.saturating_mul(self.gradient_accumulation) <= MAX_ROWS_OF_A_STEP,
                "training.gradient_accumulation",
                sentence!("batch size times accumulation must be at most 1048576 rows"),
            ),
            (self.steps <= MAX_STEPS, "training.steps", sentence!("must be at most 1000000000")),
            (self.warmup_steps <= MAX_STEPS, "training.warmup_steps", sentence!("must be at most 1000000000")),
            (self.sample_rows <= 10_000, "training.sample_rows", sentence!("must be at most 10000")),
            (self.sample_tokens <= MAX_TOKENS, "training.sample_tokens", sentence!("must be at most 1048576")),
            (is_rate(self.learning_rate), "training.learning_rate", RATE),
            (self.head_learning_rate.is_none_or(is_rate), "training.head_learning_rate", RATE),
            (self.steps > 0 || positive(self.epochs), "training.epochs", POSITIVE),
            (self.epochs <= 1e6, "training.epochs", sentence!("must be at most 1000000")),
            (self.max_grad_norm.is_none_or(positive), "training.max_grad_norm", POSITIVE),
            (
                (1..=1_000_000).contains(&self.metric_rows),
                "training.metric_rows",
                sentence!("must be between 1 and 1000000"),
            ),
            (self.patience != Some(0), "training.patience", sentence!("must be at least 1")),
            ((0.0..=1.0).contains(&self.warmup_ratio), "training.warmup_ratio", sentence!("must be between 0 and 1")),
            (
                self.warmup_steps == 0 || self.warmup_ratio <= 0.0,
                "training.warmup_ratio",
                sentence!("the warm-up is given in steps already; set one of the two to 0"),
            ),
        ])?;
        self.distillation.as_ref().map_or(Ok(()), DistillationConfig::check)?;
        self.schedule.check(self.learning_rate)?;
        self.optimizer.check()
    }
}

/// Rows of an epoch's last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EpochEnd {
    /// The rows that are left: a step of fewer forward passes, as in the Trainer.
    SmallerStep,
    /// As many rows as any other step, the missing ones from the next epoch.
    NextEpoch,
}

impl EpochEnd {
    fn before() -> Self {
        Self::NextEpoch
    }
}

/// Parameters that weight decay shrinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightDecayOn {
    /// Matrices and tables: biases and norms are left out, as in the Trainer.
    Matrices,
    /// Every parameter.
    All,
}

impl WeightDecayOn {
    fn before() -> Self {
        Self::All
    }

    /// Whether a parameter of this name and shape is shrunk. The Trainer leaves out what has "bias" in its name, T5's
    /// distances among them, and the norms by their layers; here a norm is what has a single axis.
    /// huggingface/transformers: src/transformers/trainer.py (`get_decay_parameter_names`).
    pub fn shrinks(self, name: &str, shape: &[usize]) -> bool {
        self == Self::All || (shape.len() > 1 && !name.contains("bias"))
    }
}

/// Loss of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossReduction {
    /// Mean over the labeled tokens of the effective batch; PEFT's and the Trainer's.
    TokenMean,
    /// Sum over the tokens of a row, mean over rows: the paper's code; its 5e-5 belongs to it.
    SentenceSum,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AdafactorConfig, AdamConfig, SgdConfig};
    use crate::error::EngineError;

    #[test]
    fn what_would_be_held_in_memory_has_an_upper_limit() {
        let refused = |change: fn(&mut TrainingConfig)| {
            let mut config = TrainingConfig::default();
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert!(refused(|t| t.gradient_accumulation = 100_000_000).contains("training.gradient_accumulation"));
        assert!(refused(|t| t.gradient_accumulation = usize::MAX).contains("training.gradient_accumulation"));
        assert!(refused(|t| t.batch_size = usize::MAX).contains("training.batch_size"));
        assert!(refused(|t| (t.batch_size, t.gradient_accumulation) = (65_536, 65_536)).contains("1048576 rows"));
        assert!(refused(|t| t.steps = usize::MAX).contains("training.steps"));
        assert!(refused(|t| t.epochs = 1e300).contains("training.epochs"));
        assert!(refused(|t| t.sample_tokens = usize::MAX).contains("training.sample_tokens"));
    }

    fn read(text: &str) -> TrainingConfig {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn configurations_from_when_there_was_one_optimizer_still_read() {
        let old =
            read(r#"{"schedule": "cosine", "optimizer": {"beta2": 0.98, "weight_decay": 0.1}, "warmup_steps": 3}"#);
        let adam = AdamConfig { beta2: 0.98, weight_decay: 0.1, ..AdamConfig::USUAL };
        assert_eq!((old.optimizer, old.schedule), (OptimizerConfig::AdamW(adam), Schedule::Cosine));
        assert_eq!(old.warmup(100), 3);
        assert_eq!(
            read("{}"),
            TrainingConfig {
                epoch_end: EpochEnd::NextEpoch,
                weight_decay_on: WeightDecayOn::All,
                ..TrainingConfig::default()
            },
            "what a run folder does not say is what was computed then"
        );
    }

    #[test]
    fn every_optimizer_and_schedule_reads_back_what_it_writes() {
        let optimizers = [
            OptimizerConfig::AdamW(AdamConfig { beta1: 0.5, ..AdamConfig::USUAL }),
            OptimizerConfig::Adam(AdamConfig::USUAL),
            OptimizerConfig::Adafactor(AdafactorConfig { beta1: Some(0.9), ..AdafactorConfig::USUAL }),
            OptimizerConfig::Sgd(SgdConfig { momentum: 0.9, nesterov: true, weight_decay: 0.1 }),
        ];
        for (optimizer, schedule) in optimizers.iter().cycle().zip(Schedule::all()) {
            let config = TrainingConfig { optimizer: *optimizer, schedule, ..TrainingConfig::default() };
            let text = serde_json::to_string(&config).unwrap();
            assert!(text.contains(optimizer.name()) && text.contains(schedule.name()), "{text}");
            assert_eq!(read(&text), config);
            config.check().unwrap();
        }
        assert_eq!(read(r#"{"schedule": "inverse_sqrt"}"#).schedule, Schedule::InverseSqrt { timescale: None });
    }

    #[test]
    fn weight_decay_leaves_out_what_the_trainer_leaves_out() {
        // Names of peft's prompt encoder, of LoRA, of heads, of GPT-2's and T5's layers, and what
        // `Trainer.get_decay_parameter_names` says of them.
        let cases: [(&str, &[usize], bool); 11] = [
            ("embedding.weight", &[4, 8], true),
            ("transform.0.weight", &[8, 8], true),
            ("transform.0.bias", &[8], false),
            ("lstm_head.weight_ih_l0", &[32, 8], true),
            ("lstm_head.bias_ih_l0", &[32], false),
            ("h.0.attn.c_attn.lora_A.weight", &[2, 8], true),
            ("score.weight", &[2, 8], true),
            ("classifier.bias", &[2], false),
            ("transformer.h.0.ln_1.weight", &[8], false),
            ("encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", &[32, 2], false),
            ("encoder.final_layer_norm.weight", &[8], false),
        ];
        for (name, shape, decays) in cases {
            assert_eq!(WeightDecayOn::Matrices.shrinks(name, shape), decays, "{name}");
            assert!(WeightDecayOn::All.shrinks(name, shape));
        }
    }

    #[test]
    fn a_constant_of_another_optimizer_is_refused_by_name() {
        for (text, word) in [
            (r#"{"optimizer": {"type": "sgd", "beta1": 0.9}}"#, "beta1"),
            (r#"{"optimizer": {"momentum": 0.9}}"#, "momentum"),
            (r#"{"optimizer": {"type": "lion"}}"#, "lion"),
            (r#"{"schedule": {"type": "polynomial", "cycles": 2}}"#, "cycles"),
            // A type without settings has none either.
            (r#"{"schedule": {"type": "linear", "cycles": 2}}"#, "cycles"),
            (r#"{"schedule": {"cycles": 2}}"#, "cycles"),
        ] {
            let error = serde_json::from_str::<TrainingConfig>(text).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn what_cannot_work_is_named() {
        let refused = |change: fn(&mut TrainingConfig)| {
            let mut config = TrainingConfig::default();
            change(&mut config);
            match config.check() {
                Err(EngineError::Setting { field, .. }) => field,
                other => panic!("{other:?}"),
            }
        };
        let both = |t: &mut TrainingConfig| (t.warmup_steps, t.warmup_ratio) = (5, 0.1);
        assert_eq!(refused(both), "training.warmup_ratio");
        let end = |t: &mut TrainingConfig| t.schedule = Schedule::Polynomial { power: 1.0, end_rate: 0.1 };
        assert_eq!(refused(end), "training.schedule.end_rate");
        let beta = |t: &mut TrainingConfig| {
            t.optimizer = OptimizerConfig::Adam(AdamConfig { beta2: 1.0, ..AdamConfig::USUAL });
        };
        assert_eq!(refused(beta), "training.optimizer.beta2");
        let nesterov = |t: &mut TrainingConfig| {
            t.optimizer = OptimizerConfig::Sgd(SgdConfig { nesterov: true, ..SgdConfig::default() })
        };
        assert_eq!(refused(nesterov), "training.optimizer.nesterov");
        let decay = |t: &mut TrainingConfig| {
            t.optimizer = OptimizerConfig::Adafactor(AdafactorConfig { decay_rate: 0.8, ..AdafactorConfig::USUAL });
        };
        assert_eq!(refused(decay), "training.optimizer.decay_rate");
    }

    #[test]
    fn a_limit_is_said_as_it_is() {
        for (rate, ok) in [(999.0, true), (1000.0, false), (0.0, false), (f64::INFINITY, false)] {
            let config = TrainingConfig { learning_rate: rate, ..TrainingConfig::default() };
            match config.check() {
                Ok(()) => assert!(ok, "{rate}"),
                Err(error) => assert!(!ok && error.to_string().contains("above 0 and below 1,000"), "{error}"),
            }
        }
    }

    #[test]
    fn a_share_of_the_steps_is_rounded_up_as_the_trainer_does() {
        let config = TrainingConfig { warmup_ratio: 0.06, ..TrainingConfig::default() };
        assert_eq!(config.warmup(101), 7);
        assert_eq!(TrainingConfig::default().warmup(101), 0);
    }
}
