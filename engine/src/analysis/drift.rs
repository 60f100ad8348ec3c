//! How far slots have moved: from where they began, from one checkpoint to the next, and to where the adapter is now.
//!
//! Cosines are from zero and not from the vocabulary's mean, because the question is what training did to the numbers.

use serde::{Deserialize, Serialize};

use super::question::Analysis;
use super::slots::{SlotLayer, cosine, is_prompt, same_layers, slots};
use super::subject::{Investigation, Subject};
use crate::analysis::Side;
use crate::error::{EngineError, Result};
use crate::sentence;

/// Distances of slots, checkpoint by checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DriftReport {
    /// Whether the slots are embeddings, which have no sides.
    pub is_prompt: bool,
    /// Whether it is known where they began.
    pub has_start: bool,
    /// By step; the last is the adapter itself, whose step is `None`.
    pub checkpoints: Vec<CheckpointDrift>,
    /// Standard deviation of the cosine of two vectors of this width that have nothing to do with each other; the mean is 0.
    pub by_chance: f64,
}

/// A checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CheckpointDrift {
    /// Steps that were done; `None` for the adapter that was asked about.
    pub step: Option<usize>,
    /// Layer by layer, keys before values.
    pub layers: Vec<LayerDrift>,
}

/// The slots of a layer at a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerDrift {
    /// Number of the layer, from 0.
    pub layer: usize,
    /// Name of the layer.
    pub name: String,
    /// Keys or values; `None` for a soft prompt.
    pub side: Option<Side>,
    /// By position.
    pub slots: Vec<SlotDrift>,
}

/// A slot at a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SlotDrift {
    /// Length of its vector.
    pub norm: f64,
    /// From where it began.
    pub start: Option<Apart>,
    /// From the checkpoint before; at the first from where it began.
    pub before: Option<Apart>,
    /// From where the adapter is now.
    pub last: Apart,
}

/// How far two vectors are apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Apart {
    /// Euclidean distance.
    pub distance: f64,
    /// Cosine of the angle between them, 0 if one has no length.
    pub cosine: f64,
}

impl Apart {
    fn of(a: &[f32], b: &[f32]) -> Self {
        let squares = a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2));
        Self { distance: squares.sum::<f64>().sqrt(), cosine: cosine(a, b, &vec![0.0; a.len()]) }
    }
}

/// The work: a checkpoint a step.
#[derive(Debug, Default)]
pub(super) struct Drift {
    next: usize,
    n_checkpoints: usize,
    start: Option<Sides>,
    before: Option<Sides>,
    now: Sides,
    report: DriftReport,
}

/// Layers by side; a layer that is not there is passed over.
type Sides = Vec<(Option<Side>, Vec<SlotLayer>)>;

impl Investigation for Drift {
    fn step(&mut self, subject: &Subject) -> Result<Option<Analysis>> {
        if self.now.is_empty() {
            self.begin(subject)?;
            return Ok(None);
        }
        let Some((step, checkpoint)) = subject.checkpoints.get(self.next) else {
            let now = self.now.clone();
            self.add(None, &now);
            return Ok(Some(Analysis::Drift(std::mem::take(&mut self.report))));
        };
        self.next += 1;
        let there = self.of_other(checkpoint, subject)?;
        self.add(Some(*step), &there);
        self.before = Some(there);
        Ok(None)
    }

    fn share(&self) -> f32 {
        self.next as f32 / self.n_checkpoints.max(1) as f32
    }
}

impl Drift {
    fn begin(&mut self, subject: &Subject) -> Result<()> {
        self.report.is_prompt = is_prompt(&subject.adapter);
        let sides: &[Side] = if self.report.is_prompt { &[Side::Key] } else { &[Side::Key, Side::Value] };
        for side in sides {
            let layers = slots(&subject.adapter, *side, subject)?;
            self.now.push(((!self.report.is_prompt).then_some(*side), layers));
        }
        if subject.initial.is_none() && subject.checkpoints.is_empty() {
            let reason = sentence!("neither its start nor a checkpoint is known; name a run that was trained here");
            return Err(EngineError::Setting { field: "run", reason });
        }
        let width = self.now.iter().flat_map(|(_, layers)| layers).flat_map(|layer| &layer.vectors).map(Vec::len).max();
        self.report.by_chance = 1.0 / (width.unwrap_or(1).max(1) as f64).sqrt();
        self.n_checkpoints = subject.checkpoints.len();
        self.start = subject.initial.as_ref().map(|start| self.of_other(start, subject)).transpose()?;
        self.report.has_start = self.start.is_some();
        self.before.clone_from(&self.start);
        Ok(())
    }

    fn of_other(&self, other: &crate::adapters::AdapterState, subject: &Subject) -> Result<Sides> {
        let of_side = |(side, own): &(Option<Side>, Vec<SlotLayer>)| {
            let layers = same_layers(other, own, side.unwrap_or(Side::Key), subject)?;
            Ok((*side, layers.into_iter().map(|(_, layer)| layer).collect()))
        };
        self.now.iter().map(of_side).collect()
    }

    fn add(&mut self, step: Option<usize>, there: &Sides) {
        let mut layers = Vec::new();
        for (index, (side, own)) in self.now.iter().enumerate() {
            for layer in own {
                let find = |sides: &Sides| -> Option<Vec<Vec<f32>>> {
                    let found = sides.get(index)?.1.iter().find(|other| other.name == layer.name)?;
                    Some(found.vectors.clone())
                };
                let Some(vectors) = find(there) else { continue };
                let (start, before) = (self.start.as_ref().and_then(find), self.before.as_ref().and_then(find));
                let from = |others: &Option<Vec<Vec<f32>>>, slot: usize| {
                    others.as_ref().and_then(|others| others.get(slot)).map(|other| Apart::of(&vectors[slot], other))
                };
                let slots = layer.vectors.iter().zip(&vectors).enumerate().map(|(slot, (last, vector))| SlotDrift {
                    norm: super::table::norm(vector),
                    start: from(&start, slot),
                    before: from(&before, slot),
                    last: Apart::of(vector, last),
                });
                layers.push(LayerDrift {
                    layer: layer.layer,
                    name: layer.name.clone(),
                    side: *side,
                    slots: slots.collect(),
                });
            }
        }
        self.report.checkpoints.push(CheckpointDrift { step, layers });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sides(vectors: Vec<Vec<f32>>) -> Sides {
        vec![(Some(Side::Key), vec![SlotLayer { layer: 1, name: "blocks.1".into(), vectors }])]
    }

    #[test]
    fn each_checkpoint_is_measured_from_the_start_from_the_one_before_and_from_the_end() {
        let start = sides(vec![vec![1.0, 0.0]]);
        let mut drift = Drift {
            now: sides(vec![vec![0.0, 3.0]]),
            start: Some(start.clone()),
            before: Some(start),
            ..Drift::default()
        };
        let middle = sides(vec![vec![1.0, 1.0]]);
        drift.add(Some(10), &middle);
        drift.before = Some(middle);
        let now = drift.now.clone();
        drift.add(None, &now);
        let slot = |i: usize| drift.report.checkpoints[i].layers[0].slots[0];
        let (first, last) = (slot(0), slot(1));
        let half = 0.5_f64.sqrt();
        assert!(
            (first.start.unwrap().distance - 1.0).abs() < 1e-9 && (first.start.unwrap().cosine - half).abs() < 1e-9
        );
        assert_eq!(first.before, first.start, "nothing came before");
        assert!((first.last.distance - 5.0_f64.sqrt()).abs() < 1e-9);
        assert!((last.start.unwrap().distance - 10.0_f64.sqrt()).abs() < 1e-9 && last.start.unwrap().cosine == 0.0);
        assert!((last.before.unwrap().cosine - half).abs() < 1e-9 && last.last.distance == 0.0);
        assert!((last.norm - 3.0).abs() < 1e-9);
        let steps: Vec<Option<usize>> = drift.report.checkpoints.iter().map(|checkpoint| checkpoint.step).collect();
        assert_eq!(steps, [Some(10), None]);
    }

    #[test]
    fn a_layer_that_a_checkpoint_does_not_have_is_passed_over() {
        let mut drift = Drift { now: sides(vec![vec![1.0]]), ..Drift::default() };
        drift.add(Some(1), &vec![(Some(Side::Key), Vec::new())]);
        assert!(drift.report.checkpoints[0].layers.is_empty());
    }
}
