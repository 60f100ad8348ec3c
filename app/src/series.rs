//! A curve of any length that can be drawn in constant time.
//!
//! Points are kept with a pyramid of minima and maxima over blocks of 16, 256, 4096 … points, so that what a column of
//! pixels shows is found without looking at every point. Values that are not finite are never mixed in: they break the
//! line. Smoothing works on the raw points, before anything is thinned.

const FAN: usize = 16;

/// Lowest and highest finite value of a block, and whether it holds one that is not finite.
#[derive(Clone, Copy, Debug)]
struct Block {
    low: f64,
    high: f64,
    broken: bool,
}

impl Block {
    const EMPTY: Self = Self { low: f64::INFINITY, high: f64::NEG_INFINITY, broken: false };

    fn of(value: f64) -> Self {
        if value.is_finite() {
            Self { low: value, high: value, broken: false }
        } else {
            Self { broken: true, ..Self::EMPTY }
        }
    }

    fn with(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high), broken: self.broken || other.broken }
    }
}

/// Points in the order of their x.
#[derive(Clone, Debug, Default)]
pub struct Series {
    xs: Vec<f64>,
    ys: Vec<f64>,
    levels: [Vec<Block>; 5],
}

impl Series {
    /// Adds a point; its x must not be below the last one's, or it is dropped.
    pub fn push(&mut self, x: f64, y: f64) {
        if self.xs.last().is_some_and(|&last| x <= last) {
            return;
        }
        let index = self.xs.len();
        self.xs.push(x);
        self.ys.push(y);
        let mut size = FAN;
        for level in &mut self.levels {
            match level.get_mut(index / size) {
                Some(known) => *known = known.with(Block::of(y)),
                None => level.push(Block::of(y)),
            }
            size *= FAN;
        }
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.xs.len()
    }

    /// No points.
    pub fn is_empty(&self) -> bool {
        self.xs.is_empty()
    }

    /// The last point.
    pub fn last(&self) -> Option<(f64, f64)> {
        Some((*self.xs.last()?, *self.ys.last()?))
    }

    /// The value at an x, or at the nearest x before it.
    pub fn at(&self, x: f64) -> Option<f64> {
        let after = self.xs.partition_point(|&known| known <= x);
        after.checked_sub(1).map(|index| self.ys[index])
    }

    /// All x.
    pub fn xs(&self) -> &[f64] {
        &self.xs
    }

    /// The value at an x, in a straight line between the points around it; `None` outside of the curve and beside a break.
    pub fn between(&self, x: f64) -> Option<f64> {
        let after = self.xs.partition_point(|&known| known < x);
        if self.xs.get(after) == Some(&x) {
            return Some(self.ys[after]).filter(|value| value.is_finite());
        }
        let before = after.checked_sub(1)?;
        let share = (x - self.xs[before]) / (self.xs.get(after)? - self.xs[before]);
        Some(self.ys[before] + share * (self.ys[after] - self.ys[before])).filter(|value| value.is_finite())
    }

    /// All values.
    pub fn values(&self) -> &[f64] {
        &self.ys
    }

    /// Minimum and maximum of the points `from..to`.
    fn block(&self, from: usize, to: usize) -> Block {
        let mut found = Block::EMPTY;
        let mut index = from;
        while index < to {
            let mut size = 1;
            let mut level = None;
            for candidate in 0..self.levels.len() {
                let next = size * FAN;
                if !index.is_multiple_of(next) || index + next > to {
                    break;
                }
                size = next;
                level = Some(candidate);
            }
            found = found.with(match level {
                None => Block::of(self.ys[index]),
                Some(level) => self.levels[level][index / size],
            });
            index += size;
        }
        found
    }

    /// The curve between two x, with at most two points in each of `columns` columns, as unbroken pieces.
    pub fn thin(&self, range: (f64, f64), columns: usize) -> Vec<Vec<[f64; 2]>> {
        let from = self.xs.partition_point(|&x| x < range.0).saturating_sub(1);
        let to = (self.xs.partition_point(|&x| x <= range.1) + 1).min(self.xs.len());
        let mut pieces = vec![Vec::new()];
        let count = to.saturating_sub(from);
        let columns = columns.max(1);
        if count <= 2 * columns {
            for index in from..to {
                add(&mut pieces, self.xs[index], Block::of(self.ys[index]), self.xs[index]);
            }
        } else {
            for column in 0..columns {
                let start = from + count * column / columns;
                let end = from + count * (column + 1) / columns;
                let block = self.block(start, end);
                add(&mut pieces, self.xs[start], block, self.xs[(start + end) / 2]);
            }
        }
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }
}

fn add(pieces: &mut Vec<Vec<[f64; 2]>>, x: f64, block: Block, second_x: f64) {
    if block.low <= block.high {
        let piece = pieces.last_mut().expect("there is always a piece");
        piece.push([x, block.low]);
        if block.high > block.low {
            piece.push([second_x, block.high]);
        }
    }
    if block.broken {
        pieces.push(Vec::new());
    }
}

/// A series and its exponential moving average, without the bias towards the first value.
#[derive(Clone, Debug, Default)]
pub struct Smoothed {
    weight: f64,
    mean: f64,
    share: f64,
    /// The average.
    pub series: Series,
}

impl Smoothed {
    /// Brings the average up to date with the raw series.
    pub fn follow(&mut self, raw: &Series, weight: f64) {
        let weight = weight.clamp(0.0, 0.999);
        if weight != self.weight || raw.len() < self.series.len() {
            *self = Self { weight, ..Self::default() };
        }
        for index in self.series.len()..raw.len() {
            let value = raw.ys[index];
            if value.is_finite() {
                self.mean = weight * self.mean + (1.0 - weight) * value;
                self.share = weight * self.share + (1.0 - weight);
                self.series.push(raw.xs[index], self.mean / self.share);
            } else {
                self.series.push(raw.xs[index], value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: impl IntoIterator<Item = f64>) -> Series {
        let mut series = Series::default();
        for (i, value) in values.into_iter().enumerate() {
            series.push(i as f64 + 1.0, value);
        }
        series
    }

    #[test]
    fn thinning_keeps_every_extreme() {
        let mut values: Vec<f64> = (0..100_000).map(|i| (f64::from(i) * 0.01).sin()).collect();
        values[77_777] = 9.0;
        values[12_345] = -9.0;
        let thinned = series(values).thin((0.0, 1e6), 500).concat();
        assert!(thinned.len() <= 1000);
        assert!(thinned.iter().any(|p| p[1] == 9.0));
        assert!(thinned.iter().any(|p| p[1] == -9.0));
        assert!(thinned.windows(2).all(|pair| pair[0][0] <= pair[1][0]));
    }

    #[test]
    fn the_pyramid_equals_a_look_at_every_point() {
        for length in [1, 15, 16, 17, 255, 256, 257, 5000] {
            let values: Vec<f64> = (0..length).map(|i| f64::from((i * 7919) % 1009)).collect();
            let curve = series(values.clone());
            for (from, to) in [(0, length as usize), (length as usize / 3, length as usize)] {
                let block = curve.block(from, to);
                let low = values[from..to].iter().copied().fold(f64::INFINITY, f64::min);
                let high = values[from..to].iter().copied().fold(f64::NEG_INFINITY, f64::max);
                assert_eq!((block.low, block.high), (low, high), "{length} points, {from}..{to}");
            }
        }
    }

    #[test]
    fn values_that_are_not_finite_break_the_line() {
        let curve = series([1.0, 2.0, f64::NAN, 3.0, f64::INFINITY, 4.0]);
        let pieces = curve.thin((0.0, 10.0), 100);
        assert_eq!(pieces.len(), 3);
        assert!(series([f64::NAN; 4]).thin((0.0, 10.0), 100).is_empty());
    }

    #[test]
    fn a_value_between_two_points_lies_on_the_line_between_them() {
        let curve = series([1.0, 3.0, f64::NAN, 4.0]);
        assert_eq!([1.0, 1.5, 2.0, 4.0].map(|x| curve.between(x)), [Some(1.0), Some(2.0), Some(3.0), Some(4.0)]);
        assert_eq!([0.5, 2.5, 3.0, 3.5, 4.5].map(|x| curve.between(x)), [None; 5]);
    }

    #[test]
    fn smoothing_leaves_a_constant_alone_and_starts_at_the_first_value() {
        let mut smoothed = Smoothed::default();
        smoothed.follow(&series([3.0; 50]), 0.9);
        assert!(smoothed.series.values().iter().all(|value| (value - 3.0).abs() < 1e-12));
        smoothed.follow(&series([5.0, 1.0]), 0.6);
        assert!((smoothed.series.values()[0] - 5.0).abs() < 1e-12);
    }

    #[test]
    fn a_million_points_are_thinned_in_well_under_a_frame() {
        let curve = series((0..1_000_000).map(|i| f64::from(i % 1000)));
        let start = std::time::Instant::now();
        let thinned = curve.thin((0.0, 1e7), 1200);
        assert!(start.elapsed().as_millis() < 16, "{:?}", start.elapsed());
        assert!(thinned.concat().len() <= 2400);
    }
}
