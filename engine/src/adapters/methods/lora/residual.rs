//! PiSSA and OLoRA: matrices that begin as a part of the weight they stand beside, which is taken out of that weight. PEFT
//! takes it out again whenever it loads such an adapter, so what is trained is added to what is left of the base model.
//! Here the part that is taken out is written down as matrices of low rank with the opposite sign, beside the trained ones.
//! Meng et al. 2024, "PiSSA"; Büyükakyüz 2024, "OLoRA". huggingface/peft: src/peft/tuners/lora/layer.py, `pissa_init`,
//! `olora_init`.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::adapters::methods::lora::LoraMatrices;
use crate::error::{EngineError, Result};
use crate::sentence;

/// The part of a weight that matrices began as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residual {
    /// That of the largest singular values.
    Pissa,
    /// The first columns of Q with the first rows of R, where the weight is Q R; it is taken out times the scale.
    Olora,
}

impl Residual {
    /// As PEFT's `init_lora_weights` names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pissa => "pissa",
            Self::Olora => "olora",
        }
    }

    /// The matrices of a layer with what PEFT takes out of its weight, `[d_out, d_in]`: twice the rank.
    ///
    /// # Errors
    /// The weight has no such part of that rank.
    pub(crate) fn beside(self, layer: &LoraMatrices, weight: &[f32]) -> Result<LoraMatrices> {
        let LoraMatrices { rank, d_in, d_out, scale, .. } = *layer;
        let weight = Weight { values: weight, d_out, d_in };
        let part = match self {
            Self::Pissa if rank <= d_in.min(d_out) => Some(weight.largest(rank)),
            Self::Olora if rank <= d_in.min(d_out) => weight.first_columns(rank),
            Self::Pissa | Self::Olora => None,
        };
        let (up, down) = part.ok_or_else(|| EngineError::AdapterMismatch {
            reason: sentence!(
                "the weight of {layer} has no part of rank {rank} with which {start} begins",
                layer = layer.name,
                rank,
                start = self.name()
            ),
        })?;
        let taken = match self {
            Self::Pissa => scale.recip(),
            Self::Olora => 1.0,
        };
        let mut a = layer.a.clone();
        a.extend(down.iter().flatten().map(|&x| x as f32));
        let b = layer.b.chunks_exact(rank).enumerate().flat_map(|(row, own)| {
            let taken = up.iter().map(move |column| (-taken * column[row]) as f32);
            own.iter().copied().chain(taken).collect::<Vec<f32>>()
        });
        Ok(LoraMatrices { rank: 2 * rank, a, b: b.collect(), ..layer.clone() })
    }
}

/// Columns of the first matrix and rows of the second: their product is a part of a weight.
type Part = (Vec<Vec<f64>>, Vec<Vec<f64>>);

/// `[d_out, d_in]`, row by row.
struct Weight<'a> {
    values: &'a [f32],
    d_out: usize,
    d_in: usize,
}

impl Weight<'_> {
    /// The nearest matrix of a rank, that of the largest singular values.
    fn largest(&self, rank: usize) -> Part {
        if self.d_in <= self.d_out {
            let right = leading(self.d_in, rank, |x| self.transposed_times(&self.times(x)));
            (right.iter().map(|x| self.times(x)).collect(), right)
        } else {
            let left = leading(self.d_out, rank, |x| self.times(&self.transposed_times(x)));
            let right = left.iter().map(|x| self.transposed_times(x)).collect();
            (left, right)
        }
    }

    /// The first columns, made orthonormal, and what the weight is in them; `None` if they depend on each other.
    fn first_columns(&self, rank: usize) -> Option<Part> {
        let mut q: Vec<Vec<f64>> = Vec::new();
        for column in 0..rank {
            let own: Vec<f64> = (0..self.d_out).map(|row| f64::from(self.values[row * self.d_in + column])).collect();
            let before = norm(&own);
            let left = without(own, &q);
            let length = norm(&left);
            if length <= 1e-7 * before || length == 0.0 {
                return None;
            }
            q.push(left.iter().map(|x| x / length).collect());
        }
        let r = q.iter().map(|column| self.transposed_times(column)).collect();
        Some((q, r))
    }

    fn times(&self, x: &[f64]) -> Vec<f64> {
        let product = |row: &[f32]| row.iter().zip(x).map(|(&w, x)| f64::from(w) * x).sum();
        self.values.par_chunks_exact(self.d_in).map(product).collect()
    }

    /// Rows are summed in shares of the same size each time, so that the sum is the same.
    fn transposed_times(&self, x: &[f64]) -> Vec<f64> {
        const ROWS: usize = 256;
        let share = |(rows, x): (&[f32], &[f64])| {
            let mut sum = vec![0.0; self.d_in];
            for (row, x) in rows.chunks_exact(self.d_in).zip(x) {
                sum.iter_mut().zip(row).for_each(|(sum, &w)| *sum += f64::from(w) * x);
            }
            sum
        };
        let shares: Vec<Vec<f64>> =
            self.values.par_chunks(ROWS * self.d_in).zip(x.par_chunks(ROWS)).map(share).collect();
        let mut sum = vec![0.0; self.d_in];
        shares.iter().for_each(|share| sum.iter_mut().zip(share).for_each(|(sum, x)| *sum += x));
        sum
    }
}

/// Share of the largest eigenvalue to which those that are asked for are known.
const TOLERANCE: f64 = 1e-11;

/// The eigenvectors of the largest eigenvalues of a symmetric matrix that is known by what it makes of a vector: Lanczos'
/// steps, each vector made orthogonal to all before it. With as many steps as the matrix has rows it is exact.
fn leading(n: usize, rank: usize, apply: impl Fn(&[f64]) -> Vec<f64>) -> Vec<Vec<f64>> {
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut draw = |basis: &[Vec<f64>]| {
        let drawn = (0..n).map(|_| random.random_range(-1.0..1.0)).collect();
        let left = without(drawn, basis);
        let length = norm(&left);
        left.into_iter().map(|x| x / length).collect::<Vec<f64>>()
    };
    let (mut basis, mut diagonal, mut beside) = (vec![draw(&[])], Vec::new(), Vec::new());
    let mut next_look = 2 * rank + 8;
    loop {
        let last = &basis[basis.len() - 1];
        let made = apply(last);
        diagonal.push(dot(&made, last));
        let left = without(made, &basis);
        let length = norm(&left);
        let n_steps = basis.len();
        let is_last = n_steps == n;
        if is_last || n_steps >= next_look {
            next_look = n_steps + n_steps / 2;
            let (values, vectors) = eigen(&diagonal, &beside);
            let largest = values.first().copied().unwrap_or(0.0).abs();
            let is_known = |vector: &Vec<f64>| (length * vector[n_steps - 1]).abs() <= TOLERANCE * largest;
            if is_last || vectors.iter().take(rank).all(is_known) {
                let of = |vector: &Vec<f64>| {
                    let mut sum = vec![0.0; n];
                    for (weight, of_basis) in vector.iter().zip(&basis) {
                        sum.iter_mut().zip(of_basis).for_each(|(sum, x)| *sum += weight * x);
                    }
                    sum
                };
                return vectors.iter().take(rank).map(of).collect();
            }
        }
        // Where the vectors so far are closed under the matrix, another one begins.
        let scale = diagonal.iter().fold(0.0_f64, |largest, x: &f64| largest.max(x.abs()));
        let is_closed = length <= 1e-14 * scale || length == 0.0;
        beside.push(if is_closed { 0.0 } else { length });
        basis.push(if is_closed { draw(&basis) } else { left.into_iter().map(|x| x / length).collect() });
    }
}

/// Eigenvalues of a tridiagonal matrix from the largest on, and their vectors: QL with implicit shifts.
/// Press et al., "Numerical Recipes", `tqli`.
fn eigen(diagonal: &[f64], beside: &[f64]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let n = diagonal.len();
    let (mut d, mut e) = (diagonal.to_vec(), beside.to_vec());
    e.resize(n, 0.0);
    let mut vectors: Vec<Vec<f64>> = (0..n).map(|at| (0..n).map(|i| f64::from(u8::from(i == at))).collect()).collect();
    for first in 0..n {
        for _ in 0..MAX_SHIFTS {
            let is_small = |at: &usize| e[*at].abs() <= f64::EPSILON * (d[*at].abs() + d[*at + 1].abs());
            let last = (first..n - 1).find(is_small).unwrap_or(n - 1);
            if last == first {
                break;
            }
            let half = (d[first + 1] - d[first]) / (2.0 * e[first]);
            let mut g = d[last] - d[first] + e[first] / (half + half.hypot(1.0).copysign(half));
            let (mut sine, mut cosine, mut shift, mut is_split) = (1.0, 1.0, 0.0, false);
            for at in (first..last).rev() {
                let (f, b) = (sine * e[at], cosine * e[at]);
                let r = f.hypot(g);
                e[at + 1] = r;
                if r == 0.0 {
                    d[at + 1] -= shift;
                    is_split = true;
                    break;
                }
                (sine, cosine) = (f / r, g / r);
                g = d[at + 1] - shift;
                let turned = (d[at] - g) * sine + 2.0 * cosine * b;
                shift = sine * turned;
                d[at + 1] = g + shift;
                g = cosine * turned - b;
                turn(&mut vectors, at, (cosine, sine));
            }
            if !is_split {
                d[first] -= shift;
                e[first] = g;
            }
            e[last] = 0.0;
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| d[b].total_cmp(&d[a]));
    (order.iter().map(|&at| d[at]).collect(), order.iter().map(|&at| vectors[at].clone()).collect())
}

/// Far more than any eigenvalue takes.
const MAX_SHIFTS: usize = 60;

/// Turns two vectors that are neighbors into each other.
fn turn(vectors: &mut [Vec<f64>], at: usize, (cosine, sine): (f64, f64)) {
    let (before, behind) = vectors.split_at_mut(at + 1);
    for (x, y) in before[at].iter_mut().zip(behind[0].iter_mut()) {
        (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
    }
}

/// The rest of a vector beside orthonormal ones; taken twice, since once leaves what rounding leaves.
fn without(mut vector: Vec<f64>, others: &[Vec<f64>]) -> Vec<f64> {
    for _ in 0..2 {
        for other in others {
            let share = dot(&vector, other);
            vector.iter_mut().zip(other).for_each(|(x, other)| *x -= share * other);
        }
    }
    vector
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(x: &[f64]) -> f64 {
    dot(x, x).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A matrix of known singular values: reflections of a diagonal.
    fn reflected(d_out: usize, d_in: usize, singular: &[f64]) -> Vec<f32> {
        let unit = |n: usize, shift: f64| {
            let x: Vec<f64> = (0..n).map(|i| (i as f64 * 0.7 + shift).sin()).collect();
            let length = norm(&x);
            x.into_iter().map(|x| x / length).collect::<Vec<f64>>()
        };
        let (u, v) = (unit(d_out, 0.3), unit(d_in, 1.1));
        let reflect = |w: &[f64], i: usize, j: usize| f64::from(u8::from(i == j)) - 2.0 * w[i] * w[j];
        let entry = |i: usize, j: usize| {
            singular.iter().enumerate().map(|(k, s)| reflect(&u, i, k) * s * reflect(&v, k, j)).sum::<f64>() as f32
        };
        (0..d_out).flat_map(|i| (0..d_in).map(move |j| (i, j))).map(|(i, j)| entry(i, j)).collect()
    }

    fn product((up, down): &Part, row: usize, column: usize) -> f64 {
        up.iter().zip(down).map(|(up, down)| up[row] * down[column]).sum()
    }

    #[test]
    fn the_part_of_the_largest_singular_values_is_found_tall_wide_and_with_small_gaps() {
        let cases: [(usize, usize, &[f64]); 4] = [
            (7, 4, &[5.0, 2.0, 1.9, 0.1]),
            (4, 7, &[5.0, 2.0, 1.9, 0.1]),
            (60, 40, &[3.0, 2.999, 2.9, 1.0, 0.99, 0.98, 0.5]),
            (40, 90, &[1e3, 1.0, 0.5, 0.25, 1e-3]),
        ];
        for (d_out, d_in, singular) in cases {
            for rank in [1, 2, 3] {
                let values = reflected(d_out, d_in, singular);
                let part = Weight { values: &values, d_out, d_in }.largest(rank);
                let wanted = reflected(d_out, d_in, &singular[..rank]);
                for (at, wanted) in wanted.iter().enumerate() {
                    let found = product(&part, at / d_in, at % d_in);
                    // Rounding the matrix to f32 turns its vectors by as much over a gap.
                    let gap = singular[rank - 1] - singular[rank];
                    let noise = 3e-7 * singular[0] * (1.0 + singular[0] / gap);
                    assert!(
                        (found - f64::from(*wanted)).abs() < noise,
                        "{d_out}x{d_in}, rank {rank}: {found} {wanted}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_weight_without_gaps_or_of_zeros_ends_too() {
        let identity: Vec<f32> = (0..36).map(|i| f32::from(u8::from(i % 7 == 0))).collect();
        let part = Weight { values: &identity, d_out: 6, d_in: 6 }.largest(2);
        let trace: f64 = (0..6).map(|i| product(&part, i, i)).sum();
        assert!((trace - 2.0).abs() < 1e-9, "two of six equal values: {trace}");
        let zeros = vec![0.0; 20];
        let part = Weight { values: &zeros, d_out: 4, d_in: 5 }.largest(3);
        assert!(part.0.iter().chain(&part.1).flatten().all(|x| x.is_finite()));
        assert!(Weight { values: &zeros, d_out: 4, d_in: 5 }.first_columns(1).is_none());
    }

    #[test]
    fn the_first_columns_come_back_as_they_were() {
        let values = reflected(6, 5, &[4.0, 3.0, 2.0, 1.0, 0.5]);
        let part = Weight { values: &values, d_out: 6, d_in: 5 }.first_columns(2).unwrap();
        for (row, column) in (0..6).flat_map(|row| (0..2).map(move |column| (row, column))) {
            assert!((product(&part, row, column) - f64::from(values[row * 5 + column])).abs() < 1e-6);
        }
    }
}
