//! Products whose operands are rounded to bf16 and whose sums are f32, in the processor's own instructions for them.
//!
//! Nothing is packed ahead: a matrix stays as it is stored, whichever way round it lies, so that one copy serves the
//! product forward and the transposed one on the way back. A thread makes tiles of 32 columns of it at a time, in its own
//! cache, and multiplies them with all rows before it takes the next.
//!
//! The order of sums follows from the sizes alone, neither from the number of threads nor from how parts are shared out.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
#[cfg(target_arch = "x86_64")]
mod dot_pairs;
mod operands;
mod tiles;
mod unit;

use rayon::prelude::*;

pub(super) use self::operands::{Left, Right, Rounded};
pub(super) use self::tiles::Tile;
use self::tiles::{Block, DEPTH, SIDE};
pub(super) use self::unit::Unit;
use super::lanes::{self, LANES, vectorized};
use super::matrix::{self, Matrix, MatrixMut};

/// Columns that a thread makes tiles of at a time.
pub(super) const PANEL: usize = 2 * SIDE;

/// Terms of a sum that are multiplied before the next: rows and a panel of as many stay in the cache of a core.
const MOST_TERMS: usize = 1024;

/// Rows that are rounded at a time.
const MOST_ROWS: usize = 512;

/// What a product is added to.
#[derive(Clone, Copy)]
pub(super) enum Onto<'a> {
    /// Nothing; the destination is never read.
    Fresh,
    /// What the destination holds.
    Sum,
    /// A number for each column.
    Bias(&'a [f32]),
}

impl From<matrix::Onto> for Onto<'_> {
    fn from(onto: matrix::Onto) -> Self {
        match onto {
            matrix::Onto::Fresh => Self::Fresh,
            matrix::Onto::Sum => Self::Sum,
        }
    }
}

/// Whether the processor has instructions for such products; without them they are right, but slower than in f32.
pub(crate) fn has_instructions() -> bool {
    !matches!(Unit::best(), Unit::Portable)
}

/// `out = left · right`, and what it is added to.
///
/// `left [rows, terms]`, `right [terms, columns]`, `out [rows, columns]`.
pub(super) fn product<T: Rounded>(out: MatrixMut<'_>, onto: Onto<'_>, left: Matrix<'_, T>, right: impl Right) {
    product_with(Unit::best(), out, onto, left, right);
}

/// As [`product`], by an instruction of choice.
pub(super) fn product_with<T: Rounded>(
    unit: Unit,
    mut out: MatrixMut<'_>,
    onto: Onto<'_>,
    left: Matrix<'_, T>,
    right: impl Right,
) {
    let ([rows, terms], [_, columns]) = (left.shape(), right.shape());
    assert_eq!([rows, columns], out.shape(), "the product has the shape of its destination");
    assert_eq!(terms, right.shape()[0], "the inner sizes agree");
    let mut of_left = Left::default();
    for first in (0..rows).step_by(MOST_ROWS) {
        let range = first..rows.min(first + MOST_ROWS);
        let left = left.rows(range.clone());
        // A sum of no terms is written too.
        for start in (0..terms.max(1)).step_by(MOST_TERMS) {
            let range_of_terms = start..terms.min(start + MOST_TERMS);
            of_left.round(left.columns(range_of_terms.clone()));
            let onto = if start == 0 { onto } else { Onto::Sum };
            let parts = parts(out.rows_mut(range.clone()), right.most_columns());
            parts.into_par_iter().for_each_init(Vec::new, |panel, part| {
                let right = Panel { right, terms: range_of_terms.clone(), tiles: panel };
                fill_part(unit, part, onto, &of_left, right);
            });
        }
    }
}

/// A part of the destination that one thread computes: where it starts, and the part.
struct Part<'a> {
    row: usize,
    column: usize,
    out: MatrixMut<'a>,
}

/// Panels, and halves of their rows and so on where there are few of them.
fn parts(out: MatrixMut<'_>, width: usize) -> Vec<Part<'_>> {
    let ([rows, columns], width) = (out.shape(), width.next_multiple_of(PANEL));
    let panels = columns.div_ceil(width).max(1);
    let shares = if panels >= 4 * rayon::current_num_threads() { 1 } else { 2 * rayon::current_num_threads() };
    let height = rows.div_ceil(shares).next_multiple_of(PANEL).max(PANEL);
    let mut parts = Vec::new();
    for (index, out) in out.split_rows(height).enumerate() {
        let mut rest = out;
        for column in (0..columns).step_by(width) {
            let (out, after) = rest.split_at_column(width.min(columns - column));
            parts.push(Part { row: index * height, column, out });
            rest = after;
        }
    }
    parts
}

/// Some terms of the right operand, and memory for the tiles of some of its columns.
struct Panel<'a, R> {
    right: R,
    terms: std::ops::Range<usize>,
    tiles: &'a mut Vec<[Tile; 2]>,
}

fn fill_part(unit: Unit, part: Part<'_>, onto: Onto<'_>, left: &Left, panel: Panel<'_, impl Right>) {
    let Part { row, column, mut out } = part;
    let [rows, columns] = out.shape();
    let depth = panel.terms.len().div_ceil(DEPTH);
    let n_panels = columns.div_ceil(PANEL);
    panel.tiles.resize(depth * n_panels, [Tile::ZERO; 2]);
    panel.right.tiles(panel.tiles, panel.terms, column..column + columns);
    let mut block = Block::ZERO;
    for first in (0..rows).step_by(PANEL) {
        let mut out = out.rows_mut(first..rows.min(first + PANEL));
        let left = left.tiles(row + first);
        for (index, start) in (0..columns).step_by(PANEL).enumerate() {
            let tiles = &panel.tiles[index * depth..][..depth];
            let mut out = out.columns_mut(start..columns.min(start + PANEL));
            // They lie too far apart for the processor to foresee them.
            (0..out.shape()[0]).for_each(|row| prefetch(out.row_mut(row)));
            unit.multiply(&mut block, left, tiles);
            write(out, &block, onto, column + start);
        }
    }
}

/// Asks for the lines of a destination that is written soon.
#[inline(always)]
fn prefetch(out: &[f32]) {
    (0..out.len()).step_by(LANES).for_each(|at| lanes::prefetch(out, at));
}

vectorized! {
    /// The sums to where they belong, with what they are added to.
    fn write(out: MatrixMut<'_>, block: &Block, onto: Onto<'_>, column: usize) {
        let mut out = out;
        for (row, sums) in (0..out.shape()[0]).zip(&block.0) {
            let out = out.row_mut(row);
            match onto {
                Onto::Fresh => add(out, sums, |_, sum, _| sum, &[]),
                Onto::Sum => add(out, sums, |held, sum, _| held + sum, &[]),
                Onto::Bias(bias) => add(out, sums, |_, sum, bias| sum + bias, &bias[column..]),
            }
        }
    }
}

/// Whole rows of a block are of a known width, and become vectors.
#[inline(always)]
fn add(out: &mut [f32], sums: &[f32; PANEL], change: impl Fn(f32, f32, f32) -> f32, bias: &[f32]) {
    let of = |at: usize| bias.get(at).copied().unwrap_or(0.0);
    if let Some(out) = out.first_chunk_mut::<PANEL>() {
        let bias = bias.first_chunk::<PANEL>().unwrap_or(&[0.0; PANEL]);
        for ((out, &sum), &bias) in out.iter_mut().zip(sums).zip(bias) {
            *out = change(*out, sum, bias);
        }
    } else {
        for (at, (out, &sum)) in out.iter_mut().zip(sums).enumerate() {
            *out = change(*out, sum, of(at));
        }
    }
}
