//! What varies of a new run: lists that stand in fields of numbers, several of its choices, and which of the combinations are
//! trained. A form with any of these is an experiment.

mod axes;
pub mod cost;
pub(super) mod field;
mod names;
mod plan;
pub(super) mod several;
pub(super) mod strategy;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::plan::{Known, MOST_RUNS, Variation};
use super::form::InitKind;
use super::tuning::MethodKind;

/// Lists that are typed into fields, by the paths of their settings.
pub type Lists = BTreeMap<String, String>;

/// What varies, as it is typed and chosen. What another choice has no use for stays, as everything else in the form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Vary {
    /// Lists in fields of numbers.
    pub lists: Lists,
    /// Methods beside the one that holds.
    pub methods: Vec<MethodKind>,
    /// Initial values beside those that hold.
    pub inits: Vec<InitKind>,
    /// Models beside the one that is named.
    pub models: Vec<String>,
    /// Rows beside those that are named.
    pub datasets: Vec<OtherRows>,
    /// Which of the combinations are trained, and how far.
    pub strategy: StrategyForm,
}

/// Rows of another dataset.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OtherRows {
    /// Those that train.
    pub train: String,
    /// Those that validate; a share of the others where there are none.
    pub validation: Option<String>,
}

/// Which combinations are trained, as it is typed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StrategyForm {
    /// Which of them.
    pub kind: StrategyKind,
    /// Combinations that are drawn; 0 is all of them where runs are left behind.
    pub runs: usize,
    /// Of so many runs one goes on.
    pub factor: usize,
    /// Steps before the first runs are left behind.
    pub first_steps: usize,
}

impl Default for StrategyForm {
    fn default() -> Self {
        Self { kind: StrategyKind::All, runs: 10, factor: 3, first_steps: 100 }
    }
}

/// Kinds of choice among the combinations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StrategyKind {
    /// Every one.
    #[default]
    All,
    /// Some that are drawn.
    Random,
    /// All begin, the best part goes on.
    Halving,
}

#[cfg(test)]
mod tests;
