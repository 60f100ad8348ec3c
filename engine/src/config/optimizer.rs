//! The rules by which a gradient changes parameters, as data.

use serde::{Deserialize, Deserializer, Serialize};

use super::rules::{POSITIVE, SHARE, refuse};
use super::tagged::tagged;
use crate::error::Result;
use crate::sentence;

/// The update rule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum OptimizerConfig {
    /// Loshchilov & Hutter 2019: weight decay beside the gradient; as `torch.optim.AdamW`.
    #[serde(rename = "adamw")]
    AdamW(AdamConfig),
    /// Kingma & Ba 2015: weight decay inside the gradient; as `torch.optim.Adam`.
    Adam(AdamConfig),
    /// Shazeer & Stern 2018: squares kept as rows and columns; as transformers' with `relative_step=False`.
    Adafactor(AdafactorConfig),
    /// Stochastic gradient descent; as `torch.optim.SGD`.
    Sgd(SgdConfig),
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self::AdamW(AdamConfig::default())
    }
}

/// The constants of Adam and AdamW.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamConfig {
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squares.
    pub beta2: f64,
    /// Added to the root of the mean of squares.
    pub epsilon: f64,
    /// AdamW: the parameter shrinks by this times the rate. Adam: this times the parameter joins the gradient.
    pub weight_decay: f64,
}

impl AdamConfig {
    /// The usual constants.
    pub const USUAL: Self = Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 };
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self::USUAL
    }
}

/// Adafactor's constants.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdafactorConfig {
    /// Below 0: step t counts `t^decay_rate` in the mean of squares.
    pub decay_rate: f64,
    /// Added to squared gradients.
    pub epsilon: f64,
    /// The least scale of a parameter, where the rate is scaled.
    pub epsilon_scale: f64,
    /// An update with a larger root mean square is shortened to it.
    pub clip_threshold: f64,
    /// Decay of the mean of updates; `None` keeps no mean.
    pub beta1: Option<f64>,
    /// The parameter shrinks by this times the rate.
    pub weight_decay: f64,
    /// Multiplies the rate by the root mean square of the parameter.
    pub scale_parameter: bool,
}

impl AdafactorConfig {
    /// The usual constants, with the rate as it is.
    pub const USUAL: Self = Self {
        decay_rate: -0.8,
        epsilon: 1e-30,
        epsilon_scale: 1e-3,
        clip_threshold: 1.0,
        beta1: None,
        weight_decay: 0.0,
        scale_parameter: false,
    };
}

impl Default for AdafactorConfig {
    fn default() -> Self {
        Self::USUAL
    }
}

/// The constants of stochastic gradient descent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SgdConfig {
    /// Share of the last update's direction that is kept.
    pub momentum: f64,
    /// Looks ahead along the momentum.
    pub nesterov: bool,
    /// This times the parameter joins the gradient.
    pub weight_decay: f64,
}

impl OptimizerConfig {
    /// As configurations name it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::AdamW(_) => "adamw",
            Self::Adam(_) => "adam",
            Self::Adafactor(_) => "adafactor",
            Self::Sgd(_) => "sgd",
        }
    }

    /// Numbers of optimizer state for each number of a matrix; rows and columns are few.
    pub fn memory_per_parameter(&self) -> usize {
        match self {
            Self::AdamW(_) | Self::Adam(_) => 2,
            Self::Adafactor(adafactor) => usize::from(adafactor.beta1.is_some()),
            Self::Sgd(sgd) => usize::from(sgd.momentum > 0.0),
        }
    }

    /// The weight decay.
    pub fn weight_decay(&self) -> f64 {
        match self {
            Self::AdamW(adam) | Self::Adam(adam) => adam.weight_decay,
            Self::Adafactor(adafactor) => adafactor.weight_decay,
            Self::Sgd(sgd) => sgd.weight_decay,
        }
    }

    /// The same, to be changed.
    pub fn weight_decay_mut(&mut self) -> &mut f64 {
        match self {
            Self::AdamW(adam) | Self::Adam(adam) => &mut adam.weight_decay,
            Self::Adafactor(adafactor) => &mut adafactor.weight_decay,
            Self::Sgd(sgd) => &mut sgd.weight_decay,
        }
    }

    /// The same for what is not shrunk.
    #[must_use]
    pub fn without_decay(mut self) -> Self {
        *self.weight_decay_mut() = 0.0;
        self
    }

    /// All of them, with their usual constants.
    pub fn all() -> [Self; 4] {
        [
            Self::AdamW(AdamConfig::USUAL),
            Self::Adam(AdamConfig::USUAL),
            Self::Adafactor(AdafactorConfig::USUAL),
            Self::Sgd(SgdConfig::default()),
        ]
    }

    pub(super) fn check(&self) -> Result<()> {
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let share = |x: f64| (0.0..1.0).contains(&x);
        let decay = (0.0..=10.0).contains(&self.weight_decay());
        refuse(&[(decay, "training.optimizer.weight_decay", sentence!("must be between 0 and 10"))])?;
        match self {
            Self::AdamW(adam) | Self::Adam(adam) => refuse(&[
                (share(adam.beta1), "training.optimizer.beta1", SHARE),
                (share(adam.beta2), "training.optimizer.beta2", SHARE),
                (positive(adam.epsilon), "training.optimizer.epsilon", POSITIVE),
            ]),
            Self::Adafactor(adafactor) => refuse(&[
                (
                    (-10.0..=0.0).contains(&adafactor.decay_rate),
                    "training.optimizer.decay_rate",
                    sentence!("must be between -10 and 0"),
                ),
                // Below, it is 0 as a 32-bit number, and parameters without a gradient are divided by 0.
                (
                    positive(adafactor.epsilon) && adafactor.epsilon >= 1e-37,
                    "training.optimizer.epsilon",
                    sentence!("must be a finite number of at least 1e-37"),
                ),
                (positive(adafactor.epsilon_scale), "training.optimizer.epsilon_scale", POSITIVE),
                (positive(adafactor.clip_threshold), "training.optimizer.clip_threshold", POSITIVE),
                (adafactor.beta1.is_none_or(share), "training.optimizer.beta1", SHARE),
            ]),
            Self::Sgd(sgd) => refuse(&[
                (share(sgd.momentum), "training.optimizer.momentum", SHARE),
                (!sgd.nesterov || sgd.momentum > 0.0, "training.optimizer.nesterov", sentence!("it needs a momentum")),
            ]),
        }
    }
}

/// Run folders from when there was one optimizer do not say which.
pub(super) fn adamw_unless_named<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OptimizerConfig, D::Error> {
    tagged(deserializer, "adamw")
}
