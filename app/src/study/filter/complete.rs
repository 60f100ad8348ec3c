//! What can be typed next into a filter line.

use std::collections::BTreeMap;

use super::line::tokens;
use crate::store::RunRow;
use crate::study::cell::Cell;
use crate::study::key::Key;
use crate::study::names::Name;

/// Completions that are offered at once.
const MOST: usize = 12;
/// Values of a name that are looked at.
const VALUES: usize = 50;

/// One way to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// In the list.
    pub shown: String,
    /// The whole line with it.
    pub line: String,
    /// Where the cursor then stands, counted in letters.
    pub cursor: usize,
}

/// Ways to go on where the cursor stands, which is counted in letters: names, behind a whole name the signs, behind a sign
/// the values that occur, which `values_of` has for a name ([`values`] of the runs).
pub fn complete(line: &str, cursor: usize, names: &[Name], values_of: &dyn Fn(&str) -> Vec<String>) -> Vec<Completion> {
    let at = line.char_indices().nth(cursor).map_or(line.len(), |(at, _)| at);
    let put = |from: usize, text: &str, to: usize| {
        let head = format!("{}{text}", &line[..from]);
        let apart = if to == from && line[to..].starts_with(|c: char| !c.is_whitespace()) { " " } else { "" };
        let cursor = head.chars().count();
        Completion { shown: text.to_owned(), line: format!("{head}{apart}{}", &line[to..]), cursor }
    };
    let Some(token) = tokens(&line[..at]).pop().filter(|token| token.to == at) else {
        return names.iter().take(MOST).map(|name| put(at, &name.short, at)).collect();
    };
    // What stands behind the cursor in the same term is replaced.
    let to = tokens(line).into_iter().find(|token| token.from <= at && at <= token.to).map_or(at, |token| token.to);
    match &token.name {
        Some((name, _)) => {
            let begun = token.value.to_lowercase();
            let fits = |value: &String| value.to_lowercase().starts_with(&begun) && *value != token.value;
            let fitting = values_of(name).into_iter().filter(fits).take(MOST);
            let put = |value: String| Completion { shown: value.clone(), ..put(token.value_from, &quoted(&value), to) };
            fitting.map(put).collect()
        }
        None if line[token.from..token.to].contains('"') => Vec::new(),
        None => {
            let (begun, from) = (token.value.to_lowercase(), token.value_from);
            let is_whole = names.iter().any(|name| name.short == token.value || name.full == token.value);
            let signs: &[&str] = if is_whole { signs_of(&token.value, values_of) } else { &[] };
            let signs = signs.iter().map(|sign| format!("{}{sign}", token.value));
            let mut near: Vec<(bool, &Name)> =
                names.iter().filter_map(|name| Some((begins(name, &begun)?, name))).collect();
            near.retain(|(_, name)| name.short != token.value);
            near.sort_by_key(|(begins, _)| !begins);
            let near = near.into_iter().map(|(_, name)| name.short.clone());
            signs.chain(near).take(MOST).map(|text| put(from, &text, to)).collect()
        }
    }
}

/// Whether a name begins so, by its short or its whole form; `None` where it is not even in it.
fn begins(name: &Name, begun: &str) -> Option<bool> {
    let (short, full) = (name.short.to_lowercase(), name.full.to_lowercase());
    let is_in = short.contains(begun) || full.contains(begun);
    is_in.then(|| short.starts_with(begun) || full.starts_with(begun))
}

/// The signs that make sense of a name's values, the usual first.
fn signs_of(name: &str, values_of: &dyn Fn(&str) -> Vec<String>) -> &'static [&'static str] {
    let is_number = values_of(name).first().is_some_and(|value| value.parse::<f64>().is_ok());
    if is_number { &["<", "<=", ">", ">=", "=", "!="] } else { &[":", "=", "!="] }
}

/// With quotation marks where a space would end it.
fn quoted(value: &str) -> String {
    let value = value.replace('"', "");
    if value.contains(char::is_whitespace) { format!("\"{value}\"") } else { value }
}

/// Values that runs have under a name, the most frequent first; each of a run's tags is one.
pub fn values(rows: &[&RunRow], name: &str) -> Vec<String> {
    let key = Key::of(name);
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows {
        let of_row: Vec<String> = match key.is_tags() {
            true => row.tags.clone(),
            false => key.cell(row).map(|cell: Cell| cell.to_string()).into_iter().collect(),
        };
        of_row.into_iter().for_each(|value| *counted.entry(value).or_default() += 1);
    }
    let mut values: Vec<(String, usize)> = counted.into_iter().collect();
    values.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    values.into_iter().take(VALUES).map(|(value, _)| value).collect()
}
