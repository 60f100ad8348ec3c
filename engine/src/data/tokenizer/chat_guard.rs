//! Environment of the chat template of a model from a stranger: the template language and the filters, tests and
//! methods that make no text much longer than what they are given.
//!
//! What it computes with them has the budget of all templates (`data/template_budget.rs`).

use minijinja::value::Rest;
use minijinja::{Environment, Error, ErrorKind, State, Value, filters};

use crate::data::template::{join, replace};
use crate::data::template_budget;
use crate::{Sentence, sentence};

/// Longest template, in bytes. The longest known have 30 KB.
pub(super) const MAX_SOURCE: usize = 256 * 1024;
/// Most numbers that `range` gives.
const MAX_RANGE: usize = 10_000;
/// Filters whose results can be much longer than what they are given, or are computed anew at each use.
const WITHHELD: [&str; 7] = ["indent", "format", "pprint", "batch", "slice", "sum", "chain"];
/// Filters that `map` may apply to each item: they take nothing else.
const MAPPED: [&str; 10] =
    ["upper", "lower", "title", "capitalize", "trim", "string", "length", "int", "float", "tojson"];

/// An environment with what is available, within the budget.
pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    template_budget::prepare(&mut environment);
    environment.set_formatter(|out, _state, value| {
        let written = match value.as_str() {
            _ if value.is_none() => out.write_str("None"),
            Some(plain) => out.write_str(plain),
            None => write!(out, "{value}"),
        };
        written.map_err(Error::from)
    });
    WITHHELD.iter().for_each(|name| environment.remove_filter(name));
    environment.remove_global("debug");
    environment.add_function("range", range);
    environment.add_filter("replace", replace);
    environment.add_filter("join", join);
    environment.add_filter("map", map);
    environment.set_unknown_method_callback(method);
    environment
}

fn refused(reason: Sentence) -> Error {
    super::super::template_budget::refused(reason)
}

/// An attribute of each item, or each item through a filter that pays for itself.
fn map(state: &State<'_, '_>, items: Value, options: Rest<Value>) -> Result<Vec<Value>, Error> {
    let filter = options.first().and_then(|filter| filter.as_str().map(ToOwned::to_owned));
    match filter {
        Some(name) if options.len() > 1 || !MAPPED.contains(&name.as_str()) => {
            Err(refused(sentence!("map with {name:?} is not available in chat templates", name)))
        }
        _ => filters::map(state, items, options),
    }
}

/// Methods of Python's texts, maps and lists; those that can make much of little are measured first.
fn method(state: &State<'_, '_>, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    match (name, value.as_str(), arguments) {
        ("replace", Some(text), [from, to]) => match (from.as_str(), to.as_str()) {
            (Some(from), Some(to)) => replace(text, from, to).map(Value::from),
            _ => Err(Error::from(ErrorKind::InvalidOperation)),
        },
        ("join", Some(joiner), [items]) => join(items, Some(joiner)).map(Value::from),
        ("replace" | "join" | "format", Some(_), _) => Err(Error::from(ErrorKind::UnknownMethod)),
        _ => minijinja_contrib::pycompat::unknown_method_callback(state, value, name, arguments),
    }
}

/// Whole numbers from `start`, or 0, to before `stop`.
fn range(start: i64, stop: Option<i64>, step: Option<i64>) -> Result<Vec<i64>, Error> {
    let (start, stop) = stop.map_or((0, start), |stop| (start, stop));
    let step = step.unwrap_or(1);
    if step == 0 {
        return Err(refused(sentence!("range() cannot step by 0")));
    }
    let mut numbers = Vec::new();
    let mut number = start;
    while if step > 0 { number < stop } else { number > stop } {
        if numbers.len() == MAX_RANGE {
            return Err(refused(sentence!("range() has more than {max_range} numbers", max_range = MAX_RANGE)));
        }
        numbers.push(number);
        number = number.saturating_add(step);
    }
    Ok(numbers)
}
