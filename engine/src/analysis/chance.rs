//! The part of chance: how near the nearest of many tokens is to a vector that has nothing to do with any of them.
//!
//! Counted in standard deviations from their mean, the cosines of such a vector with the `n` tokens of a vocabulary lie
//! like `n` draws from a normal distribution. So the nearest of them is expected at the expected largest of `n` draws,
//! and one list of twenty has a token beyond the 95th percentile of the largest. The tests of `geometry.rs` hold this
//! against vectors drawn at random.

use crate::analysis::VocabularyScores;

/// The nearest token of a vocabulary by chance, in z.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chance {
    /// The expected largest of `n` draws from N(0, 1): `∫ (1 - Φ(z)^n) dz` over positive `z`, which is all of it but for
    /// `2^-n`.
    pub(super) best: f32,
    /// The z that the largest of `n` draws exceeds with probability 1/20: `Φ⁻¹(0.95^(1/n))` (Šidák 1967).
    pub(super) limit: f32,
}

impl Chance {
    /// Of `n` tokens; fewer than two are taken for two.
    pub(super) fn of(n: usize) -> Self {
        let n = n.max(2) as f64;
        const STEP: f64 = 0.02;
        let is_larger = |z: f64| -f64::exp_m1(n * f64::ln_1p(-upper_tail(z)));
        let best = (0..600).map(|step| is_larger((f64::from(step) + 0.5) * STEP) * STEP).sum::<f64>();
        // 1 - 0.95^(1/n), without the digits that the difference would lose.
        let limit = upper_quantile(-f64::exp_m1(f64::ln_1p(-VocabularyScores::LEVEL) / n));
        Self { best: best as f32, limit: limit as f32 }
    }
}

/// The z that a draw from N(0, 1) exceeds with probability `tail`.
fn upper_quantile(tail: f64) -> f64 {
    let (mut low, mut high) = (0.0, 40.0);
    for _ in 0..64 {
        let middle = (low + high) / 2.0;
        if upper_tail(middle) > tail { low = middle } else { high = middle }
    }
    low
}

/// The probability of a draw beyond `z > 0`, by Laplace's continued fraction `φ(z) / (z + 1/(z + 2/(z + …)))`. Close to 0,
/// where it converges slowly, nothing depends on it: of many draws the largest is never there, and it
/// is never more than a half.
pub(super) fn upper_tail(z: f64) -> f64 {
    let fraction = (1..=120).rev().fold(z, |below, k| z + f64::from(k) / below);
    ((-z * z / 2.0).exp() / (std::f64::consts::TAU.sqrt() * fraction)).min(0.5)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::random::normal;

    /// NumPy's integral of the first formula, and Python's `statistics.NormalDist().inv_cdf` of the second.
    #[test]
    fn both_lines_are_where_the_normal_distribution_puts_them() {
        for (n, best, limit) in [
            (100, 2.507_59, 3.283_41),
            (8192, 3.802_28, 4.368_28),
            (50_257, 4.231_62, 4.749_30),
            (151_936, 4.474_79, 4.968_37),
        ] {
            let ours = Chance::of(n);
            assert!((ours.best - best).abs() < 1e-4, "{n}: {}", ours.best);
            assert!((ours.limit - limit).abs() < 1e-5, "{n}: {}", ours.limit);
        }
        let few = [0, 1, 3].map(Chance::of);
        assert!(few.iter().all(|chance| chance.best > 0.0 && chance.limit > chance.best), "{few:?}");
    }

    #[test]
    fn the_largest_of_many_draws_is_where_the_formulas_say() {
        let (n, repetitions) = (1000, 4000);
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let largest: Vec<f32> =
            (0..repetitions).map(|_| (0..n).map(|_| normal(&mut random)).fold(f32::MIN, f32::max)).collect();
        let (mean, chance) = (largest.iter().sum::<f32>() / repetitions as f32, Chance::of(n));
        assert!((mean - chance.best).abs() < 0.02, "{mean} and {}", chance.best);
        let beyond = largest.iter().filter(|z| **z > chance.limit).count() as f32 / repetitions as f32;
        assert!((beyond - 0.05).abs() < 0.01, "{beyond}");
    }
}
