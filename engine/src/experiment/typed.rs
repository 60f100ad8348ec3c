//! What is typed into one field: values with commas between them, ranges such as `1e-4 .. 1e-2 / 5 log`, or both.

use serde_json::Value;

use super::Axis;
use super::axis::{of_range, of_values};
use super::range::{MOST_POINTS, Scale};
use crate::config::schema::{Kind, Names, Setting, current};
use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

pub(super) fn typed(key: &str, text: &str) -> Result<Option<Axis>> {
    let kind = kind(key)?;
    let text = text.trim();
    let within = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    match kind {
        // Taken as it is: commas are the text's own.
        Kind::Words => Ok(None),
        // A name of another program, whose values are read as they are written.
        Kind::Entries("") => parts(key, kind, within.unwrap_or(text), within.is_some()),
        Kind::Text | Kind::Path | Kind::Entries(_) => match serde_json::from_str::<Value>(text) {
            Ok(Value::Array(values)) if !values.is_empty() && values.iter().all(|value| is_point(kind, value)) => {
                of_values(key, &values).map(Some)
            }
            _ => Ok(None),
        },
        _ => parts(key, kind, within.unwrap_or(text), within.is_some()),
    }
}

/// Form of the values under a name.
fn kind(key: &str) -> Result<Kind> {
    let setting = Setting::find(&current(key));
    let of_method = |method: &str| Names::of_method(method).kind(key);
    match setting {
        Some(setting) => Ok(setting.kind),
        None => {
            let found =
                ["prefix", "prompt", "lora", "full", "few_shot"].iter().find_map(|method| of_method(method).ok());
            found.flatten().ok_or_else(|| super::value::unknown("vary", key))
        }
    }
}

/// Whether an entry of a list is a value of its own, rather than the list one value.
fn is_point(kind: Kind, value: &Value) -> bool {
    match kind {
        Kind::Entries(_) => value.is_array() || value.is_object() || value == "none",
        _ => value.is_string(),
    }
}

fn parts(key: &str, kind: Kind, text: &str, is_list: bool) -> Result<Option<Axis>> {
    let separators = [',', '，', '、', ';', '；'];
    // The last comma is there before the value behind it.
    let text = text.trim_end().trim_end_matches(separators);
    let all: Vec<&str> = text.split(separators).map(str::trim).collect();
    let is_single = all.len() == 1 && !is_list && ends(text).is_none();
    if is_single || text.trim().is_empty() {
        return Ok(None);
    }
    let mut axis: Option<Axis> = None;
    for part in all {
        let next = match ends(part) {
            Some((from, to)) => range(key, kind, part, (from, to))?,
            None => of_values(key, &[value(key, kind, part)?])?,
        };
        match &mut axis {
            None => axis = Some(next),
            Some(axis) if axis.keys == next.keys => axis.points.extend(next.points),
            Some(_) => {
                return wrong(
                    key,
                    sentence!("the values of {path} decide different settings: name these under together", path = key),
                );
            }
        }
    }
    Ok(axis)
}

/// What stands around the dots of a range.
fn ends(part: &str) -> Option<(&str, &str)> {
    let (from, to) = part.split_once("..").or_else(|| part.split_once('…'))?;
    Some((from.trim(), to.trim_start_matches(['.', '=']).trim()))
}

fn range(key: &str, kind: Kind, part: &str, (from, rest): (&str, &str)) -> Result<Axis> {
    let no_range = || wrong(key, sentence!("{part:?} is no range; write 1e-4 .. 1e-2 / 5 log", part));
    let (to, rest) = match rest.split_once('/') {
        Some((to, rest)) => (to.trim(), Some(rest)),
        None => (rest, None),
    };
    let ends = (value(key, kind, from)?, value(key, kind, to)?);
    let Some(rest) = rest else {
        // Whole numbers are countable.
        let apart = ends.0.as_u64().zip(ends.1.as_u64()).map(|(from, to)| from.abs_diff(to));
        return match (kind, apart) {
            (Kind::Count(..), Some(0)) => of_values(key, &[ends.0]),
            (Kind::Count(..), Some(apart)) if apart < MOST_POINTS => of_range(key, ends, apart + 1, Scale::Linear),
            _ => wrong(key, sentence!("{part:?} does not say how many; write 1e-4 .. 1e-2 / 5 log", part)),
        };
    };
    let words: Vec<&str> = rest.split_whitespace().collect();
    let (steps, scale) = match words.as_slice() {
        [steps] => (steps, Some(Scale::Linear)),
        [steps, scale] => (steps, Scale::named(scale)),
        _ => return no_range(),
    };
    match (steps.parse(), scale) {
        (Ok(steps), Some(scale)) => of_range(key, ends, steps, scale),
        _ => no_range(),
    }
}

/// One value, as it is typed.
fn value(key: &str, kind: Kind, part: &str) -> Result<Value> {
    if part.is_empty() {
        return wrong(key, sentence!("between two commas nothing stands"));
    }
    let unquoted = part.trim_matches('"');
    // 1,000 is two values, and nobody means the second.
    let digits = unquoted.strip_prefix('-').unwrap_or(unquoted);
    let is_rest = digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|digit| digit.is_ascii_digit());
    if is_rest && matches!(kind, Kind::Count(..) | Kind::Number(..)) {
        return wrong(key, sentence!("{part:?} is no number; write 1000 without a comma", part));
    }
    let number = || unquoted.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::from);
    let whole = || unquoted.parse().ok().map(|number: u64| Value::from(number));
    let word = || Value::from(unquoted);
    Ok(match kind {
        Kind::Count(..) => whole().or_else(number).unwrap_or_else(word),
        Kind::Number(..) => number().unwrap_or_else(word),
        Kind::Flag => unquoted.parse().map_or_else(|_| word(), Value::Bool),
        Kind::Entries(_) => {
            whole().or_else(number).or_else(|| unquoted.parse().ok().map(Value::Bool)).unwrap_or_else(word)
        }
        _ => word(),
    })
}

fn wrong<T>(key: &str, reason: Sentence) -> Result<T> {
    let field = Setting::find(&current(key)).map_or("vary", |setting| setting.key);
    Err(EngineError::Setting { field, reason })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn points(key: &str, text: &str) -> Option<Vec<Value>> {
        let axis = typed(key, text).unwrap_or_else(|error| panic!("{text}: {error}"))?;
        Some(axis.points.into_iter().map(|mut point| point.remove(0)).collect())
    }

    #[test]
    fn lists_and_ranges_are_read_as_one_types_them() {
        for (key, text, wanted) in [
            ("method.n_virtual", "5, 10, 20", json!([5, 10, 20])),
            ("method.n_virtual", " 5,10，20、40 ", json!([5, 10, 20, 40])),
            ("method.n_virtual", "[5, 10]", json!([5, 10])),
            ("method.n_virtual", "[5]", json!([5])),
            ("method.n_virtual", "1..4", json!([1, 2, 3, 4])),
            ("method.n_virtual", "1, 5 .. 9 / 3", json!([1, 5, 7, 9])),
            ("method.n_virtual", "1 .. 100 / 3 log", json!([1, 10, 100])),
            ("training.learning_rate", "1e-4 .. 1e-2 / 3 log", json!([1e-4, 1e-3, 1e-2])),
            ("training.learning_rate", "1e-4…1e-2/3 log", json!([1e-4, 1e-3, 1e-2])),
            ("lr", "1e-4, 1e-3", json!([1e-4, 1e-3])),
            ("num_virtual_tokens", "1, 2", json!([1, 2])),
            ("r", "1, 2", json!([1, 2])),
            ("data.train_rows", "50, 0.5, none", json!([50.0, 0.5, null])),
            ("method.type", "prefix, lora", json!(["prefix", "lora"])),
            ("method", "prefix, lora", json!(["prefix", "lora"])),
            ("method.init", "zero, vocabulary", json!(["zero", "vocabulary"])),
            ("method.infix", "true, false", json!([true, false])),
            ("model", r#"["a, b", "c"]"#, json!(["a, b", "c"])),
            ("method.layers", "[[0, 1], [2]]", json!([[0, 1], [2]])),
            ("seed", "1, 2,", json!([1, 2])),
        ] {
            assert_eq!(points(key, text), Some(wanted.as_array().unwrap().clone()), "{key} {text}");
        }
    }

    #[test]
    fn a_single_value_is_none() {
        for (key, text) in [
            ("method.n_virtual", "5"),
            ("method.n_virtual", ""),
            ("method.n_virtual", "5,"),
            ("method.n_virtual", " , "),
            ("method.n_virtual", "no number"),
            ("method.template", "(3, sub, 3, obj)"),
            ("data.prompt_template", "a, b .. c"),
            ("data.train", "/sets/a, b.csv"),
            ("method.layers", "[0, 1]"),
            ("method.layers", "0, 1"),
        ] {
            assert_eq!(points(key, text), None, "{key} {text}");
        }
    }

    #[test]
    fn the_part_that_is_no_value_is_named() {
        for (key, text, said) in [
            ("method.n_virtual", "5, x", "which x is not"),
            ("method.n_virtual", "5,, 6", "nothing stands"),
            ("method.n_virtual", "5, 0", "which 0 is not"),
            ("method.n_virtual", "1,000", "without a comma"),
            ("method.n_virtual", "1 .. ", "nothing stands"),
            ("method.n_virtual", "1 .. 5 / 2 exp", "is no range"),
            ("method.n_virtual", "1 .. 5 / ", "is no range"),
            ("method.n_virtual", "1 .. 5 / 1", "2 to 10000 points"),
            ("training.learning_rate", "1e-4 .. 1e-2", "how many"),
            ("training.learning_rate", "0 .. 1 / 3 log", "out of its range"),
            ("seed", "0 .. 18446744073709551615", "how many"),
            ("method.type", "prefix, lore", "none of these"),
            ("method.infix", "true .. false / 2", "no ranges"),
            ("method.n_virtul", "1, 2", "method.n_virtual is the nearest"),
        ] {
            let error = typed(key, text).unwrap_err().to_string();
            assert!(error.contains(said), "{key} {text}: {error}");
        }
    }
}
