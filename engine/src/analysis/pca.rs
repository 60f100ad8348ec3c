//! The directions in which some vectors lie farthest from a place: principal components about it, by orthogonal iteration
//! on the vectors themselves, since a layer's width squared is more than is needed for two or three directions.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::random::normal;

/// Directions beside those asked for, with which these turn into place sooner.
const SPARE: usize = 6;
/// Most rounds, and the turn of a direction below which it stays where it is.
const ROUNDS: usize = 400;
const STILL: f64 = 1e-10;

/// Orthonormal directions, the one with the greatest mean square first; fewer than asked for where the vectors have fewer.
/// Each vector counts as much as its weight says. The largest number of a direction is positive, so that a map does not
/// turn over.
pub(super) fn directions(vectors: &[Vec<f64>], weights: &[f64], count: usize) -> Vec<Vec<f64>> {
    let width = vectors.first().map_or(0, Vec::len);
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let all = (count + SPARE).min(width).min(vectors.len());
    let start = (0..all).map(|_| (0..width).map(|_| f64::from(normal(&mut random))).collect()).collect();
    let mut basis = orthonormal(start);
    for _ in 0..ROUNDS {
        let turned = orthonormal(basis.iter().map(|direction| times_covariance(vectors, weights, direction)).collect());
        let shown = turned.iter().zip(&basis).take(count);
        let is_still = turned.len() == basis.len() && shown.into_iter().all(|(a, b)| 1.0 - dot(a, b).abs() < STILL);
        basis = turned;
        if is_still {
            break;
        }
    }
    let square = |direction: &Vec<f64>| -> f64 {
        vectors.iter().zip(weights).map(|(vector, weight)| weight * dot(vector, direction).powi(2)).sum()
    };
    let mut found: Vec<(f64, Vec<f64>)> = basis.into_iter().map(|direction| (square(&direction), direction)).collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    let upright = |mut direction: Vec<f64>| {
        let largest = direction.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or_default();
        direction.iter_mut().for_each(|x| *x *= largest.signum());
        direction
    };
    found.into_iter().take(count).map(|(_, direction)| upright(direction)).collect()
}

/// The shares of the mean square of some vectors that lie along directions at right angles; zeros where there is none.
pub(super) fn explained(vectors: &[Vec<f64>], directions: &[Vec<f64>]) -> Vec<f64> {
    let all: f64 = vectors.iter().map(|vector| dot(vector, vector)).sum();
    let along = |direction: &Vec<f64>| vectors.iter().map(|vector| dot(vector, direction).powi(2)).sum::<f64>();
    directions.iter().map(|direction| if all > 0.0 { along(direction) / all } else { 0.0 }).collect()
}

/// Where a vector lies along directions.
pub(super) fn place(vector: &[f64], directions: &[Vec<f64>]) -> Vec<f64> {
    directions.iter().map(|direction| dot(vector, direction)).collect()
}

fn times_covariance(vectors: &[Vec<f64>], weights: &[f64], direction: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; direction.len()];
    for (vector, weight) in vectors.iter().zip(weights) {
        let along = weight * dot(vector, direction);
        sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += along * x);
    }
    sum
}

/// Gram and Schmidt, twice for the sake of rounding; what is not new is left out.
fn orthonormal(vectors: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let largest = vectors.iter().map(|vector| dot(vector, vector).sqrt()).fold(0.0, f64::max);
    let mut basis: Vec<Vec<f64>> = Vec::new();
    for mut vector in vectors {
        for _ in 0..2 {
            for other in &basis {
                let along = dot(&vector, other);
                vector.iter_mut().zip(other).for_each(|(x, other)| *x -= along * other);
            }
        }
        let length = dot(&vector, &vector).sqrt();
        if length > 1e-12 * largest && length.is_finite() {
            vector.iter_mut().for_each(|x| *x /= length);
            basis.push(vector);
        }
    }
    basis
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::super::spread::eigenvalues;
    use super::*;

    fn drawn(n: usize, scales: &[f64], seed: u64) -> Vec<Vec<f64>> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        (0..n).map(|_| scales.iter().map(|scale| scale * f64::from(normal(&mut random))).collect()).collect()
    }

    #[test]
    fn the_shares_are_the_eigenvalues_of_the_covariance() {
        let vectors = drawn(80, &[5.0, 3.0, 2.0, 1.0, 1.0, 0.5, 0.5], 1);
        let found = directions(&vectors, &[1.0; 80], 3);
        let entry = |i: usize, j: usize| vectors.iter().map(|vector| vector[i] * vector[j]).sum::<f64>();
        let mut right = eigenvalues((0..7).map(|i| (0..7).map(|j| entry(i, j)).collect()).collect());
        right.sort_by(|a, b| b.total_cmp(a));
        let all: f64 = right.iter().sum();
        for (share, value) in explained(&vectors, &found).iter().zip(&right) {
            assert!((share - value / all).abs() < 1e-6, "{share} {}", value / all);
        }
        for (i, a) in found.iter().enumerate() {
            assert!(found.iter().enumerate().all(|(j, b)| (dot(a, b) - f64::from(u8::from(i == j))).abs() < 1e-9));
        }
    }

    #[test]
    fn a_weight_counts_as_so_many_vectors() {
        let few = drawn(6, &[1.0, 2.0, 3.0], 2);
        let many: Vec<Vec<f64>> = few.iter().enumerate().flat_map(|(i, vector)| vec![vector.clone(); i + 1]).collect();
        let (a, b) = (directions(&few, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2), directions(&many, &[1.0; 21], 2));
        assert!(a.iter().zip(&b).all(|(a, b)| 1.0 - dot(a, b) < 1e-6), "{a:?} {b:?}");
    }

    #[test]
    fn vectors_on_a_line_have_one_direction_and_it_points_up() {
        let line: Vec<Vec<f64>> = [-1.0, 2.0, -3.0].map(|x| vec![0.0, -x, 0.0, 0.0]).to_vec();
        let found = directions(&line, &[1.0; 3], 2);
        assert!((explained(&line, &found)[0] - 1.0).abs() < 1e-12);
        assert!((found[0][1] - 1.0).abs() < 1e-12, "{found:?}");
        assert!((place(&line[0], &found)[0] - 1.0).abs() < 1e-12);
        assert!(directions(&[], &[], 2).is_empty());
    }
}
