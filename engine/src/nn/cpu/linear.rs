//! The frozen linear layer: a matrix product for many rows, and for the few rows of decoding a product that reads the
//! weight once, from all threads.

use rayon::prelude::*;

use super::lanes::{LANES, prefetch, vectorized};
use super::matrix::{Matrix, MatrixMut, Onto, product};
use super::rows::fill_rows;

/// Up to this many rows the weight's way from memory is the cost, and each thread reads a part of it.
const FEW_FOR_COLUMNS: usize = 8;

/// As [`FEW_FOR_COLUMNS`], for a weight whose rows are read whole: there the general product needs no copy.
const FEW_FOR_ROWS: usize = 1;

/// Parts of a weight when it is read row by row: fixed, so that sums do not depend on the number of threads.
const PARTS: usize = 8;

/// `out = x · weight + bias`, all of it written.
///
/// `x [rows, d_in]`, `weight [d_in, d_out]` in either order, `bias [d_out]`, `out [rows, d_out]`.
pub(super) fn linear(out: &mut [f32], x: Matrix<'_>, weight: Matrix<'_>, bias: Option<&[f32]>) {
    let [rows, d_in] = x.shape();
    let [_, d_out] = weight.shape();
    if rows == 0 || d_out == 0 {
        return;
    }
    match weight.strides() {
        [1, _] if rows <= FEW_FOR_COLUMNS && d_in > 0 => return by_columns(out, x, weight.transposed(), bias),
        [_, 1] if rows <= FEW_FOR_ROWS && d_in > 0 => return by_rows(out, x, weight, bias),
        _ => {}
    }
    if let Some(bias) = bias {
        let rows = 1.max(64 * 1024 / d_out);
        out.par_chunks_mut(rows * d_out).for_each(|out| fill_rows(out, bias));
    }
    let onto = if bias.is_some() { Onto::Sum } else { Onto::Fresh };
    product(MatrixMut::dense(out, rows, d_out), onto, 1.0, x, weight);
}

/// Each output is a dot product with a row of `transposed [d_out, d_in]`.
fn by_columns(out: &mut [f32], x: Matrix<'_>, transposed: Matrix<'_>, bias: Option<&[f32]>) {
    let [rows, d_in] = x.shape();
    let [d_out, _] = transposed.shape();
    let block = (32 * 1024 / d_in).clamp(8, 1024).min(d_out.div_ceil(PARTS).max(1));
    let columns: Vec<usize> = (0..d_out).step_by(block).collect();
    let parts: Vec<(usize, Vec<f32>)> = columns
        .into_par_iter()
        .map(|start| {
            let end = (start + block).min(d_out);
            let mut part = vec![0.0; rows * (end - start)];
            for (row, part) in part.chunks_exact_mut(end - start).enumerate() {
                let [stride, _] = transposed.strides();
                dots(part, x.row(row), transposed.rows(start..end).flat(), stride);
            }
            (start, part)
        })
        .collect();
    for (start, part) in parts {
        let width = part.len() / rows;
        for (row, part) in part.chunks_exact(width).enumerate() {
            let out = &mut out[row * d_out + start..][..width];
            match bias {
                Some(bias) => {
                    let bias = &bias[start..start + width];
                    out.iter_mut().zip(part).zip(bias).for_each(|((out, part), bias)| *out = part + bias);
                }
                None => out.copy_from_slice(part),
            }
        }
    }
}

/// The output is the sum of the weight's rows, each times a number of `x`; each part of the rows is summed apart.
fn by_rows(out: &mut [f32], x: Matrix<'_>, weight: Matrix<'_>, bias: Option<&[f32]>) {
    let [rows, d_in] = x.shape();
    let [_, d_out] = weight.shape();
    let [stride, _] = weight.strides();
    let share = d_in.div_ceil(PARTS).next_multiple_of(8);
    let starts: Vec<usize> = (0..d_in).step_by(share).collect();
    let parts: Vec<Vec<f32>> = starts
        .into_par_iter()
        .map(|start| {
            let end = (start + share).min(d_in);
            let mut part = vec![0.0; rows * d_out];
            for (row, part) in part.chunks_exact_mut(d_out).enumerate() {
                add_rows(part, &x.row(row)[start..end], weight.rows(start..end).flat(), stride);
            }
            part
        })
        .collect();
    match bias {
        Some(bias) => fill_rows(out, bias),
        None => out.fill(0.0),
    }
    for part in parts {
        out.iter_mut().zip(part).for_each(|(out, part)| *out += part);
    }
}

/// Rows of a weight that are added to the output together.
const GROUP: usize = 8;

/// Numbers between what is read and what is asked for ahead, where reads follow each other.
const AHEAD: usize = 1024;

vectorized! {
    /// `out[i] = x · rows[i]`, rows `stride` apart.
    fn dots(out: &mut [f32], x: &[f32], rows: &[f32], stride: usize) {
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
                        *sum += chunk[part * LANES + lane] * x[part * LANES + lane];
                    }
                }
            }
            let mut total: f32 = rest.iter().zip(x_rest).map(|(row, x)| row * x).sum();
            let [a, b, c, d] = &lanes;
            for (((a, b), c), d) in a.iter().zip(b).zip(c).zip(d) {
                total += (a + b) + (c + d);
            }
            *out = total;
        }
    }

    /// `out += Σ x[i] · rows[i]`, rows `stride` apart, eight rows at a time; the next eight are asked for meanwhile.
    fn add_rows(out: &mut [f32], x: &[f32], rows: &[f32], stride: usize) {
        let n = out.len();
        let (groups, x_rest) = x.as_chunks::<GROUP>();
        for (index, x) in groups.iter().enumerate() {
            let rows = &rows[index * GROUP * stride..];
            let (chunks, rest) = out.as_chunks_mut::<LANES>();
            let group: [&[[f32; LANES]]; GROUP] =
                std::array::from_fn(|i| &rows[i * stride..][..n].as_chunks::<LANES>().0[..chunks.len()]);
            for (at, out) in chunks.iter_mut().enumerate() {
                let mut lanes = *out;
                for (i, x) in x.iter().enumerate() {
                    prefetch(rows, (GROUP + i) * stride + at * LANES);
                    let row = &group[i][at];
                    for (sum, weight) in lanes.iter_mut().zip(row) {
                        *sum += x * weight;
                    }
                }
                *out = lanes;
            }
            let done = n - rest.len();
            for (at, out) in rest.iter_mut().enumerate() {
                for (i, x) in x.iter().enumerate() {
                    *out += x * rows[i * stride + done + at];
                }
            }
        }
        let done = x.len() - x_rest.len();
        for (i, x) in x_rest.iter().enumerate() {
            let row = &rows[(done + i) * stride..][..n];
            out.iter_mut().zip(row).for_each(|(out, row)| *out += x * row);
        }
    }
}
