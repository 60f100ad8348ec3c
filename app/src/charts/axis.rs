//! What an axis runs over and where its ticks are: numbers, powers of ten, or names.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged};
use plotters::coord::types::RangedCoordf64;

use super::Axis;
use crate::format;

/// An axis with its ends.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scale {
    kind: Kind,
    /// Of a logarithmic axis the exponents.
    low: f64,
    high: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Numbers,
    Powers,
    Names,
}

impl Scale {
    /// An axis that has all of the values in it, with a share of room beside them.
    pub(super) fn over(axis: &Axis, values: impl Iterator<Item = f64>, room: f64) -> Self {
        if !axis.names.is_empty() {
            return Self { kind: Kind::Names, low: -0.5, high: axis.names.len() as f64 - 0.5 };
        }
        let kind = if axis.log { Kind::Powers } else { Kind::Numbers };
        let places = values.filter_map(|value| place(kind, value));
        let (low, high) = places.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        let (low, high) = match high - low {
            span if span.is_finite() && span > 0.0 => {
                // What cannot be negative does not look as if it could.
                let least = if kind == Kind::Numbers && low >= 0.0 { 0.0 } else { f64::NEG_INFINITY };
                ((low - room * span).max(least), high + room * span)
            }
            // One value stands in the middle.
            0.0 => {
                let half = if kind == Kind::Powers { 0.5 } else { (low.abs() * 0.1).max(0.5) };
                (low - half, high + half)
            }
            _ => (0.0, 1.0),
        };
        Self { kind, low, high }
    }

    /// Whether a value has a place on it.
    pub(super) fn has(&self, value: f64) -> bool {
        place(self.kind, value).is_some()
    }

    /// Whether it has words in place of numbers.
    pub(super) fn is_names(&self) -> bool {
        self.kind == Kind::Names
    }

    /// Number of names that stand beside each other.
    pub(super) fn slots(&self) -> f64 {
        (self.high - self.low).max(1.0)
    }

    /// The lower end, as a value.
    pub(super) fn least(&self) -> f64 {
        self.value(self.low)
    }

    fn value(&self, place: f64) -> f64 {
        if self.kind == Kind::Powers { 10f64.powf(place) } else { place }
    }

    /// At most about `most` places with a line and a label.
    pub(super) fn ticks(&self, axis: &Axis, most: usize) -> Vec<(f64, String)> {
        let most = most.max(2);
        match self.kind {
            Kind::Names => {
                let every = axis.names.len().div_ceil(most.max(1));
                let names = axis.names.iter().enumerate().step_by(every.max(1));
                names.map(|(at, name)| (at as f64, name.clone())).collect()
            }
            Kind::Powers => self.powers(most).into_iter().map(|value| (value, short(value))).collect(),
            Kind::Numbers => {
                let ticks = RangedCoordf64::from(self.low..self.high).key_points(most);
                let step = ticks.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
                ticks.into_iter().map(|value| (value, in_steps(value, step))).collect()
            }
        }
    }

    /// Whole powers, and 2 and 5 times them where there is room.
    fn powers(&self, most: usize) -> Vec<f64> {
        let (first, last) = (self.low.floor() as i32, self.high.ceil() as i32);
        let within = |value: &f64| (self.low - 1e-9..=self.high + 1e-9).contains(&value.log10());
        for factors in [&[1.0, 2.0, 3.0, 5.0, 7.0][..], &[1.0, 2.0, 5.0], &[1.0, 3.0], &[1.0]] {
            let all = (first..=last).flat_map(|power| factors.iter().map(move |factor| factor * 10f64.powi(power)));
            let ticks: Vec<f64> = all.filter(within).collect();
            if ticks.len() <= most {
                return ticks;
            }
        }
        let every = (last - first) as usize / most + 1;
        (first..=last).step_by(every).map(|power| 10f64.powi(power)).filter(within).collect()
    }
}

/// Where a value stands; `None` where it has no place.
fn place(kind: Kind, value: f64) -> Option<f64> {
    match kind {
        Kind::Powers if value <= 0.0 => None,
        // Beyond these ends differences are no numbers any more.
        Kind::Powers => Some(value.log10()).filter(|place| place.abs() < 300.0),
        Kind::Numbers | Kind::Names => Some(value).filter(|value| value.abs() < 1e300),
    }
}

/// A number with as many digits as steps of this size need.
fn in_steps(value: f64, step: f64) -> String {
    if value == 0.0 || value.abs() < step * 1e-6 {
        return "0".to_owned();
    }
    if !(1e-4..1e6).contains(&value.abs()) {
        return short(value);
    }
    let decimals = (-step.log10()).ceil().clamp(0.0, 6.0) as usize;
    format!("{value:.decimals$}")
}

/// A number in few characters.
pub(super) fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if (1e4..1e6).contains(&size) && value % 1000.0 == 0.0 => format!("{}k", value / 1e3),
        size if (1e-3..1e4).contains(&size) => {
            let decimals = (2.0 - size.log10().floor()).clamp(0.0, 5.0) as usize;
            let text = format!("{value:.decimals$}");
            let trimmed = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
            trimmed.to_owned()
        }
        _ => format::scientific(value),
    }
}

impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let place = place(self.kind, *value).unwrap_or(self.low);
        let share = ((place - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        limit.0 + (share * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        match self.kind {
            Kind::Powers => self.powers(hint.max_num_points()),
            Kind::Numbers | Kind::Names => RangedCoordf64::from(self.low..self.high).key_points(hint),
        }
    }

    fn range(&self) -> Range<f64> {
        self.value(self.low)..self.value(self.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(log: bool, values: &[f64], most: usize) -> Vec<String> {
        let axis = Axis { log, ..Axis::default() };
        let scale = Scale::over(&axis, values.iter().copied(), 0.0);
        scale.ticks(&axis, most).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_numbers_with_the_digits_that_tell_them_apart() {
        assert_eq!(labels(false, &[0.0, 1.0], 6), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(false, &[1.0, 200.0], 6), ["50", "100", "150", "200"]);
        assert_eq!(labels(true, &[1e-4, 1e-2], 4), ["1e-4", "0.001", "0.01"]);
        assert_eq!(labels(true, &[1.0, 100.0], 8), ["1", "2", "5", "10", "20", "50", "100"]);
        assert_eq!(labels(true, &[1e-12, 1e12], 5).len(), 5);
    }

    #[test]
    fn there_is_an_axis_whatever_the_values_are() {
        for log in [false, true] {
            for values in [&[][..], &[f64::NAN], &[0.0], &[-1.0, 0.0], &[3.0, 3.0], &[f64::INFINITY], &[1e308, -1e308]]
            {
                let axis = Axis { log, ..Axis::default() };
                let scale = Scale::over(&axis, values.iter().copied(), 0.05);
                let Range { start, end } = scale.range();
                assert!(start.is_finite() && end.is_finite() && start < end, "{values:?}: {start} {end}");
                assert!(!scale.ticks(&axis, 6).is_empty(), "{log} {values:?}");
            }
        }
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in
            [(0.0, "0"), (0.5, "0.5"), (1234.0, "1234"), (20_000.0, "20k"), (1e-5, "1e-5"), (1e7, "1e7")]
        {
            assert_eq!(short(value), text);
        }
    }
}
