//! The product of a few rows with a packed matrix, as decoding has it: bound by reading the matrix, which is read once
//! and unpacked in registers.

use burn::tensor::{DType, Shape};
use burn_cubecl::cubecl;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::*;

use super::quad::{Quad, quad_at, row_bytes};
use crate::nn::packed::{BlockType, PackedShape};

/// Rows of `x` that it takes.
pub(super) const MAX_ROWS: usize = 8;

/// Units of a workgroup, a power of two: each takes every 64th quad of a row of the matrix.
const UNITS: usize = 64;

/// Rows of the matrix that a workgroup takes, so that what it reads of `x` serves as many.
const ROWS: usize = 4;

/// `x [n, columns] · matrixᵀ`, for `n` up to [`MAX_ROWS`], `[n, rows]`.
pub(super) fn few_rows_product(x: CubeTensor, words: CubeTensor, matrix: PackedShape) -> CubeTensor {
    let x = into_contiguous(x);
    let n = x.meta.shape()[0];
    assert!(n <= MAX_ROWS, "{n} rows are not few");
    let shape = Shape::new([n, matrix.rows]);
    let out = empty_device_contiguous_dtype(x.client.clone(), x.device.clone(), shape, DType::F32);
    if n == 0 {
        return out;
    }
    let client = out.client.clone();
    let units = CubeDim::new_1d(UNITS as u32);
    let cubes = calculate_cube_count_elemwise(&client, matrix.rows.div_ceil(ROWS) * UNITS, units);
    let (x, words, sums) = (x.into_buffer_arg(), words.into_buffer_arg(), out.clone().into_buffer_arg());
    // A kernel for 1, 2, 4 and 8 rows: fewer to compile.
    let most = n.next_power_of_two();
    few_rows_kernel::launch(&client, cubes, units, x, words, sums, n, matrix.rows, matrix.columns, most, matrix.block);
    out
}

#[cube(launch)]
fn few_rows_kernel(
    x: &[Quad],
    words: &[u32],
    out: &mut [f32],
    n: usize,
    rows: usize,
    columns: usize,
    #[comptime] most: usize,
    #[comptime] block: BlockType,
) {
    let quads = columns / 4;
    let row_bytes = row_bytes(columns, block);
    let unit = UNIT_POS as usize;
    let first = CUBE_POS * comptime!(ROWS);
    let count = comptime!(most * ROWS);

    // For row `i` of `x` and row `r` of the matrix at `i * ROWS + r`.
    let mut sums = Array::<f32>::new(count);
    #[unroll]
    for i in 0..count {
        sums[i] = f32::new(0.0);
    }
    let mut quad = unit;
    while quad < quads {
        let mut weights = Sequence::<Quad>::new();
        #[unroll]
        for r in 0..ROWS {
            // Beyond the last row the last one is read again, here and below, and what comes of it is not written.
            let row = select(first + r < rows, first + r, rows - 1);
            weights.push(quad_at(words, row * row_bytes, quad, block));
        }
        #[unroll]
        for i in 0..most {
            let row = select(n > i, i, n - 1);
            let numbers = x[row * quads + quad];
            #[unroll]
            for r in 0..ROWS {
                sums[i * ROWS + r] += numbers.dot(weights[r]);
            }
        }
        quad += comptime!(UNITS);
    }

    // Halves are added until the first unit has the sum of all.
    let mut shared = Shared::<[f32]>::new_slice(comptime!(count * UNITS));
    #[unroll]
    for i in 0..count {
        shared[i * UNITS + unit] = sums[i];
    }
    sync_cube();
    #[unroll]
    for step in 0..comptime!(UNITS.ilog2()) {
        let reach = comptime!((UNITS >> 1) >> step);
        if unit < reach {
            #[unroll]
            for i in 0..count {
                let other = shared[i * UNITS + reach + unit];
                shared[i * UNITS + unit] += other;
            }
        }
        sync_cube();
    }
    if unit < count {
        let row = first + unit % comptime!(ROWS);
        let i = unit / comptime!(ROWS);
        if i < n && row < rows {
            out[i * rows + row] = shared[unit * comptime!(UNITS)];
        }
    }
}
