//! Every setting of a run, described once: `--set` and run files take their names from here, and `docs/settings.md` is
//! written from it.

mod alias;
mod defaults;
mod describe;
mod generation;
mod list;
mod list_method;
mod names;
mod nearest;
#[cfg(test)]
mod page;
mod short_forms;
mod tree;
mod words;

use std::fmt;
use std::ops::Bound;

pub use self::alias::{Alias, Given, Literal, Reading, UNMATCHED, Unmatched, Why, Word};
pub use self::defaults::{default_if_left_out, default_value};
pub use self::list::SETTINGS;
pub use self::names::{Names, current, method_of, say};
pub use self::nearest::nearest;
pub use self::short_forms::{RIVALS, write_out};
pub use self::tree::{at, put};

/// One setting of a run.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Dotted path, as run files have it.
    pub key: &'static str,
    /// Form and range of its value.
    pub kind: Kind,
    /// May be `"none"`: TOML has no word for it.
    pub optional: bool,
    /// Types of `method` that have it; empty where it belongs to none.
    pub methods: &'static [&'static str],
    /// Description in English, without a period; the window's form shows it too.
    pub help: &'static str,
    /// Names in transformers and PEFT, theirs of today before those of papers and other libraries.
    pub aliases: &'static [Alias],
    /// Last part of its path in earlier versions.
    pub formerly: Option<&'static str>,
    /// Words of earlier versions, each with that of today.
    pub words_formerly: &'static [(&'static str, &'static str)],
}

/// Form and range of a setting's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A name or a word.
    Text,
    /// A text for the model: taken as it is, white space too.
    Words,
    /// A file or folder: relative paths get a base.
    Path,
    /// `true` or `false`.
    Flag,
    /// A whole number from the first to the second.
    Count(u64, u64),
    /// A number between two ends.
    Number(Bound<f64>, Bound<f64>),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list or a table whose entries are no settings: what they are.
    Entries(&'static str),
    /// Has settings of its own.
    Table,
}

impl Setting {
    /// The setting of that path.
    pub fn find(key: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }

    /// Last part of the path.
    pub fn name(&self) -> &'static str {
        self.key.rsplit('.').next().unwrap_or(self.key)
    }

    /// The library that it is known from, and its name there; none where each name is of one value, one type of method
    /// or one optimizer alone.
    pub fn known_as(&self) -> Option<(&'static str, &'static str)> {
        let is_whole =
            |alias: &&Alias| !matches!((alias.given, alias.reading), (Given::Types(..), _) | (_, Reading::IfTrue(_)));
        let alias = self.aliases.iter().find(is_whole)?;
        let is_pefts = ["method", "lora", "task"].contains(&self.key.split('.').next().unwrap_or_default());
        Some((if is_pefts { "PEFT" } else { "transformers" }, alias.name))
    }

    /// Path of the table that it is in; empty at the top.
    pub fn table(&self) -> &'static str {
        self.key.rsplit_once('.').map_or("", |(table, _)| table)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text | Self::Words => f.write_str("text"),
            Self::Path => f.write_str("path"),
            Self::Flag => f.write_str("true or false"),
            Self::Count(0, u64::MAX) => f.write_str("whole number"),
            Self::Count(least, u64::MAX) => write!(f, "{least} or more"),
            Self::Count(least, most) => write!(f, "{least} to {most}"),
            Self::Number(Bound::Included(low), Bound::Included(high)) => write!(f, "{low} to {high}"),
            Self::Number(low, high) => {
                match low {
                    Bound::Included(low) => write!(f, "at least {low}"),
                    Bound::Excluded(low) => write!(f, "above {low}"),
                    Bound::Unbounded => f.write_str("any number"),
                }?;
                match high {
                    Bound::Included(high) => write!(f, ", at most {high}"),
                    Bound::Excluded(high) => write!(f, ", below {high}"),
                    Bound::Unbounded => Ok(()),
                }
            }
            Self::Choice(words) => f.write_str(&words.join(", ")),
            Self::Entries(what) => f.write_str(what),
            Self::Table => f.write_str("table"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::defaults::examples;
    use super::*;
    use crate::config::RunConfig;

    /// Paths of everything that serde writes, as deep as there are settings.
    fn written(tree: &Value, above: &str, found: &mut BTreeSet<String>) {
        for (name, value) in tree.as_object().into_iter().flatten() {
            let key = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
            if value.is_object() && Setting::find(&key).is_none_or(|setting| setting.kind == Kind::Table) {
                written(value, &key, found);
            }
            found.insert(key);
        }
    }

    #[test]
    fn each_setting_is_described_and_each_description_is_of_a_setting() {
        let mut found = BTreeSet::new();
        examples().iter().for_each(|tree| written(tree, "", &mut found));
        let described: BTreeSet<String> = SETTINGS.iter().map(|setting| setting.key.to_owned()).collect();
        assert_eq!(found, described);
        assert_eq!(SETTINGS.len(), described.len(), "none is described twice");
    }

    /// Whether a run that has the setting can have this value of it.
    fn can_be(setting: &Setting, value: &Value) -> bool {
        let mut with_it = examples().into_iter().filter(|tree| at(tree, setting.key).is_some()).peekable();
        assert!(with_it.peek().is_some(), "{}", setting.key);
        with_it.any(|mut tree| {
            put(&mut tree, setting.key, value.clone());
            // A warm-up is said in one way.
            if setting.key == "training.warmup_steps" {
                put(&mut tree, "training.warmup_ratio", 0.into());
            }
            // A teacher without a document is none.
            if setting.key == "training.distillation.top_k" {
                put(&mut tree, "training.distillation.document", "d".into());
            }
            serde_json::from_value::<RunConfig>(tree).is_ok_and(|config| config.check().is_ok())
        })
    }

    #[test]
    fn the_ranges_are_those_that_are_checked() {
        for setting in SETTINGS {
            let (inside, outside) = match setting.kind {
                Kind::Count(least, most) => {
                    let below = least.checked_sub(1).map_or_else(|| json!(-1), |below| json!(below));
                    let above = most.checked_add(1).map(|above| json!(above));
                    (vec![json!(least)], [Some(below), above].into_iter().flatten().collect())
                }
                Kind::Number(low, high) => {
                    let (mut inside, mut outside) = (Vec::new(), vec![json!("many")]);
                    for (end, beyond) in [(low, -1e-3), (high, 1e-3)] {
                        match end {
                            Bound::Included(end) => {
                                inside.push(json!(end));
                                outside.push(json!(end + beyond * end.abs().max(1.0)));
                            }
                            Bound::Excluded(end) => outside.push(json!(end)),
                            Bound::Unbounded => {}
                        }
                    }
                    (inside, outside)
                }
                Kind::Choice(words) => (words.iter().map(|word| json!(word)).collect(), vec![json!("whatever")]),
                Kind::Flag => (vec![json!(true), json!(false)], vec![json!("perhaps")]),
                Kind::Text | Kind::Words | Kind::Path => (vec![json!("a")], vec![json!(["a"])]),
                Kind::Entries(_) | Kind::Table => continue,
            };
            // What another setting decides too.
            let free = !matches!(
                setting.key,
                "device"
                    | "method.init.type"
                    | "method.tasks.init.type"
                    | "lora.init.type"
                    | "training.optimizer.nesterov"
            );
            for value in inside.iter().filter(|_| free) {
                assert!(can_be(setting, value), "{} = {value}", setting.key);
            }
            for value in &outside {
                assert!(!can_be(setting, value), "{} = {value}", setting.key);
            }
        }
    }

    #[test]
    fn each_method_has_the_settings_that_are_said_to_be_its() {
        for setting in SETTINGS.iter().filter(|setting| !setting.methods.is_empty()) {
            let mut types: Vec<String> = examples()
                .iter()
                .filter(|tree| at(tree, setting.key).is_some())
                .filter_map(|tree| at(tree, "method.type").and_then(Value::as_str).map(str::to_owned))
                .collect();
            types.sort_unstable();
            types.dedup();
            let mut said = setting.methods.to_vec();
            said.sort_unstable();
            assert_eq!(types, said, "{}", setting.key);
        }
    }

    #[test]
    fn descriptions_are_one_sentence_without_a_period() {
        for Setting { key, help, .. } in SETTINGS {
            assert!(!help.is_empty() && !help.ends_with('.') && !help.contains('\n'), "{key}: {help}");
        }
    }

    #[test]
    fn a_range_is_said_in_words() {
        let range = |key: &str| Setting::find(key).unwrap().kind.to_string();
        assert_eq!(range("training.batch_size"), "1 to 65536");
        assert_eq!(range("training.learning_rate"), "above 0, below 1000");
        assert_eq!(range("method.dropout"), "at least 0, below 1");
        assert_eq!(range("data.validation_share"), "0 to 0.9");
        assert_eq!(range("training.loss"), "token_mean, sentence_sum");
    }
}
