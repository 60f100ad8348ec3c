//! Weights of the model itself that are trained beside a prefix or a soft prompt, as a run asks for them.
//!
//! P-tuning trains its language model too on SuperGLUE: THUDM/P-tuning, PT-Fewshot, where the prompt's network and the
//! model have an optimizer each. Prefix-tuning's code calls it `bothtune`: XiangLi1999/PrefixTuning.

use serde::{Deserialize, Serialize};

use super::FullConfig;
use super::rules::{RATE, is_rate, refuse};
use crate::error::Result;
use crate::sentence;

/// Weights of the model itself beside a prefix or a soft prompt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WeightsConfig {
    /// Blocks whose weights are trained, from the top, with the last norm and a head of its own; `None` is all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_layers: Option<usize>,
    /// Of these those in modules of such names, as [`FullConfig::modules`] has them; `None` is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modules: Option<Vec<String>>,
    /// Their peak learning rate; `None` is `training.learning_rate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
}

impl WeightsConfig {
    /// The method that trains the same weights alone.
    pub fn full(&self) -> FullConfig {
        FullConfig { top_layers: self.top_layers, modules: self.modules.clone() }
    }

    pub(super) fn check(&self) -> Result<()> {
        refuse(&[
            (self.top_layers != Some(0), "weights.top_layers", sentence!("must be at least 1")),
            (self.learning_rate.is_none_or(is_rate), "weights.learning_rate", RATE),
        ])?;
        check_modules(self.modules.as_deref(), "weights.modules")
    }
}

/// Refuses lists of names that name nothing.
pub(super) fn check_modules(modules: Option<&[String]>, field: &'static str) -> Result<()> {
    let Some(names) = modules else { return Ok(()) };
    refuse(&[
        (!names.is_empty(), field, sentence!("the list is empty: leave the setting out for all")),
        (names.iter().all(|name| !name.is_empty()), field, sentence!("a name is empty")),
        (names.len() <= 10_000, field, sentence!("at most 10000 names")),
    ])
}
