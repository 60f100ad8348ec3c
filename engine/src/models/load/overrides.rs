//! An adapter's changes to a model's weights, by the names that adapters use.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::config::Strength;
use crate::error::{EngineError, Result};
use crate::nn::LowRank;
use crate::sentence;

/// Changed weights. A model built with them computes with them; what they do not name is shared with the base model.
#[derive(Clone, Debug, Default)]
pub struct WeightOverrides {
    /// In place of the model's own: shape, and numbers flat. Tracked or not.
    pub replaced: BTreeMap<String, (Vec<usize>, Tensor<1>)>,
    /// Added to linear layers, embeddings and heads, by the name of the module. Tracked or not.
    pub low_rank: BTreeMap<String, LowRank>,
    /// In place of single rows of a table of embeddings, by the name of its weight. A tied head has them too.
    pub rows: BTreeMap<String, Rows>,
    /// Whether a head that is tied to the embeddings keeps the base model's numbers where those have others: PEFT trains a
    /// copy of a module.
    pub head_apart: bool,
    /// Weights of which there are shapes alone: nothing is computed with them.
    pub absent: BTreeSet<String>,
}

/// Rows of a table for single tokens.
#[derive(Clone, Debug)]
pub struct Rows {
    /// Ids of the tokens; each once.
    pub tokens: Vec<u32>,
    /// `[tokens, width]`, tracked or not.
    pub values: Tensor<2>,
}

impl Rows {
    /// A table with these rows in place of its own; `name` is what adapters call it.
    ///
    /// # Errors
    /// [`EngineError::AdapterMismatch`] for a token that it does not have, or another width.
    pub(crate) fn in_place(&self, table: Tensor<2>, name: &str) -> Result<Tensor<2>> {
        let ([tokens, width], [_, own]) = (table.dims(), self.values.dims());
        if let Some(token) = self.tokens.iter().find(|&&token| token as usize >= tokens) {
            let reason = sentence!(
                "it has a row of {name} for token {token}, and the model has {tokens} tokens",
                name,
                token,
                tokens
            );
            return Err(EngineError::AdapterMismatch { reason });
        }
        if own != width {
            let reason = sentence!("its rows of {name} are {own} numbers wide, the model's {width}", name, own, width);
            return Err(EngineError::AdapterMismatch { reason });
        }
        let mut from: Vec<i64> = (0..tokens as i64).collect();
        for (row, token) in (tokens as i64..).zip(&self.tokens) {
            from[*token as usize] = row;
        }
        let from = Tensor::<1, Int>::from_data(TensorData::new(from, [tokens]), &table.device());
        Ok(Tensor::cat(vec![table, self.values.clone()], 0).select(0, from))
    }
}

impl WeightOverrides {
    /// Whether the base model is left as it is.
    pub fn is_empty(&self) -> bool {
        self.replaced.is_empty() && self.low_rank.is_empty() && self.rows.is_empty() && self.absent.is_empty()
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
        let rows = |(name, rows): (&String, &Rows)| {
            (name.clone(), Rows { tokens: rows.tokens.clone(), values: rows.values.clone().inner() })
        };
        Self {
            replaced: self.replaced.iter().map(replaced).collect(),
            low_rank: self.low_rank.iter().map(low_rank).collect(),
            rows: self.rows.iter().map(rows).collect(),
            head_apart: self.head_apart,
            absent: self.absent.clone(),
        }
    }

    /// The overrides at a strength: the low ranks scaled; other weights are there or are not. Beside a prompt, which has the
    /// strength, they are there whole at any but 0.
    ///
    /// # Errors
    /// [`EngineError::Setting`] for other weights alone at a strength between.
    pub fn at_strength(&self, strength: &Strength, beside_prompt: bool) -> Result<Self> {
        if strength.is_none() {
            return Ok(Self::default());
        }
        let has_others = !(self.replaced.is_empty() && self.rows.is_empty());
        if has_others && !beside_prompt && !strength.is_there_or_not() {
            let reason = sentence!("trained weights of the model itself are there (1) or are not (0)");
            return Err(EngineError::Setting { field: "strength", reason });
        }
        let scaled = |(name, part): (&String, &LowRank)| {
            let part = match strength.of_module(name) {
                0.0 => return None,
                1.0 => part.clone(),
                between => LowRank { b: part.b.clone() * between, ..part.clone() },
            };
            Some((name.clone(), part))
        };
        let mut found = Self { low_rank: self.low_rank.iter().filter_map(scaled).collect(), ..self.clone() };
        if !beside_prompt {
            found.replaced.retain(|name, _| strength.of_module(name) != 0.0);
            found.rows.retain(|name, _| strength.of_module(name) != 0.0);
        }
        Ok(found)
    }

    /// Whether a weight is not the model's own.
    pub(crate) fn replaces(&self, name: &str) -> bool {
        self.replaced.contains_key(name) || self.absent.contains(name)
    }

    /// The tensor in place of a weight, if there is one.
    ///
    /// # Errors
    /// [`EngineError::WeightShape`].
    pub(crate) fn replacement<const D: usize>(
        &self,
        name: &str,
        shape: [usize; D],
        device: &Device,
    ) -> Result<Option<Tensor<D>>> {
        if self.absent.contains(name) {
            // One number is in memory.
            return Ok(Some(Tensor::<D>::zeros([1; D], device).expand(shape)));
        }
        let Some((found, values)) = self.replaced.get(name) else { return Ok(None) };
        if *found != shape {
            let (expected, found) = (shape.to_vec(), found.clone());
            return Err(EngineError::WeightShape { name: name.to_owned(), expected, found });
        }
        Ok(Some(values.clone().reshape(shape)))
    }
}
