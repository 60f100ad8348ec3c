//! An experiment: a run and what varies of it, as data. Which runs come of it, in which order, and how far each goes before
//! it is held against the others. Nothing is computed here.

mod axis;
mod combine;
mod draw;
mod first;
mod halving;
mod names;
mod range;
mod typed;
mod value;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Result;
use crate::{Sentence, sentence};

/// A run and what varies of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// Name for people.
    pub name: String,
    /// What is said of every run: a tree of settings by today's names, with absolute paths. What it leaves out has its
    /// default, which may follow the method of a run.
    pub base: Value,
    /// Crossed with each other.
    pub axes: Vec<Axis>,
    /// Which of the combinations are trained, and how far.
    #[serde(default)]
    pub strategy: Strategy,
    /// A run that is trained before all others, as settings over the base: others may begin with its adapter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Value>,
}

/// Settings that vary together: one, or several that are paired.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// Dotted paths.
    pub keys: Vec<String>,
    /// Points on the axis, each with a value for every key.
    pub points: Vec<Vec<Value>>,
}

/// Which combinations are trained, and how far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Strategy {
    /// All of them, to the end.
    #[default]
    Grid,
    /// Some, drawn from a seed, to the end.
    Random {
        /// How many.
        runs: usize,
        /// Decides which.
        #[serde(default)]
        seed: u64,
    },
    /// Successive halving (Jamieson and Talwalkar 2016): all go some steps, the best part of them goes on. A run that goes on
    /// is resumed, so that nothing is trained twice.
    Halving {
        /// Of so many one goes on.
        #[serde(default = "Strategy::default_factor")]
        factor: usize,
        /// Steps before the first are left behind.
        first_steps: usize,
        /// How many begin; all combinations where it is left out.
        #[serde(default)]
        runs: Option<usize>,
        /// Decides which.
        #[serde(default)]
        seed: u64,
    },
}

/// A run of an experiment, before it has an id.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// What differs, in a few words: `n_virtual 5, seed 2`.
    pub name: String,
    /// What varies, with this run's values; in the order of the axes.
    pub values: Vec<(String, Value)>,
    /// The base with them: still to be completed by defaults.
    pub settings: Value,
}

/// The runs of an experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Combined {
    /// In the order in which they are trained.
    pub members: Vec<Member>,
    /// Combinations that mean the same as one of them, and so are none of their own.
    pub merged: usize,
}

impl Combined {
    /// One sentence on combinations that mean the same, if there are some.
    pub fn sentence(&self) -> Option<Sentence> {
        let (merged, runs) = (self.merged, self.members.len());
        (merged > 0).then(|| {
            sentence!(
                "{merged} {merged:combination means|combinations mean} the same as others: {runs} {runs:run|runs} in all",
                merged,
                runs
            )
        })
    }
}

impl Experiment {
    /// Its runs in the order in which they are trained; the same each time.
    ///
    /// # Errors
    /// [`EngineError::Setting`](crate::error::EngineError::Setting) names the setting that is unknown or cannot have a value.
    pub fn members(&self) -> Result<Vec<Member>> {
        self.combined().map(|combined| combined.members)
    }

    /// The same, with the number of combinations that fell together.
    ///
    /// # Errors
    /// As [`members`](Self::members).
    pub fn combined(&self) -> Result<Combined> {
        let mut combined = combine::combined(self)?;
        if let Some(over) = &self.first {
            combined.members.insert(0, first::member(&self.base, over)?);
        }
        Ok(combined)
    }
}

impl Strategy {
    fn default_factor() -> usize {
        3
    }

    /// Steps after which runs are held against each other, each with the number of runs that go on from there; empty
    /// where all go to their end. Steps are multiples of `eval_every`, so that the evaluations are those of a run that
    /// was never stopped.
    pub fn rungs(&self, runs: usize, total_steps: usize, eval_every: usize) -> Vec<(usize, usize)> {
        match *self {
            Self::Grid | Self::Random { .. } => Vec::new(),
            Self::Halving { factor, first_steps, .. } => {
                halving::rungs((factor, first_steps), runs, total_steps, eval_every)
            }
        }
    }
}

/// The axes of a table of settings whose values are lists or ranges: `{"method": {"n_virtual": [1, 5]}}`,
/// `{"training": {"learning_rate": {"from": 1e-4, "to": 1e-2, "steps": 5, "scale": "log"}}}`. A list of tables under
/// `together` pairs settings, a list of such lists is several axes.
///
/// # Errors
/// [`EngineError::Setting`](crate::error::EngineError::Setting) names what is no setting, no list and no range.
pub fn axes(vary: &Value) -> Result<Vec<Axis>> {
    axis::axes(&Value::Null, vary)
}

/// The same beside what is said of every run, whose method decides what names of other programs mean.
///
/// # Errors
/// As [`axes`].
pub fn axes_beside(base: &Value, vary: &Value) -> Result<Vec<Axis>> {
    axis::axes(base, vary)
}

/// The axis of what is typed into one field: `5, 10, 20`, `1e-4 .. 1e-2 / 5 log`; `None` for a single value.
///
/// # Errors
/// [`EngineError::Setting`](crate::error::EngineError::Setting) says which part of it is no value.
pub fn typed(key: &str, text: &str) -> Result<Option<Axis>> {
    typed::typed(key, text)
}
