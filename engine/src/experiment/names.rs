//! Names of runs by what differs: `n_virtual 5 · seed 2`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::Axis;
use crate::config::schema::{Kind, Setting};

/// Characters of a text that a name shows.
const MOST: usize = 24;

/// Words for the values of axes.
pub(super) struct Words {
    /// Of each axis, each key: its label, and a text for each point; `None` where it does not differ.
    columns: Vec<Vec<Option<Column>>>,
}

struct Column {
    label: String,
    texts: Vec<String>,
}

impl Words {
    /// For axes whose points all have a value for every key.
    pub(super) fn of(axes: &[Axis]) -> Self {
        let keys: Vec<&str> = axes.iter().flat_map(|axis| &axis.keys).map(String::as_str).collect();
        let column = |axis: &Axis, at: usize| {
            let values: Vec<&Value> = axis.points.iter().map(|point| &point[at]).collect();
            let differs = values.iter().any(|value| *value != values[0]);
            differs.then(|| Column { label: label(&axis.keys[at], &keys), texts: texts(&axis.keys[at], &values) })
        };
        Self { columns: axes.iter().map(|axis| (0..axis.keys.len()).map(|at| column(axis, at)).collect()).collect() }
    }

    /// The name of a combination: of each axis the point, and which of its keys count.
    pub(super) fn name(&self, picked: &[usize], counts: impl Fn(usize, usize) -> bool) -> String {
        let columns =
            self.columns.iter().enumerate().flat_map(|(axis, keys)| {
                keys.iter().enumerate().map(move |(key, column)| (axis, key, column.as_ref()))
            });
        let parts = columns.filter(|(axis, key, _)| counts(*axis, *key)).filter_map(|(axis, _, column)| {
            let column = column?;
            let text = &column.texts[picked[axis]];
            Some(if column.label.is_empty() { text.clone() } else { format!("{} {text}", column.label) })
        });
        parts.collect::<Vec<String>>().join(" · ")
    }
}

/// Numbers those of several names that are alike.
pub(super) fn apart(names: Vec<String>) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for name in &names {
        *counts.entry(name.clone()).or_default() += 1;
    }
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let numbered = names.into_iter().map(|name| {
        if counts[&name] == 1 {
            return name;
        }
        let number = seen.entry(name.clone()).or_default();
        *number += 1;
        format!("{name} ({number})").trim_start().to_owned()
    });
    numbered.collect()
}

/// The shortest name of a setting that is that of no other which varies; none where values speak for themselves.
fn label(key: &str, all: &[&str]) -> String {
    if ["method", "method.type", "model", "data.train"].contains(&key) {
        return String::new();
    }
    let parts: Vec<&str> = key.strip_suffix(".type").unwrap_or(key).split('.').collect();
    let mut ends = (1..=parts.len()).map(|n| parts[parts.len() - n..].join("."));
    let is_clear = |end: &String| {
        let same = |other: &&&str| {
            let other = other.strip_suffix(".type").unwrap_or(other);
            other == *end || other.ends_with(&format!(".{end}"))
        };
        all.iter().filter(same).count() <= 1
    };
    ends.find(is_clear).unwrap_or_else(|| key.to_owned())
}

/// A text for each value of a column: short, or whole where that would make two alike.
fn texts(key: &str, values: &[&Value]) -> Vec<String> {
    let is_path = Setting::find(key).is_some_and(|setting| setting.kind == Kind::Path);
    let short: Vec<String> = match is_path {
        true => values.iter().map(|value| path(value, values)).collect(),
        false => values.iter().map(|value| text(value, values)).collect(),
    };
    let clash = |a: usize| (0..a).any(|b| short[a] == short[b] && values[a] != values[b]);
    if (0..short.len()).any(clash) { values.iter().map(|value| whole(value)).collect() } else { short }
}

fn whole(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn text(value: &Value, column: &[&Value]) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Number(number) => number.as_f64().filter(|_| !number.is_u64()).map_or_else(|| number.to_string(), brief),
        Value::Object(_) => table(value, column),
        other => cut(&whole(other)),
    }
}

/// A number in the fewest characters: `1e-4`, `0.05`, `50`.
fn brief(number: f64) -> String {
    let rounded: f64 = format!("{number:.3e}").parse().unwrap_or(number);
    let (plain, power) = (format!("{rounded}"), format!("{rounded:e}"));
    let is_plain = (rounded.fract() == 0.0 && rounded.abs() < 1e7) || plain.len() <= power.len();
    if is_plain { plain } else { power }
}

/// The type of a table, and what of it is not in all tables of that type.
fn table(value: &Value, column: &[&Value]) -> String {
    let kind = |table: &Value| table.get("type").and_then(Value::as_str).map(str::to_owned);
    let own = kind(value);
    let peers: Vec<BTreeMap<String, Value>> =
        column.iter().filter(|other| other.is_object() && kind(other) == own).map(|other| leaves(other)).collect();
    let differs = |(key, value): &(String, Value)| {
        key != "type" && (own.is_none() || peers.iter().any(|peer| peer.get(key) != Some(value)))
    };
    let said = leaves(value).into_iter().filter(differs);
    let name =
        |key: &str| key.strip_suffix(".type").unwrap_or(key).rsplit('.').next().map(str::to_owned).unwrap_or_default();
    let said = said.map(|(key, value)| format!("{} {}", name(&key), text(&value, &[])));
    let parts: Vec<String> = own.clone().into_iter().chain(said).collect();
    if parts.is_empty() { "default".to_owned() } else { parts.join(" ") }
}

fn leaves(table: &Value) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![(String::new(), table)];
    while let Some((path, value)) = waiting.pop() {
        match value {
            Value::Object(within) if path.is_empty() || !within.is_empty() => {
                let below = |name: &String| if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                waiting.extend(within.iter().map(|(name, value)| (below(name), value)));
            }
            leaf => drop(found.insert(path, leaf.clone())),
        }
    }
    found
}

/// The shortest end of a path that no other of the column has; of files without what says their form.
fn path(value: &Value, column: &[&Value]) -> String {
    let Some(own) = value.as_str() else { return "none".to_owned() };
    let others: BTreeSet<&str> =
        column.iter().filter_map(|other| other.as_str()).filter(|other| *other != own).collect();
    let parts = |path: &str| -> Vec<String> {
        Path::new(path).iter().map(|part| part.to_string_lossy().into_owned()).collect()
    };
    let end = |path: &str, n: usize| {
        let parts = parts(path);
        let end = parts[parts.len().saturating_sub(n)..].join("/");
        let forms = [".jsonl", ".json", ".csv", ".tsv", ".txt", ".conll", ".parquet", ".arrow", ".prefix"];
        forms.iter().find_map(|form| end.strip_suffix(form)).unwrap_or(&end).to_owned()
    };
    let is_clear = |n: &usize| others.iter().all(|other| end(other, *n) != end(own, *n));
    (1..=parts(own).len()).find(is_clear).map_or_else(|| own.to_owned(), |n| end(own, n))
}

/// A text in one line of a name.
fn cut(text: &str) -> String {
    let line: Vec<&str> = text.split_whitespace().collect();
    let line = line.join(" ");
    if line.chars().count() <= MOST { line } else { line.chars().take(MOST).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_shown_in_the_fewest_characters() {
        for (number, shown) in [
            (1e-4, "1e-4"),
            (3.1623e-4, "3.162e-4"),
            (1e-3, "1e-3"),
            (0.05, "0.05"),
            (0.5, "0.5"),
            (50.0, "50"),
            (1000.0, "1000"),
            (2.5, "2.5"),
            (1e12, "1e12"),
            (-3e-5, "-3e-5"),
        ] {
            assert_eq!(brief(number), shown);
        }
    }

    #[test]
    fn a_setting_has_its_shortest_clear_name() {
        let all = ["method.rank", "lora.rank", "method.n_virtual", "training.optimizer.type", "seed", "method.type"];
        let shown: Vec<String> = all.iter().map(|key| label(key, &all)).collect();
        assert_eq!(shown, ["method.rank", "lora.rank", "n_virtual", "optimizer", "seed", ""]);
        let inits = ["method.init", "lora.init"];
        assert_eq!(inits.map(|key| label(key, &inits)), inits);
    }

    #[test]
    fn values_are_told_apart_and_no_longer_than_that() {
        let told = |key: &str, values: Value| {
            let values: Vec<&Value> = values.as_array().map(|values| values.iter().collect()).unwrap();
            texts(key, &values)
        };
        assert_eq!(told("model", json!(["/m/gpt2", "/m/bert/"])), ["gpt2", "bert"]);
        assert_eq!(told("data.train", json!(["/e2e/train.jsonl", "/dart/train.jsonl"])), ["e2e/train", "dart/train"]);
        assert_eq!(told("data.train", json!(["/a/x.csv", "/a/x.json"])), ["/a/x.csv", "/a/x.json"]);
        let methods = json!([
            { "type": "prefix", "n_virtual": 5, "dropout": 0.1 },
            { "type": "prefix", "n_virtual": 9, "dropout": 0.1, "init": { "type": "zero" } },
            "prompt",
            { "type": "lora", "rank": 8 },
        ]);
        assert_eq!(told("method", methods), ["prefix n_virtual 5", "prefix init zero n_virtual 9", "prompt", "lora"]);
        assert_eq!(
            told("method.reparameterization", json!([null, {}, { "width": 8 }])),
            ["none", "default", "width 8"]
        );
        let long = "a text that is much longer than a name can be";
        assert_eq!(told("method.init.text", json!([long, "b\n c"])), ["a text that is much long…", "b c"]);
        let alike = [format!("{long} 1"), format!("{long} 2")];
        assert_eq!(told("method.init.text", json!(alike)), alike, "whole where that is needed");
        assert_eq!(told("training.learning_rate", json!([0.12345, 0.12349])), ["0.12345", "0.12349"]);
    }

    #[test]
    fn names_that_are_alike_are_numbered() {
        let names = ["a", "b", "a", ""].map(str::to_owned).to_vec();
        assert_eq!(apart(names), ["a (1)", "b", "a (2)", ""]);
    }
}
