//! Products with packed matrices against products with the numbers in their blocks.

use half::f16;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::cross_entropy::{Labels, cross_entropy_at_labels};
use super::matrix::Matrix;
use super::packed::{PackedRows, embed, product_with_rows, transposed_product, unpack_all};
use super::row_source::RowSource;
use super::simd::SimdWork;
use crate::nn::packed::{BlockType, LANES, Layout, PackedShape, Portable, Simd, unpack, with_layout};

/// Numbers of a prompt: one and few take ways of their own, with four, two and one at a time.
const ROWS: [usize; 7] = [1, 3, 4, 8, 9, 17, 100];

fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| random.random_range(-1.0..1.0)).collect()
}

/// Any quants, with scales that make numbers around one.
fn blocks(block: BlockType, count: usize) -> Vec<u8> {
    let mut random = ChaCha8Rng::seed_from_u64(count as u64);
    let mut bytes: Vec<u8> = (0..block.row_bytes(count).unwrap()).map(|_| random.random()).collect();
    let scales: &[usize] = match block {
        BlockType::Q8_0 | BlockType::Q4_0 | BlockType::Q5_0 | BlockType::Nf4 => &[0],
        BlockType::Q4_1 | BlockType::Q5_1 | BlockType::Q4K | BlockType::Q5K => &[0, 2],
        BlockType::Q6K => &[208],
    };
    let most = match block {
        BlockType::Q8_0 => 0.01,
        BlockType::Q4_0 | BlockType::Q4_1 | BlockType::Q5_0 | BlockType::Q5_1 => 0.1,
        BlockType::Q4K | BlockType::Q5K => 2e-3,
        BlockType::Q6K => 3e-4,
        BlockType::Nf4 => 1.0,
    };
    for bytes in bytes.chunks_exact_mut(block.bytes()) {
        for &at in scales {
            let scale: f32 = random.random_range(-most..most);
            match block {
                BlockType::Nf4 => bytes[..4].copy_from_slice(&scale.abs().to_le_bytes()),
                _ => bytes[at..at + 2].copy_from_slice(&f16::from_f32(scale).to_le_bytes()),
            }
        }
    }
    bytes
}

/// A matrix and its numbers.
struct Packed {
    name: String,
    /// One below the other, with their bytes.
    parts: Vec<(PackedShape, Vec<u8>)>,
    rows: usize,
    columns: usize,
    values: Vec<f32>,
}

impl Packed {
    fn new(parts: &[(BlockType, usize)], columns: usize) -> Self {
        let (mut packed, mut values) = (Vec::new(), Vec::new());
        for &(block, rows) in parts {
            let bytes = blocks(block, rows * columns);
            let mut numbers = vec![0.0; rows * columns];
            block.unpack(&bytes, &mut numbers);
            values.extend(numbers);
            packed.push((PackedShape { block, rows, columns }, bytes));
        }
        let rows = parts.iter().map(|&(_, rows)| rows).sum();
        Self { name: format!("{parts:?} by {columns}"), parts: packed, rows, columns, values }
    }

    fn rows(&self) -> Vec<PackedRows<'_>> {
        self.parts.iter().map(|(shape, bytes)| PackedRows::new(*shape, bytes)).collect()
    }
}

/// Matrices of a few rows and of more than a strip; of one block to a row and of more than a piece; of several kinds.
fn matrices() -> Vec<Packed> {
    let of_one = |block: BlockType| {
        let wide = block.numbers();
        [(1, wide), (7, 3 * wide), (70, 256), (333, 256), (13, 1280)]
            .map(|(rows, columns)| Packed::new(&[(block, rows)], columns))
    };
    let mut all: Vec<Packed> = BlockType::ALL.into_iter().flat_map(of_one).collect();
    // The second begins within a group of four, and within a piece that is summed.
    all.push(Packed::new(&[(BlockType::Q4K, 301), (BlockType::Q6K, 70), (BlockType::Q8_0, 300)], 512));
    all
}

/// Sums of products in f64, `a [n, m]`, `b [m, k]`.
fn product(a: &[f32], b: impl Fn(usize, usize) -> f32, [n, m, k]: [usize; 3]) -> Vec<f64> {
    let mut out = vec![0.0; n * k];
    for (out, a) in out.chunks_exact_mut(k).zip(a.chunks_exact(m)) {
        for (i, a) in a.iter().enumerate() {
            out.iter_mut().enumerate().for_each(|(j, out)| *out += f64::from(*a) * f64::from(b(i, j)));
        }
    }
    out
}

#[track_caller]
fn assert_close(what: &str, ours: &[f32], theirs: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let size = theirs.iter().fold(0.1_f64, |most, x| most.max(x.abs()));
    for (i, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        let ours = f64::from(*ours);
        assert!((ours - theirs).abs() <= tolerance * size, "{what}[{i}]: {ours} is not {theirs} (size {size})");
    }
}

#[test]
fn a_product_with_blocks_is_the_product_with_their_numbers() {
    for packed in matrices() {
        let Packed { rows, columns, ref values, .. } = packed;
        for n in ROWS {
            let x = numbers(n as u64, n * columns);
            let expected = product(&x, |i, j| values[j * columns + i], [n, columns, rows]);
            let mut out = vec![f32::NAN; n * rows];
            product_with_rows(&mut out, Matrix::dense(&x, n, columns), &packed.rows());
            assert_close(&format!("{}, {n} rows", packed.name), &out, &expected, 1e-6);
        }
    }
}

#[test]
fn a_product_with_the_transpose_of_blocks_is_that_of_their_numbers() {
    for packed in matrices() {
        let Packed { rows, columns, ref values, .. } = packed;
        for n in ROWS {
            let x = numbers(n as u64, n * rows);
            let expected = product(&x, |i, j| values[i * columns + j], [n, rows, columns]);
            let mut out = vec![f32::NAN; n * columns];
            transposed_product(&mut out, Matrix::dense(&x, n, rows), &packed.rows());
            assert_close(&format!("{}, {n} rows", packed.name), &out, &expected, 1e-6);
        }
    }
}

#[test]
fn products_do_not_depend_on_the_number_of_threads() {
    let products = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut all = Vec::new();
            for block in [BlockType::Q4_0, BlockType::Q6K] {
                let packed = Packed::new(&[(block, 1100)], 768);
                for n in [1, 4, 40] {
                    let (mut forward, mut back) = (vec![0.0; n * 1100], vec![0.0; n * 768]);
                    let (x, grad) = (numbers(1, n * 768), numbers(2, n * 1100));
                    product_with_rows(&mut forward, Matrix::dense(&x, n, 768), &packed.rows());
                    transposed_product(&mut back, Matrix::dense(&grad, n, 1100), &packed.rows());
                    all.extend([forward, back]);
                }
            }
            all
        })
    };
    let alone = products(1);
    assert_eq!(alone, products(2));
    assert_eq!(alone, products(5));
}

#[test]
fn all_rows_and_chosen_ones_are_the_numbers_bit_for_bit() {
    for packed in matrices() {
        let Packed { rows, columns, ref values, .. } = packed;
        let mut all = vec![f32::NAN; rows * columns];
        unpack_all(&mut all, &packed.rows());
        assert_eq!(bits(&all), bits(values), "{}", packed.name);

        let ids: Vec<usize> = (0..200).map(|i| i * 7919 % rows).collect();
        let mut chosen = vec![f32::NAN; 200 * columns];
        embed(&mut chosen, &packed.rows(), &ids);
        for (row, &id) in chosen.chunks_exact(columns).zip(&ids) {
            assert_eq!(bits(row), bits(&values[id * columns..][..columns]), "{}, row {id}", packed.name);
        }
    }
}

#[test]
#[should_panic(expected = "a token is one of the vocabulary")]
fn a_row_that_is_not_there_is_refused() {
    embed(&mut [0.0; 32], &Packed::new(&[(BlockType::Q4_0, 3)], 32).rows(), &[3]);
}

#[test]
fn the_loss_with_a_head_in_blocks_is_that_with_its_numbers() {
    let mut heads: Vec<(Packed, usize)> = Vec::new();
    for block in BlockType::ALL {
        heads.push((Packed::new(&[(block, 700)], 256), 1));
        heads.push((Packed::new(&[(block, 700)], 256), 30));
    }
    // More numbers than are unpacked at a time, and two kinds.
    let large = Packed::new(&[(BlockType::Q4_0, 2500), (BlockType::Q6K, 1800)], 1024);
    assert!(large.rows().as_slice().most_rows() < large.rows);
    heads.push((large, 3));
    for (packed, n) in heads {
        let Packed { rows, columns, ref values, .. } = packed;
        let hidden = numbers(n as u64, n * columns);
        let targets: Vec<usize> = (0..n).map(|i| (i * 997 + 3000) % rows).collect();
        let hidden = Matrix::dense(&hidden, n, columns);
        let labels = Labels { targets: &targets, bias: None, softcap: None };
        let (loss, grad) = cross_entropy_at_labels(hidden, packed.rows().as_slice(), labels, true);
        let head = Matrix::dense(values, rows, columns);
        let (expected, of_numbers) = cross_entropy_at_labels(hidden, head, labels, true);
        assert_close(&format!("{}, loss", packed.name), &loss, &wide(&expected), 2e-6);
        let (grad, of_numbers) = (grad.unwrap(), of_numbers.unwrap());
        assert_close(&format!("{}, gradient", packed.name), &grad, &wide(&of_numbers), 2e-6);
    }
}

fn wide(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().copied().map(f64::from).collect()
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

/// Reads blocks in some vectors, and sums the numbers in them.
struct Read<'a> {
    block: BlockType,
    blocks: &'a [u8],
    out: &'a mut [f32],
    sum: &'a mut f32,
}

impl SimdWork for Read<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        with_layout!(self.block, read(simd, self.blocks, &mut *self.out));
        let chunks = self.out.as_chunks::<LANES>().0;
        let sum = chunks.iter().fold(simd.splat(0.0), |sum, numbers| simd.add(sum, simd.load(numbers)));
        *self.sum = simd.sum(sum);
    }
}

#[inline(always)]
fn read<L: Layout>(simd: impl Simd, blocks: &[u8], out: &mut [f32]) {
    unpack::<L, _>(simd, blocks, out);
}

/// What the work makes of blocks, in numbers and in their sum.
fn in_vectors(block: BlockType, blocks: &[u8], run: impl Fn(Read<'_>)) -> (Vec<u32>, u32) {
    let count = blocks.len() / block.bytes() * block.numbers();
    let (mut out, mut sum) = (vec![f32::NAN; count], f32::NAN);
    run(Read { block, blocks, out: &mut out, sum: &mut sum });
    (bits(&out), sum.to_bits())
}

#[test]
fn vectors_of_every_kind_read_the_same_numbers() {
    for block in BlockType::ALL {
        let blocks = blocks(block, 4096);
        let portable = in_vectors(block, &blocks, |work| work.run(Portable));
        assert_eq!(in_vectors(block, &blocks, |work| super::simd::run(work)), portable, "{block:?}, the widest");
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(simd) = super::x86::Avx2::detected() {
                assert_eq!(in_vectors(block, &blocks, |work| simd.run(work)), portable, "{block:?}, AVX2");
            }
            if let Some(simd) = super::x86::Avx512::detected() {
                assert_eq!(in_vectors(block, &blocks, |work| simd.run(work)), portable, "{block:?}, AVX-512");
            }
        }
    }
}
