//! What keeps a chat template from a stranger within bounds: everything a name can hold is measured when it gets it,
//! everything that is written is counted, and every round of a loop and every call of a macro has its price.
//!
//! Unlike the templates of rows (`template_guard.rs`), those of models assign, define macros and join texts, so the
//! language is nearly whole; what has no part in conversations and would need a measure of its own is refused by name.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use minijinja::value::{Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use crate::data::template::{LimitedText, join, replace};
use crate::data::template_guard::{Tag, TagKind, next_tag};

/// Longest template, in bytes. The longest known have 30 KB.
const MAX_SOURCE: usize = 256 * 1024;
/// Bytes that a rendering may write, hold and run through in all.
const BUDGET: u64 = 64 * 1024 * 1024;
/// Least price of a round or a call.
const MIN_PRICE: usize = 256;
/// Longest text that a name may hold.
const MAX_HELD: usize = 4 * 1024 * 1024;
/// Most values inside of one that a name may hold, and deepest.
const MAX_PARTS: usize = 20_000;
const MAX_DEPTH: usize = 32;
/// Most `~` and `+` in one tag.
const MAX_JOINS: usize = 64;
/// Called with what names were given.
const HELD: &str = "__held";
/// Called at the start of a round of a loop, and of a macro, with what names were given.
const ROUND: &str = "__round";
const STATEMENTS: [&str; 15] = [
    "if",
    "elif",
    "else",
    "endif",
    "for",
    "endfor",
    "set",
    "endset",
    "macro",
    "endmacro",
    "do",
    "break",
    "continue",
    "generation",
    "endgeneration",
];
/// Filters whose results can be much longer than what they are given.
const WITHHELD: [&str; 6] = ["indent", "format", "pprint", "batch", "slice", "sum"];

/// The template with a measure after every statement that gives a name a value.
///
/// # Errors
/// A sentence on what the template holds that is not available.
pub(super) fn guarded(source: &str) -> Result<String, String> {
    if source.len() > MAX_SOURCE {
        return Err(format!("it is longer than {MAX_SOURCE} bytes"));
    }
    let mut guarded = String::with_capacity(source.len());
    let mut captured = Vec::new();
    let mut rest = source;
    while let Some((text, tag)) = next_tag(rest) {
        guarded.push_str(text);
        let Some(end) = tag.end() else {
            guarded.push_str(tag.source); // unterminated: the template engine says so
            return Ok(guarded);
        };
        let (whole, after) = tag.source.split_at(end);
        rest = after;
        if tag.kind != TagKind::Comment {
            check(&tag, end)?;
        }
        let keyword = if tag.kind == TagKind::Statement { tag.keyword() } else { "" };
        if matches!(keyword, "generation" | "endgeneration") {
            // Marks for the Trainer what the model says; it writes nothing.
            guarded.push_str(if whole.ends_with("-%}") {
                "{% if true -%}{% endif -%}"
            } else {
                "{% if true %}{% endif %}"
            });
            continue;
        }
        guarded.push_str(whole);
        let measure = match keyword {
            "set" => match assigned(&tag, end) {
                Some(names) => Some((HELD, names?)),
                None => {
                    captured.push(names_in(tag.body(end).trim_start_matches("set").split('|').next().unwrap_or(""))?);
                    None
                }
            },
            "endset" => captured.pop().map(|names| (HELD, names)),
            "for" => {
                Some((ROUND, names_in(tag.body(end).trim_start_matches("for").split(" in ").next().unwrap_or(""))?))
            }
            "macro" => Some((ROUND, parameters(&tag, end)?)),
            _ => None,
        };
        if let Some((function, names)) = measure {
            // A dash trims the white space after the statement, and must still do so.
            let dash = if whole.ends_with("-%}") { "-" } else { "" };
            guarded.push_str(&format!("{{% do {function}({names}) {dash}%}}"));
        }
    }
    guarded.push_str(rest);
    Ok(guarded)
}

fn check(tag: &Tag<'_>, end: usize) -> Result<(), String> {
    if tag.kind == TagKind::Statement && !STATEMENTS.contains(&tag.keyword()) {
        return Err(format!("{{% {} %}} is not available in chat templates", tag.keyword()));
    }
    let marks = || tag.code().take_while(|(at, _)| at + 2 < end).map(|(_, byte)| byte);
    if marks().any(|byte| byte == b'*') {
        return Err("multiplication (*) is not available in chat templates".to_owned());
    }
    if marks().filter(|byte| matches!(byte, b'~' | b'+')).count() > MAX_JOINS {
        return Err(format!("at most {MAX_JOINS} texts can be joined with ~ and + in one tag"));
    }
    Ok(())
}

/// The names before the `=`; `None` for a block that captures what is inside of it.
fn assigned(tag: &Tag<'_>, end: usize) -> Option<Result<String, String>> {
    let (at, _) = tag.code().take_while(|(at, _)| at + 2 < end).find(|(_, byte)| *byte == b'=')?;
    let names = tag.source[..at].trim_start_matches(['{', '%', '-', '+']).trim_start().trim_start_matches("set");
    Some(names_in(names))
}

/// The names of a macro's parameters.
fn parameters(tag: &Tag<'_>, end: usize) -> Result<String, String> {
    let mut depth = 0_usize;
    let mut names: Vec<String> = Vec::new();
    let mut begin = None;
    for (at, byte) in tag.code().take_while(|(at, _)| at + 2 < end) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        // A name ends where its default begins, at the next comma or with the list.
        let is_end = (depth == 1 && matches!(byte, b',' | b'=')) || (depth == 0 && byte == b')');
        if let Some(from) = begin.filter(|_| is_end) {
            names.push(tag.source[from..at].to_owned());
            begin = None;
        }
        if depth == 1 && matches!(byte, b'(' | b',') {
            begin = Some(at + 1);
        }
    }
    names_in(&names.join(","))
}

/// Names with commas between them, and nothing else.
fn names_in(text: &str) -> Result<String, String> {
    let bare: String = text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '(' | ')')).collect();
    match bare.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ',')) {
        true => Ok(bare),
        false => Err(format!("{:?} is not a list of names", text.trim())),
    }
}

/// An environment that keeps to the bounds, for one rendering of a template of `length` bytes.
pub(super) fn environment(length: usize) -> Environment<'static> {
    let spent = Arc::new(AtomicU64::new(0));
    let mut environment = Environment::new();
    let purse = Arc::clone(&spent);
    environment.set_formatter(move |out, _state, value| {
        let mut text = LimitedText::default();
        let written = match value.as_str() {
            _ if value.is_none() => write(&mut text, "None"),
            Some(plain) => write(&mut text, plain),
            None => write(&mut text, value),
        };
        written?;
        let text = text.into_string().map_err(too_much)?;
        spend(&purse, text.len())?;
        out.write_str(&text).map_err(|error| too_much(error.to_string()))
    });
    let purse = Arc::clone(&spent);
    environment.add_function(HELD, move |values: Rest<Value>| measure(&purse, 0, &values));
    environment.add_function(ROUND, move |values: Rest<Value>| measure(&spent, length.max(MIN_PRICE), &values));
    WITHHELD.iter().for_each(|name| environment.remove_filter(name));
    environment.remove_global("debug");
    environment.add_function("range", range);
    environment.add_filter("replace", replace);
    environment.add_filter("join", join);
    environment.set_unknown_method_callback(method);
    environment
}

fn write(text: &mut LimitedText, value: impl std::fmt::Display) -> Result<(), Error> {
    use std::io::Write;
    write!(text, "{value}").map_err(|error| too_much(error.to_string()))
}

fn measure(spent: &AtomicU64, price: usize, values: &[Value]) -> Result<&'static str, Error> {
    let mut parts = 0;
    let mut bytes = 0;
    for value in values {
        walk(value, 0, &mut parts, &mut bytes)?;
    }
    spend(spent, price + bytes)?;
    Ok("")
}

fn walk(value: &Value, depth: usize, parts: &mut usize, bytes: &mut usize) -> Result<(), Error> {
    *parts += 1;
    *bytes += value.as_str().map_or(1, str::len);
    if *parts > MAX_PARTS || depth > MAX_DEPTH || *bytes > MAX_HELD {
        return Err(too_much("it holds more in a name than a conversation needs".to_owned()));
    }
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            for item in value.try_iter()? {
                walk(&item, depth + 1, parts, bytes)?;
            }
        }
        ValueKind::Map => {
            for key in value.try_iter()? {
                walk(&value.get_item(&key)?, depth + 1, parts, bytes)?;
                walk(&key, depth + 1, parts, bytes)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn spend(spent: &AtomicU64, bytes: usize) -> Result<(), Error> {
    if spent.fetch_add(bytes as u64, Ordering::Relaxed) > BUDGET {
        return Err(too_much("it writes and repeats more than a conversation needs".to_owned()));
    }
    Ok(())
}

fn too_much(reason: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason)
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
        return Err(too_much("range() cannot step by 0".to_owned()));
    }
    let mut numbers = Vec::new();
    let mut number = start;
    while if step > 0 { number < stop } else { number > stop } {
        if numbers.len() == 10_000 {
            return Err(too_much("range() has more than 10000 numbers".to_owned()));
        }
        numbers.push(number);
        number = number.saturating_add(step);
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_that_gets_a_value_is_measured() {
        for (source, expected) in [
            ("{% set a = 'x=y' %}\nb", "{% set a = 'x=y' %}{% do __held(a) %}\nb"),
            ("{%- set ns.a = b == c -%} d", "{%- set ns.a = b == c -%}{% do __held(ns.a) -%} d"),
            ("{% set a, b = c %}", "{% set a, b = c %}{% do __held(a,b) %}"),
            ("{% set a %}b{% endset %}", "{% set a %}b{% endset %}{% do __held(a) %}"),
            ("{% for (a, b) in c if a %}d", "{% for (a, b) in c if a %}{% do __round(a,b) %}d"),
            ("{% macro m(a, b=[1, (2)], c='),') %}", "{% macro m(a, b=[1, (2)], c='),') %}{% do __round(a,b,c) %}"),
            ("{% macro m() -%} x", "{% macro m() -%}{% do __round() -%} x"),
            ("{% generation %}a", "{% if true %}{% endif %}a"),
        ] {
            assert_eq!(guarded(source).unwrap(), expected);
        }
        for (source, word) in [
            ("{% with a = b %}{% endwith %}", "with"),
            ("{% include 'x' %}", "include"),
            ("{{ 'a' * 9 }}", "multiplication"),
            ("{% raw %}{% endraw %}", "raw"),
        ] {
            assert!(guarded(source).unwrap_err().contains(word), "{source}");
        }
    }
}
