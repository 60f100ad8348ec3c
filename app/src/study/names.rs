//! All names under which runs have values, as they are offered.

use std::collections::BTreeSet;

use engine::config::schema::{Kind, SETTINGS, Setting, at};
use serde_json::Value;

use super::column::{COLUMNS, Column};
use super::key::{Key, shortest};
use crate::store::RunRow;
use crate::t;

/// A name under which some run has a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The shortest that is clear.
    pub short: String,
    /// The whole path.
    pub full: String,
    /// A figure, a setting, or a column of every run.
    pub kind: NameKind,
}

/// What stands behind a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NameKind {
    /// A column that every run has.
    Column,
    /// A setting.
    Setting,
    /// A figure of evaluations.
    Figure,
}

/// All names under which some run has a value, columns first, then figures, then settings in the order of the schema.
pub fn names(rows: &[&RunRow]) -> Vec<Name> {
    let name = |short: &str, full: &str, kind| Name { short: short.to_owned(), full: full.to_owned(), kind };
    let columns = COLUMNS.iter().filter(|column| column.listed && rows.iter().any(|row| (column.read)(row).is_some()));
    let figures: BTreeSet<&str> = rows.iter().flat_map(|row| row.figures.keys().map(String::as_str)).collect();
    let settings = SETTINGS.iter().filter(|setting| is_own(setting) && rows.iter().any(|row| is_said(row, setting)));
    columns
        .map(|column| name(column.name, column.name, NameKind::Column))
        .chain(figures.into_iter().map(|figure| name(figure, figure, NameKind::Figure)))
        .chain(settings.map(|setting| name(shortest(setting), setting.key, NameKind::Setting)))
        .collect()
}

/// Whether a setting is not a column too, nor a table that only groups others.
fn is_own(setting: &Setting) -> bool {
    let is_group = setting.kind == Kind::Table && ["data", "training", "generation"].contains(&setting.key);
    let is_typed = || Setting::find(&format!("{}.type", setting.key)).is_some_and(|_| setting.key != "method.encoder");
    Column::find(setting.key).is_none() && !is_group && !(setting.kind == Kind::Table && is_typed())
}

fn is_said(row: &RunRow, setting: &Setting) -> bool {
    at(&row.settings, setting.key).is_some_and(|value| match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => setting.kind == Kind::Table || !entries.is_empty(),
        _ => true,
    })
}

/// Names that are offered for one that is unknown.
const OFFERED: usize = 3;

/// A sentence about a name that is no column and no setting, and under which no run has a figure, with those near to it;
/// `None` of one that is known.
pub fn unknown(word: &str, names: &[Name]) -> Option<String> {
    let typed = word.trim().to_lowercase();
    let is_known = |known: &str| {
        let known = known.to_lowercase();
        // A place within a setting that has entries of its own, and the Trainer's name of a figure.
        known == typed || typed.starts_with(&format!("{known}.")) || Some(known.as_str()) == typed.strip_prefix("eval_")
    };
    if !Key::of(word).is_other() || names.iter().any(|name| is_known(&name.short) || is_known(&name.full)) {
        return None;
    }
    let likeness = |name: &Name| {
        let last = name.full.rsplit(['.', '/']).next().unwrap_or(&name.full);
        let forms = [name.short.as_str(), name.full.as_str(), last];
        forms.map(|form| similar::TextDiff::from_chars(typed.as_str(), form).ratio()).into_iter().fold(0.0, f32::max)
    };
    let mut near: Vec<(f32, &str)> = names.iter().map(|name| (likeness(name), name.short.as_str())).collect();
    near.retain(|(likeness, _)| *likeness >= 0.6);
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    let near: Vec<&str> = near.into_iter().take(OFFERED).map(|(_, name)| name).collect();
    Some(if near.is_empty() {
        let known = COLUMNS.iter().filter(|column| column.listed).take(12).map(|column| column.name);
        t!("filter.unknown", word = word, known = known.collect::<Vec<_>>().join(", "))
    } else {
        t!("filter.unknown_near", word = word, near = near.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use serde_json::json;

    use super::super::cell;
    use super::super::tests_support::run;
    use super::*;

    #[test]
    fn columns_then_figures_then_settings_and_each_has_a_value_somewhere() {
        let plain = run("a", &[]);
        let mut network = run("b", &[("method.reparameterization.width", json!(64)), ("precision", json!("bf16"))]);
        network.figures = Arc::new(BTreeMap::from([("bleu".to_owned(), 3.0), ("accuracy".to_owned(), 0.5)]));
        let rows = [&plain, &network];
        let found = names(&rows);
        let kinds: Vec<NameKind> = found.iter().map(|name| name.kind).collect();
        let turn =
            |kind: &NameKind| [NameKind::Column, NameKind::Figure, NameKind::Setting].iter().position(|k| k == kind);
        assert!(kinds.is_sorted_by_key(turn));
        for name in &found {
            for called in [&name.short, &name.full] {
                assert!(rows.iter().any(|row| cell(row, called).is_some()), "{called}");
            }
        }
        let shorts: Vec<&str> = found.iter().map(|name| name.short.as_str()).collect();
        for short in
            ["loss", "accuracy", "bleu", "n_virtual", "reparameterization", "width", "learning_rate", "precision"]
        {
            assert!(shorts.contains(&short), "{short} in {shorts:?}");
        }
        for none in ["rank", "last", "training", "optimizer", "prefix", "model_name_or_path"] {
            assert!(!shorts.contains(&none), "{none} in {shorts:?}");
        }
        assert_eq!(shorts.iter().collect::<BTreeSet<_>>().len(), shorts.len(), "each once");
        assert!(names(&[]).is_empty());
    }
}
