//! Products in bf16 against f64, and each of the processor's instructions against plain arithmetic.

use half::bf16;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::matrix::{Matrix, MatrixMut};
use super::narrow::{Onto, Right, Unit, product_with};
use super::packed::{PackedRows, unpack_all};
use super::packed_operand::PackedOperand;
use crate::nn::packed::{BlockType, PackedShape, Side};

/// Rows, terms and columns: every remainder of a tile, of a pair and of what is multiplied at a time.
const SIZES: [[usize; 3]; 14] = [
    [1, 1, 1],
    [2, 2, 15],
    [5, 3, 2],
    [15, 31, 16],
    [16, 32, 17],
    [17, 33, 31],
    [31, 64, 32],
    [32, 65, 33],
    [33, 63, 129],
    [64, 96, 128],
    [70, 1030, 200],
    [530, 40, 70],
    [3, 2100, 5],
    [4, 0, 3],
];

fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| random.random_range(-1.0..1.0)).collect()
}

fn halves(seed: u64, count: usize) -> Vec<bf16> {
    numbers(seed, count).into_iter().map(bf16::from_f32).collect()
}

fn multiplied(unit: Unit, onto: Onto<'_>, left: Matrix<'_>, right: impl Right) -> Vec<f32> {
    let ([rows, _], [_, columns]) = (left.shape(), right.shape());
    let mut out = vec![0.5; rows * columns];
    product_with(unit, MatrixMut::dense(&mut out, rows, columns), onto, left, right);
    out
}

/// The rounded operands multiplied in f64, and the sum of the magnitudes of the terms.
fn exactly(left: Matrix<'_>, right: Matrix<'_, bf16>) -> Vec<(f64, f64)> {
    let ([rows, terms], [_, columns]) = (left.shape(), right.shape());
    let ([row_stride, column_stride], [right_row, right_column]) = (left.strides(), right.strides());
    let left_at =
        |row: usize, term: usize| bf16::from_f32(left.flat()[row * row_stride + term * column_stride]).to_f64();
    let right_at = |term: usize, column: usize| right.flat()[term * right_row + column * right_column].to_f64();
    let sum = |row: usize, column: usize| {
        let terms = (0..terms).map(|term| left_at(row, term) * right_at(term, column));
        terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()))
    };
    (0..rows)
        .flat_map(|row| (0..columns).map(move |column| (row, column)))
        .map(|(row, column)| sum(row, column))
        .collect()
}

#[test]
fn products_in_bf16_are_those_of_the_rounded_operands() {
    for [rows, terms, columns] in SIZES {
        let (x, weight) = (numbers(1, rows * terms), halves(2, terms * columns));
        let bias = numbers(3, columns);
        let lefts = [Matrix::dense(&x, rows, terms), Matrix::dense(&x, terms, rows).transposed()];
        let rights = [Matrix::dense(&weight, terms, columns), Matrix::dense(&weight, columns, terms).transposed()];
        for (left, right) in lefts.into_iter().flat_map(|left| rights.map(|right| (left, right))) {
            let expected = exactly(left, right);
            for unit in Unit::all() {
                for (onto, before) in [
                    (Onto::Fresh, vec![0.0; columns]),
                    (Onto::Sum, vec![0.5; columns]),
                    (Onto::Bias(&bias), bias.clone()),
                ] {
                    let found = multiplied(unit, onto, left, right);
                    for (at, (found, (expected, size))) in found.iter().zip(&expected).enumerate() {
                        let expected = expected + f64::from(before[at % columns]);
                        // Sums of f32, in whatever order: a unit of its last place for each 32 terms, and a few more.
                        let bound = f64::from(f32::EPSILON) * (size + 1.0) * (4.0 + terms as f64 / 32.0);
                        assert!(
                            (f64::from(*found) - expected).abs() <= bound,
                            "{unit:?} {rows} × {terms} × {columns} at {at}: {found} is not {expected} ± {bound}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn tiles_give_the_bits_that_plain_arithmetic_gives() {
    for [rows, terms, columns] in SIZES {
        let (x, weight) = (numbers(4, rows * terms), halves(5, terms * columns));
        let (left, right) = (Matrix::dense(&x, rows, terms), Matrix::dense(&weight, terms, columns));
        let plain = multiplied(Unit::Portable, Onto::Fresh, left, right);
        for unit in Unit::all().into_iter().filter(|unit| matches!(unit, Unit::Amx(_))) {
            assert_eq!(bits(&multiplied(unit, Onto::Fresh, left, right)), bits(&plain), "{rows} × {terms} × {columns}");
        }
    }
}

#[test]
fn bits_depend_neither_on_threads_nor_on_the_way_a_matrix_lies() {
    let [rows, terms, columns] = [300, 1100, 100];
    let (x, weight) = (numbers(6, rows * terms), halves(7, terms * columns));
    let turned: Vec<bf16> = (0..columns * terms).map(|at| weight[at % terms * columns + at / terms]).collect();
    let left = Matrix::dense(&x, rows, terms);
    let plain = Matrix::dense(&weight, terms, columns);
    let of = |threads: usize, right: Matrix<'_, bf16>| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        bits(&pool.install(|| multiplied(Unit::best(), Onto::Fresh, left, right)))
    };
    let one = of(1, plain);
    assert_eq!(of(2, plain), one, "two threads");
    assert_eq!(of(5, plain), one, "five threads");
    assert_eq!(of(2, Matrix::dense(&turned, columns, terms).transposed()), one, "the other way round");
}

#[test]
fn operands_are_rounded_to_the_nearest_and_what_is_no_number_stays_none() {
    let halfway = f32::from_bits(0x3f80_8000);
    let x = [1.0, halfway, f32::from_bits(0x3f81_8000), f32::MAX, f32::INFINITY, f32::from_bits(0x7fff_ffff), -0.1];
    let one = [bf16::ONE];
    for unit in Unit::all() {
        let found = multiplied(unit, Onto::Fresh, Matrix::dense(&x, x.len(), 1), Matrix::dense(&one, 1, 1));
        for (found, x) in found.iter().zip(x) {
            let expected = bf16::from_f32(x).to_f32();
            assert!(*found == expected || found.is_nan() && expected.is_nan(), "{unit:?}: {x} became {found}");
        }
    }
}

#[test]
fn blocks_are_multiplied_as_the_numbers_in_them() {
    for block in [BlockType::Q8_0, BlockType::Q4_0, BlockType::Q4_1, BlockType::Nf4] {
        for (first, second, columns) in [(40, 0, 64), (70, 33, 1088), (1100, 3, 320)] {
            let pack = |seed: u64, rows: usize| -> Vec<u8> {
                let rows = numbers(seed, rows * columns);
                rows.chunks(columns).flat_map(|row| block.pack(row).expect("whole blocks")).collect()
            };
            let parts = [(pack(8, first), first), (pack(9, second), second)];
            let parts: Vec<PackedRows<'_>> = parts
                .iter()
                .filter(|(_, rows)| *rows > 0)
                .map(|(bytes, rows)| PackedRows::new(PackedShape { block, rows: *rows, columns }, bytes))
                .collect();
            let rows = first + second;
            let mut wide = vec![0.0; rows * columns];
            unpack_all(&mut wide, &parts);
            let dense = Matrix::dense(&wide, rows, columns);
            // Some of the rows, as the loss takes them.
            for range in [0..rows, 5..rows - 2] {
                let (n, some) = (range.len(), dense.rows(range.clone()));
                let operand = PackedOperand::new(&parts, range);
                let x = numbers(10, 20 * columns.max(n));
                let of = |terms: usize| Matrix::new(&x, [20, terms], [terms, 1]);
                let [forward, back] = [
                    multiplied(Unit::best(), Onto::Fresh, of(columns), operand.on(Side::Transposed)),
                    multiplied(Unit::best(), Onto::Fresh, of(n), operand.on(Side::Plain)),
                ];
                let expected = multiplied(Unit::best(), Onto::Fresh, of(columns), some.transposed());
                assert_eq!(bits(&forward), bits(&expected), "{block:?} forward");
                let expected = multiplied(Unit::best(), Onto::Fresh, of(n), some);
                assert_eq!(bits(&back), bits(&expected), "{block:?} back");
            }
        }
    }
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|x| x.to_bits()).collect()
}
