//! One pass over a table of vectors, one row per token, for any number of questions.
//!
//! Each chunk of rows is multiplied with every question while it is near. The nearest rows are found in f32, with a few
//! to spare; exact products then decide about near ties. The cosine with every row is kept, because whether a token is
//! near is told by where it lies among all of them.

use super::chance::Chance;
use super::geometry::Geometry;
use super::report::Tail;
use super::table::{Table, dot, norm, padded, products, stacked};
use crate::analysis::{Metric, Space, VocabularyScores};

/// Candidates beyond those asked for, so that the exact scores decide about near ties.
const MARGIN: usize = 16;
/// Nearest ones whose mean cosine tells how crowded it is around a vector: Conneau et al. take ten.
const CSLS_NEAREST: usize = 10;

/// Everything one pass over a table needs.
pub(super) struct Scan<'a> {
    table: Table<'a>,
    geometry: &'a Geometry,
    metric: Metric,
    /// The questions as they are in the space.
    mapped: Vec<Vec<f32>>,
    norms: Vec<f32>,
    /// Rows that are asked for.
    top: usize,
    chance: Chance,
    /// Of [`Metric::Csls`], for each question the mean cosine of each row with its nearest slots.
    hubs: Vec<&'a [f32]>,
}

/// Answer to one question.
pub(super) struct Found {
    /// Nearest first; the lower row first among equals.
    pub(super) nearest: Vec<Near>,
    pub(super) vocabulary: VocabularyScores,
}

/// A row and how near it is, in the units of the metric and by the cosine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Near {
    pub(super) row: u32,
    pub(super) score: f32,
    pub(super) cosine: f32,
}

impl<'a> Scan<'a> {
    pub(super) fn new(
        table: Table<'a>,
        geometry: &'a Geometry,
        questions: &[&[f32]],
        metric: Metric,
        top: usize,
    ) -> Self {
        let mapped: Vec<Vec<f32>> = questions.iter().map(|question| geometry.map(question)).collect();
        let norms = mapped.iter().map(|mapped| norm(mapped) as f32).collect();
        let chance = Chance::of(geometry.row_norms.len());
        Self { table, geometry, metric, mapped, norms, top, chance, hubs: Vec::new() }
    }

    /// The same with how near each row is to slots, for each question: what [`Metric::Csls`] takes off.
    pub(super) fn less(self, hubs: Vec<&'a [f32]>) -> Self {
        Self { hubs, ..self }
    }

    /// Of each row of the table, the mean cosine of the [`CSLS_NEAREST`] questions that are nearest to it.
    pub(super) fn hubs(&self) -> Vec<f32> {
        let (width, padded) = (self.geometry.origin.len(), padded(self.geometry.origin.len()));
        let pulled = self.pulled();
        let n_rows = self.table.n_rows(width);
        let of_chunk = |start: usize, rows: &[f32]| {
            let count = rows.len() / padded;
            let products = products(&pulled, rows, padded);
            let of_row = |row: usize| {
                let row_norm = self.geometry.row_norms[start + row];
                let cosines = self.norms.iter().enumerate();
                let cosines = cosines.map(|(i, norm)| cosine(products[i * count + row], row_norm * norm));
                mean_of_nearest(cosines.collect())
            };
            (0..count).map(of_row).collect::<Vec<f32>>()
        };
        self.table.chunks(n_rows, |row| row, &self.geometry.origin, of_chunk).concat()
    }

    /// The questions, as they are multiplied with rows: `[questions, padded(width)]`.
    fn pulled(&self) -> Vec<f32> {
        let pulled = self.mapped.iter().map(|mapped| self.geometry.pulled_back(mapped.clone()));
        let pulled: Vec<Vec<f32>> = pulled.collect();
        stacked(pulled.iter().map(Vec::as_slice), self.geometry.origin.len())
    }

    /// How near a row is to the slots beside a question.
    fn hub(&self, question: usize, row: usize) -> f32 {
        self.hubs.get(question).and_then(|hubs| hubs.get(row)).copied().unwrap_or_default()
    }

    pub(super) fn run(&self) -> Vec<Found> {
        let (width, padded) = (self.geometry.origin.len(), padded(self.geometry.origin.len()));
        let n_rows = self.table.n_rows(width);
        let keep = (self.top + MARGIN).min(n_rows);
        let vectors = self.pulled();
        let chunks = self.table.chunks(
            n_rows,
            |row| row,
            &self.geometry.origin,
            |start, rows| self.scan_chunk(start, products(&vectors, rows, padded), rows.len() / padded, keep),
        );
        let questions = 0..self.mapped.len();
        questions
            .map(|question| self.put_together(question, chunks.iter().map(|chunk| &chunk[question]), keep))
            .collect()
    }

    /// The nearest rows of a chunk and the cosines with all of them, for each question.
    fn scan_chunk(&self, start: usize, products: Vec<f32>, count: usize, keep: usize) -> Vec<(Best, Vec<f32>)> {
        let row_norms = &self.geometry.row_norms[start..start + count];
        let questions = products.chunks_exact(count).zip(&self.norms).enumerate();
        let scan = |(question, (products, &norm)): (usize, (&[f32], &f32))| {
            let mut best = Best::default();
            let mut cosines = Vec::with_capacity(count);
            for (index, (&product, &row_norm)) in products.iter().zip(row_norms).enumerate() {
                let cosine = cosine(product, row_norm * norm);
                let nearness = match self.metric {
                    Metric::Csls => 2.0 * cosine - self.hub(question, start + index),
                    _ => self.nearness(product, row_norm, norm, cosine),
                };
                best.offer((start + index) as u32, nearness, keep);
                cosines.push(cosine);
            }
            (best, cosines)
        };
        questions.map(scan).collect()
    }

    fn put_together<'b>(
        &self,
        question: usize,
        chunks: impl Iterator<Item = &'b (Best, Vec<f32>)>,
        keep: usize,
    ) -> Found {
        let (mut best, mut cosines) = (Best::default(), Vec::new());
        for (more, of_chunk) in chunks {
            more.rows.iter().for_each(|&(row, nearness)| best.offer(row, nearness, keep));
            cosines.extend(of_chunk);
        }
        let mut nearest: Vec<Near> = best.rows.iter().map(|&(row, _)| self.exact(question, row)).collect();
        nearest.sort_by(|a, b| {
            let nearer =
                if self.metric == Metric::L2 { a.score.total_cmp(&b.score) } else { b.score.total_cmp(&a.score) };
            nearer.then(a.row.cmp(&b.row))
        });
        nearest.truncate(self.top);
        if self.metric == Metric::Csls {
            let own = mean_of_nearest(cosines.clone());
            nearest.iter_mut().for_each(|near| near.score -= own);
        }
        let limit = (self.geometry.space != Space::Raw).then_some(self.chance.limit);
        Found { nearest, vocabulary: scores(&cosines, self.chance.best, limit) }
    }

    /// Greater is nearer.
    fn nearness(&self, product: f32, row_norm: f32, norm: f32, cosine: f32) -> f32 {
        match self.metric {
            Metric::Cosine | Metric::Csls => cosine,
            Metric::Dot => product,
            Metric::L2 => {
                let squared = row_norm * row_norm + norm * norm - 2.0 * product;
                // Rounding can make it negative; NaN stays NaN.
                if squared < 0.0 { -0.0 } else { -squared.sqrt() }
            }
        }
    }

    /// Nearness of a row to a question, in full precision.
    pub(super) fn exact(&self, question: usize, row: u32) -> Near {
        let mut numbers = vec![0.0; self.geometry.origin.len()];
        self.table.read_row(row as usize, &mut numbers);
        let (vector, there) = (&self.mapped[question], self.geometry.map(&numbers));
        let product = dot(vector, &there);
        let norms = norm(vector) * norm(&there);
        let cosine = if norms == 0.0 { 0.0 } else { product / norms };
        let score = match self.metric {
            Metric::Cosine => cosine,
            Metric::Csls => 2.0 * cosine - f64::from(self.hub(question, row as usize)),
            Metric::Dot => product,
            Metric::L2 => {
                let distances = vector.iter().zip(&there).map(|(&a, &b)| f64::from(a) - f64::from(b));
                distances.map(|distance| distance * distance).sum::<f64>().sqrt()
            }
        };
        Near { row, score: score as f32, cosine: cosine as f32 }
    }
}

/// The mean of the largest [`CSLS_NEAREST`] cosines.
fn mean_of_nearest(mut cosines: Vec<f32>) -> f32 {
    let count = CSLS_NEAREST.min(cosines.len());
    if count < cosines.len() {
        cosines.select_nth_unstable_by(count, |a, b| b.total_cmp(a));
    }
    cosines[..count].iter().sum::<f32>() / count.max(1) as f32
}

/// The cosine with a vector of norm 0 is 0.
fn cosine(product: f32, norms: f32) -> f32 {
    if norms == 0.0 { 0.0 } else { product / norms }
}

/// The nearest rows so far, nearest first. Rows are offered in ascending order, so that the lower stays ahead.
#[derive(Clone, Default)]
struct Best {
    rows: Vec<(u32, f32)>,
}

impl Best {
    fn offer(&mut self, row: u32, nearness: f32, keep: usize) {
        let full = self.rows.len() >= keep;
        if nearness.is_nan() || full && self.rows.last().is_none_or(|&(_, last)| nearness <= last) {
            return;
        }
        let place = self.rows.partition_point(|&(_, other)| other >= nearness);
        self.rows.insert(place, (row, nearness));
        self.rows.truncate(keep);
    }
}

/// Distribution of the cosines of a whole vocabulary.
fn scores(cosines: &[f32], best: f32, limit: Option<f32>) -> VocabularyScores {
    let tokens = cosines.len();
    let mean_of = |numbers: &mut dyn Iterator<Item = f64>| numbers.sum::<f64>() / tokens.max(1) as f64;
    let mean = mean_of(&mut cosines.iter().map(|&cosine| f64::from(cosine)));
    let sd = mean_of(&mut cosines.iter().map(|&cosine| (f64::from(cosine) - mean).powi(2))).sqrt();
    let histogram = vec![0; VocabularyScores::BINS];
    let (mean, sd) = (mean as f32, sd as f32);
    let mut scores = VocabularyScores { tokens, mean, sd, best, limit, histogram, ..VocabularyScores::default() };
    scores.tail = Tail::of(cosines.iter().map(|&cosine| scores.z(cosine)));
    for &cosine in cosines {
        let bin = (scores.z(cosine) - VocabularyScores::LOWEST) / VocabularyScores::STEP;
        scores.histogram[(bin.max(0.0) as usize).min(VocabularyScores::BINS - 1)] += 1;
    }
    scores
}
