//! How much of its attention each head pays to each slot of a prefix, over the tokens of some rows.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::question::Analysis;
use super::subject::{Investigation, Subject};
use super::to_host;
use crate::error::{EngineError, Result};
use crate::models::{HookName, HookPoint, Hooks};
use crate::sentence;

/// Rows in one forward pass.
const BATCH: usize = 4;

/// Attention on the slots of a prefix.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AttentionReport {
    /// By name of the pattern, `blocks.3.attn.hook_pattern`.
    pub layers: Vec<LayerAttention>,
    /// Slots of the prefix.
    pub n_virtual: usize,
    /// Tokens that were looked at.
    pub tokens: usize,
}

/// Attention of a layer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerAttention {
    /// As TransformerLens names the pattern.
    pub name: String,
    /// Of each head, the mean share of a token's attention on each slot, `n_heads` × `n_virtual`; a row sums to the mass A.
    pub mass: Vec<Vec<f64>>,
}

/// The work: some rows a step.
#[derive(Debug, Default)]
pub(super) struct AttentionMass {
    next: usize,
    n_rows: usize,
    sums: BTreeMap<HookPoint, Vec<f64>>,
    n_heads: usize,
    tokens: usize,
}

/// Keeps of each pattern its columns of the prefix, summed over tokens.
struct Columns<'a> {
    n_virtual: usize,
    /// 1 for a token, 0 for padding, `[batch, 1, seq, 1]`.
    real: Tensor<4>,
    found: BTreeMap<HookPoint, Tensor<2>>, // [n_heads, n_virtual]
    names: &'a [HookName],
}

impl Hooks for Columns<'_> {
    fn wants(&self, at: HookPoint) -> bool {
        self.names.contains(&at.name)
    }

    fn stream(&mut self, _: HookPoint, _: &Tensor<3>) -> Option<Tensor<3>> {
        None
    }

    fn by_head(&mut self, at: HookPoint, pattern: &Tensor<4>) -> Option<Tensor<4>> {
        let [batch, n_heads, seq, _] = pattern.dims();
        let on_prefix = pattern.clone().slice([0..batch, 0..n_heads, 0..seq, 0..self.n_virtual]) * self.real.clone();
        self.found.insert(at, on_prefix.sum_dim(2).sum_dim(0).reshape([n_heads, self.n_virtual]));
        None
    }
}

impl Investigation for AttentionMass {
    fn step(&mut self, subject: &Subject) -> Result<Option<Analysis>> {
        let n_virtual = subject.adapter.n_virtual();
        if subject.adapter.prefixes().next().is_none() || n_virtual == 0 {
            let reason = sentence!("it has no prefix that a layer attends to");
            return Err(EngineError::AdapterMismatch { reason });
        }
        self.n_rows = subject.rows.len();
        let rows: Vec<usize> = (self.next..(self.next + BATCH).min(self.n_rows)).collect();
        if rows.is_empty() {
            return Ok(Some(Analysis::Attention(self.report(n_virtual))));
        }
        self.next += rows.len();
        let batch = subject.batch(&rows);
        let real = burn::tensor::TensorData::new(batch.mask.clone(), [batch.batch, 1, batch.seq, 1]);
        let real = Tensor::<4>::from_data(real, &subject.model.device);
        let mut hooks = Columns { n_virtual, real, found: BTreeMap::new(), names: &[HookName::Pattern] };
        subject.run(&batch, Some(&mut hooks))?;
        for (at, sum) in hooks.found {
            let [n_heads, _] = sum.dims();
            self.n_heads = n_heads;
            let sum = to_host(sum)?;
            let sums = self.sums.entry(at).or_insert_with(|| vec![0.0; sum.len()]);
            sums.iter_mut().zip(&sum).for_each(|(all, one)| *all += f64::from(*one));
        }
        self.tokens += batch.mask.iter().filter(|&&real| real > 0.0).count();
        Ok(None)
    }

    fn share(&self) -> f32 {
        self.next as f32 / self.n_rows.max(1) as f32
    }
}

impl AttentionMass {
    fn report(&self, n_virtual: usize) -> AttentionReport {
        let mean = |sums: &[f64]| sums.iter().map(|sum| sum / self.tokens.max(1) as f64).collect::<Vec<f64>>();
        let layer = |(at, sums): (&HookPoint, &Vec<f64>)| LayerAttention {
            name: at.to_string(),
            mass: mean(sums).chunks(n_virtual.max(1)).map(<[f64]>::to_vec).collect(),
        };
        AttentionReport { layers: self.sums.iter().map(layer).collect(), n_virtual, tokens: self.tokens }
    }
}
