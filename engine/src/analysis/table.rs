//! A table of vectors, one row per token, and one way to go over it: in chunks of rows, on all threads.
//!
//! What the chunks give comes back in their order, so that no result depends on threads.

use half::f16;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

/// Rows that one task takes at a time.
pub(super) const CHUNK: usize = 256;
/// Numbers that are added side by side; vectors are filled up with zeros to whole lanes.
const LANES: usize = 8;

/// One vector per token, row by row.
#[derive(Clone, Copy, Debug)]
pub enum Table<'a> {
    /// A index's.
    Half(&'a [f16]),
    /// Input embeddings.
    Full(&'a [f32]),
    /// The same columns of each row of an index: those of one head.
    Part {
        /// All of the index's.
        numbers: &'a [f16],
        /// Width of its rows.
        stride: usize,
        /// The first column.
        first: usize,
    },
}

impl Table<'_> {
    /// Rows of this width.
    ///
    /// # Panics
    /// When the numbers are no whole number of rows.
    pub(super) fn n_rows(&self, width: usize) -> usize {
        let numbers = match self {
            Self::Half(numbers) => numbers.len(),
            Self::Full(numbers) => numbers.len(),
            Self::Part { numbers, stride, first } => {
                assert!(numbers.len().is_multiple_of(*stride) && first + width <= *stride, "columns of the index");
                return numbers.len() / stride;
            }
        };
        assert!(width > 0 && numbers.is_multiple_of(width), "the table's rows are as wide as the vectors");
        numbers / width
    }

    pub(super) fn read_row(&self, row: usize, into: &mut [f32]) {
        let range = row * into.len()..(row + 1) * into.len();
        match self {
            Self::Half(numbers) => numbers[range].convert_to_f32_slice(into),
            Self::Full(numbers) => into.copy_from_slice(&numbers[range]),
            Self::Part { numbers, stride, first } => {
                numbers[row * stride + first..][..into.len()].convert_to_f32_slice(into);
            }
        }
    }

    /// Rows 0 to `count` of those that `which` picks, less `origin`, chunk by chunk: `each` gets the number of the first
    /// and the rows, `[at most CHUNK, padded(width)]`.
    pub(super) fn chunks<T: Send>(
        &self,
        count: usize,
        which: impl Fn(usize) -> usize + Sync,
        origin: &[f32],
        each: impl Fn(usize, &[f32]) -> T + Sync,
    ) -> Vec<T> {
        let (width, padded) = (origin.len(), padded(origin.len()));
        let chunk = |rows: &mut Vec<f32>, chunk: usize| {
            let start = chunk * CHUNK;
            let here = CHUNK.min(count - start);
            for (index, row) in rows.chunks_exact_mut(padded).take(here).enumerate() {
                self.read_row(which(start + index), &mut row[..width]);
                row.iter_mut().zip(origin).for_each(|(x, origin)| *x -= origin);
            }
            each(start, &rows[..here * padded])
        };
        (0..count.div_ceil(CHUNK)).into_par_iter().map_init(|| vec![0.0; CHUNK * padded], chunk).collect()
    }
}

/// A width, rounded up to whole lanes.
pub(super) fn padded(width: usize) -> usize {
    width.next_multiple_of(LANES)
}

/// Vectors one behind the other, each filled up with zeros to whole lanes: `[n, padded(width)]`.
///
/// # Panics
/// When one is not that wide.
pub(super) fn stacked<'a>(vectors: impl IntoIterator<Item = &'a [f32]>, width: usize) -> Vec<f32> {
    let mut stacked = Vec::new();
    for vector in vectors {
        assert_eq!(vector.len(), width, "all vectors are equally wide");
        stacked.extend(vector);
        stacked.resize(stacked.len().next_multiple_of(padded(width)), 0.0);
    }
    stacked
}

/// Products of every vector with every row, `[vectors, rows]`; all are `padded` wide.
pub(super) fn products(vectors: &[f32], rows: &[f32], padded: usize) -> Vec<f32> {
    let (n_vectors, count) = (vectors.len() / padded, rows.len() / padded);
    let mut products = vec![0.0; n_vectors * count];
    for first in (0..n_vectors).step_by(4) {
        // The last group may have fewer than four: it repeats its last vector.
        let of = |i: usize| &vectors[(first + i).min(n_vectors - 1) * padded..][..padded];
        let four = [of(0), of(1), of(2), of(3)];
        for (index, row) in rows.chunks_exact(padded).enumerate() {
            for (i, product) in four_products(four, row).into_iter().enumerate().take(n_vectors - first) {
                products[(first + i) * count + index] = product;
            }
        }
    }
    products
}

/// The square of each row's norm.
pub(super) fn squares(rows: &[f32], padded: usize) -> Vec<f32> {
    rows.chunks_exact(padded).map(|row| four_products([row; 4], row)[0]).collect()
}

/// Four products with one row, which is then read once for the four. All are whole lanes wide.
fn four_products(vectors: [&[f32]; 4], row: &[f32]) -> [f32; 4] {
    let mut sums = [[0.0_f32; LANES]; 4];
    let [a, b, c, d] = vectors.map(|vector| vector.as_chunks::<LANES>().0);
    let row = row.as_chunks::<LANES>().0;
    for ((((row, a), b), c), d) in row.iter().zip(a).zip(b).zip(c).zip(d) {
        for lane in 0..LANES {
            sums[0][lane] += a[lane] * row[lane];
            sums[1][lane] += b[lane] * row[lane];
            sums[2][lane] += c[lane] * row[lane];
            sums[3][lane] += d[lane] * row[lane];
        }
    }
    sums.map(|lanes| lanes.iter().sum())
}

pub(super) fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

pub(super) fn norm(vector: &[f32]) -> f64 {
    dot(vector, vector).sqrt()
}
