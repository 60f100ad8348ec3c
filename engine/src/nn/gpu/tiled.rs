//! Products of rows with a packed matrix, or with its transpose, tile by tile: a tile of either is brought into shared
//! memory, the matrix unpacked on the way, and nothing else is kept of it.

use burn::tensor::{DType, Shape};
use burn_cubecl::cubecl;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::quad::{quad_at, row_bytes};
use crate::nn::packed::{BlockType, PackedShape};

/// Rows and columns of the tile of the result that a workgroup computes.
const TILE: usize = 64;

/// Length of the axis that is summed over in shared memory at once. Every row of blocks has a multiple of it.
const DEPTH: usize = 16;

/// From one place of that axis to the next in shared memory: one more, so that neighbors are in banks of their own.
const PITCH: usize = TILE + 1;

/// Units along each side of the tile, the most that every device has in a workgroup. Each computes `EACH · EACH` numbers,
/// `SIDE` apart.
const SIDE: usize = 16;
const EACH: usize = TILE / SIDE;

/// `x [n, columns] · matrixᵀ`, `[n, rows]`; or `x [n, rows] · matrix`, `[n, columns]`.
pub(super) fn tiled_product(x: CubeTensor, words: CubeTensor, matrix: PackedShape, transposed: bool) -> CubeTensor {
    let x = into_contiguous(x);
    let n = x.meta.shape()[0];
    let PackedShape { block, rows, columns } = matrix;
    let width = if transposed { columns } else { rows };
    let shape = Shape::new([n, width]);
    let out = empty_device_contiguous_dtype(x.client.clone(), x.device.clone(), shape, DType::F32);
    if n == 0 {
        return out;
    }
    let client = out.client.clone();
    let cubes = CubeCount::new_2d(width.div_ceil(TILE) as u32, n.div_ceil(TILE) as u32);
    let units = CubeDim::new_1d((SIDE * SIDE) as u32);
    let (x, words, sums) = (x.into_buffer_arg(), words.into_buffer_arg(), out.clone().into_buffer_arg());
    tiled_kernel::launch(&client, cubes, units, x, words, sums, n, rows, columns, transposed, block);
    out
}

#[cube(launch)]
fn tiled_kernel(
    x: &[f32],
    words: &[u32],
    out: &mut [f32],
    n: usize,
    rows: usize,
    columns: usize,
    #[comptime] transposed: bool,
    #[comptime] block: BlockType,
) {
    let unit = UNIT_POS as usize;
    let first_row = CUBE_POS_Y as usize * comptime!(TILE);
    let first_column = CUBE_POS_X as usize * comptime!(TILE);
    let inner = if comptime!(transposed) { rows } else { columns };
    let outer = if comptime!(transposed) { columns } else { rows };

    // Both with the axis that is summed over first.
    let mut left = Shared::<[f32]>::new_slice(comptime!(DEPTH * PITCH));
    let mut right = Shared::<[f32]>::new_slice(comptime!(DEPTH * PITCH));
    let mut sums = Array::<f32>::new(comptime!(EACH * EACH));
    #[unroll]
    for i in 0..comptime!(EACH * EACH) {
        sums[i] = f32::new(0.0);
    }

    let down = unit / comptime!(SIDE);
    let across = unit % comptime!(SIDE);
    for step in 0..inner.div_ceil(comptime!(DEPTH)) {
        let start = step * comptime!(DEPTH);
        load_rows(x, &mut left, first_row, start, n, inner);
        load_matrix(words, &mut right, first_column, start, rows, columns, transposed, block);
        sync_cube();
        for k in 0..comptime!(DEPTH) {
            #[unroll]
            for i in 0..EACH {
                let number = left[k * PITCH + down + comptime!(i * SIDE)];
                #[unroll]
                for j in 0..EACH {
                    sums[comptime!(i * EACH + j)] += number * right[k * PITCH + across + comptime!(j * SIDE)];
                }
            }
        }
        sync_cube();
    }

    #[unroll]
    for i in 0..EACH {
        #[unroll]
        for j in 0..EACH {
            let row = first_row + down + comptime!(i * SIDE);
            let column = first_column + across + comptime!(j * SIDE);
            if row < n && column < outer {
                out[row * outer + column] = sums[comptime!(i * EACH + j)];
            }
        }
    }
}

/// `TILE` rows of `x`, `DEPTH` numbers of each: four for a unit. Beyond the last row the last one is read again, and what
/// comes of it is not written; beyond the last number there are zeros.
#[cube]
fn load_rows(x: &[f32], tile: &mut Shared<[f32]>, first: usize, start: usize, n: usize, inner: usize) {
    let unit = UNIT_POS as usize;
    let row = select(first + unit / 4 < n, first + unit / 4, n - 1);
    #[unroll]
    for i in 0..4 {
        let k = unit % 4 * 4 + i;
        let at = start + k;
        let number = x[row * inner + select(at < inner, at, inner - 1)];
        tile[k * PITCH + unit / 4] = select(at < inner, number, f32::new(0.0));
    }
}

/// As much of the matrix: a quad for a unit. It lies along the axis that is summed over, or across it.
#[cube]
fn load_matrix(
    words: &[u32],
    tile: &mut Shared<[f32]>,
    first: usize,
    start: usize,
    rows: usize,
    columns: usize,
    #[comptime] transposed: bool,
    #[comptime] block: BlockType,
) {
    let unit = UNIT_POS as usize;
    let row_bytes = row_bytes(columns, block);
    if comptime!(transposed) {
        let place = unit / comptime!(TILE / 4);
        let row = select(start + place < rows, start + place, rows - 1);
        let quads = columns / 4;
        let quad = first / 4 + unit % comptime!(TILE / 4);
        let quad = quad_at(words, row * row_bytes, select(quad < quads, quad, quads - 1), block);
        #[unroll]
        for i in 0..4 {
            tile[place * PITCH + unit % comptime!(TILE / 4) * 4 + i] = quad.extract(i);
        }
    } else {
        let place = unit / 4;
        let row = select(first + place < rows, first + place, rows - 1);
        let quad = quad_at(words, row * row_bytes, start / 4 + unit % 4, block);
        #[unroll]
        for i in 0..4 {
            tile[(unit % 4 * 4 + i) * PITCH + place] = quad.extract(i);
        }
    }
}
