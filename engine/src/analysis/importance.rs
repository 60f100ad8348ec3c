//! How much each slot and each head matters, from one backward pass: the derivative of the loss by a gate of 1 on what a
//! slot contributes. Ma et al. 2022, "XPrompt"; Michel, Levy & Neubig 2019, "Are Sixteen Heads Really Better than One?".
//!
//! A gate multiplies the attention on a slot, and what is left shares out the attention. To first order the derivative is
//! what leaving the slot out changes; beside it stands what that does change, for some slots, and what fewer slots cost.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::gates::Gradients;
use super::question::Analysis;
use super::slot_columns::check_has_slots;
use super::subject::{Investigation, Subject};
use super::variant::{Losses, Variant};
use crate::error::Result;
use crate::metrics::correlation::{pearson, spearman};

/// Importance of slots and heads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ImportanceReport {
    /// Loss of the whole adapter, in nats per label.
    #[serde(deserialize_with = "crate::number::or_nan")]
    pub loss: f64,
    /// Slot by slot.
    pub slots: Vec<SlotImportance>,
    /// Layers that attend to the slots.
    pub layers: Vec<LayerImportance>,
    /// The slots, the most important first.
    pub order: Vec<usize>,
    /// How well the gates tell what leaving one slot out changes; `None` for fewer than two slots that were left out.
    pub agreement: Option<Agreement>,
    /// Loss with fewer and fewer of the most important slots.
    pub pruned: Vec<Pruned>,
    /// Rows that were looked at.
    pub rows: usize,
    /// Labels of these rows.
    pub labels: usize,
}

/// Importance of a slot, in all layers and heads together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SlotImportance {
    /// Mean over rows of the absolute derivative of a row's loss by its gate.
    pub importance: f64,
    /// The change of the loss that the gates expect where it is left out: the derivative of the mean loss, negative.
    pub expected: f64,
    /// The change of the loss where it is left out, for the slots that were.
    pub left_out: Option<f64>,
}

/// Importance in a layer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerImportance {
    /// As TransformerLens names its pattern.
    pub name: String,
    /// Of each slot, as [`SlotImportance::importance`].
    pub slots: Vec<f64>,
    /// Of each slot, as [`SlotImportance::expected`].
    pub expected: Vec<f64>,
    /// Of what each head takes of all slots together.
    pub heads: Vec<f64>,
}

/// Correlation of what gates tell with what leaving one slot out changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// Slots that were left out, one at a time.
    pub slots: usize,
    /// Pearson's, of the expected change and the change.
    pub pearson: Option<f64>,
    /// Spearman's, of the same.
    pub spearman: Option<f64>,
    /// Spearman's of the importance and the size of the change.
    pub spearman_of_size: Option<f64>,
}

/// Some slots alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pruned {
    /// The most important so many.
    pub slots: usize,
    /// Loss with them, in nats per label; the text begins behind them alone.
    #[serde(deserialize_with = "crate::number::or_nan")]
    pub loss: f64,
}

/// The work: gradients of some rows a step, then losses without some slots.
pub(super) struct Weighing {
    leave_one_out: usize,
    sizes: Vec<usize>,
    gradients: Gradients,
    /// Slots that are left out one at a time, then numbers of slots that are kept.
    trials: Vec<Trial>,
    running: Option<(Variant, Losses)>,
    done: Vec<f64>,
    slots: Vec<SlotImportance>,
    order: Vec<usize>,
    is_planned: bool,
}

/// Slots whose loss is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trial {
    Without(usize),
    Best(usize),
}

impl Weighing {
    pub(super) fn new(leave_one_out: usize, sizes: Vec<usize>) -> Self {
        Self {
            leave_one_out,
            sizes,
            gradients: Gradients::default(),
            trials: Vec::new(),
            running: None,
            done: Vec::new(),
            slots: Vec::new(),
            order: Vec::new(),
            is_planned: false,
        }
    }

    fn plan(&mut self, subject: &Subject) {
        let n_slots = subject.adapter.n_slots();
        let (importance, expected) = self.gradients.of_slots(n_slots);
        let slot =
            |(&importance, &expected): (&f64, &f64)| SlotImportance { importance, expected: -expected, left_out: None };
        self.slots = importance.iter().zip(&expected).map(slot).collect();
        self.order = (0..n_slots).collect();
        self.order.sort_by(|&a, &b| importance[b].total_cmp(&importance[a]));
        let without = sampled(&self.order, self.leave_one_out).into_iter().map(Trial::Without);
        self.trials = without.chain(steps(n_slots, &self.sizes).into_iter().map(Trial::Best)).collect();
        self.is_planned = true;
    }

    fn begin(&self, subject: &Subject, trial: Trial) -> Result<Variant> {
        let kept = match trial {
            Trial::Without(slot) => (0..self.order.len()).filter(|&other| other != slot).collect(),
            Trial::Best(n) => best(&self.order, n),
        };
        match kept.len() == self.order.len() {
            true => Ok(Variant::same(subject)),
            false => Variant::with_slots(subject, &kept),
        }
    }

    fn report(&mut self) -> ImportanceReport {
        let of_trial: Vec<(Trial, f64)> = self.trials.iter().copied().zip(self.done.iter().copied()).collect();
        let whole = of_trial.iter().find(|(trial, _)| *trial == Trial::Best(self.order.len()));
        let loss = whole.map_or(f64::NAN, |(_, loss)| *loss);
        let mut pruned = Vec::new();
        for (trial, found) in of_trial {
            match trial {
                Trial::Without(slot) => self.slots[slot].left_out = Some(found - loss),
                Trial::Best(slots) => pruned.push(Pruned { slots, loss: found }),
            }
        }
        let (rows, labels) = self.gradients.seen();
        ImportanceReport {
            loss,
            agreement: agreement(&self.slots),
            slots: std::mem::take(&mut self.slots),
            layers: self.gradients.layers(),
            order: std::mem::take(&mut self.order),
            pruned,
            rows,
            labels,
        }
    }
}

impl Investigation for Weighing {
    fn step(&mut self, subject: &Subject) -> Result<Option<Analysis>> {
        check_has_slots(subject)?;
        if self.gradients.step(subject)? {
            return Ok(None);
        }
        if !self.is_planned {
            self.plan(subject);
        }
        let Some(&trial) = self.trials.get(self.done.len()) else {
            return Ok(Some(Analysis::Importance(self.report())));
        };
        let (variant, mut losses) = match self.running.take() {
            Some(running) => running,
            None => (self.begin(subject, trial)?, Losses::default()),
        };
        let rows = losses.next(variant.rows(subject).len());
        if rows.is_empty() {
            self.done.push(losses.mean());
            return Ok(None);
        }
        let batch = variant.batch(subject, &rows);
        losses.step(subject, &variant, &batch, None)?;
        self.running = Some((variant, losses));
        Ok(None)
    }

    fn share(&self) -> f32 {
        // A backward pass takes as long as some forward passes; there are most of these.
        match self.is_planned {
            true => 0.2 + 0.8 * self.done.len() as f32 / self.trials.len().max(1) as f32,
            false => 0.2 * self.gradients.share(),
        }
    }
}

/// The most important `n`, in ascending order.
pub(super) fn best(order: &[usize], n: usize) -> Vec<usize> {
    let mut kept = order[..n.min(order.len())].to_vec();
    kept.sort_unstable();
    kept
}

/// Slots to leave out one at a time: half of them the most important, the others drawn from the rest.
fn sampled(order: &[usize], most: usize) -> Vec<usize> {
    if order.len() <= most {
        return order.to_vec();
    }
    let (first, rest) = order.split_at(most.div_ceil(2));
    let mut rest = rest.to_vec();
    rest.shuffle(&mut ChaCha8Rng::seed_from_u64(0));
    first.iter().copied().chain(rest.into_iter().take(most / 2)).collect()
}

/// Numbers of slots to keep: all, then those that were asked for, or three quarters, a half, a quarter, and so on to one and
/// none.
fn steps(n_slots: usize, asked: &[usize]) -> Vec<usize> {
    let mut steps = vec![n_slots];
    if asked.is_empty() {
        steps.push(n_slots * 3 / 4);
        steps.extend(std::iter::successors(Some(n_slots / 2), |n| Some(n / 2)).take_while(|&n| n > 1));
        steps.extend([1, 0]);
    } else {
        steps.extend(asked.iter().filter(|&&n| n < n_slots));
    }
    steps.sort_unstable_by(|a, b| b.cmp(a));
    steps.dedup();
    steps
}

/// Of the slots that were left out.
fn agreement(slots: &[SlotImportance]) -> Option<Agreement> {
    let tried: Vec<(&SlotImportance, f64)> =
        slots.iter().filter_map(|slot| slot.left_out.map(|change| (slot, change))).collect();
    if tried.len() < 2 {
        return None;
    }
    let of = |value: fn(&(&SlotImportance, f64)) -> f64| tried.iter().map(value).collect::<Vec<f64>>();
    let (expected, change) = (of(|(slot, _)| slot.expected), of(|(_, change)| *change));
    Some(Agreement {
        slots: tried.len(),
        pearson: pearson(&expected, &change),
        spearman: spearman(&expected, &change),
        spearman_of_size: spearman(&of(|(slot, _)| slot.importance), &of(|(_, change)| change.abs())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_slots_go_down_to_none_without_a_number_twice() {
        assert_eq!(steps(10, &[]), [10, 7, 5, 2, 1, 0]);
        assert_eq!(steps(64, &[]), [64, 48, 32, 16, 8, 4, 2, 1, 0]);
        assert_eq!(steps(2, &[]), [2, 1, 0]);
        assert_eq!(steps(1, &[]), [1, 0]);
        assert_eq!(steps(3, &[]), [3, 2, 1, 0]);
        assert_eq!(steps(10, &[3, 6, 3, 12]), [10, 6, 3], "those that were asked for");
    }

    #[test]
    fn the_most_important_are_left_out_and_some_of_the_rest() {
        let order: Vec<usize> = (0..20).rev().collect();
        let some = sampled(&order, 7);
        assert_eq!(some[..4], [19, 18, 17, 16]);
        let mut all = some.clone();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 7, "none twice: {some:?}");
        assert_eq!(some, sampled(&order, 7), "always the same");
        assert_eq!((sampled(&order, 64), sampled(&order, 0)), (order.clone(), Vec::new()));
        assert_eq!(best(&order, 3), [17, 18, 19]);
    }

    #[test]
    fn agreement_is_of_the_slots_that_were_left_out() {
        let slot = |expected: f64, left_out| SlotImportance { importance: expected.abs(), expected, left_out };
        let slots = [slot(-1.0, Some(-2.0)), slot(9.0, None), slot(2.0, Some(4.0)), slot(0.5, Some(1.0))];
        let found = agreement(&slots).unwrap();
        assert_eq!(found.slots, 3);
        for whole in [found.pearson, found.spearman, found.spearman_of_size] {
            assert!((whole.unwrap() - 1.0).abs() < 1e-12, "{found:?}");
        }
        assert_eq!(agreement(&slots[..2]), None);
    }
}
