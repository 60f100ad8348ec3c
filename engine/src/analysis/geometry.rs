//! Where a prefix's vectors and those of the vocabulary are compared.
//!
//! All tokens' keys in a layer have much in common. A vector that is the same in every key changes nothing that attention
//! does, since it adds the same to every score; yet a plain cosine sees little else. So vectors are measured from the
//! vocabulary's mean, and what lies along the mean is left out too: a prefix that starts around zero would otherwise be
//! near whatever token has least of it. A few more directions hold most of the rest (Mu & Viswanath 2018, "All-but-the-
//! Top"). Whitening scales each of them by `((tail + λ̄) / (λ + λ̄))^½`: one whose variance `λ` is far above the mean
//! variance `λ̄` counts as much as others do, and one far below it, which may be rounding, is not blown up. Without
//! this, a token's own key reaches a z of 1.5 in some layers, so that nothing could ever be above chance.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::table::{Table, dot, norm, padded, products, squares, stacked};
use crate::analysis::Space;
use crate::random::normal;

/// Directions that may be scaled down, at most a quarter of all.
const DIRECTIONS: usize = 32;
/// Rows, evenly spread over the vocabulary, that they are found in.
const SAMPLE: usize = 4096;
/// Rounds of orthogonal iteration; what is not quite the leading direction serves nearly as well.
const ROUNDS: usize = 6;
/// Directions that are looked for beside those that are removed.
const SPARE: usize = 4;

/// A space, of one table: how vectors are brought into it, and how long the table's rows are there.
#[derive(Clone, Debug)]
pub struct Geometry {
    pub(super) space: Space,
    /// Vector that is subtracted first: the table's mean, or zeros.
    pub(super) origin: Vec<f32>,
    /// Orthonormal.
    directions: Vec<Direction>,
    /// Of each row.
    pub(super) row_norms: Vec<f32>,
}

#[derive(Clone, Debug)]
struct Direction {
    vector: Vec<f32>,
    /// Factor on a vector's share along it, 0 to 1.
    left: f32,
}

impl Geometry {
    /// The space of a table whose rows have this width. It goes over the table twice.
    ///
    /// # Panics
    /// When the table's numbers are no whole number of rows.
    pub fn of(table: Table<'_>, width: usize, space: Space) -> Self {
        let origin = match space {
            Space::Raw => vec![0.0; width],
            Space::Centered | Space::Whitened | Space::AllButTop { .. } => mean(table, width),
        };
        let directions = match space {
            Space::Raw | Space::Centered => Vec::new(),
            Space::Whitened => shared_directions(table, &origin),
            Space::AllButTop { directions } => removed_directions(table, &origin, directions),
        };
        let row_norms = row_norms(table, &origin, &directions);
        Self { space, origin, directions, row_norms }
    }

    /// A vector as it is in this space.
    pub(super) fn map(&self, vector: &[f32]) -> Vec<f32> {
        let centered: Vec<f32> = vector.iter().zip(&self.origin).map(|(x, origin)| x - origin).collect();
        self.scaled(centered)
    }

    /// The vector whose product with a row less its origin is that of a mapped vector with the mapped row.
    pub(super) fn pulled_back(&self, mapped: Vec<f32>) -> Vec<f32> {
        self.scaled(mapped)
    }

    fn scaled(&self, mut vector: Vec<f32>) -> Vec<f32> {
        for Direction { vector: direction, left } in &self.directions {
            let less = (1.0 - f64::from(*left)) * dot(direction, &vector);
            vector.iter_mut().zip(direction).for_each(|(x, d)| *x = (f64::from(*x) - less * f64::from(*d)) as f32);
        }
        vector
    }
}

/// The mean of a table's rows.
pub(super) fn mean(table: Table<'_>, width: usize) -> Vec<f32> {
    let n_rows = table.n_rows(width);
    let sums = table.chunks(
        n_rows,
        |row| row,
        &vec![0.0; width],
        |_, rows| {
            let mut sum = vec![0.0_f64; width];
            for row in rows.chunks_exact(padded(width)) {
                sum.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
            }
            sum
        },
    );
    let sum = sums.into_iter().fold(vec![0.0; width], |mut sum, more| {
        sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        sum
    });
    sum.into_iter().map(|sum| (sum / n_rows.max(1) as f64) as f32).collect()
}

fn row_norms(table: Table<'_>, origin: &[f32], directions: &[Direction]) -> Vec<f32> {
    let (width, padded) = (origin.len(), padded(origin.len()));
    let vectors = stacked(directions.iter().map(|direction| direction.vector.as_slice()), width);
    let norms = table.chunks(
        table.n_rows(width),
        |row| row,
        origin,
        |_, rows| {
            let mut squares = squares(rows, padded);
            let along = products(&vectors, rows, padded);
            for (direction, along) in directions.iter().zip(along.chunks_exact(squares.len())) {
                let gone = 1.0 - direction.left * direction.left;
                squares.iter_mut().zip(along).for_each(|(square, along)| *square -= gone * along * along);
            }
            squares.into_iter().map(|square| square.max(0.0).sqrt()).collect::<Vec<f32>>()
        },
    );
    norms.concat()
}

/// The mean's own direction, of which nothing is left, and those of the greatest variance beside it.
fn shared_directions(table: Table<'_>, mean: &[f32]) -> Vec<Direction> {
    let width = mean.len();
    let sample = Sample::new(table, mean);
    let (basis, n_fixed) = leading(&sample, DIRECTIONS.min(width / 4), ROUNDS);
    let (along, total) = sample.variances(&basis.vectors);
    let (fixed, found) = along.split_at(n_fixed);
    let total = total - fixed.iter().sum::<f64>();
    let typical = total / width as f64;
    let tail = (total - found.iter().sum::<f64>()).max(0.0) / (width - found.len()) as f64;
    let left = |variance: &f64| (((tail + typical) / (variance + typical)).sqrt().min(1.0)) as f32;
    let left = fixed.iter().map(|_| 0.0).chain(found.iter().map(left));
    basis.vectors.into_iter().zip(left).map(|(vector, left)| Direction { vector, left }).collect()
}

/// The mean's own direction and those of the greatest variance beside it, of none of which anything is left.
fn removed_directions(table: Table<'_>, mean: &[f32], count: usize) -> Vec<Direction> {
    let count = count.min(mean.len() / 2);
    let sample = Sample::new(table, mean);
    // A few to spare: those that are asked for then turn into place sooner.
    let (mut basis, n_fixed) = leading(&sample, if count == 0 { 0 } else { count + SPARE }, 4 * ROUNDS);
    let (along, _) = sample.variances(&basis.vectors);
    let found = basis.vectors.split_off(n_fixed);
    let mut found: Vec<(f64, Vec<f32>)> = along[n_fixed..].iter().copied().zip(found).collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    let found = found.into_iter().take(count).map(|(_, vector)| vector);
    basis.vectors.into_iter().chain(found).map(|vector| Direction { vector, left: 0.0 }).collect()
}

/// The mean's own direction, if there is one, and beside it some that orthogonal iteration turns to the greatest variance;
/// the number of the former.
fn leading(sample: &Sample<'_>, count: usize, rounds: usize) -> (Basis, usize) {
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut basis = Basis::new(sample.mean);
    let n_fixed = basis.vectors.len();
    for _ in 0..count {
        basis.add((0..sample.mean.len()).map(|_| normal(&mut random)).collect());
    }
    for _ in 0..rounds {
        let turned = sample.covariance_times(&basis.vectors[n_fixed..]);
        basis.vectors.truncate(n_fixed);
        turned.into_iter().for_each(|vector| basis.add(vector));
    }
    (basis, n_fixed)
}

/// Vectors of norm 1 at right angles.
struct Basis {
    vectors: Vec<Vec<f32>>,
}

impl Basis {
    fn new(first: &[f32]) -> Self {
        let mut basis = Self { vectors: Vec::new() };
        basis.add(first.to_vec());
        basis
    }

    /// Adds what is new of a vector, if anything is; Gram and Schmidt, twice for the sake of rounding.
    fn add(&mut self, mut vector: Vec<f32>) {
        for _ in 0..2 {
            let length = norm(&vector);
            for other in &self.vectors {
                let along = dot(other, &vector) as f32;
                vector.iter_mut().zip(other).for_each(|(x, other)| *x -= along * other);
            }
            let new = norm(&vector);
            if new <= length * 1e-6 || new.is_nan() {
                return;
            }
            vector.iter_mut().for_each(|x| *x = (f64::from(*x) / new) as f32);
        }
        self.vectors.push(vector);
    }
}

/// Rows evenly spread over a table, less their mean.
struct Sample<'a> {
    table: Table<'a>,
    mean: &'a [f32],
    n_rows: usize,
    count: usize,
}

impl<'a> Sample<'a> {
    fn new(table: Table<'a>, mean: &'a [f32]) -> Self {
        let n_rows = table.n_rows(mean.len());
        Self { table, mean, n_rows, count: n_rows.min(SAMPLE) }
    }

    fn chunks<T: Send>(&self, each: impl Fn(&[f32]) -> T + Sync) -> Vec<T> {
        let which = |index: usize| index * self.n_rows / self.count;
        self.table.chunks(self.count, which, self.mean, |_, rows| each(rows))
    }

    /// The covariance times each vector, but for a factor.
    fn covariance_times(&self, vectors: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let (width, padded) = (self.mean.len(), padded(self.mean.len()));
        let stacked = stacked(vectors.iter().map(Vec::as_slice), width);
        let parts = self.chunks(|rows| {
            let mut turned = vec![vec![0.0_f32; width]; vectors.len()];
            let along = products(&stacked, rows, padded);
            for (turned, along) in turned.iter_mut().zip(along.chunks_exact(rows.len() / padded)) {
                for (row, along) in rows.chunks_exact(padded).zip(along) {
                    turned.iter_mut().zip(row).for_each(|(sum, x)| *sum += along * x);
                }
            }
            turned
        });
        parts.into_iter().fold(vec![vec![0.0; width]; vectors.len()], |mut sums, part| {
            for (sum, part) in sums.iter_mut().flatten().zip(part.into_iter().flatten()) {
                *sum += part;
            }
            sums
        })
    }

    /// The mean square along each vector, and that over all directions.
    fn variances(&self, vectors: &[Vec<f32>]) -> (Vec<f64>, f64) {
        let (width, padded) = (self.mean.len(), padded(self.mean.len()));
        let stacked = stacked(vectors.iter().map(Vec::as_slice), width);
        let sum = |numbers: &[f32]| numbers.iter().map(|&x| f64::from(x)).sum::<f64>();
        let parts = self.chunks(|rows| {
            let along = products(&stacked, rows, padded);
            let along = along.chunks_exact(rows.len() / padded).map(|along| dot(along, along)).collect::<Vec<f64>>();
            (along, sum(&squares(rows, padded)))
        });
        let count = self.count.max(1) as f64;
        let mut along = vec![0.0; vectors.len()];
        let mut total = 0.0;
        for (part, squares) in parts {
            along.iter_mut().zip(part).for_each(|(sum, part)| *sum += part / count);
            total += squares / count;
        }
        (along, total)
    }
}

#[cfg(test)]
#[path = "geometry_tests.rs"]
mod tests;
