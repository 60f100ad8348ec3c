//! Figures that are the mean of a value of each row.

use rayon::prelude::*;

use super::TextRow;

/// Statistics of a mean: the row's value, and one row.
pub(super) fn statistics(rows: &[TextRow], value: impl Fn(&TextRow) -> f64 + Sync) -> Vec<Vec<f64>> {
    rows.par_iter().map(|row| vec![value(row), 1.0]).collect()
}

/// Mean of summed statistics; 0 of no rows.
pub(super) fn figure(sum: &[f64]) -> f64 {
    share(at(sum, 0), at(sum, 1))
}

/// A share, 0 where there is nothing to share.
pub(super) fn share(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}

/// A statistic of a sum, 0 in the sum of no rows.
pub(super) fn at(sum: &[f64], index: usize) -> f64 {
    sum.get(index).copied().unwrap_or_default()
}

/// A number of four digits after the point, as Python's `round` makes it.
pub(super) fn rounded(value: f64) -> f64 {
    format!("{value:.4}").parse().unwrap_or(value)
}
