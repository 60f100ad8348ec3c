//! How alike some vectors are: one direction, or many.

/// Vectors from which the spectrum is computed; more say little more.
const MOST: usize = 128;

/// Mean cosine of two different ones; 1 where there are fewer than two.
pub(super) fn constancy(vectors: &[Vec<f32>]) -> f64 {
    let (mut sum, mut n) = (Vec::<f64>::new(), 0.0);
    for vector in vectors {
        let length = length(vector);
        if length > 0.0 {
            sum.resize(vector.len(), 0.0);
            sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += f64::from(*x) / length);
            n += 1.0;
        }
    }
    if n < 2.0 {
        return 1.0;
    }
    // The square of a sum of unit vectors is n for the pairs of each with itself, and the cosines of the others.
    let square: f64 = sum.iter().map(|x| x * x).sum();
    (square - n) / (n * (n - 1.0))
}

/// Exponential of the entropy of the normalized eigenvalues of their covariance (Roy & Vetterli 2007): 1 is a line, and
/// vectors that do not differ have 0.
pub(super) fn effective_rank(vectors: &[Vec<f32>]) -> f64 {
    let every = vectors.len().div_ceil(MOST).max(1);
    let some: Vec<&Vec<f32>> = vectors.iter().step_by(every).collect();
    let (n, width) = (some.len(), some.first().map_or(0, |vector| vector.len()));
    if n < 2 || width == 0 {
        return 0.0;
    }
    let mean: Vec<f64> =
        (0..width).map(|i| some.iter().map(|vector| f64::from(vector[i])).sum::<f64>() / n as f64).collect();
    let centered: Vec<Vec<f64>> =
        some.iter().map(|vector| vector.iter().zip(&mean).map(|(x, m)| f64::from(*x) - m).collect()).collect();
    // The Gram matrix has the eigenvalues of the covariance but for zeros.
    let gram = |i: usize, j: usize| centered[i].iter().zip(&centered[j]).map(|(a, b)| a * b).sum::<f64>();
    let eigenvalues = eigenvalues((0..n).map(|i| (0..n).map(|j| gram(i, j)).collect()).collect());
    let all: f64 = eigenvalues.iter().map(|value| value.max(0.0)).sum();
    let scale: f64 = some.iter().map(|vector| length(vector).powi(2)).sum();
    if all <= 1e-12 * scale {
        return 0.0;
    }
    let entropy: f64 =
        eigenvalues.iter().map(|value| value.max(0.0) / all).filter(|p| *p > 0.0).map(|p| -p * p.ln()).sum();
    entropy.exp()
}

/// Eigenvalues of a symmetric matrix by Jacobi's rotations.
pub(super) fn eigenvalues(mut a: Vec<Vec<f64>>) -> Vec<f64> {
    let n = a.len();
    for _ in 0..60 {
        let off: f64 = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i][j] * a[i][j]).sum();
        let all: f64 = a.iter().flatten().map(|x| x * x).sum();
        if off <= 1e-22 * all {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut a, p, q);
            }
        }
    }
    (0..n).map(|i| a[i][i]).collect()
}

/// Makes one element off the diagonal zero.
fn rotate(a: &mut [Vec<f64>], p: usize, q: usize) {
    if a[p][q] == 0.0 {
        return;
    }
    let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
    let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let t = if theta == 0.0 { 1.0 } else { t };
    let c = 1.0 / (t * t + 1.0).sqrt();
    let s = t * c;
    for row in a.iter_mut() {
        let (x, y) = (row[p], row[q]);
        (row[p], row[q]) = (c * x - s * y, s * x + c * y);
    }
    let (left, right) = a.split_at_mut(q);
    for (x, y) in left[p].iter_mut().zip(&mut right[0]) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
}

fn length(vector: &[f32]) -> f64 {
    vector.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_one_direction_are_constant_and_a_line() {
        let line: Vec<Vec<f32>> = (1..20).map(|i| vec![i as f32, 2.0 * i as f32, 0.0]).collect();
        assert!((constancy(&line) - 1.0).abs() < 1e-9);
        assert!((effective_rank(&line) - 1.0).abs() < 1e-6);
        assert_eq!(effective_rank(&[vec![1.0, 2.0], vec![1.0, 2.0]]), 0.0, "they do not differ");
    }

    #[test]
    fn opposite_vectors_cancel_and_a_cross_has_two_directions() {
        let cross: Vec<Vec<f32>> = vec![vec![1.0, 0.0], vec![-1.0, 0.0], vec![0.0, 1.0], vec![0.0, -1.0]];
        assert!((constancy(&cross) + 1.0 / 3.0).abs() < 1e-9);
        assert!((effective_rank(&cross) - 2.0).abs() < 1e-6);
    }

    #[test]
    fn eigenvalues_are_those_of_a_matrix_that_is_known() {
        let mut found = eigenvalues(vec![vec![2.0, 1.0, 0.0], vec![1.0, 2.0, 1.0], vec![0.0, 1.0, 2.0]]);
        found.sort_by(f64::total_cmp);
        let root = 2.0_f64.sqrt();
        for (found, known) in found.iter().zip([2.0 - root, 2.0, 2.0 + root]) {
            assert!((found - known).abs() < 1e-10, "{found} {known}");
        }
    }
}
