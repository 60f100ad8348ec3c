//! The line that filters runs: words, and conditions such as `state:failed n_virtual>10 loss<2.5 -tag:old "two words"`.
//!
//! Terms are separated by spaces, all must hold, a minus in front means that one must not. Before the sign stands any
//! column, setting or figure. `:` asks for a text that is contained or for a value, `=` for the whole; `<`, `<=`, `>`, `>=`
//! compare numbers (`1e-3`, `100k`, `2M`) and days (`started>2026-11-20`).

mod complete;
mod line;

use self::line::{Sign, tokens};
use super::cell::Cell;
use super::key::Key;
use super::names::{Name, unknown};
use crate::store::RunRow;
use crate::t;
use crate::workspace::start_of_day;

pub use self::complete::{Completion, complete, values};

/// A line that was understood: made once, asked of many runs.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    terms: Vec<Term>,
}

#[derive(Clone, Debug)]
struct Term {
    negated: bool,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    /// Somewhere in what the run is called, in small letters.
    Word(String),
    Condition {
        /// As it was typed.
        name: String,
        key: Key,
        sign: Sign,
        /// In small letters.
        value: String,
        /// The value as a number.
        bound: Option<f64>,
    },
}

/// A line as typed; nothing is wrong enough not to be read.
pub fn parse(line: &str) -> Filter {
    let terms = tokens(line).into_iter().map(|token| {
        let value = token.value.to_lowercase();
        let test = match token.name {
            None => Test::Word(value),
            Some((name, sign)) => {
                let key = Key::of(&name);
                let bound =
                    number(&value).or_else(|| start_of_day(&value).map(|secs| secs as f64).filter(|_| key.is_time()));
                Test::Condition { name, key, sign, value, bound }
            }
        };
        Term { negated: token.negated, test }
    });
    Filter { terms: terms.collect() }
}

/// Whether a run passes a line.
pub fn passes(row: &RunRow, filter: &Filter) -> bool {
    filter.terms.iter().all(|term| term.test.is_open() || term.test.holds(row) != term.negated)
}

impl Filter {
    /// Whether every run passes.
    pub fn is_empty(&self) -> bool {
        self.terms.iter().all(|term| term.test.is_open())
    }

    /// Whether it asks for a column, setting or figure, by its whole name.
    pub fn asks_for(&self, full: &str) -> bool {
        self.terms.iter().any(|term| matches!(&term.test, Test::Condition { key, .. } if key.full() == full))
    }
}

impl Test {
    /// Still being typed: it asks for nothing yet.
    fn is_open(&self) -> bool {
        match self {
            Self::Word(word) => word.is_empty(),
            Self::Condition { sign, value, .. } => value.is_empty() && *sign != Sign::Has,
        }
    }

    fn holds(&self, row: &RunRow) -> bool {
        match self {
            Self::Word(word) => is_in(row, word),
            Self::Condition { key, sign, value, bound, .. } => {
                if key.is_tags() {
                    return tagged(row, *sign, value);
                }
                let cell = key.cell(row);
                match sign {
                    Sign::IsNot => !cell.is_some_and(|cell| is(&cell, value, *bound)),
                    sign => cell.is_some_and(|cell| compares(&cell, *sign, value, *bound)),
                }
            }
        }
    }
}

/// Whether a word is in one of a run's names.
fn is_in(row: &RunRow, word: &str) -> bool {
    let names = [&row.name, &row.method, &row.model, &row.dataset, &row.notes, &row.id.0];
    let all = names.into_iter().chain(&row.tags).chain(&row.experiment);
    let mut all = all.map(|text| text.to_lowercase());
    all.any(|text| text.contains(word)) || {
        // Words of several names, as they stand behind each other in the table.
        let line = format!("{} {} {} {} {}", row.name, row.method, row.model, row.dataset, row.tags.join(" "));
        line.to_lowercase().contains(word)
    }
}

fn tagged(row: &RunRow, sign: Sign, value: &str) -> bool {
    let mut tags = row.tags.iter().map(|tag| tag.to_lowercase());
    match sign {
        Sign::Has => tags.any(|tag| tag.contains(value)),
        Sign::Is => tags.any(|tag| tag == value),
        Sign::IsNot => tags.all(|tag| tag != value),
        Sign::Less | Sign::AtMost | Sign::More | Sign::AtLeast => false,
    }
}

fn compares(cell: &Cell, sign: Sign, value: &str, bound: Option<f64>) -> bool {
    let order = |holds: fn(f64, f64) -> bool| match (cell, bound) {
        (Cell::Number(number), Some(bound)) => holds(*number, bound),
        _ => false,
    };
    match (sign, cell) {
        (Sign::Has, Cell::Text(text)) => text.to_lowercase().contains(value),
        (Sign::Has, _) if value.is_empty() => true,
        (Sign::Has | Sign::Is, cell) => is(cell, value, bound),
        (Sign::IsNot, cell) => !is(cell, value, bound),
        (Sign::Less, _) => order(|a, b| a < b),
        (Sign::AtMost, _) => order(|a, b| a <= b),
        (Sign::More, _) => order(|a, b| a > b),
        (Sign::AtLeast, _) => order(|a, b| a >= b),
    }
}

fn is(cell: &Cell, value: &str, bound: Option<f64>) -> bool {
    match cell {
        // What was rounded where it is shown is found as it is shown.
        Cell::Number(number) => {
            bound.is_some_and(|bound| (number - bound).abs() <= 1e-6 * number.abs().max(bound.abs()))
        }
        Cell::Text(text) => text.to_lowercase() == value,
        Cell::Flag(true) => ["true", "yes", "on", "1"].contains(&value),
        Cell::Flag(false) => ["false", "no", "off", "none", "0"].contains(&value),
    }
}

/// `2.5`, `1e-3`, `100k`, `1.2M`, `3G`.
fn number(text: &str) -> Option<f64> {
    let scaled = |(end, scale): (char, f64)| Some(text.strip_suffix(end)?.parse::<f64>().ok()? * scale);
    let thousands = [('k', 1e3), ('m', 1e6), ('g', 1e9), ('b', 1e9)];
    let found = text.parse().ok().or_else(|| thousands.into_iter().find_map(scaled));
    found.filter(|number: &f64| number.is_finite())
}

/// Sentence about the first fault of a line: a word that no run has, with those that are near to it, or a bound that is no
/// number.
pub fn trouble(filter: &Filter, names: &[Name]) -> Option<String> {
    filter.terms.iter().find_map(|term| {
        let Test::Condition { name, key, sign, value, bound } = &term.test else { return None };
        let compares = matches!(sign, Sign::Less | Sign::AtMost | Sign::More | Sign::AtLeast);
        let is_no_bound = compares && bound.is_none() && !value.is_empty();
        unknown(name, names).or_else(|| {
            is_no_bound.then(|| match key.is_time() {
                true => t!("filter.no_day", word = name),
                false => t!("filter.no_number", word = name),
            })
        })
    })
}

#[cfg(test)]
mod tests;
