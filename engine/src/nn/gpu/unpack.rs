//! Rows of a packed matrix as numbers: a unit for each quad.

use std::ops::Range;

use burn::tensor::{DType, Shape};
use burn_cubecl::cubecl;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::*;
use half::{bf16, f16};

use super::quad::{Quad, quad_at, row_bytes};
use crate::nn::Precision;
use crate::nn::packed::{BlockType, PackedShape};

/// Units of a workgroup.
const UNITS: CubeDim = CubeDim::new_1d(64);

/// Some rows, in numbers of a precision.
pub(super) fn unpack_rows(
    words: CubeTensor,
    matrix: PackedShape,
    rows: Range<usize>,
    precision: Precision,
) -> CubeTensor {
    let out = empty_rows(&words, rows.len(), matrix, precision.dtype());
    let client = out.client.clone();
    let cubes = calculate_cube_count_elemwise(&client, rows.len() * matrix.columns / 4, UNITS);
    let (words, numbers) = (words.into_buffer_arg(), out.clone().into_buffer_arg());
    let (first, columns, block) = (rows.start, matrix.columns, matrix.block);
    match precision {
        Precision::F32 => rows_kernel::launch::<f32>(&client, cubes, UNITS, words, numbers, first, columns, block),
        Precision::F16 => rows_kernel::launch::<f16>(&client, cubes, UNITS, words, numbers, first, columns, block),
        Precision::Bf16 => rows_kernel::launch::<bf16>(&client, cubes, UNITS, words, numbers, first, columns, block),
    }
    out
}

/// The rows of these numbers, `ids` in i32, and no other is read. Numbers are counted from `first` on; zeros for those that
/// are no row.
pub(super) fn unpack_rows_at(words: CubeTensor, matrix: PackedShape, first: usize, ids: CubeTensor) -> CubeTensor {
    let ids = into_contiguous(ids);
    let n = ids.meta.num_elements();
    let out = empty_rows(&words, n, matrix, DType::F32);
    let client = out.client.clone();
    let cubes = calculate_cube_count_elemwise(&client, n * matrix.columns / 4, UNITS);
    let (words, ids, numbers) = (words.into_buffer_arg(), ids.into_buffer_arg(), out.clone().into_buffer_arg());
    rows_at_kernel::launch(
        &client,
        cubes,
        UNITS,
        words,
        ids,
        numbers,
        first,
        matrix.rows,
        matrix.columns,
        matrix.block,
    );
    out
}

fn empty_rows(words: &CubeTensor, n: usize, matrix: PackedShape, dtype: DType) -> CubeTensor {
    let shape = Shape::new([n, matrix.columns]);
    empty_device_contiguous_dtype(words.client.clone(), words.device.clone(), shape, dtype)
}

#[cube(launch)]
fn rows_kernel<F: Float>(words: &[u32], numbers: &mut [F], first: usize, columns: usize, #[comptime] block: BlockType) {
    let quads = columns / 4;
    let at = ABSOLUTE_POS * 4;
    if at < numbers.len() {
        let row = first + ABSOLUTE_POS / quads;
        let quad = quad_at(words, row * row_bytes(columns, block), ABSOLUTE_POS % quads, block);
        #[unroll]
        for i in 0..4 {
            numbers[at + i] = F::cast_from(quad.extract(i));
        }
    }
}

#[cube(launch)]
fn rows_at_kernel(
    words: &[u32],
    ids: &[i32],
    numbers: &mut [f32],
    first: usize,
    rows: usize,
    columns: usize,
    #[comptime] block: BlockType,
) {
    let quads = columns / 4;
    let at = ABSOLUTE_POS * 4;
    if at < numbers.len() {
        let mut quad = Quad::new(f32::new(0.0));
        // One below 0 is far above every row.
        let id = usize::cast_from(ids[ABSOLUTE_POS / quads]);
        if id >= first && id < first + rows {
            quad = quad_at(words, (id - first) * row_bytes(columns, block), ABSOLUTE_POS % quads, block);
        }
        #[unroll]
        for i in 0..4 {
            numbers[at + i] = quad.extract(i);
        }
    }
}
