//! What an adapter changes of a model's weights, by the names that adapters use.

use std::collections::BTreeMap;

use burn::tensor::Tensor;

use crate::error::{EngineError, Result};
use crate::nn::LowRank;

/// Changed weights. A model built with them computes with them; what they do not name is shared with the base model.
#[derive(Clone, Debug, Default)]
pub struct Tuned {
    /// In place of the model's own: shape, and numbers flat. Tracked or not.
    pub replaced: BTreeMap<String, (Vec<usize>, Tensor<1>)>,
    /// Added to linear layers, by the name of the module. Tracked or not.
    pub low_rank: BTreeMap<String, LowRank>,
}

impl Tuned {
    /// Whether the base model is left as it is.
    pub fn is_empty(&self) -> bool {
        self.replaced.is_empty() && self.low_rank.is_empty()
    }

    /// The same numbers, without the graph they belong to.
    pub fn untracked(&self) -> Self {
        let replaced = |(name, (shape, values)): (&String, &(Vec<usize>, Tensor<1>))| {
            (name.clone(), (shape.clone(), values.clone().inner()))
        };
        let low_rank = |(name, part): (&String, &LowRank)| {
            let LowRank { a, b, dropout } = part.clone();
            (name.clone(), LowRank { a: a.inner(), b: b.inner(), dropout })
        };
        Self {
            replaced: self.replaced.iter().map(replaced).collect(),
            low_rank: self.low_rank.iter().map(low_rank).collect(),
        }
    }

    /// What is left of it at a strength: the low ranks scaled; other weights are there or are not.
    ///
    /// # Errors
    /// [`EngineError::Setting`] for other weights at a strength between.
    pub fn at_strength(&self, strength: f64) -> Result<Self> {
        if strength == 0.0 {
            return Ok(Self::default());
        }
        if strength != 1.0 && !self.replaced.is_empty() {
            let reason = "trained weights of the model itself are there (1) or are not (0)".to_owned();
            return Err(EngineError::Setting { field: "strength", reason });
        }
        let scaled = |(name, part): (&String, &LowRank)| {
            (name.clone(), LowRank { b: part.b.clone() * strength, ..part.clone() })
        };
        let low_rank = match strength {
            1.0 => self.low_rank.clone(),
            _ => self.low_rank.iter().map(scaled).collect(),
        };
        Ok(Self { replaced: self.replaced.clone(), low_rank })
    }

    /// Whether a weight is not the model's own.
    pub(super) fn replaces(&self, name: &str) -> bool {
        self.replaced.contains_key(name)
    }

    /// What stands in place of a weight.
    ///
    /// # Errors
    /// [`EngineError::WeightShape`].
    pub(super) fn replacement<const D: usize>(&self, name: &str, shape: [usize; D]) -> Result<Option<Tensor<D>>> {
        let Some((found, values)) = self.replaced.get(name) else { return Ok(None) };
        if *found != shape {
            let (expected, found) = (shape.to_vec(), found.clone());
            return Err(EngineError::WeightShape { name: name.to_owned(), expected, found });
        }
        Ok(Some(values.clone().reshape(shape)))
    }
}
