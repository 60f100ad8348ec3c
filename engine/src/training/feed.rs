//! Which rows a step sees: their place in the data follows from seed and step alone.

use crate::config::{RunConfig, Task};
use crate::data::{Batches, Example, TokenBatch};

/// The order of the epoch that the last step was in.
#[derive(Default)]
pub(super) struct Feed {
    epoch: Option<(usize, Batches)>,
}

impl Feed {
    /// The micro-batches of the step that follows `done` others.
    pub(super) fn micro_batches(
        &mut self,
        done: usize,
        config: &RunConfig,
        rows: &[Example],
        (pad, task): (u32, Task),
    ) -> Vec<TokenBatch> {
        let t = &config.training;
        let per_epoch = rows.len().div_ceil(t.batch_size);
        let from = done * t.accumulation;
        let mut batches = Vec::with_capacity(t.accumulation);
        for index in from..from + t.accumulation {
            let epoch = index / per_epoch;
            if self.epoch.as_ref().is_none_or(|(present, _)| *present != epoch) {
                let lengths: Vec<usize> = rows.iter().map(Example::length).collect();
                self.epoch = Some((epoch, Batches::new(&lengths, t.batch_size, config.seed, epoch as u64)));
            }
            if let Some((_, order)) = &self.epoch {
                batches.push(TokenBatch::new(rows, order.rows(index % per_epoch), pad, task));
            }
        }
        batches
    }
}
