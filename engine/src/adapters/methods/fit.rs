//! Fits the last layer of a reparameterization so that the network makes a wanted prefix.
//!
//! Li & Liang run 500 steps of Adam for this. With no more positions than hidden units the fit has an exact solution of
//! least change, `dW = H^T (H H^T)^-1 R`, which is one small system of equations.

/// The change of `[d_out, width]` weights that turns the residual `[n, d_out]` to zero.
///
/// `hidden` is `[n, width]`. With `n > width` the remaining error is the least possible up to the ridge.
pub(crate) fn least_change(hidden: &[f32], residual: &[f32], n: usize, width: usize) -> Vec<f32> {
    let d_out = residual.len() / n;
    let row = |i: usize| &hidden[i * width..(i + 1) * width];
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    let mut gram = vec![0.0_f64; n * n];
    for i in 0..n {
        for j in 0..=i {
            gram[i * n + j] = dot(row(i), row(j));
            gram[j * n + i] = gram[i * n + j];
        }
    }
    let trace: f64 = (0..n).map(|i| gram[i * n + i]).sum();
    let ridge = (trace / n as f64).max(f64::MIN_POSITIVE) * 1e-9;
    for i in 0..n {
        gram[i * n + i] += ridge;
    }
    cholesky(&mut gram, n);
    let mut change = vec![0.0_f32; d_out * width];
    let mut column = vec![0.0_f64; n];
    for (out, target) in change.chunks_exact_mut(width).enumerate() {
        for (i, value) in column.iter_mut().enumerate() {
            *value = f64::from(residual[i * d_out + out]);
        }
        solve(&gram, &mut column, n);
        for (i, weight) in column.iter().enumerate() {
            for (t, h) in target.iter_mut().zip(row(i)) {
                *t += (*weight * f64::from(*h)) as f32;
            }
        }
    }
    change
}

/// In place, the lower triangle of a positive definite matrix becomes its Cholesky factor.
pub(crate) fn cholesky(matrix: &mut [f64], n: usize) {
    for j in 0..n {
        for i in j..n {
            let known: f64 = (0..j).map(|k| matrix[i * n + k] * matrix[j * n + k]).sum();
            let rest = matrix[i * n + j] - known;
            matrix[i * n + j] = if i == j { rest.max(f64::MIN_POSITIVE).sqrt() } else { rest / matrix[j * n + j] };
        }
    }
}

/// Solves with a Cholesky factor, in place.
pub(crate) fn solve(factor: &[f64], values: &mut [f64], n: usize) {
    for i in 0..n {
        let known: f64 = (0..i).map(|k| factor[i * n + k] * values[k]).sum();
        values[i] = (values[i] - known) / factor[i * n + i];
    }
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|k| factor[k * n + i] * values[k]).sum();
        values[i] = (values[i] - known) / factor[i * n + i];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_residual_is_met_exactly_when_there_are_enough_hidden_units() {
        let (n, width, d_out) = (3, 5, 4);
        let hidden: Vec<f32> = (0..n * width).map(|i| ((i * 7 % 11) as f32 - 5.0) / 5.0).collect();
        let residual: Vec<f32> = (0..n * d_out).map(|i| ((i * 5 % 13) as f32 - 6.0) / 3.0).collect();
        let change = least_change(&hidden, &residual, n, width);
        for i in 0..n {
            for out in 0..d_out {
                let made: f32 = (0..width).map(|k| hidden[i * width + k] * change[out * width + k]).sum();
                assert!((made - residual[i * d_out + out]).abs() < 1e-4);
            }
        }
    }
}
