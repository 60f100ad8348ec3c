//! Whether a value can be that of a setting, and the one form in which it is kept.

use std::ops::Bound;

use serde_json::{Map, Value};

use crate::config::schema::{Kind, Setting, nearest};
use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

/// A value as it is kept: whole numbers whole, other numbers not, `"none"` as null.
pub(super) fn fit(setting: &'static Setting, value: Value) -> Result<Value> {
    let wrong = |reason: Sentence| Err(EngineError::Setting { field: setting.key, reason });
    let off = value.is_null() || value == "none" || (setting.kind == Kind::Table && value == false);
    if setting.optional && off {
        return Ok(Value::Null);
    }
    let said = brief(&value);
    match setting.kind {
        Kind::Text | Kind::Words | Kind::Path if value.is_string() => Ok(value),
        Kind::Text | Kind::Words | Kind::Path => wrong(sentence!("must be a text, which {value} is not", value = said)),
        Kind::Flag if value.is_boolean() => Ok(value),
        Kind::Flag => wrong(sentence!("must be true or false, which {value} is not", value = said)),
        Kind::Count(least, most) => match whole(&value).filter(|number| (least..=most).contains(number)) {
            Some(number) => Ok(number.into()),
            None if most == u64::MAX => {
                wrong(sentence!("must be a whole number, {least} or more, which {value} is not", least, value = said))
            }
            None => wrong(sentence!(
                "must be a whole number from {least} to {most}, which {value} is not",
                least,
                most,
                value = said
            )),
        },
        Kind::Number(low, high) => match value.as_f64().filter(|number| is_within(*number, low, high)) {
            Some(number) => Ok(number.into()),
            None => wrong(sentence!("{value} is out of its range: {range}", value = said, range = range(low, high))),
        },
        Kind::Choice(words) => match value.as_str() {
            Some(word) if words.contains(&word) => Ok(value),
            _ => wrong(sentence!("{value} is none of these: {words}", value = said, words = words.join(", "))),
        },
        Kind::Entries(_) if value.is_array() || value.is_object() => Ok(value),
        Kind::Entries(what) => wrong(sentence!("must be a {what}, which {value} is not", what, value = said)),
        Kind::Table => table(setting, value),
    }
}

/// A whole table of settings, or the name of its type.
fn table(setting: &'static Setting, value: Value) -> Result<Value> {
    let wrong = |reason: Sentence| Err(EngineError::Setting { field: setting.key, reason });
    let kind = Setting::find(&format!("{}.type", setting.key));
    match (value, kind) {
        (Value::Object(table), _) => {
            let fitted = table.into_iter().map(|(name, value)| {
                let key = format!("{}.{name}", setting.key);
                let below = Setting::find(&key).ok_or_else(|| unknown("vary", &key))?;
                Ok((name, fit(below, value)?))
            });
            fitted.collect::<Result<Map<_, _>>>().map(Value::Object)
        }
        (Value::Bool(true), _) if setting.optional => Ok(Value::Object(Map::new())),
        (value @ Value::String(_), Some(kind)) => fit(kind, value),
        (value, _) => wrong(sentence!("must be a table of settings, which {value} is not", value = brief(&value))),
    }
}

/// The error for a name that is no setting, with the one that was meant.
pub(super) fn unknown(field: &'static str, key: &str) -> EngineError {
    let reason = match nearest(key) {
        Some(near) => sentence!("there is no setting {key:?}; {near} is the nearest", key, near),
        None => sentence!("there is no setting {key:?}", key),
    };
    EngineError::Setting { field, reason }
}

/// A value as one would type it, cut where it is long.
pub(super) fn brief(value: &Value) -> String {
    const MOST: usize = 60;
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if text.chars().count() <= MOST { text } else { text.chars().take(MOST).chain(['…']).collect() }
}

fn whole(value: &Value) -> Option<u64> {
    // 2^53: up to here a number with a point is exact.
    let exact = |number: &f64| number.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(number);
    value.as_u64().or_else(|| value.as_f64().filter(exact).map(|number| number as u64))
}

fn is_within(number: f64, low: Bound<f64>, high: Bound<f64>) -> bool {
    let above = match low {
        Bound::Included(low) => number >= low,
        Bound::Excluded(low) => number > low,
        Bound::Unbounded => true,
    };
    let below = match high {
        Bound::Included(high) => number <= high,
        Bound::Excluded(high) => number < high,
        Bound::Unbounded => true,
    };
    number.is_finite() && above && below
}

/// Both ends in words.
fn range(low: Bound<f64>, high: Bound<f64>) -> Sentence {
    let low = match low {
        Bound::Included(low) => Some(sentence!("at least {low}", low)),
        Bound::Excluded(low) => Some(sentence!("above {low}", low)),
        Bound::Unbounded => None,
    };
    let high = match high {
        Bound::Included(high) => Some(sentence!("at most {high}", high)),
        Bound::Excluded(high) => Some(sentence!("below {high}", high)),
        Bound::Unbounded => None,
    };
    Sentence::list(low.into_iter().chain(high)).unwrap_or(sentence!("any number"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fitted(key: &str, value: Value) -> Result<Value> {
        fit(Setting::find(key).unwrap(), value)
    }

    #[test]
    fn a_value_is_kept_in_one_form() {
        for (key, value, kept) in [
            ("method.n_virtual", json!(5.0), json!(5)),
            ("data.train_rows", json!(50), json!(50.0)),
            ("data.validation", json!("none"), Value::Null),
            ("method.reparameterization", json!(false), Value::Null),
            ("method.reparameterization", json!(true), json!({})),
            ("method.init", json!("zero"), json!("zero")),
            ("method.init", json!({ "type": "uniform", "bound": 1 }), json!({ "type": "uniform", "bound": 1.0 })),
            ("method.layers", json!([0, 1]), json!([0, 1])),
            ("seed", json!(u64::MAX), json!(u64::MAX)),
        ] {
            assert_eq!(fitted(key, value).unwrap(), kept, "{key}");
        }
    }

    #[test]
    fn a_value_that_cannot_be_is_refused_by_name() {
        for (key, value, said) in [
            ("method.n_virtual", json!(0), "from 1 to 4096"),
            ("method.n_virtual", json!(1.5), "from 1 to 4096"),
            ("method.n_virtual", json!("none"), "from 1 to 4096"),
            ("seed", json!(-1), "0 or more"),
            ("training.learning_rate", json!(0), "above 0, below 1000"),
            ("training.learning_rate", json!("fast"), "fast is out of its range"),
            ("method.infix", json!(1), "true or false"),
            ("method.type", json!("prefx"), "none of these: prefix"),
            ("method", json!("prefx"), "none of these: prefix"),
            ("method.init", json!({ "typ": "zero" }), "method.init.type is the nearest"),
            ("method", json!(3), "table of settings"),
            ("model", json!(3), "must be a text"),
            ("method.layers", json!(3), "list of numbers"),
        ] {
            let error = fitted(key, value).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
