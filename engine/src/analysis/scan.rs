//! One pass over a table of vectors, one row per token, for any number of questions.
//!
//! Rows are read in chunks, as f32, by all threads; each is multiplied with every question and random direction while
//! it is near. What the chunks found is put together in their order, so that the result does not depend on threads.

use half::f16;
use half::slice::HalfFloatSliceExt;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::message::Metric;

/// Random vectors in the null.
pub(super) const RANDOM_VECTORS: usize = 32;
/// Rows that one task takes at a time.
const CHUNK: usize = 256;
/// Numbers that are added side by side.
const LANES: usize = 8;
/// Candidates beyond those asked for, so that the exact scores decide about near ties.
const MARGIN: usize = 16;

/// One vector per token, row by row.
#[derive(Clone, Copy, Debug)]
pub enum Table<'a> {
    /// A bank's.
    Half(&'a [f16]),
    /// Input embeddings.
    Full(&'a [f32]),
}

/// Everything one pass over a table needs. Queries are the trained cells, then the initial ones; after them come the
/// random directions, of norm 1.
pub(super) struct Scan<'a> {
    table: Table<'a>,
    width: usize,
    /// `width`, rounded up to whole lanes; the rest is zeros.
    padded: usize,
    pub(super) n_rows: usize,
    metric: Metric,
    /// `[queries + RANDOM_VECTORS, padded]`
    vectors: Vec<f32>,
    norms: Vec<f32>,
    n_cells: usize,
    /// Rows kept for each query.
    keep: usize,
}

/// What a pass found. Scores are turned so that greater is nearer.
pub(super) struct Found {
    pub(super) best: Vec<Best>,
    pub(super) moments: Vec<Moments>,
    /// Best score of each cell's random vectors, `[cells, RANDOM_VECTORS]`, in the units of the metric.
    pub(super) random_best: Vec<f32>,
}

impl<'a> Scan<'a> {
    pub(super) fn new(
        table: Table<'a>,
        width: usize,
        queries: &[&[f32]],
        n_cells: usize,
        metric: Metric,
        top: usize,
        seed: u64,
    ) -> Self {
        let padded = width.next_multiple_of(LANES);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let directions: Vec<Vec<f32>> = (0..RANDOM_VECTORS).map(|_| direction(&mut random, width)).collect();
        let all = queries.iter().copied().chain(directions.iter().map(Vec::as_slice));
        let mut vectors = Vec::with_capacity((queries.len() + RANDOM_VECTORS) * padded);
        for vector in all {
            assert_eq!(vector.len(), width, "all vectors are equally wide");
            vectors.extend(vector);
            vectors.resize(vectors.len().next_multiple_of(padded.max(1)), 0.0);
        }
        let numbers = match table {
            Table::Half(numbers) => numbers.len(),
            Table::Full(numbers) => numbers.len(),
        };
        assert!(width > 0 && numbers.is_multiple_of(width), "the table's rows are as wide as the vectors");
        let norms = queries.iter().map(|query| norm(query)).collect();
        let n_rows = numbers / width;
        Self { table, width, padded, n_rows, metric, vectors, norms, n_cells, keep: (top + MARGIN).min(n_rows) }
    }

    pub(super) fn run(&self) -> Found {
        let chunks: Vec<Found> = (0..self.n_rows.div_ceil(CHUNK))
            .into_par_iter()
            .map_init(|| vec![0.0; CHUNK * self.padded], |rows, chunk| self.scan_chunk(chunk * CHUNK, rows))
            .collect();
        let mut found = self.nothing();
        for chunk in chunks {
            found.merge(&chunk, self.keep);
        }
        found.random_best.iter_mut().for_each(|score| *score = self.in_units(*score));
        found
    }

    fn nothing(&self) -> Found {
        Found {
            best: vec![Best::default(); self.norms.len()],
            moments: vec![Moments::default(); self.n_cells],
            random_best: vec![f32::NEG_INFINITY; self.n_cells * RANDOM_VECTORS],
        }
    }

    fn scan_chunk(&self, start: usize, rows: &mut [f32]) -> Found {
        let count = CHUNK.min(self.n_rows - start);
        for (index, row) in rows.chunks_exact_mut(self.padded).take(count).enumerate() {
            self.read_row(start + index, &mut row[..self.width]);
        }
        let rows = &rows[..count * self.padded];
        let row_norms: Vec<f32> = rows.chunks_exact(self.padded).map(|row| dot4([row; 4], row)[0].sqrt()).collect();
        let dots = self.dots(rows); // [vectors, count]
        let mut found = self.nothing();
        for (query, (dots, &norm)) in dots.chunks_exact(count).zip(&self.norms).enumerate() {
            for (index, (&dot, &row_norm)) in dots.iter().zip(&row_norms).enumerate() {
                let score = self.score(dot, row_norm, norm);
                found.best[query].offer((start + index) as u32, score, self.keep);
                if let Some(moments) = found.moments.get_mut(query) {
                    moments.add(self.in_units(score));
                }
            }
        }
        let random = dots.chunks_exact(count).skip(self.norms.len());
        for (direction, dots) in random.enumerate() {
            for (cell, &norm) in self.norms[..self.n_cells].iter().enumerate() {
                let scores = dots.iter().zip(&row_norms);
                let scores = scores.map(|(&dot, &row_norm)| self.score(dot * norm, row_norm, norm));
                found.random_best[cell * RANDOM_VECTORS + direction] = scores.fold(f32::NEG_INFINITY, f32::max);
            }
        }
        found
    }

    /// Products of every vector with every row, `[vectors, rows]`.
    fn dots(&self, rows: &[f32]) -> Vec<f32> {
        let count = rows.len() / self.padded;
        let n_vectors = self.vectors.len() / self.padded;
        let mut dots = vec![0.0; n_vectors * count];
        for first in (0..n_vectors).step_by(4) {
            // The last group may have fewer than four: it repeats its last vector.
            let of = |i: usize| &self.vectors[(first + i).min(n_vectors - 1) * self.padded..][..self.padded];
            let four = [of(0), of(1), of(2), of(3)];
            for (index, row) in rows.chunks_exact(self.padded).enumerate() {
                for (i, dot) in dot4(four, row).into_iter().enumerate().take(n_vectors - first) {
                    dots[(first + i) * count + index] = dot;
                }
            }
        }
        dots
    }

    /// Greater is nearer.
    fn score(&self, dot: f32, row_norm: f32, norm: f32) -> f32 {
        match self.metric {
            Metric::Cosine if row_norm == 0.0 || norm == 0.0 => 0.0,
            Metric::Cosine => dot / (row_norm * norm),
            Metric::Dot => dot,
            Metric::L2 => {
                let squared = row_norm * row_norm + norm * norm - 2.0 * dot;
                // Rounding can make it negative; NaN stays NaN.
                if squared < 0.0 { -0.0 } else { -squared.sqrt() }
            }
        }
    }

    fn in_units(&self, score: f32) -> f32 {
        if self.metric == Metric::L2 { -score } else { score }
    }

    /// The candidates of a query with scores computed in full precision, in the units of the metric.
    pub(super) fn exact(&self, query: usize, best: &Best, top: usize) -> Vec<(u32, f32)> {
        let vector = &self.vectors[query * self.padded..][..self.width];
        let mut row = vec![0.0; self.width];
        let scores = best.rows.iter().map(|&(token, _)| {
            self.read_row(token as usize, &mut row);
            let pairs = || vector.iter().zip(&row).map(|(&a, &b)| (f64::from(a), f64::from(b)));
            let sum = |f: fn((f64, f64)) -> f64| pairs().map(f).sum::<f64>();
            let score = match self.metric {
                Metric::Cosine => {
                    let norms = (sum(|(a, _)| a * a) * sum(|(_, b)| b * b)).sqrt();
                    if norms == 0.0 { 0.0 } else { sum(|(a, b)| a * b) / norms }
                }
                Metric::Dot => sum(|(a, b)| a * b),
                Metric::L2 => sum(|(a, b)| (a - b) * (a - b)).sqrt(),
            };
            (token, score as f32)
        });
        let mut scores: Vec<(u32, f32)> = scores.collect();
        scores.sort_by(|a, b| {
            let nearer = if self.metric == Metric::L2 { a.1.total_cmp(&b.1) } else { b.1.total_cmp(&a.1) };
            nearer.then(a.0.cmp(&b.0))
        });
        scores.truncate(top);
        scores
    }

    fn read_row(&self, row: usize, into: &mut [f32]) {
        let range = row * self.width..(row + 1) * self.width;
        match self.table {
            Table::Half(numbers) => numbers[range].convert_to_f32_slice(into),
            Table::Full(numbers) => into.copy_from_slice(&numbers[range]),
        }
    }
}

impl Found {
    fn merge(&mut self, later: &Self, keep: usize) {
        for (best, later) in self.best.iter_mut().zip(&later.best) {
            for &(token, score) in &later.rows {
                best.offer(token, score, keep);
            }
        }
        for (moments, later) in self.moments.iter_mut().zip(&later.moments) {
            moments.sum += later.sum;
            moments.sum_of_squares += later.sum_of_squares;
        }
        for (best, later) in self.random_best.iter_mut().zip(&later.random_best) {
            *best = best.max(*later);
        }
    }
}

/// The nearest rows so far, nearest first. Rows are offered in ascending order, so that the lower stays ahead.
#[derive(Clone, Default)]
pub(super) struct Best {
    rows: Vec<(u32, f32)>,
}

impl Best {
    fn offer(&mut self, token: u32, score: f32, keep: usize) {
        let full = self.rows.len() >= keep;
        if score.is_nan() || full && self.rows.last().is_none_or(|&(_, last)| score <= last) {
            return;
        }
        let place = self.rows.partition_point(|&(_, other)| other >= score);
        self.rows.insert(place, (token, score));
        self.rows.truncate(keep);
    }
}

#[derive(Clone, Default)]
pub(super) struct Moments {
    sum: f64,
    sum_of_squares: f64,
}

impl Moments {
    fn add(&mut self, score: f32) {
        let score = f64::from(score);
        self.sum += score;
        self.sum_of_squares += score * score;
    }

    pub(super) fn mean_sd(&self, count: usize) -> (f32, f32) {
        let mean = self.sum / count as f64;
        let variance = (self.sum_of_squares / count as f64 - mean * mean).max(0.0);
        (mean as f32, variance.sqrt() as f32)
    }
}

pub(super) fn sample_mean_sd(numbers: &[f32]) -> (f32, f32) {
    let count = numbers.len() as f64;
    let mean = numbers.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
    let squares = numbers.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>();
    (mean as f32, (squares / (count - 1.0)).sqrt() as f32)
}

/// Four products with one row, which is then read once for the four. All are whole lanes wide.
fn dot4(vectors: [&[f32]; 4], row: &[f32]) -> [f32; 4] {
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

pub(super) fn norm(vector: &[f32]) -> f32 {
    vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt() as f32
}

/// A uniformly random direction of norm 1: normal numbers (Box and Muller), scaled.
pub(super) fn direction(random: &mut ChaCha8Rng, width: usize) -> Vec<f32> {
    let mut normal = || {
        let (radius, angle): (f64, f64) = (1.0 - random.random::<f64>(), random.random());
        ((-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()) as f32
    };
    let vector: Vec<f32> = (0..width).map(|_| normal()).collect();
    let norm = norm(&vector);
    vector.into_iter().map(|x| x / norm).collect()
}
