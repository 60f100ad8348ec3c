//! The frozen linear layer: a matrix product for many rows, and for the few rows of decoding a product that reads the
//! weight once, from all threads.

use rayon::prelude::*;

use super::matrix::{Matrix, MatrixMut, Onto, product};
use super::narrow::{self, Rounded};
use super::rows::fill_rows;
use super::stored::Stored;

/// Up to this many rows the weight's way from memory is the cost, and each thread reads a part of it.
const FEW_FOR_COLUMNS: usize = 8;

/// As [`FEW_FOR_COLUMNS`], for a weight whose rows are read whole: there the general product needs no copy.
const FEW_FOR_ROWS: usize = 1;

/// Parts of a weight when it is read row by row: fixed, so that sums do not depend on the number of threads.
const PARTS: usize = 8;

/// `out = x · weight + bias`, all of it written.
///
/// `x [rows, d_in]`, `weight [d_in, d_out]` in either order (in 16 bits it is widened by blocks of columns), `bias [d_out]`, `out [rows, d_out]`.
pub(super) fn linear<T: Stored>(out: &mut [f32], x: Matrix<'_>, weight: Matrix<'_, T>, bias: Option<&[f32]>) {
    let [rows, _] = x.shape();
    let [_, d_out] = weight.shape();
    if rows == 0 || d_out == 0 {
        return;
    }
    if is_few(rows, weight) {
        let is_by_columns = weight.strides()[0] == 1;
        return if is_by_columns {
            by_columns(out, x, weight.transposed(), bias)
        } else {
            by_rows(out, x, weight, bias)
        };
    }
    if let Some(bias) = bias {
        let rows = 1.max(64 * 1024 / d_out);
        out.par_chunks_mut(rows * d_out).for_each(|out| fill_rows(out, bias));
    }
    let onto = if bias.is_some() { Onto::Sum } else { Onto::Fresh };
    let (mut out, mut scratch) = (MatrixMut::dense(out, rows, d_out), Vec::new());
    for start in (0..d_out).step_by(T::BLOCK) {
        let end = start.saturating_add(T::BLOCK).min(d_out);
        let part = T::widened(weight.columns(start..end), &mut scratch);
        product(out.columns_mut(start..end), onto, 1.0, x, part);
    }
}

/// As [`linear`], operands rounded to bf16. Of few rows the weight's way from memory is the cost, and they stay as they are.
pub(super) fn linear_in_bf16<T: Stored + Rounded>(
    out: &mut [f32],
    x: Matrix<'_>,
    weight: Matrix<'_, T>,
    bias: Option<&[f32]>,
) {
    let ([rows, _], [_, d_out]) = (x.shape(), weight.shape());
    if is_few(rows, weight) {
        return linear(out, x, weight, bias);
    }
    let onto = bias.map_or(narrow::Onto::Fresh, narrow::Onto::Bias);
    narrow::product(MatrixMut::dense(out, rows, d_out), onto, x, weight);
}

/// Whether so few rows are multiplied that each thread reads a part of the weight where it lies.
fn is_few<T: Copy>(rows: usize, weight: Matrix<'_, T>) -> bool {
    let [d_in, _] = weight.shape();
    d_in > 0
        && match weight.strides() {
            [1, _] => rows <= FEW_FOR_COLUMNS,
            [_, 1] => rows <= FEW_FOR_ROWS,
            _ => false,
        }
}

/// Each output is a dot product with a row of `transposed [d_out, d_in]`.
fn by_columns<T: Stored>(out: &mut [f32], x: Matrix<'_>, transposed: Matrix<'_, T>, bias: Option<&[f32]>) {
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
                T::dots(part, x.row(row), transposed.rows(start..end).flat(), stride);
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
fn by_rows<T: Stored>(out: &mut [f32], x: Matrix<'_>, weight: Matrix<'_, T>, bias: Option<&[f32]>) {
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
                T::add_rows(part, &x.row(row)[start..end], weight.rows(start..end).flat(), stride);
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
