//! How deep the color of a number is between the least and the greatest of all that are shown beside each other.

/// The least and the greatest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    pub(super) low: f64,
    pub(super) high: f64,
    /// Depth follows the logarithm: a few large numbers leave the others their colors.
    log: bool,
}

impl Range {
    /// Over numbers; what is no number has no part in it.
    pub(super) fn over(values: impl Iterator<Item = f64>) -> Self {
        let start = (f64::INFINITY, f64::NEG_INFINITY);
        let (low, high) = values
            .filter(|value| value.is_finite())
            .fold(start, |(low, high), value| (low.min(value), high.max(value)));
        Self { low, high, log: false }
    }

    /// The same from zero on.
    pub(super) fn from_zero(values: impl Iterator<Item = f64>) -> Self {
        Self::over(values.chain(std::iter::once(0.0)))
    }

    /// The same by logarithms; only numbers above zero have one.
    pub(super) fn logarithmic(values: impl Iterator<Item = f64>) -> Self {
        Self { log: true, ..Self::over(values.filter(|value| *value > 0.0)) }
    }

    /// From 0 to 1; NaN for what is no number.
    pub(super) fn shade(&self, value: f64) -> f32 {
        if !value.is_finite() || !self.low.is_finite() {
            return f32::NAN;
        }
        let place = |value: f64| if self.log { value.max(self.low).ln() } else { value };
        let (low, high) = (place(self.low), place(self.high));
        if high > low { ((place(value) - low) / (high - low)).clamp(0.0, 1.0) as f32 } else { 0.5 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lie_between_the_least_and_the_greatest_and_others_have_no_shade() {
        let range = Range::over([1.0, 3.0, f64::NAN, f64::INFINITY].into_iter());
        assert_eq!((range.shade(1.0), range.shade(2.0), range.shade(3.0)), (0.0, 0.5, 1.0));
        assert!(range.shade(f64::NAN).is_nan());
        assert_eq!(Range::over([2.0, 2.0].into_iter()).shade(2.0), 0.5, "all are alike");
        assert!(Range::over(std::iter::empty()).shade(1.0).is_nan());
        assert_eq!(Range::from_zero([4.0].into_iter()).shade(1.0), 0.25);
    }

    #[test]
    fn by_logarithms_a_zero_is_the_least() {
        let range = Range::logarithmic([0.0, 1.0, 10.0, 100.0].into_iter());
        assert_eq!((range.shade(0.0), range.shade(10.0), range.shade(100.0)), (0.0, 0.5, 1.0));
    }
}
