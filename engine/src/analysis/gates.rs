//! Gates of 1 on what slots contribute, and the derivatives of the loss by them: one backward pass for every slot, layer and
//! head.

use std::collections::BTreeMap;

use burn::tensor::Tensor;

use super::importance::LayerImportance;
use super::slot_columns::SlotColumns;
use super::subject::Subject;
use super::to_host;
use super::variant::Variant;
use crate::error::{EngineError, Result};
use crate::models::{HookName, HookPoint, Hooks};
use crate::sentence;

/// Rows in one backward pass.
const BATCH: usize = 2;

/// Derivatives over rows.
#[derive(Debug, Default)]
pub(super) struct Gradients {
    layers: BTreeMap<HookPoint, Sums>,
    /// Of each slot: absolute values summed over rows, derivatives of the summed loss.
    slots: (Vec<f64>, Vec<f64>),
    next: usize,
    n_rows: usize,
    /// Rows that have a label.
    counted: usize,
    labels: usize,
}

/// Derivatives of a layer.
#[derive(Clone, Debug, Default)]
struct Sums {
    slots: Vec<f64>,
    expected: Vec<f64>,
    heads: Vec<f64>,
}

/// Puts gates before slots, and keeps them to be asked for their gradients.
pub(super) struct Gates<'a> {
    columns: &'a SlotColumns<'a>,
    /// Numbers of the gates in place of ones, `[batch, n_heads, n_slots]`.
    set: &'a dyn Fn(HookPoint, [usize; 3]) -> Option<Tensor<3>>,
    leaves: BTreeMap<HookPoint, Tensor<3>>,
}

impl<'a> Gates<'a> {
    pub(super) fn new(
        columns: &'a SlotColumns<'a>,
        set: &'a dyn Fn(HookPoint, [usize; 3]) -> Option<Tensor<3>>,
    ) -> Self {
        Self { columns, set, leaves: BTreeMap::new() }
    }
}

impl Hooks for Gates<'_> {
    fn wants(&self, at: HookPoint) -> bool {
        matches!(at.name, HookName::Pattern | HookName::CrossPattern) && self.columns.are_in(at)
    }

    fn stream(&mut self, _: HookPoint, _: &Tensor<3>) -> Option<Tensor<3>> {
        None
    }

    fn by_head(&mut self, at: HookPoint, pattern: &Tensor<4>) -> Option<Tensor<4>> {
        let [batch, n_heads, _, _] = pattern.dims();
        let gates = match (self.set)(at, [batch, n_heads, self.columns.n_slots()]) {
            Some(set) => set,
            None => {
                let leaf = Tensor::from_inner(self.columns.gates(n_heads, |_, _| 1.0)).require_grad();
                self.leaves.insert(at, leaf.clone());
                leaf
            }
        };
        Some(self.columns.gated(pattern, gates, true))
    }
}

impl Gradients {
    /// Takes in the next rows; whether there were some.
    ///
    /// # Errors
    /// The model cannot do the task, or the device failed.
    pub(super) fn step(&mut self, subject: &Subject) -> Result<bool> {
        self.n_rows = subject.rows.len();
        let rows: Vec<usize> = (self.next..(self.next + BATCH).min(self.n_rows)).collect();
        if rows.is_empty() {
            return Ok(false);
        }
        self.next += rows.len();
        let variant = Variant::same(subject);
        let batch = variant.batch(subject, &rows);
        let n_slots = subject.adapter.n_slots();
        let columns = SlotColumns::new(subject, (&variant.conditioning, n_slots), &batch);
        let ones = |_, _| None;
        let mut gates = Gates::new(&columns, &ones);
        let (nll, _) = variant.nll(subject, &batch, Some(&mut gates as &mut dyn Hooks))?;
        if gates.leaves.is_empty() {
            let reason = sentence!("no layer attends to its slots");
            return Err(EngineError::AdapterMismatch { reason });
        }
        let gradients = nll.backward();
        let mut labels = vec![0_usize; rows.len()];
        batch.labeled().into_iter().for_each(|(at, _)| labels[batch.row_of(at)] += 1);
        let mut of_slots = vec![0.0; rows.len() * n_slots];
        for (at, leaf) in &gates.leaves {
            let [_, n_heads, _] = leaf.dims();
            let Some(gradient) = leaf.grad(&gradients) else { continue };
            let gradient = to_host(gradient)?; // [rows, n_heads, n_slots]
            self.layers.entry(*at).or_default().add(&gradient, n_heads, n_slots, &labels);
            for (at, derivative) in gradient.iter().enumerate() {
                of_slots[at / (n_heads * n_slots) * n_slots + at % n_slots] += f64::from(*derivative);
            }
        }
        let (absolute, signed) = &mut self.slots;
        add(absolute, signed, &of_slots, n_slots, &labels);
        self.counted += labels.iter().filter(|&&labels| labels > 0).count();
        self.labels += labels.iter().sum::<usize>();
        Ok(true)
    }

    pub(super) fn share(&self) -> f32 {
        self.next as f32 / self.n_rows.max(1) as f32
    }

    /// Rows and labels so far.
    pub(super) fn seen(&self) -> (usize, usize) {
        (self.next, self.labels)
    }

    /// Of each slot the mean over rows of the absolute derivative of a row's loss, and the derivative of the mean loss.
    pub(super) fn of_slots(&self, n_slots: usize) -> (Vec<f64>, Vec<f64>) {
        let mean = |sums: &[f64], n: usize| {
            (0..n_slots).map(|slot| sums.get(slot).copied().unwrap_or(0.0) / n.max(1) as f64).collect()
        };
        (mean(&self.slots.0, self.counted), mean(&self.slots.1, self.labels))
    }

    /// The same of each layer, and of its heads.
    pub(super) fn layers(&self) -> Vec<LayerImportance> {
        let over = |sums: &[f64], n: usize| sums.iter().map(|sum| sum / n.max(1) as f64).collect::<Vec<f64>>();
        let layer = |(at, sums): (&HookPoint, &Sums)| LayerImportance {
            name: at.to_string(),
            slots: over(&sums.slots, self.counted),
            expected: over(&sums.expected, self.labels).iter().map(|derivative| -derivative).collect(),
            heads: over(&sums.heads, self.counted),
        };
        self.layers.iter().map(layer).collect()
    }
}

impl Sums {
    /// Of derivatives `[rows, n_heads, n_slots]`.
    fn add(&mut self, gradient: &[f32], n_heads: usize, n_slots: usize, labels: &[usize]) {
        let n_rows = labels.len();
        let (mut of_slots, mut of_heads) = (vec![0.0; n_rows * n_slots], vec![0.0; n_rows * n_heads]);
        for (at, derivative) in gradient.iter().map(|&x| f64::from(x)).enumerate() {
            let (row, head, slot) = (at / (n_heads * n_slots), at / n_slots % n_heads, at % n_slots);
            of_slots[row * n_slots + slot] += derivative;
            of_heads[row * n_heads + head] += derivative;
        }
        add(&mut self.slots, &mut self.expected, &of_slots, n_slots, labels);
        add(&mut self.heads, &mut Vec::new(), &of_heads, n_heads, labels);
    }
}

/// Adds rows of derivatives of summed losses: as absolute values of the rows' mean losses, and as they are.
fn add(absolute: &mut Vec<f64>, signed: &mut Vec<f64>, rows: &[f64], width: usize, labels: &[usize]) {
    absolute.resize(width, 0.0);
    signed.resize(width, 0.0);
    for (row, &n) in rows.chunks(width.max(1)).zip(labels).filter(|(_, n)| **n > 0) {
        absolute.iter_mut().zip(row).for_each(|(sum, x)| *sum += (x / n as f64).abs());
        signed.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
}

#[cfg(test)]
#[path = "gates_tests.rs"]
mod tests;
