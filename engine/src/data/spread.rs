//! Numbers counted by value, so that as many as there are have exact quantiles in bounded memory.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Lengths that are handed out to be drawn.
const DRAWN: usize = 10_000;

/// Numbers in order: a quantile is the least of them that so many are at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// How many numbers there are.
    pub count: usize,
    /// The least.
    pub min: u64,
    /// Half of them are at most this.
    pub median: u64,
    /// 90 of 100 are at most this.
    pub p90: u64,
    /// 99 of 100 are at most this.
    pub p99: u64,
    /// The greatest.
    pub max: u64,
    /// Their sum.
    pub sum: u64,
}

/// How often each number was there.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts(BTreeMap<u64, usize>);

impl Counts {
    pub(super) fn add(&mut self, number: u64) {
        *self.0.entry(number).or_insert(0) += 1;
    }

    fn count(&self) -> usize {
        self.0.values().sum()
    }

    /// The number at a place, from 1, in order.
    fn at(&self, place: usize) -> u64 {
        let mut seen = 0;
        for (&number, &times) in &self.0 {
            seen += times;
            if seen >= place {
                return number;
            }
        }
        0
    }

    pub(super) fn spread(&self) -> Spread {
        let count = self.count();
        let quantile = |percent: usize| self.at((count * percent).div_ceil(100).max(1));
        let sum = self.0.iter().map(|(&number, &times)| number * times as u64).sum();
        Spread {
            count,
            min: self.at(1),
            median: quantile(50),
            p90: quantile(90),
            p99: quantile(99),
            max: self.at(count),
            sum,
        }
    }

    /// The numbers in order, of many as many as are drawn, at even distances and the last among them.
    pub(super) fn drawn(&self) -> Vec<u32> {
        let count = self.count();
        let every = count.div_ceil(DRAWN).max(1);
        let mut drawn = Vec::with_capacity(count.min(DRAWN));
        let mut seen = 0;
        for (&number, &times) in &self.0 {
            let n = (seen + times) / every - seen / every;
            seen += times;
            drawn.extend(std::iter::repeat_n(u32::try_from(number).unwrap_or(u32::MAX), n));
        }
        if !count.is_multiple_of(every) {
            drawn.extend(self.0.keys().next_back().map(|&number| u32::try_from(number).unwrap_or(u32::MAX)));
        }
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_least_number_that_so_many_are_at_most() {
        let mut counts = Counts::default();
        (1..=200).for_each(|number| counts.add(number));
        let Spread { count, min, median, p90, p99, max, sum } = counts.spread();
        assert_eq!((count, min, median, p90, p99, max, sum), (200, 1, 100, 180, 198, 200, 20_100));
        assert_eq!(Counts::default().spread(), Spread::default());
        let mut many = Counts::default();
        (0..25_001).for_each(|number| many.add(number));
        let drawn = many.drawn();
        assert!(drawn.len() <= DRAWN && drawn.is_sorted() && drawn.last() == Some(&25_000));
    }
}
