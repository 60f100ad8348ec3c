//! The rows of each step: their place in the data follows from seed and step alone.

use std::ops::Range;

use crate::config::{EpochEnd, RunConfig};
use crate::data::{Batches, CandidateReading, Example, TokenBatch, drawn, rows_of_epoch};
use crate::training::candidates::learned;

/// The order of the epoch that the last step was in.
#[derive(Default)]
pub(crate) struct BatchSampler {
    epoch: Option<(usize, Batches, Vec<usize>)>,
    /// The rows of an epoch, which are counted once.
    rows: Option<usize>,
}

impl BatchSampler {
    /// The micro-batches of the step that follows `done` others.
    pub(crate) fn micro_batches(
        &mut self,
        done: usize,
        config: &RunConfig,
        rows: &[Example],
        reading: &CandidateReading,
    ) -> Vec<TokenBatch> {
        let t = &config.training;
        let n_rows = *self.rows.get_or_insert_with(|| rows_of_epoch(rows, &config.data));
        let per_epoch = n_rows.div_ceil(t.batch_size);
        let mut batches = Vec::new();
        for index in passes(done, (t.gradient_accumulation, t.epoch_end), per_epoch) {
            let epoch = index / per_epoch;
            if self.epoch.as_ref().is_none_or(|(present, ..)| *present != epoch) {
                let drawn = drawn(rows, &config.data, config.seed, epoch as u64);
                let lengths: Vec<usize> = drawn.iter().map(|&row| rows[row].length()).collect();
                self.epoch = Some((epoch, Batches::new(&lengths, t.batch_size, config.seed, epoch as u64), drawn));
            }
            if let Some((_, order, drawn)) = &self.epoch {
                let of: Vec<usize> = order.rows(index % per_epoch).iter().map(|&at| drawn[at]).collect();
                batches.push(learned(rows, &of, (reading, t.candidate_loss)));
            }
        }
        batches
    }
}

/// Forward passes of the whole run that make the step after `done` others; an epoch has `per_epoch`.
fn passes(done: usize, (accumulation, end): (usize, EpochEnd), per_epoch: usize) -> Range<usize> {
    match end {
        EpochEnd::NextEpoch => done * accumulation..(done + 1) * accumulation,
        EpochEnd::SmallerStep => {
            let steps = per_epoch.div_ceil(accumulation).max(1);
            let (epoch, step) = (done / steps, done % steps);
            let first = step * accumulation;
            epoch * per_epoch + first..epoch * per_epoch + (first + accumulation).min(per_epoch)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_step_of_an_epoch_is_smaller_or_reaches_into_the_next() {
        let steps = |end| (0..4).map(|done| passes(done, (4, end), 6)).collect::<Vec<_>>();
        assert_eq!(steps(EpochEnd::SmallerStep), [0..4, 4..6, 6..10, 10..12]);
        assert_eq!(steps(EpochEnd::NextEpoch), [0..4, 4..8, 8..12, 12..16]);
        let alike = |end| (0..9).map(|done| passes(done, (2, end), 6)).collect::<Vec<_>>();
        assert_eq!(
            alike(EpochEnd::SmallerStep),
            alike(EpochEnd::NextEpoch),
            "where the epoch has room for all of them"
        );
        assert_eq!(passes(1, (8, EpochEnd::SmallerStep), 3), 3..6, "an epoch is one step at least");
    }
}
