//! From a table of settings, whose values are lists and ranges, to axes.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::Axis;
use super::range::{self, Scale};
use super::value::{brief, fit, unknown};
use crate::config::schema::{Kind, Names, Setting, at, current, method_of, put};
use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

/// Types of method, in the order in which a name of another program is looked for among them.
const METHODS: [&str; 5] = ["prefix", "prompt", "lora", "full", "few_shot"];

/// Table of settings that vary together.
const TOGETHER: &str = "together";

/// Settings with their values.
type Said = Vec<(&'static Setting, Value)>;

pub(super) fn axes(base: &Value, vary: &Value) -> Result<Vec<Axis>> {
    let Value::Object(table) = vary else {
        return wrong("vary", sentence!("must be a table of settings, which {value} is not", value = brief(vary)));
    };
    let mut found = Vec::new();
    Reader::new(base, vary).table("", table, &mut found)?;
    Ok(found)
}

/// The axis of several values of one setting.
pub(super) fn of_values(key: &str, values: &[Value]) -> Result<Axis> {
    Reader::new(&Value::Null, &Value::Null).list(key, values)
}

/// The axis of the points from one value of a setting to another.
pub(super) fn of_range(key: &str, ends: (Value, Value), steps: u64, scale: Scale) -> Result<Axis> {
    Reader::new(&Value::Null, &Value::Null).between(key, ends, steps, scale)
}

/// Reads names and values as a run of one of these methods has them.
struct Reader {
    /// Types of method: first those that vary, then that of the base, then all others.
    methods: Vec<String>,
    /// The type of a table that does not say its own.
    usual: String,
}

impl Reader {
    fn new(base: &Value, vary: &Value) -> Self {
        let usual = method_of(base).unwrap_or_else(|| "prefix".to_owned());
        let lists = ["method", "method.type", "peft_type"].into_iter().filter_map(|key| at(vary, key));
        let varied =
            lists.filter_map(Value::as_array).flatten().filter_map(|value| method_of(&json!({ "method": value })));
        let mut methods: Vec<String> = varied.chain([usual.clone()]).collect();
        methods.extend(METHODS.map(str::to_owned));
        let mut seen = BTreeSet::new();
        methods.retain(|method| seen.insert(method.clone()));
        Self { methods, usual }
    }

    /// Axes of a table, in its order.
    fn table(&self, above: &str, table: &Map<String, Value>, found: &mut Vec<Axis>) -> Result<()> {
        for (name, value) in table {
            let path = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
            match value {
                Value::Array(tables) if path == TOGETHER => found.extend(self.together(tables)?),
                Value::Array(values) => found.push(self.list(&path, values)?),
                Value::Object(ends) if ["from", "to"].iter().any(|end| ends.contains_key(*end)) => {
                    found.push(self.range(&path, ends)?);
                }
                Value::Object(within) if is_table(&path) => self.table(&path, within, found)?,
                // A name that is none is told before its value.
                value => {
                    let field = self.says(&path, value.clone())?.first().map_or("vary", |(setting, _)| setting.key);
                    return wrong(
                        field,
                        sentence!(
                            "{value} is no list and no range: write [1, 5, 20], or { from = 1, to = 9, steps = 5 }",
                            value = brief(value)
                        ),
                    );
                }
            }
        }
        Ok(())
    }

    fn list(&self, path: &str, values: &[Value]) -> Result<Axis> {
        let said = values.iter().map(|value| self.fitted(path, value.clone())).collect::<Result<Vec<Said>>>()?;
        let Some(first) = said.first() else {
            return wrong(key_of(path), sentence!("the list is empty: give it a value"));
        };
        if first.is_empty() {
            return wrong("vary", sentence!("{path} decides nothing here", path));
        }
        match axis(&said) {
            Some(axis) => Ok(axis),
            // A name of another program may mean more than one setting.
            None if said.iter().flatten().all(|(setting, _)| setting.key.starts_with("method.")) => {
                let points = said.into_iter().map(|point| {
                    let mut tree = Value::Object(Map::new());
                    point.into_iter().for_each(|(setting, value)| put(&mut tree, setting.key, value));
                    vec![tree["method"].take()]
                });
                Ok(Axis { keys: vec!["method".to_owned()], points: points.collect() })
            }
            None => wrong(
                "vary",
                sentence!("the values of {path} decide different settings: name these under together", path),
            ),
        }
    }

    fn range(&self, path: &str, ends: &Map<String, Value>) -> Result<Axis> {
        let field = key_of(path);
        if let Some((name, _)) =
            ends.iter().find(|(name, _)| !["from", "to", "steps", "scale"].contains(&name.as_str()))
        {
            return wrong(field, sentence!("a range has from, to, steps and scale, not {name:?}", name));
        }
        let end = |name: &str| match ends.get(name) {
            Some(value) => Ok(value.clone()),
            None => wrong(field, sentence!("the range does not say {name}", name)),
        };
        let steps = end("steps")?;
        let Some(steps) = steps.as_u64() else {
            return wrong(field, sentence!("steps is a whole number, which {steps} is not", steps = brief(&steps)));
        };
        let scale = match ends.get("scale") {
            None => Some(Scale::Linear),
            Some(scale) => scale.as_str().and_then(Scale::named),
        };
        let Some(scale) = scale else {
            return wrong(field, sentence!("scale is linear or log"));
        };
        self.between(path, (end("from")?, end("to")?), steps, scale)
    }

    fn between(&self, path: &str, (from, to): (Value, Value), steps: u64, scale: Scale) -> Result<Axis> {
        let (from, to) = (self.fitted(path, from)?, self.fitted(path, to)?);
        let ([(setting, from)], [(other, to)]) = (from.as_slice(), to.as_slice()) else {
            return wrong("vary", sentence!("{path} has no ranges: its values decide several settings", path));
        };
        if setting.key != other.key {
            return wrong("vary", sentence!("{path} has no ranges: its values decide several settings", path));
        }
        let points = range::points(setting.key, setting.kind, (from, to), steps, scale)?;
        Ok(Axis { keys: vec![setting.key.to_owned()], points: points.into_iter().map(|point| vec![point]).collect() })
    }

    /// One axis of tables, each a point; several of lists of tables.
    fn together(&self, tables: &[Value]) -> Result<Vec<Axis>> {
        if let [Value::Array(_), ..] = tables {
            let lists = tables.iter().map(|list| match list {
                Value::Array(tables) => self.paired(tables),
                other => wrong(TOGETHER, sentence!("{value} is no list of tables", value = brief(other))),
            });
            return lists.collect();
        }
        Ok(vec![self.paired(tables)?])
    }

    fn paired(&self, tables: &[Value]) -> Result<Axis> {
        let mut points = Vec::new();
        for table in tables {
            let Value::Object(table) = table else {
                return wrong(TOGETHER, sentence!("{value} is no table of settings", value = brief(table)));
            };
            let mut said = Said::new();
            self.point("", table, &mut said)?;
            let mut seen = BTreeSet::new();
            if let Some((setting, _)) = said.iter().find(|(setting, _)| !seen.insert(setting.key)) {
                return wrong(TOGETHER, sentence!("a table says {key} twice", key = setting.key));
            }
            points.push(said);
        }
        if points.first().is_none_or(Vec::is_empty) {
            return wrong(TOGETHER, sentence!("is a list of tables, such as [{ seed = 1 }, { seed = 2 }]"));
        }
        axis(&points).map_or_else(|| Err(unequal(&points)), Ok)
    }

    /// Settings of one point: a table with a type, or without settings, is a whole one.
    fn point(&self, above: &str, table: &Map<String, Value>, said: &mut Said) -> Result<()> {
        for (name, value) in table {
            let path = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
            match value {
                Value::Object(within)
                    if is_table(&path)
                        && !within.is_empty()
                        && !["type", "peft_type"].iter().any(|name| within.contains_key(*name)) =>
                {
                    self.point(&path, within, said)?;
                }
                value => said.extend(self.fitted(&path, value.clone())?),
            }
        }
        Ok(())
    }

    /// What a name says with a value, each value in its one form.
    fn fitted(&self, path: &str, value: Value) -> Result<Said> {
        let value = match value {
            Value::Object(_) if is_table(path) => self.whole(path, value)?,
            other => other,
        };
        let said = self.says(path, value)?.into_iter().map(|(setting, value)| Ok((setting, fit(setting, value)?)));
        said.collect()
    }

    /// Settings and values that a name says, under one of the methods.
    fn says(&self, path: &str, value: Value) -> Result<Said> {
        let mut refused = None;
        for method in &self.methods {
            match Names::of_method(method).says(path, value.clone()) {
                Ok(Some(said)) => {
                    let said = said.into_iter().filter_map(|(key, value)| Some((Setting::find(key)?, value))).collect();
                    return may_vary(said);
                }
                Ok(None) => return Err(unknown("vary", path)),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.unwrap_or_else(|| unknown("vary", path)))
    }

    /// A whole table under names of ours.
    fn whole(&self, path: &str, value: Value) -> Result<Value> {
        let key = current(path);
        let mut tree = Value::Object(Map::new());
        put(&mut tree, &key, value);
        if key == "method" && method_of(&tree).is_none() {
            put(&mut tree, "method.type", self.usual.as_str().into());
        }
        let method = method_of(&tree).unwrap_or_else(|| self.methods.first().unwrap_or(&self.usual).clone());
        let mut names = Names::of_method(&method);
        let mut tree = names.read_tree(tree)?;
        names.finish(&mut tree)?;
        Ok(at(&tree, &key).cloned().unwrap_or_default())
    }
}

/// Refuses what names a run, and so cannot vary.
fn may_vary(said: Said) -> Result<Said> {
    match said.iter().any(|(setting, _)| setting.key == "name") {
        true => wrong("name", sentence!("runs of an experiment are named by what differs")),
        false => Ok(said),
    }
}

/// Points that decide the same settings, as an axis.
fn axis(points: &[Said]) -> Option<Axis> {
    let keys: Vec<&str> = points.first()?.iter().map(|(setting, _)| setting.key).collect();
    let values = points.iter().map(|point| {
        let value = |key: &&str| point.iter().find(|(setting, _)| setting.key == *key).map(|(_, value)| value.clone());
        let values: Option<Vec<Value>> = keys.iter().map(value).collect();
        values.filter(|_| point.len() == keys.len())
    });
    let points = values.collect::<Option<Vec<_>>>()?;
    Some(Axis { keys: keys.into_iter().map(str::to_owned).collect(), points })
}

/// The error for tables that do not name the same settings.
fn unequal(points: &[Said]) -> EngineError {
    let keys = |point: &Said| point.iter().map(|(setting, _)| setting.key).collect::<BTreeSet<_>>();
    let all: BTreeSet<&str> = points.iter().flat_map(keys).collect();
    let missing = points.iter().enumerate().find_map(|(index, point)| {
        let own = keys(point);
        all.iter().find(|key| !own.contains(*key)).map(|key| (index + 1, *key))
    });
    let (table, key) = missing.unwrap_or_default();
    let reason = sentence!("table {table} does not say {key}, and another one does", table, key);
    EngineError::Setting { field: TOGETHER, reason }
}

fn is_table(path: &str) -> bool {
    Setting::find(&current(path)).is_some_and(|setting| setting.kind == Kind::Table)
}

/// The name of a setting, to be told.
fn key_of(path: &str) -> &'static str {
    Setting::find(&current(path)).map_or("vary", |setting| setting.key)
}

fn wrong<T>(field: &'static str, reason: Sentence) -> Result<T> {
    Err(EngineError::Setting { field, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vary: Value) -> Vec<Axis> {
        axes(&Value::Null, &vary).unwrap()
    }

    fn refused(vary: Value) -> String {
        axes(&Value::Null, &vary).unwrap_err().to_string()
    }

    fn one(key: &str, points: Value) -> Axis {
        let points = points.as_array().unwrap().iter().map(|point| vec![point.clone()]).collect();
        Axis { keys: vec![key.to_owned()], points }
    }

    #[test]
    fn lists_and_ranges_are_axes_in_the_order_of_the_table() {
        let found = read(json!({
            "seed": [1, 2, 3],
            "method": { "n_virtual": [1, 5.0], "reparameterization": ["none", {}, { "width": 8 }] },
            "training": { "learning_rate": { "from": 1e-4, "to": 1e-2, "steps": 3, "scale": "log" } },
            "model": ["a", "b"],
            "data": { "train_rows": [50, 0.5] },
        }));
        let wanted = [
            one("seed", json!([1, 2, 3])),
            one("method.n_virtual", json!([1, 5])),
            one("method.reparameterization", json!([null, {}, { "width": 8 }])),
            one("training.learning_rate", json!([1e-4, 1e-3, 1e-2])),
            one("model", json!(["a", "b"])),
            one("data.train_rows", json!([50.0, 0.5])),
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn methods_are_names_or_whole_tables_under_any_names() {
        let found = read(
            json!({ "method": ["prefix", "text", { "peft_type": "LORA", "r": 4, "lora_alpha": 8 }, { "n_virtual": 3 }] }),
        );
        let lora = json!({ "type": "lora", "rank": 4, "alpha": 8.0 });
        let usual = json!({ "n_virtual": 3, "type": "prefix" });
        assert_eq!(found, [one("method", json!(["prefix", "few_shot", lora, usual]))]);
        assert_eq!(
            read(json!({ "peft_type": ["LORA", "P_TUNING"] })),
            [one("method", json!([{ "type": "lora" }, { "type": "prompt", "encoder": {} }]))]
        );
        let init = json!(["zero", { "type": "words", "text": "a" }]);
        assert_eq!(read(json!({ "method": { "init": init } })), [one("method.init", init)]);
    }

    #[test]
    fn names_of_other_programs_and_of_earlier_versions_are_taken() {
        assert_eq!(read(json!({ "lr": [1, 2] })), [one("training.learning_rate", json!([1.0, 2.0]))]);
        assert_eq!(read(json!({ "r": [1, 2] })), [one("method.rank", json!([1, 2]))]);
        assert_eq!(
            read(json!({ "training": { "accumulation": [1] } })),
            [one("training.gradient_accumulation", json!([1]))]
        );
        let base = json!({ "method": { "type": "prompt" } });
        let width = json!({ "method": { "encoder": {}, "type": ["prompt"] } });
        assert!(axes(&base, &width).unwrap().len() == 1, "a table without settings has none");
        let width = axes(&base, &json!({ "encoder_hidden_size": [8] })).unwrap();
        assert_eq!(width, [one("method.encoder.width", json!([8]))]);
    }

    #[test]
    fn paired_settings_are_one_axis() {
        let found = read(json!({ "together": [
            { "method": { "n_virtual": 5 }, "lr": 1e-3 },
            { "training": { "learning_rate": 1e-4 }, "method": { "n_virtual": 50 } },
        ] }));
        let keys = vec!["method.n_virtual".to_owned(), "training.learning_rate".to_owned()];
        assert_eq!(found, [Axis { keys, points: vec![vec![json!(5), json!(1e-3)], vec![json!(50), json!(1e-4)]] }]);
        let whole = json!({ "together": [{ "method": { "type": "lora", "r": 2 } }, { "method": "prefix" }] });
        assert_eq!(read(whole), [one("method", json!([{ "type": "lora", "rank": 2 }, "prefix"]))]);
        let two = read(json!({ "together": [[{ "seed": 1 }], [{ "data": { "train": "a" } }]] }));
        assert_eq!(two, [one("seed", json!([1])), one("data.train", json!(["a"]))]);
    }

    #[test]
    fn what_is_no_setting_no_list_and_no_range_is_named() {
        for (vary, said) in [
            (json!(3), "3"),
            (json!({ "method": { "n_virtul": [1] } }), "method.n_virtual is the nearest"),
            (json!({ "n_virtul": 1 }), "method.n_virtual is the nearest"),
            (json!({ "zzz": [1] }), "no setting \"zzz\""),
            (json!({ "method": { "n_virtual": 5 } }), "method.n_virtual: 5 is no list"),
            (json!({ "seed": [] }), "seed: the list is empty"),
            (json!({ "name": ["a"] }), "named by what differs"),
            (json!({ "method": { "n_virtual": [5, 0] } }), "from 1 to 4096, which 0"),
            (json!({ "method": [{ "type": "prefix", "n_virtul": 5 }] }), "method.n_virtual is the nearest"),
            (json!({ "seed": { "from": 1, "to": 2 } }), "does not say steps"),
            (json!({ "seed": { "from": 1, "steps": 2 } }), "does not say to"),
            (json!({ "seed": { "from": 1, "to": 2, "steps": 2, "by": 1 } }), "not \"by\""),
            (json!({ "seed": { "from": 1, "to": 2, "steps": 2, "scale": "exp" } }), "linear or log"),
            (json!({ "seed": { "from": 1, "to": 2, "steps": -1 } }), "whole number"),
            (json!({ "together": [{ "seed": 1 }, { "lr": 1 }] }), "table 1 does not say training.learning_rate"),
            (json!({ "together": [{ "lr": 1, "learning_rate": 2 }] }), "training.learning_rate twice"),
            (json!({ "together": [] }), "list of tables"),
            (json!({ "together": [3] }), "no table"),
            (json!({ "together": [[{ "seed": 1 }], 3] }), "no list of tables"),
            (json!({ "logging_steps": [5] }), "every step is kept"),
            (json!({ "lr_scheduler_type": ["linear", "constant"] }), "name these under together"),
        ] {
            let error = refused(vary);
            assert!(error.contains(said), "{error}");
        }
    }
}
