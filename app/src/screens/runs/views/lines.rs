//! Curves of several runs: what is counted to the right, the mean over seeds with its band, and what all read at one place.

use super::choices::Horizontal;
use crate::series::{Series, Smoothed};
use crate::store::CurvePoint;

/// Most points of a mean.
const MOST: usize = 600;

/// A curve as it is, and smoothed.
#[derive(Clone, Debug, Default)]
pub(super) struct Drawn {
    /// Each point.
    pub(super) raw: Series,
    /// Its moving average.
    pub(super) smooth: Smoothed,
}

impl Drawn {
    /// Smooths all points, before any is left out.
    pub(super) fn of(points: &[CurvePoint], by: Horizontal, smoothing: f64) -> Self {
        let mut drawn = Self::default();
        for point in points {
            drawn.raw.push(place(point, by), point.value);
        }
        drawn.smooth.follow(&drawn.raw, smoothing);
        drawn
    }
}

/// What is counted, at a point.
pub(super) fn place(point: &CurvePoint, by: Horizontal) -> f64 {
    match by {
        Horizontal::Step => point.step as f64,
        Horizontal::Epoch => point.epoch,
        Horizontal::Tokens => point.tokens as f64,
        Horizontal::Time => point.secs,
    }
}

/// A unit of time by which a span reads well: its length in seconds.
pub(super) fn unit(longest_secs: f64) -> (f64, TimeUnit) {
    match longest_secs {
        secs if secs >= 3.0 * 3600.0 => (3600.0, TimeUnit::Hours),
        secs if secs >= 180.0 => (60.0, TimeUnit::Minutes),
        _ => (1.0, TimeUnit::Seconds),
    }
}

/// Units of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeUnit {
    /// s
    Seconds,
    /// min
    Minutes,
    /// h
    Hours,
}

/// The mean of several curves, and their lowest and highest.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Mean {
    /// Place and mean.
    pub(super) points: Vec<[f64; 2]>,
    /// Lowest and highest at each place.
    pub(super) band: Vec<[f64; 2]>,
}

/// The mean where all curves are known: from the last beginning to the first end, at the places that any of them has.
/// Curves with points elsewhere are read between their points.
pub(super) fn mean(curves: &[&Series]) -> Mean {
    let begun: Vec<&Series> = curves.iter().copied().filter(|curve| !curve.is_empty()).collect();
    let from = begun.iter().filter_map(|curve| curve.xs().first()).copied().fold(f64::NEG_INFINITY, f64::max);
    let to = begun.iter().filter_map(|curve| curve.xs().last()).copied().fold(f64::INFINITY, f64::min);
    let mut places: Vec<f64> = begun.iter().flat_map(|curve| curve.xs()).copied().collect();
    places.retain(|x| (from..=to).contains(x));
    places.sort_by(f64::total_cmp);
    places.dedup();
    let mut found = Mean::default();
    for x in thinned(&places) {
        let values: Vec<f64> = begun.iter().filter_map(|curve| curve.between(x)).collect();
        // A curve that is broken here breaks the mean.
        let whole = !values.is_empty() && values.len() == begun.len();
        let mean = if whole { values.iter().sum::<f64>() / values.len() as f64 } else { f64::NAN };
        let (low, high) = values.iter().fold((mean, mean), |(low, high), value| (low.min(*value), high.max(*value)));
        found.points.push([x, mean]);
        found.band.push(if whole { [low, high] } else { [f64::NAN; 2] });
    }
    found
}

/// At most so many places as can be seen, the first and the last among them.
fn thinned(places: &[f64]) -> Vec<f64> {
    if places.len() <= MOST {
        return places.to_vec();
    }
    (0..MOST).map(|n| places[n * (places.len() - 1) / (MOST - 1)]).collect()
}

/// The value of each curve at a place, the lowest first: index and value. Curves that have not begun there, or have ended,
/// say nothing.
pub(super) fn read(curves: &[&Series], x: f64) -> Vec<(usize, f64)> {
    ordered(curves.iter().map(|curve| curve.between(x)))
}

/// The last value of each curve, the lowest first.
pub(super) fn last(curves: &[&Series]) -> Vec<(usize, f64)> {
    ordered(curves.iter().map(|curve| curve.values().iter().rev().copied().find(|value| value.is_finite())))
}

fn ordered(values: impl Iterator<Item = Option<f64>>) -> Vec<(usize, f64)> {
    let mut known: Vec<(usize, f64)> = values.enumerate().filter_map(|(index, value)| Some((index, value?))).collect();
    known.sort_by(|a, b| a.1.total_cmp(&b.1));
    known
}

/// Pieces of a line as one, with a break between them.
pub(super) fn joined(pieces: Vec<Vec<[f64; 2]>>) -> Vec<[f64; 2]> {
    let mut line: Vec<[f64; 2]> = Vec::new();
    for piece in pieces {
        if let Some(first) = piece.first().filter(|_| !line.is_empty()) {
            line.push([first[0], f64::NAN]);
        }
        line.extend(piece);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(points: &[(f64, f64)]) -> Series {
        let mut series = Series::default();
        points.iter().for_each(|(x, y)| series.push(*x, *y));
        series
    }

    fn point(step: u64, value: f64) -> CurvePoint {
        CurvePoint { step, tokens: 100 * step, secs: 0.5 * step as f64, epoch: step as f64 / 50.0, value }
    }

    #[test]
    fn an_average_has_no_pull_towards_zero_and_keeps_what_is_no_number_out() {
        let drawn = Drawn::of(&[point(1, 4.0), point(2, f64::NAN), point(3, 4.0)], Horizontal::Step, 0.999);
        assert_eq!(drawn.smooth.series.values()[0], 4.0);
        assert!(drawn.smooth.series.values()[1].is_nan());
        assert!((drawn.smooth.series.values()[2] - 4.0).abs() < 1e-9);
        let strongest = Drawn::of(&[point(1, 0.0), point(2, 1.0)], Horizontal::Step, 7.0);
        assert!(strongest.smooth.series.values()[1].is_finite(), "at most 0.999");
    }

    #[test]
    fn each_axis_counts_its_own() {
        let at = |by| Drawn::of(&[point(100, 1.0)], by, 0.0).raw.xs()[0];
        let places = [Horizontal::Step, Horizontal::Epoch, Horizontal::Tokens, Horizontal::Time].map(at);
        assert_eq!(places, [100.0, 2.0, 10_000.0, 50.0]);
        assert_eq!([10.0, 600.0, 90_000.0].map(|secs| unit(secs).0), [1.0, 60.0, 3600.0]);
    }

    #[test]
    fn a_mean_covers_what_all_have_and_reads_between_points() {
        let a = series(&[(0.0, 4.0), (10.0, 2.0), (20.0, 1.0)]);
        let b = series(&[(5.0, 5.0), (15.0, 3.0)]);
        let found = mean(&[&a, &b, &Series::default()]);
        assert_eq!(found.points, [[5.0, 4.0], [10.0, 3.0], [15.0, 2.25]]);
        assert_eq!(found.band, [[3.0, 5.0], [2.0, 4.0], [1.5, 3.0]]);
        assert_eq!(mean(&[]), Mean::default());
        assert_eq!(mean(&[&series(&[(1.0, 1.0)]), &series(&[(2.0, 1.0)])]), Mean::default(), "nowhere together");
    }

    #[test]
    fn a_mean_of_one_is_the_curve_and_a_break_is_kept() {
        let broken = series(&[(1.0, 2.0), (2.0, f64::NAN), (3.0, 4.0)]);
        let found = mean(&[&broken]);
        assert_eq!(found.points[0], [1.0, 2.0]);
        assert!(found.points[1][1].is_nan() && found.band[1][0].is_nan());
    }

    #[test]
    fn a_long_mean_keeps_its_ends() {
        let long: Vec<(f64, f64)> = (0..10_000).map(|i| (f64::from(i), 1.0)).collect();
        let found = mean(&[&series(&long)]);
        assert_eq!(found.points.len(), MOST);
        assert_eq!((found.points[0][0], found.points[MOST - 1][0]), (0.0, 9999.0));
    }

    #[test]
    fn the_cursor_reads_all_curves_the_lowest_first() {
        let curves = [
            series(&[(0.0, 4.0), (10.0, 2.0)]),
            series(&[(0.0, 1.0), (5.0, 1.0)]),
            series(&[(0.0, f64::NAN), (10.0, 1.0)]),
            series(&[(6.0, 0.5), (8.0, 1.5), (9.0, f64::NAN)]),
        ];
        let curves: Vec<&Series> = curves.iter().collect();
        assert_eq!(read(&curves, 7.0), [(3, 1.0), (0, 2.6)]);
        assert_eq!(read(&curves, 10.0), [(2, 1.0), (0, 2.0)]);
        assert!(read(&curves, -1.0).is_empty() && read(&curves, 11.0).is_empty());
        assert_eq!(last(&curves), [(1, 1.0), (2, 1.0), (3, 1.5), (0, 2.0)]);
    }

    #[test]
    fn pieces_stay_apart_in_one_line() {
        let line = joined(vec![vec![[1.0, 5.0], [2.0, 4.0]], vec![[4.0, 3.0]]]);
        assert_eq!(line.len(), 4);
        assert!(line[2][0] == 4.0 && line[2][1].is_nan());
        assert!(joined(Vec::new()).is_empty());
    }
}
