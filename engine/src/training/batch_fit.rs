//! The rows of a batch that memory has room for: sizes that are tried, each by a step of the longest rows, and what follows
//! from them. What transformers' `auto_find_batch_size` learns from a run that fails is known here before one begins.

use serde::{Deserialize, Serialize};

/// A size that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchTrial {
    /// Rows of the batch.
    pub rows: usize,
    /// The most memory that the program had meanwhile.
    pub memory_bytes: u64,
    /// Seconds of the step.
    pub step_secs: f64,
}

/// The rows that fit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchFit {
    /// Rows of the batch; 0: not even one fits.
    pub rows: usize,
    /// The most that a step was taken with; where it is less than `rows`, the rest follows from what each row took.
    pub tried: usize,
    /// Whether that is all that the run has, or may have, in a batch.
    pub is_all: bool,
    /// Memory that the program has with so many.
    pub memory_bytes: u64,
    /// Memory that it can have.
    pub limit_bytes: u64,
    /// Tokens of the longest row.
    pub longest: usize,
    /// Seconds of the step of `tried` rows.
    pub step_secs: f64,
}

/// A step that takes longer is the last one.
const PATIENCE_SECS: f64 = 5.0;

/// A search for the largest batch: sizes are doubled as long as the next is expected to fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BatchSearch {
    /// Memory before the first step.
    pub(crate) base_bytes: u64,
    pub(crate) limit_bytes: u64,
    /// Rows that a batch can have at most.
    pub(crate) most: usize,
    /// Tokens of the longest row.
    pub(crate) longest: usize,
    /// Whether memory is what the process has, so that rows that were not tried can be reckoned.
    pub(crate) is_in_process: bool,
    pub(crate) trials: Vec<BatchTrial>,
}

impl BatchSearch {
    /// The size to be tried next.
    pub(crate) fn next(&self) -> Option<usize> {
        let Some(last) = self.trials.last() else {
            return (self.most > 0 && self.base_bytes < self.limit_bytes).then_some(1);
        };
        let doubled = (2 * last.rows).min(self.most);
        if last.memory_bytes > self.limit_bytes || last.step_secs > PATIENCE_SECS || doubled == last.rows {
            return None;
        }
        if self.expected(doubled) <= self.limit_bytes {
            return Some(doubled);
        }
        // Worth a step where it is some more.
        Some(self.room()).filter(|&room| room > last.rows + last.rows / 8)
    }

    /// The size that fits.
    pub(crate) fn fit(&self) -> BatchFit {
        let last = self.trials.iter().rfind(|trial| trial.memory_bytes <= self.limit_bytes);
        let tried = last.map_or(0, |trial| trial.rows);
        let is_cut_short = last.is_some_and(|last| last.step_secs > PATIENCE_SECS);
        let rows = if is_cut_short && self.is_in_process { self.room().max(tried) } else { tried };
        BatchFit {
            rows,
            tried,
            is_all: rows == self.most,
            memory_bytes: match last {
                Some(last) if rows == tried => last.memory_bytes,
                Some(_) => self.expected(rows),
                None => self.base_bytes,
            },
            limit_bytes: self.limit_bytes,
            longest: self.longest,
            step_secs: last.map_or(0.0, |last| last.step_secs),
        }
    }

    /// Memory of so many rows by what the last ones added, and a tenth of that more.
    fn expected(&self, rows: usize) -> u64 {
        let (last, each) = self.slope();
        last.memory_bytes + (each * rows.saturating_sub(last.rows) as f64 * 1.1) as u64
    }

    /// Rows that are expected to fit.
    fn room(&self) -> usize {
        let (last, each) = self.slope();
        let left = self.limit_bytes.saturating_sub(last.memory_bytes) as f64;
        // A quotient without an end is cut off at what a batch can have.
        last.rows.saturating_add((left / (each * 1.1)) as usize).min(self.most)
    }

    /// The last trial, and bytes that each of its rows added to the one before.
    fn slope(&self) -> (BatchTrial, f64) {
        let none = BatchTrial { rows: 0, memory_bytes: self.base_bytes, step_secs: 0.0 };
        let mut latest = self.trials.iter().rev().copied().chain([none]);
        let last = latest.next().unwrap_or(none);
        let before = latest.next().unwrap_or(none);
        let added = last.memory_bytes.saturating_sub(before.memory_bytes) as f64;
        (last, added / last.rows.saturating_sub(before.rows).max(1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// A search on a machine where the program needs 100 MiB and each row `of_a_row`.
    fn searched(limit: u64, most: usize, of_a_row: u64, secs_of_a_row: f64) -> (Vec<usize>, BatchFit) {
        let mut search = BatchSearch {
            base_bytes: 100 * MIB,
            limit_bytes: limit * MIB,
            most,
            longest: 9,
            is_in_process: true,
            trials: Vec::new(),
        };
        while let Some(rows) = search.next() {
            let memory_bytes = (100 + rows as u64 * of_a_row) * MIB;
            search.trials.push(BatchTrial { rows, memory_bytes, step_secs: rows as f64 * secs_of_a_row });
        }
        (search.trials.iter().map(|trial| trial.rows).collect(), search.fit())
    }

    #[test]
    fn sizes_grow_to_the_limit_and_never_beyond() {
        let (tried, fit) = searched(400, 1000, 10, 0.0);
        assert_eq!(tried, [1, 2, 4, 8, 16, 28]);
        assert_eq!((fit.rows, fit.tried, fit.memory_bytes, fit.is_all), (28, 28, 380 * MIB, false));
        for limit in 101..500 {
            let (tried, fit) = searched(limit, 1000, 7, 0.0);
            let largest = tried.last().map_or(0, |&rows| 100 + 7 * rows as u64);
            assert!(largest <= limit.max(107), "{limit}: only the first row is taken unseen");
            assert!(fit.memory_bytes <= limit * MIB, "{limit}: {fit:?}");
        }
    }

    #[test]
    fn a_batch_has_no_more_rows_than_the_run() {
        let (tried, fit) = searched(4000, 6, 10, 0.0);
        assert_eq!((tried, fit.rows, fit.is_all), (vec![1, 2, 4, 6], 6, true));
    }

    #[test]
    fn where_steps_are_long_the_rest_is_reckoned() {
        let (tried, fit) = searched(1200, 1000, 10, 2.0);
        assert_eq!((tried, fit.tried, fit.rows), (vec![1, 2, 4], 4, 4 + 96));
        assert!(fit.memory_bytes <= fit.limit_bytes && fit.memory_bytes > 1000 * MIB);
    }

    #[test]
    fn nothing_fits_where_the_model_alone_has_no_room() {
        assert_eq!(searched(100, 10, 1, 0.0).1.rows, 0);
        let (tried, fit) = searched(105, 10, 10, 0.0);
        assert_eq!((tried, fit.rows, fit.tried), (vec![1], 0, 0));
    }
}
