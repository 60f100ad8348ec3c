//! An axis in powers of ten: where its marks stand. The plot's own axes are straight, so what it is given are exponents.

/// A mark of an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogMark {
    /// The exponent of ten.
    pub exponent: f64,
    /// About how far it is to the next of the same weight, in exponents.
    pub step: f64,
}

/// Decades beyond which not every power has a mark.
const DECADES: f64 = 9.0;
/// Marks that are aimed at where less than a decade is seen.
const FEW: f64 = 5.0;

/// The exponent of a number; one that is not above zero has none.
pub fn exponent(value: f64) -> f64 {
    if value > 0.0 { value.log10() } else { f64::NAN }
}

/// The marks between two exponents: powers, and between them 2 to 9, of which 2 and 5 weigh more; round numbers where less
/// than a decade is seen.
pub fn log_marks(low: f64, high: f64) -> Vec<LogMark> {
    let span = high - low;
    if !(span.is_finite() && span > 0.0 && low.abs() < 300.0 && high.abs() < 300.0) {
        return Vec::new();
    }
    if span < 1.0 {
        return round_marks(low, high);
    }
    let every = (span / DECADES).ceil();
    let mut marks = Vec::new();
    let mut power = (low / every).floor() * every;
    while power <= high {
        marks.push(LogMark { exponent: power, step: every });
        let between = if every > 1.0 { 0 } else { 8 };
        for digit in (2..2 + between).map(f64::from) {
            let step = if digit == 2.0 || digit == 5.0 { 0.3 } else { 0.05 };
            marks.push(LogMark { exponent: power + digit.log10(), step });
        }
        power += every;
    }
    marks.retain(|mark| (low..=high).contains(&mark.exponent));
    marks
}

/// Marks at round numbers, as far apart as they are on this axis.
fn round_marks(low: f64, high: f64) -> Vec<LogMark> {
    let (least, most) = (10f64.powf(low), 10f64.powf(high));
    let rough = (most - least) / FEW;
    let unit = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0].map(|digit| digit * unit).into_iter().find(|step| *step >= rough).unwrap_or(10.0 * unit);
    let first = (least / step).ceil() as i64;
    let last = (most / step).floor() as i64;
    let marks = (first..=last).map(|n| n as f64 * step).filter(|value| *value > 0.0);
    marks.map(|value| LogMark { exponent: value.log10(), step: ((value + step) / value).log10() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(low: f64, high: f64) -> Vec<f64> {
        log_marks(low.log10(), high.log10()).iter().map(|mark| 10f64.powf(mark.exponent)).collect()
    }

    fn has(values: &[f64], wanted: f64) -> bool {
        values.iter().any(|value| (value / wanted - 1.0).abs() < 1e-9)
    }

    #[test]
    fn powers_weigh_most_and_digits_stand_between_them() {
        let marks = log_marks(-4.1, -1.9);
        let powers: Vec<f64> = marks.iter().filter(|mark| mark.step == 1.0).map(|mark| mark.exponent).collect();
        assert_eq!(powers, [-4.0, -3.0, -2.0]);
        assert!(has(&values(8e-5, 1.2e-2), 5e-4) && has(&values(8e-5, 1.2e-2), 9e-3));
        assert!(marks.windows(2).all(|pair| pair[0].exponent < pair[1].exponent));
    }

    #[test]
    fn a_part_of_a_decade_has_round_numbers() {
        let seen = values(1.15, 2.6);
        assert!(seen.len() >= 3 && seen.len() <= 10, "{seen:?}");
        assert!(has(&seen, 1.5) && has(&seen, 2.0) && has(&seen, 2.5), "{seen:?}");
        assert!(seen.iter().all(|value| (1.15..=2.6).contains(value)));
    }

    #[test]
    fn very_many_decades_have_few_marks_and_nonsense_has_none() {
        assert!(log_marks(-60.0, 60.0).len() <= 12);
        assert!(log_marks(f64::NEG_INFINITY, 1.0).is_empty() && log_marks(2.0, 2.0).is_empty());
        assert!(log_marks(f64::NAN, 1.0).is_empty() && log_marks(-1e300, 1e300).is_empty());
        assert!(exponent(0.0).is_nan() && exponent(-3.0).is_nan() && exponent(100.0) == 2.0);
    }
}
