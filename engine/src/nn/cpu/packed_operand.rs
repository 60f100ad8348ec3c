//! Matrices in blocks of few bits as right operands of products in bf16: unpacked piece by piece into tiles.

use std::ops::Range;

use super::matrix::Matrix;
use super::narrow::{PANEL, Right, Rounded, Tile};
use super::packed::{PackedRows, parts_of, shape_of};
use crate::nn::packed::Side;

/// Rows that are unpacked at a time.
const ROWS: usize = 32;

/// Some rows of a matrix in parts one below the other, and the side from which it is multiplied.
#[derive(Clone, Copy)]
pub(super) struct PackedOperand<'a> {
    weight: &'a [PackedRows<'a>],
    first: usize,
    rows: usize,
    side: Side,
}

impl<'a> PackedOperand<'a> {
    pub(super) fn new(weight: &'a [PackedRows<'a>], rows: Range<usize>) -> Self {
        Self { weight, first: rows.start, rows: rows.len(), side: Side::Plain }
    }

    /// As it is, or with rows and columns exchanged.
    pub(super) fn on(self, side: Side) -> Self {
        Self { side, ..self }
    }

    /// Some columns of up to 32 of its rows in f32; columns start and end with blocks.
    fn unpacked(self, rows: Range<usize>, columns: Range<usize>, scratch: &mut Vec<f32>) -> Matrix<'_> {
        let (n, width) = (rows.len(), columns.len());
        scratch.resize(n * width, 0.0);
        for (part, at) in parts_of(self.weight, self.first + rows.start..self.first + rows.end) {
            part.piece(columns.clone(), &mut scratch[at * width..]);
        }
        Matrix::dense(scratch, n, width)
    }
}

impl Right for PackedOperand<'_> {
    fn shape(self) -> [usize; 2] {
        let [_, columns] = shape_of(self.weight);
        if self.side == Side::Transposed { [columns, self.rows] } else { [self.rows, columns] }
    }

    fn most_columns(self) -> usize {
        match self.side {
            Side::Transposed => PANEL,
            // Whole blocks of every part.
            Side::Plain => self.weight.iter().map(|part| part.block().numbers()).max().unwrap_or(1),
        }
    }

    fn tiles(self, tiles: &mut [[Tile; 2]], terms: Range<usize>, columns: Range<usize>) {
        let depth = tiles.len() / columns.len().div_ceil(PANEL).max(1);
        let mut scratch = Vec::new();
        match self.side {
            Side::Transposed => {
                for (tiles, first) in tiles.chunks_exact_mut(depth.max(1)).zip(columns.clone().step_by(PANEL)) {
                    let rows = first..columns.end.min(first + PANEL);
                    f32::tiles(tiles, self.unpacked(rows, terms.clone(), &mut scratch).transposed());
                }
            }
            Side::Plain => {
                for (at, first) in terms.clone().step_by(ROWS).enumerate() {
                    let rows = self.unpacked(first..terms.end.min(first + ROWS), columns.clone(), &mut scratch);
                    for (tiles, first) in tiles.chunks_exact_mut(depth).zip((0..columns.len()).step_by(PANEL)) {
                        let panel = rows.columns(first..columns.len().min(first + PANEL));
                        f32::tiles(&mut tiles[at..=at], panel);
                    }
                }
            }
        }
    }
}
