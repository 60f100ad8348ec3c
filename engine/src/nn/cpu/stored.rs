//! Weights as they are stored: in 32 bits, or in 16 that are widened where they are used, so that they take half the
//! memory and, where reading them is the cost, less time.

use half::{bf16, f16};
use rayon::prelude::*;

use super::lanes::{LANES, prefetch, vectorized};
use super::matrix::Matrix;
use crate::nn::packed::f16_to_f32;

/// A number of a weight, and the loops that depend on how it is stored.
pub(super) trait Stored: Copy + Send + Sync + 'static {
    /// Columns of a weight that are widened at a time; all of them where nothing is widened.
    const BLOCK: usize;

    /// The matrix in f32: itself, or widened into `scratch` in the order in which it lies.
    fn widened<'a>(matrix: Matrix<'a, Self>, scratch: &'a mut Vec<f32>) -> Matrix<'a>;

    /// `out[i] = x · rows[i]`, rows `stride` apart.
    fn dots(out: &mut [f32], x: &[f32], rows: &[Self], stride: usize);

    /// `out += Σ x[i] · rows[i]`, rows `stride` apart.
    fn add_rows(out: &mut [f32], x: &[f32], rows: &[Self], stride: usize);
}

impl Stored for f32 {
    const BLOCK: usize = usize::MAX;

    fn widened<'a>(matrix: Matrix<'a>, _: &'a mut Vec<f32>) -> Matrix<'a> {
        matrix
    }

    fn dots(out: &mut [f32], x: &[f32], rows: &[f32], stride: usize) {
        dots(out, x, rows, stride);
    }

    fn add_rows(out: &mut [f32], x: &[f32], rows: &[f32], stride: usize) {
        add_rows(out, x, rows, stride);
    }
}

impl Stored for bf16 {
    const BLOCK: usize = 1024;

    fn widened<'a>(matrix: Matrix<'a, bf16>, scratch: &'a mut Vec<f32>) -> Matrix<'a> {
        widened(matrix, scratch, widen_bf16)
    }

    fn dots(out: &mut [f32], x: &[f32], rows: &[bf16], stride: usize) {
        dots_bf16(out, x, rows, stride);
    }

    fn add_rows(out: &mut [f32], x: &[f32], rows: &[bf16], stride: usize) {
        add_rows_bf16(out, x, rows, stride);
    }
}

impl Stored for f16 {
    const BLOCK: usize = 1024;

    fn widened<'a>(matrix: Matrix<'a, f16>, scratch: &'a mut Vec<f32>) -> Matrix<'a> {
        widened(matrix, scratch, widen_f16)
    }

    fn dots(out: &mut [f32], x: &[f32], rows: &[f16], stride: usize) {
        dots_f16(out, x, rows, stride);
    }

    fn add_rows(out: &mut [f32], x: &[f32], rows: &[f16], stride: usize) {
        add_rows_f16(out, x, rows, stride);
    }
}

/// Lines that a thread widens at a time, in numbers.
const SHARE: usize = 32 * 1024;

/// The matrix line by line into `scratch`; a line is a row or a column, whichever lies in one piece.
fn widened<'a, T: Stored>(matrix: Matrix<'a, T>, scratch: &'a mut Vec<f32>, widen: fn(&mut [f32], &[T])) -> Matrix<'a> {
    let [_, column_stride] = matrix.strides();
    let by_rows = column_stride == 1;
    let lines = if by_rows { matrix } else { matrix.transposed() };
    let [n, width] = lines.shape();
    scratch.resize(n * width, 0.0);
    let share = (SHARE / width.max(1)).max(1);
    scratch.par_chunks_mut((share * width).max(1)).enumerate().for_each(|(index, out)| {
        for (line, out) in (index * share..).zip(out.chunks_exact_mut(width)) {
            widen(out, lines.row(line));
        }
    });
    let wide = Matrix::dense(scratch, n, width);
    if by_rows { wide } else { wide.transposed() }
}

#[inline(always)]
fn of_bf16(x: bf16) -> f32 {
    f32::from_bits(u32::from(x.to_bits()) << 16)
}

/// Weights are finite: the reader checks.
#[inline(always)]
fn of_f16(x: f16) -> f32 {
    f16_to_f32(x.to_bits())
}

/// Rows of a weight that are added to the output together.
const GROUP: usize = 8;

/// Numbers between what is read and what is asked for ahead, where reads follow each other.
const AHEAD: usize = 1024;

vectorized! {
    fn widen_bf16(out: &mut [f32], stored: &[bf16]) {
        out.iter_mut().zip(stored).for_each(|(out, &x)| *out = of_bf16(x));
    }

    fn widen_f16(out: &mut [f32], stored: &[f16]) {
        out.iter_mut().zip(stored).for_each(|(out, &x)| *out = of_f16(x));
    }

    fn dots(out: &mut [f32], x: &[f32], rows: &[f32], stride: usize) {
        dots_of(out, x, rows, stride, |x| x);
    }

    fn dots_bf16(out: &mut [f32], x: &[f32], rows: &[bf16], stride: usize) {
        dots_of(out, x, rows, stride, of_bf16);
    }

    fn dots_f16(out: &mut [f32], x: &[f32], rows: &[f16], stride: usize) {
        dots_of(out, x, rows, stride, of_f16);
    }

    fn add_rows(out: &mut [f32], x: &[f32], rows: &[f32], stride: usize) {
        add_rows_of(out, x, rows, stride, |x| x);
    }

    fn add_rows_bf16(out: &mut [f32], x: &[f32], rows: &[bf16], stride: usize) {
        add_rows_of(out, x, rows, stride, of_bf16);
    }

    fn add_rows_f16(out: &mut [f32], x: &[f32], rows: &[f16], stride: usize) {
        add_rows_of(out, x, rows, stride, of_f16);
    }
}

#[inline(always)]
fn dots_of<T: Copy>(out: &mut [f32], x: &[f32], rows: &[T], stride: usize, wide: impl Fn(T) -> f32) {
    let d = x.len();
    let (x_chunks, x_rest) = x.as_chunks::<{ 4 * LANES }>();
    for (i, out) in out.iter_mut().enumerate() {
        let row = &rows[i * stride..][..d];
        let mut lanes = [[0.0; LANES]; 4];
        let (chunks, rest) = row.as_chunks::<{ 4 * LANES }>();
        for (at, (chunk, x)) in chunks.iter().zip(x_chunks).enumerate() {
            for (part, lanes) in lanes.iter_mut().enumerate() {
                prefetch(row, (4 * at + part) * LANES + AHEAD);
                for (lane, sum) in lanes.iter_mut().enumerate() {
                    *sum += wide(chunk[part * LANES + lane]) * x[part * LANES + lane];
                }
            }
        }
        let mut total: f32 = rest.iter().zip(x_rest).map(|(&row, x)| wide(row) * x).sum();
        let [a, b, c, d] = &lanes;
        for (((a, b), c), d) in a.iter().zip(b).zip(c).zip(d) {
            total += (a + b) + (c + d);
        }
        *out = total;
    }
}

/// Eight rows at a time; the next eight are asked for meanwhile.
#[inline(always)]
fn add_rows_of<T: Copy>(out: &mut [f32], x: &[f32], rows: &[T], stride: usize, wide: impl Fn(T) -> f32) {
    let n = out.len();
    let (groups, x_rest) = x.as_chunks::<GROUP>();
    for (index, x) in groups.iter().enumerate() {
        let rows = &rows[index * GROUP * stride..];
        let (chunks, rest) = out.as_chunks_mut::<LANES>();
        let group: [&[[T; LANES]]; GROUP] =
            std::array::from_fn(|i| &rows[i * stride..][..n].as_chunks::<LANES>().0[..chunks.len()]);
        for (at, out) in chunks.iter_mut().enumerate() {
            let mut lanes = *out;
            for (i, x) in x.iter().enumerate() {
                prefetch(rows, (GROUP + i) * stride + at * LANES);
                let row = &group[i][at];
                for (sum, &weight) in lanes.iter_mut().zip(row) {
                    *sum += x * wide(weight);
                }
            }
            *out = lanes;
        }
        let done = n - rest.len();
        for (at, out) in rest.iter_mut().enumerate() {
            for (i, x) in x.iter().enumerate() {
                *out += x * wide(rows[i * stride + done + at]);
            }
        }
    }
    let done = x.len() - x_rest.len();
    for (i, x) in x_rest.iter().enumerate() {
        let row = &rows[(done + i) * stride..][..n];
        out.iter_mut().zip(row).for_each(|(out, &row)| *out += x * wide(row));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finite_half_is_widened_exactly() {
        for bits in 0..=u16::MAX {
            let (short, brain) = (f16::from_bits(bits), bf16::from_bits(bits));
            if short.is_finite() {
                assert_eq!(of_f16(short).to_bits(), short.to_f32().to_bits(), "{bits:x}");
            }
            if brain.is_finite() {
                assert_eq!(of_bf16(brain).to_bits(), brain.to_f32().to_bits(), "{bits:x}");
            }
        }
    }
}
