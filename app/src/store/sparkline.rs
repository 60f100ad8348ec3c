//! A curve in at most 64 points that never has to be read again: when it is full, neighbors are merged.

/// Most points.
const LIMIT: usize = 64;

/// The mean of equally many values per point; only the last point may stand for fewer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sparkline {
    width: u32,
    points: Vec<f32>,
    sum: f64,
    count: u32,
}

impl Default for Sparkline {
    fn default() -> Self {
        Self { width: 1, points: Vec::with_capacity(LIMIT), sum: 0.0, count: 0 }
    }
}

impl Sparkline {
    /// Adds the next value; what is not a finite number is left out.
    pub(super) fn push(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.sum += value;
        self.count += 1;
        if self.count == self.width {
            self.points.push((self.sum / f64::from(self.count)) as f32);
            (self.sum, self.count) = (0.0, 0);
        }
        if self.points.len() == LIMIT {
            self.points = self.points.chunks_exact(2).map(|pair| (pair[0] + pair[1]) / 2.0).collect();
            self.width *= 2;
        }
    }

    /// The points so far, the unfinished one included.
    pub(super) fn points(&self) -> Vec<f32> {
        let mut points = self.points.clone();
        if self.count > 0 {
            points.push((self.sum / f64::from(self.count)) as f32);
        }
        points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = f64>) -> Vec<f32> {
        let mut line = Sparkline::default();
        values.into_iter().for_each(|value| line.push(value));
        line.points()
    }

    #[test]
    fn few_values_stay_as_they_are() {
        assert_eq!(of([3.0, f64::NAN, 2.0, f64::INFINITY, 1.0]), [3.0, 2.0, 1.0]);
    }

    #[test]
    fn many_values_become_their_means_in_order() {
        let line = of((0..100_000).map(f64::from));
        assert!((32..=LIMIT).contains(&line.len()), "{}", line.len());
        assert!(line.is_sorted());
        assert!((line[0] - 1023.5).abs() < 1.0, "{}", line[0]);
    }
}
