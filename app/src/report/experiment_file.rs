//! An experiment as a file that `prefix-workbench experiment` reads: everything that was said of its runs, with whole paths.

use engine::experiment::{Experiment, Strategy};
use serde_json::{Map, Value, json};

/// The file.
pub(super) fn experiment_file(experiment: &Experiment) -> String {
    let (mut vary, mut together) = (Map::new(), Vec::new());
    for axis in &experiment.axes {
        match axis.keys.as_slice() {
            [key] => {
                let values = axis.points.iter().filter_map(|point| point.first().cloned()).collect();
                put(&mut vary, key, Value::Array(values));
            }
            keys => {
                let point = |values: &Vec<Value>| {
                    let mut table = Map::new();
                    keys.iter().zip(values).for_each(|(key, value)| put(&mut table, key, value.clone()));
                    Value::Object(table)
                };
                together.push(Value::Array(axis.points.iter().map(point).collect()));
            }
        }
    }
    if !together.is_empty() {
        vary.insert("together".to_owned(), Value::Array(together));
    }
    let mut file = json!({ "name": experiment.name, "run": experiment.base, "vary": vary });
    if let Some(first) = &experiment.first {
        file["first"] = first.clone();
    }
    if experiment.strategy != Strategy::Grid {
        file["strategy"] = serde_json::to_value(&experiment.strategy).unwrap_or_default();
    }
    toml::to_string(&in_toml(file)).unwrap_or_default()
}

/// Puts a value at a dotted path.
fn put(table: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => drop(table.insert(path.to_owned(), value)),
        Some((name, rest)) => {
            let inside = table.entry(name).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inside) = inside {
                put(inside, rest, value);
            }
        }
    }
}

/// TOML has nothing for nothing: files of ours say `none`.
fn in_toml(value: Value) -> Value {
    match value {
        Value::Null => "none".into(),
        Value::Array(values) => values.into_iter().map(in_toml).collect(),
        Value::Object(table) => table.into_iter().map(|(name, value)| (name, in_toml(value))).collect(),
        plain => plain,
    }
}

#[cfg(test)]
mod tests {
    use engine::experiment::Axis;

    use super::*;

    #[test]
    fn an_experiment_is_written_with_what_varies() {
        let axis = |keys: &[&str], points: Value| Axis {
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
            points: serde_json::from_value(points).unwrap(),
        };
        let experiment = Experiment {
            name: "which \"length\"".to_owned(),
            base: json!({ "model": "/m", "data": { "train": "/d" }, "training": { "max_grad_norm": null } }),
            axes: vec![
                axis(&["method.n_virtual"], json!([[1], [5]])),
                axis(&["method.type", "training.learning_rate"], json!([["prefix", 0.005], ["lora", 0.001]])),
            ],
            strategy: Strategy::Random { runs: 3, seed: 1 },
            first: Some(json!({ "training": { "steps": 9 } })),
        };
        let file: Value = serde_json::to_value(experiment_file(&experiment).parse::<toml::Table>().unwrap()).unwrap();
        assert_eq!(
            file,
            json!({
                "name": "which \"length\"",
                "run": { "model": "/m", "data": { "train": "/d" }, "training": { "max_grad_norm": "none" } },
                "vary": { "method": { "n_virtual": [1, 5] }, "together": [[
                    { "method": { "type": "prefix" }, "training": { "learning_rate": 0.005 } },
                    { "method": { "type": "lora" }, "training": { "learning_rate": 0.001 } },
                ]] },
                "first": { "training": { "steps": 9 } },
                "strategy": { "type": "random", "runs": 3, "seed": 1 },
            })
        );
    }
}
