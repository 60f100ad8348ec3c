//! Intervals of figures by the bootstrap, and the paired bootstrap between two sets of predictions (Koehn 2004,
//! "Statistical Significance Tests for Machine Translation Evaluation"), as mjpost/sacrebleu computes them:
//! sacrebleu/significance.py, `estimate_ci` and `--paired-bs`.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Draws of rows with replacement, as many as there are each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// Number of draws.
    pub draws: usize,
    /// Seed of the draws.
    pub seed: u64,
}

/// sacreBLEU's number and seed; the generator is another, so that its draws are.
impl Default for Bootstrap {
    fn default() -> Self {
        Self { draws: 1000, seed: 12345 }
    }
}

/// The middle 95 % of the figures of all draws.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Mean of the draws.
    pub mean: f64,
}

/// A figure of two sets of predictions on the same rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Paired {
    /// Figure of the second set less that of the first.
    pub difference: f64,
    /// The difference over the draws.
    pub interval: Interval,
    /// How likely a difference as large would be if there were none: sacreBLEU's, at least `1 / (draws + 1)`.
    pub p_value: f64,
    /// Share of the draws in which the second set has the higher figure.
    pub higher: f64,
}

impl Bootstrap {
    /// The rows of each draw, of `n_rows`.
    fn each(self, n_rows: usize, mut with: impl FnMut(&[usize])) {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let mut rows = vec![0; n_rows];
        for _ in 0..self.draws {
            rows.iter_mut().for_each(|row| *row = random.random_range(0..n_rows));
            with(&rows);
        }
    }

    /// Interval of a figure, which is asked for the rows of each draw. `None` for fewer than two rows, or where a draw has no
    /// figure.
    pub fn interval(self, n_rows: usize, figure: impl Fn(&[usize]) -> f64) -> Option<Interval> {
        if n_rows < 2 {
            return None;
        }
        interval(self.figures(n_rows, figure))
    }

    /// What the rows of each draw have.
    pub fn figures<T>(self, n_rows: usize, figure: impl Fn(&[usize]) -> T) -> Vec<T> {
        let mut figures = Vec::with_capacity(self.draws);
        self.each(n_rows, |rows| figures.push(figure(rows)));
        figures
    }

    /// Comparison of a figure of two sets of predictions; `None` as [`interval`](Self::interval).
    pub fn paired(
        self,
        n_rows: usize,
        first: impl Fn(&[usize]) -> f64,
        second: impl Fn(&[usize]) -> f64,
    ) -> Option<Paired> {
        if n_rows < 2 {
            return None;
        }
        let mut figures = Vec::with_capacity(self.draws);
        self.each(n_rows, |rows| figures.push((first(rows), second(rows))));
        let all: Vec<usize> = (0..n_rows).collect();
        paired((first(&all), second(&all)), &figures)
    }
}

impl Interval {
    /// Of the figures of all draws; `None` without one, or where one is no number.
    pub fn of(figures: Vec<f64>) -> Option<Self> {
        interval(figures)
    }
}

/// The middle 95 % of figures by their order: of 1,000 the 26th and the 975th.
fn interval(mut figures: Vec<f64>) -> Option<Interval> {
    if figures.is_empty() || figures.iter().any(|figure| figure.is_nan()) {
        return None;
    }
    figures.sort_unstable_by(f64::total_cmp);
    let n = figures.len();
    let cut = n / 40;
    Some(Interval { low: figures[cut], high: figures[n - cut - 1], mean: figures.iter().sum::<f64>() / n as f64 })
}

/// The test of two figures by those of the draws.
fn paired((first, second): (f64, f64), draws: &[(f64, f64)]) -> Option<Paired> {
    let differences: Vec<f64> = draws.iter().map(|(first, second)| second - first).collect();
    let mean = differences.iter().map(|of| of.abs()).sum::<f64>() / differences.len() as f64;
    let beyond = differences.iter().filter(|of| of.abs() - mean > (second - first).abs()).count();
    let higher = differences.iter().filter(|of| **of > 0.0).count() as f64 / differences.len() as f64;
    let p_value = (beyond + 1) as f64 / (differences.len() + 1) as f64;
    Some(Paired { difference: second - first, interval: interval(differences)?, p_value, higher })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::golden::{close, other};

    fn sum_of(statistics: &[Vec<f64>], rows: &[usize]) -> Vec<f64> {
        let mut sum = vec![0.0; statistics[0].len()];
        for &row in rows {
            sum.iter_mut().zip(&statistics[row]).for_each(|(sum, of)| *sum += of);
        }
        sum
    }

    /// BLEU of sacreBLEU's statistics: lengths, then matches and n-grams of each order, of which none is without a match.
    fn bleu(sum: &[f64]) -> f64 {
        let logs: f64 = (0..4).map(|n| (sum[2 + n] / sum[6 + n]).ln()).sum();
        let brevity = if sum[0] < sum[1] { (1.0 - sum[1] / sum[0]).exp() } else { 1.0 };
        100.0 * brevity * (logs / 4.0).exp()
    }

    fn share(sum: &[f64]) -> f64 {
        100.0 * sum[0] / sum[1]
    }

    #[test]
    fn interval_and_p_value_are_those_of_sacrebleu_on_the_same_draws() {
        for case in other()["paired"].as_array().unwrap() {
            let figure = if case["metric"] == "bleu" { bleu } else { share };
            let table = |key: &str| -> Vec<Vec<f64>> { serde_json::from_value(case[key].clone()).unwrap() };
            let draws: Vec<Vec<usize>> = serde_json::from_value(case["draws"].clone()).unwrap();
            let (baseline, system) = (table("baseline"), table("system"));
            let of = |statistics: &[Vec<f64>], rows: &[usize]| figure(&sum_of(statistics, rows));
            let all: Vec<usize> = (0..baseline.len()).collect();
            let figures: Vec<(f64, f64)> = draws.iter().map(|rows| (of(&baseline, rows), of(&system, rows))).collect();
            let found = paired((of(&baseline, &all), of(&system, &all)), &figures).unwrap();
            let near = |found: f64, key: &str| {
                let wanted = case[key].as_f64().unwrap();
                // sacreBLEU sums in 32 bits.
                assert!((found - wanted).abs() < 1e-4, "{key}: {found} {wanted}");
            };
            close(found.p_value, &case["p_value"], "p");
            near(of(&system, &all), "figure");
            let of_system = interval(figures.iter().map(|(_, system)| *system).collect()).unwrap();
            near(of_system.mean, "mean");
            near((of_system.high - of_system.low) / 2.0, "ci");
        }
    }

    #[test]
    fn draws_follow_from_the_seed_and_the_interval_holds_the_figure() {
        let values: Vec<f64> = (0..200).map(|at| f64::from(at % 7)).collect();
        let mean = |rows: &[usize]| rows.iter().map(|&row| values[row]).sum::<f64>() / rows.len() as f64;
        let all: Vec<usize> = (0..values.len()).collect();
        let bootstrap = Bootstrap::default();
        let first = bootstrap.interval(values.len(), mean).unwrap();
        assert_eq!(bootstrap.interval(values.len(), mean), Some(first));
        assert!(first.low < mean(&all) && mean(&all) < first.high, "{first:?}");
        // The standard error of the mean is 2 / √200 = 0.141, and 1.96 of it either way is 95 %.
        assert!((first.high - first.low - 2.0 * 1.96 * 0.1414).abs() < 0.06, "{first:?}");
        let other = Bootstrap { seed: 1, ..bootstrap };
        assert_ne!(other.interval(values.len(), mean), Some(first));
        assert_eq!(bootstrap.interval(1, mean), None);
    }

    #[test]
    fn the_same_predictions_differ_by_nothing_and_one_better_everywhere_by_no_chance() {
        let bootstrap = Bootstrap::default();
        let worse = |rows: &[usize]| rows.len() as f64;
        let same = bootstrap.paired(50, worse, worse).unwrap();
        assert_eq!((same.difference, same.p_value, same.higher), (0.0, 1.0 / 1001.0, 0.0));
        let better = bootstrap.paired(50, worse, |rows| 1.0 + worse(rows)).unwrap();
        assert_eq!((better.difference, better.p_value, better.higher), (1.0, 1.0 / 1001.0, 1.0));
    }
}
