//! Fewer keys and values of a head that give its queries what all of them gave: attention matching, in closed form.
//!
//! "Fast KV Compaction via Attention Matching" (arXiv 2602.16284): the keys with most attention stay, weights by non-negative
//! least squares keep the sum of the exponentials, and values by least squares keep the output. A head here has no room for
//! weights, so each is taken into its key, `q · k' ≈ q · k + ln w`; and where fewer slots let the text begin earlier, a query
//! is another one behind them, so that keys are fitted to the scores of before anyway. Every fit is held near what was there by
//! a ridge.

use crate::adapters::methods::fit::{cholesky, solve};

/// Ridge of every fit, as a share of the mean of the squares.
const RIDGE: f64 = 1e-3;
/// Least weight of a key that stays.
const LEAST_WEIGHT: f64 = 1e-3;
/// Sweeps over the weights, and the change at which they end.
const SWEEPS: usize = 10_000;
const STILL: f64 = 1e-12;

/// Keys and values of a head, and the queries that compare them: scores are plain products.
pub(super) struct Head<'a> {
    pub(super) d_head: usize,
    /// `[n, d_head]`.
    pub(super) keys: &'a [f32],
    /// `[n, d_head]`.
    pub(super) values: &'a [f32],
    /// Behind all slots, `[queries, d_head]`.
    pub(super) before: &'a [f32],
    /// The same behind fewer, `[queries, d_head]`.
    pub(super) after: &'a [f32],
}

/// Fewer keys and values.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fitted {
    /// The keys that stayed, in order.
    pub(super) chosen: Vec<usize>,
    /// `[slots, d_head]`.
    pub(super) keys: Vec<f64>,
    /// `[slots, d_head]`.
    pub(super) values: Vec<f64>,
    /// Length of the difference of outputs, as a share of their length: of the chosen as they were, and fitted.
    pub(super) error: [f64; 2],
}

/// A matrix, row by row.
struct Matrix {
    width: usize,
    values: Vec<f64>,
}

impl Matrix {
    fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.width)
    }

    /// Products of each row with rows as wide.
    fn products(&self, others: &[f64]) -> Self {
        let of_row = |row| others.chunks_exact(self.width).map(move |other| dot(row, other));
        Self { width: others.len() / self.width, values: self.rows().flat_map(of_row).collect() }
    }

    /// Each row as shares that sum to 1.
    fn shares(mut self) -> Self {
        for row in self.values.chunks_exact_mut(self.width) {
            let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            row.iter_mut().for_each(|x| *x = (*x - most).exp());
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|x| *x /= sum);
        }
        self
    }

    /// Some of its columns.
    fn columns(&self, chosen: &[usize]) -> Self {
        let values = self.rows().flat_map(|row| chosen.iter().map(move |&at| row[at])).collect();
        Self { width: chosen.len(), values }
    }

    /// Rows of `others` mixed by each row.
    fn mixed(&self, others: &[f64]) -> Self {
        let width = others.len() / self.width;
        let mut values = vec![0.0; self.values.len() / self.width * width];
        for (mixed, shares) in values.chunks_exact_mut(width).zip(self.rows()) {
            for (share, other) in shares.iter().zip(others.chunks_exact(width)) {
                mixed.iter_mut().zip(other).for_each(|(sum, x)| *sum += share * x);
            }
        }
        Self { width, values }
    }

    /// The products of its columns with a ridge, `[width, width]`.
    fn squares(&self) -> Vec<f64> {
        let n = self.width;
        let mut squares = vec![0.0; n * n];
        for row in self.rows() {
            for (i, x) in row.iter().enumerate() {
                squares[i * n..=i * n + i].iter_mut().zip(row).for_each(|(sum, y)| *sum += x * y);
            }
        }
        let trace: f64 = (0..n).map(|i| squares[i * n + i]).sum();
        let ridge = (RIDGE * trace / n as f64).max(f64::MIN_POSITIVE);
        for i in 0..n {
            squares[i * n + i] += ridge;
            (0..i).for_each(|j| squares[j * n + i] = squares[i * n + j]);
        }
        squares
    }

    /// The change of `[width, d]` numbers that brings what each row mixes of them nearest to `residual`, with a ridge.
    fn change(&self, residual: &Self) -> Vec<f64> {
        let (n, d) = (self.width, residual.width);
        let mut factor = self.squares();
        cholesky(&mut factor, n);
        let mut right = vec![0.0; d * n]; // by column of the residual
        for (row, rest) in self.rows().zip(residual.rows()) {
            for (right, rest) in right.chunks_exact_mut(n).zip(rest) {
                right.iter_mut().zip(row).for_each(|(sum, x)| *sum += rest * x);
            }
        }
        right.chunks_exact_mut(n).for_each(|column| solve(&factor, column, n));
        (0..n * d).map(|at| right[at % d * n + at / d]).collect()
    }

    fn minus(&self, other: &Self) -> Self {
        let values = self.values.iter().zip(&other.values).map(|(a, b)| a - b).collect();
        Self { width: self.width, values }
    }

    fn length(&self) -> f64 {
        dot(&self.values, &self.values).sqrt()
    }
}

impl Head<'_> {
    /// So many keys and values in place of all.
    pub(super) fn fitted(&self, slots: usize) -> Fitted {
        let d = self.d_head;
        let wide = |values: &[f32]| -> Vec<f64> { values.iter().map(|&x| f64::from(x)).collect() };
        let (all_keys, all_values) = (wide(self.keys), wide(self.values));
        let before = Matrix { width: d, values: wide(self.before) };
        let after = Matrix { width: d, values: wide(self.after) };
        let scores = before.products(&all_keys);
        let shares = Matrix { width: scores.width, values: scores.values.clone() }.shares();
        let wanted = shares.mixed(&all_values);
        let chosen = most_attended(&shares, slots);
        let of_chosen = |all: &[f64]| chosen.iter().flat_map(|at| &all[at * d..][..d]).copied().collect::<Vec<f64>>();
        let (mut keys, mut values) = (of_chosen(&all_keys), of_chosen(&all_values));
        let error = |keys: &[f64], values: &[f64]| {
            let made = after.products(keys).shares().mixed(values);
            wanted.minus(&made).length() / wanted.length().max(f64::MIN_POSITIVE)
        };
        let unfitted = error(&keys, &values);
        let weights = key_weights(&shares.columns(&chosen));
        let mut missing = scores.columns(&chosen).minus(&after.products(&keys));
        for row in missing.values.chunks_exact_mut(weights.len()) {
            row.iter_mut().zip(&weights).for_each(|(score, weight)| *score += weight.ln());
        }
        let change = after.change(&missing); // [d, slots]
        for (at, key) in keys.iter_mut().enumerate() {
            *key += change[at % d * chosen.len() + at / d];
        }
        let shares = after.products(&keys).shares();
        let change = shares.change(&wanted.minus(&shares.mixed(&values)));
        values.iter_mut().zip(change).for_each(|(value, change)| *value += change);
        let error = [unfitted, error(&keys, &values)];
        Fitted { chosen, keys, values, error }
    }
}

/// The keys that queries attend to most, by the mean square of their shares.
fn most_attended(shares: &Matrix, slots: usize) -> Vec<usize> {
    let mut attended = vec![0.0; shares.width];
    for row in shares.rows() {
        attended.iter_mut().zip(row).for_each(|(sum, share)| *sum += share * share);
    }
    let mut order: Vec<usize> = (0..attended.len()).collect();
    order.sort_by(|&a, &b| attended[b].total_cmp(&attended[a]).then(a.cmp(&b)));
    order.truncate(slots);
    order.sort_unstable();
    order
}

/// Weights under which the shares of the keys that stay sum to 1, as those of all did: non-negative least squares near 1, one
/// weight after the other.
fn key_weights(shares: &Matrix) -> Vec<f64> {
    let n = shares.width;
    let squares = shares.squares();
    // The ridge holds them near 1: what is missing to 1 is fitted by the distance from there.
    let mut right = vec![0.0; n];
    for row in shares.rows() {
        let missing = 1.0 - row.iter().sum::<f64>();
        right.iter_mut().zip(row).for_each(|(sum, share)| *sum += share * missing);
    }
    let mut distance = vec![0.0; n];
    for _ in 0..SWEEPS {
        let mut moved = 0.0_f64;
        for i in 0..n {
            let row = &squares[i * n..][..n];
            let rest = right[i] - dot(row, &distance) + row[i] * distance[i];
            let next = (rest / row[i]).max(LEAST_WEIGHT - 1.0);
            moved = moved.max((next - distance[i]).abs());
            distance[i] = next;
        }
        if moved < STILL {
            break;
        }
    }
    distance.into_iter().map(|distance| 1.0 + distance).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
#[path = "solve_tests.rs"]
mod tests;
