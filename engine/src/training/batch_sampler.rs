//! The rows of each step: their place in the data follows from seed and step alone.

use std::ops::Range;

use crate::config::{CandidateLoss, EpochEnd, References, RunConfig};
use crate::data::{Batches, CandidateReading, Examples, TokenBatch, drawn, rows_of_epoch};
use crate::error::Result;
use crate::training::candidates::learned;

/// The order of an epoch.
struct Epoch {
    number: usize,
    batches: Batches,
    /// Its rows among all, where it does not have all.
    drawn: Option<Vec<usize>>,
}

impl Epoch {
    fn new(number: usize, config: &RunConfig, rows: &Examples) -> Self {
        let (batch_size, of) = (config.training.batch_size, (config.seed, number as u64));
        let held = rows.held().filter(|_| config.data.references == References::One);
        let drawn = held.map(|rows| drawn(rows, &config.data, config.seed, number as u64));
        let n = drawn.as_ref().map_or(rows.len(), Vec::len);
        let place = |at: usize| drawn.as_ref().map_or(at, |drawn| drawn[at]);
        let batches = match config.training.group_by_length {
            true => Batches::of(n, |at| rows.length(place(at)), batch_size, of),
            false => Batches::ungrouped(n, batch_size, of),
        };
        Self { number, batches, drawn }
    }

    fn rows(&self, batch: usize) -> Vec<usize> {
        let rows = self.batches.rows(batch).into_iter();
        rows.map(|at| self.drawn.as_ref().map_or(at, |drawn| drawn[at])).collect()
    }
}

/// The order of the epoch that the last step was in.
#[derive(Default)]
pub(crate) struct BatchSampler {
    epoch: Option<Epoch>,
    /// The rows of an epoch, which are counted once.
    rows: Option<usize>,
}

impl BatchSampler {
    /// The micro-batches of the step that follows `done` others.
    ///
    /// # Errors
    /// Rows that stand in a file cannot be read.
    pub(crate) fn micro_batches(
        &mut self,
        done: usize,
        config: &RunConfig,
        rows: &Examples,
        reading: &CandidateReading,
    ) -> Result<Vec<TokenBatch>> {
        let t = &config.training;
        let n_rows = *self.rows.get_or_insert_with(|| rows_of_epoch(rows, &config.data));
        let per_epoch = n_rows.div_ceil(t.batch_size);
        let mut batches = Vec::new();
        for index in passes(done, (t.gradient_accumulation, t.epoch_end), per_epoch) {
            let epoch = index / per_epoch;
            if self.epoch.as_ref().is_none_or(|present| present.number != epoch) {
                self.epoch = Some(Epoch::new(epoch, config, rows));
            }
            if let Some(present) = &self.epoch {
                let batch = batch(rows, present.rows(index % per_epoch), (reading, t.candidate_loss))?;
                batches.push(if t.packing { batch.packed() } else { batch });
            }
        }
        Ok(batches)
    }
}

/// Some of the rows as they are learned.
pub(crate) fn batch(rows: &Examples, of: Vec<usize>, by: (&CandidateReading, CandidateLoss)) -> Result<TokenBatch> {
    match rows.held() {
        Some(held) => Ok(learned(held, &of, by)),
        None => {
            let read = rows.read(of.iter().copied())?;
            let here: Vec<usize> = (0..read.len()).collect();
            Ok(TokenBatch { rows: of, ..learned(&read, &here, by) })
        }
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
