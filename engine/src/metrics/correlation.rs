//! Correlation of two lists of numbers: Pearson's, and Spearman's over ranks (`scipy.stats.{pearsonr, spearmanr}`).

/// Pearson's correlation; `None` for fewer than two numbers, or where one list is always the same.
pub fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    let n = x.len().min(y.len());
    if n < 2 {
        return None;
    }
    let mean = |values: &[f64]| values[..n].iter().sum::<f64>() / n as f64;
    let (mean_x, mean_y) = (mean(x), mean(y));
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (a, b) in x.iter().zip(y) {
        let (a, b) = (a - mean_x, b - mean_y);
        (xy, xx, yy) = (xy + a * b, xx + a * a, yy + b * b);
    }
    // A list that is always the same may have a spread of rounding.
    let is_flat = |values: &[f64]| values[..n].iter().all(|value| *value == values[0]);
    if is_flat(x) || is_flat(y) {
        return None;
    }
    Some((xy / (xx.sqrt() * yy.sqrt())).clamp(-1.0, 1.0))
}

/// Spearman's correlation: Pearson's of the ranks, equal numbers at the mean of theirs; `None` as [`pearson`].
pub fn spearman(x: &[f64], y: &[f64]) -> Option<f64> {
    let n = x.len().min(y.len());
    pearson(&ranks(&x[..n]), &ranks(&y[..n]))
}

/// Rank of each number from 1, the smallest first; equal ones have the mean of their ranks.
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut begin = 0;
    while begin < order.len() {
        let equal = order[begin..].iter().take_while(|&&at| values[at] == values[order[begin]]).count().max(1);
        // Ranks begin + 1 to begin + equal.
        let mean = begin as f64 + (equal + 1) as f64 / 2.0;
        order[begin..begin + equal].iter().for_each(|&at| ranks[at] = mean);
        begin += equal;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::golden::{close, other};

    #[test]
    fn correlations_are_those_of_scipy_with_ties_too() {
        let cases = other()["correlation"].as_array().unwrap().clone();
        assert!(cases.len() >= 3);
        for case in cases {
            let list = |key: &str| -> Vec<f64> { serde_json::from_value(case[key].clone()).unwrap() };
            let (x, y) = (list("x"), list("y"));
            close(pearson(&x, &y).unwrap(), &case["pearson"], "pearson");
            close(spearman(&x, &y).unwrap(), &case["spearman"], "spearman");
        }
    }

    #[test]
    fn a_constant_list_correlates_with_nothing() {
        assert_eq!(pearson(&[0.1, 0.1, 0.1], &[1.0, 2.0, 3.0]), None);
        assert_eq!(spearman(&[1.0], &[1.0]), None);
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
    }
}
