//! A range of numbers: points between two ends, which are exact.

use serde_json::Value;

use crate::config::schema::Kind;
use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

/// Points that one range may have.
pub(super) const MOST_POINTS: u64 = 10_000;

/// Digits of a point that is not an end.
const DIGITS: usize = 5;

/// How the points of a range lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// At equal distances.
    Linear,
    /// Each the same factor above the one before.
    Log,
}

impl Scale {
    /// Of that name.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "linear" => Some(Self::Linear),
            "log" => Some(Self::Log),
            _ => None,
        }
    }
}

/// Points from one value of a setting to another; of whole numbers each once, so that there may be fewer than `steps`.
pub(super) fn points(
    field: &'static str,
    kind: Kind,
    (from, to): (&Value, &Value),
    steps: u64,
    scale: Scale,
) -> Result<Vec<Value>> {
    let wrong = |reason: Sentence| Err(EngineError::Setting { field, reason });
    let whole = matches!(kind, Kind::Count(..));
    if !whole && !matches!(kind, Kind::Number(..)) {
        return wrong(sentence!("has no ranges: it is no number"));
    }
    let (Some(first), Some(last)) = (from.as_f64(), to.as_f64()) else {
        return wrong(sentence!("a range goes from one number to another"));
    };
    if !(2..=MOST_POINTS).contains(&steps) {
        return wrong(sentence!("a range has 2 to {most} points, not {steps}", most = MOST_POINTS, steps));
    }
    if scale == Scale::Log && (first <= 0.0 || last <= 0.0) {
        return wrong(sentence!("on a log scale both ends of a range are above 0"));
    }
    let share = |at: u64| at as f64 / (steps - 1) as f64;
    let exact: Vec<f64> = (1..steps - 1)
        .map(|at| match scale {
            Scale::Linear => first + (last - first) * share(at),
            Scale::Log => first * (last / first).powf(share(at)),
        })
        .collect();
    let within: Vec<Value> = match whole {
        true => exact.iter().map(|point| (point.round() as u64).into()).collect(),
        false => brief((first, last), exact).into_iter().map(Into::into).collect(),
    };
    let mut all = vec![from.clone()];
    all.extend(within);
    all.push(to.clone());
    // The ends stay: what is rounded to one of them is left out.
    all.dedup();
    Ok(all)
}

/// Points with a few digits, where that leaves them apart.
fn brief((first, last): (f64, f64), exact: Vec<f64>) -> Vec<f64> {
    let rounded: Vec<f64> =
        exact.iter().map(|point| format!("{point:.*e}", DIGITS - 1).parse().unwrap_or(*point)).collect();
    let all: Vec<f64> = [first].into_iter().chain(rounded.iter().copied()).chain([last]).collect();
    let apart = all.is_sorted_by(|a, b| a < b) || all.is_sorted_by(|a, b| a > b);
    if apart { rounded } else { exact }
}

#[cfg(test)]
mod tests {
    use std::ops::Bound;

    use serde_json::json;

    use super::*;

    const NUMBER: Kind = Kind::Number(Bound::Unbounded, Bound::Unbounded);
    const COUNT: Kind = Kind::Count(0, u64::MAX);

    fn all(kind: Kind, from: Value, to: Value, steps: u64, scale: Scale) -> Vec<Value> {
        points("seed", kind, (&from, &to), steps, scale).unwrap()
    }

    #[test]
    fn points_lie_on_the_scale_and_have_few_digits() {
        assert_eq!(
            all(NUMBER, json!(1e-4), json!(1e-2), 5, Scale::Log),
            [json!(1e-4), json!(3.1623e-4), json!(1e-3), json!(3.1623e-3), json!(1e-2)]
        );
        assert_eq!(
            all(NUMBER, json!(0.0), json!(0.3), 4, Scale::Linear),
            [json!(0.0), json!(0.1), json!(0.2), json!(0.3)]
        );
        assert_eq!(all(NUMBER, json!(3.0), json!(1.0), 3, Scale::Linear), [json!(3.0), json!(2.0), json!(1.0)], "down");
        let close = all(NUMBER, json!(1.0), json!(1.000_001), 3, Scale::Linear);
        assert_eq!(close.len(), 3, "{close:?} are apart");
    }

    #[test]
    fn whole_numbers_stay_whole_and_come_once() {
        assert_eq!(
            all(COUNT, json!(1), json!(100), 5, Scale::Log),
            [json!(1), json!(3), json!(10), json!(32), json!(100)]
        );
        assert_eq!(all(COUNT, json!(1), json!(3), 7, Scale::Linear), [json!(1), json!(2), json!(3)]);
        assert_eq!(all(COUNT, json!(4), json!(4), 3, Scale::Linear), [json!(4)]);
        assert_eq!(all(COUNT, json!(0), json!(u64::MAX), 2, Scale::Linear), [json!(0), json!(u64::MAX)], "exact ends");
    }

    #[test]
    fn what_is_no_range_is_refused() {
        let refused = |kind, from: Value, to: Value, steps, scale| {
            points("seed", kind, (&from, &to), steps, scale).unwrap_err().to_string()
        };
        assert!(refused(NUMBER, json!(0.0), json!(1.0), 3, Scale::Log).contains("above 0"));
        assert!(refused(NUMBER, json!(0.0), json!(1.0), 1, Scale::Linear).contains("2 to 10000"));
        assert!(refused(NUMBER, json!(0.0), json!(1.0), u64::MAX, Scale::Linear).contains("2 to 10000"));
        assert!(refused(NUMBER, json!("a"), json!(1.0), 3, Scale::Linear).contains("from one number"));
        assert!(refused(Kind::Flag, json!(1), json!(2), 3, Scale::Linear).contains("no ranges"));
    }
}
