//! The run that is trained before all others of an experiment: the base, with settings of its own over it.

use serde_json::{Map, Value};

use super::Member;
use super::combine::check_names;
use crate::config::schema::{RIVALS, at, method_of};
use crate::error::Result;

/// Its name where none is said.
const NAME: &str = "first";

pub(super) fn member(base: &Value, over: &Value) -> Result<Member> {
    check_names(over, "")?;
    let mut settings = if base.is_object() { base.clone() } else { Value::Object(Map::new()) };
    // Another method has other settings.
    if method_of(over).is_some_and(|method| method_of(base).is_none_or(|of_base| of_base != method)) {
        take_out(&mut settings, "method");
    }
    for (a, b) in RIVALS {
        for (said, other) in [(a, b), (b, a)] {
            if at(over, said).is_some() {
                take_out(&mut settings, other);
            }
        }
    }
    lay_over(&mut settings, over);
    let name = at(over, "name").and_then(Value::as_str).filter(|name| !name.trim().is_empty());
    Ok(Member { name: name.unwrap_or(NAME).to_owned(), values: Vec::new(), settings })
}

fn lay_over(tree: &mut Value, over: &Value) {
    match (tree, over) {
        (Value::Object(tree), Value::Object(over)) => {
            for (key, value) in over {
                lay_over(tree.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (place, value) => *place = value.clone(),
    }
}

fn take_out(tree: &mut Value, key: &str) {
    let (table, name) = key.rsplit_once('.').unwrap_or(("", key));
    let table = table.split('.').filter(|part| !part.is_empty()).try_fold(tree, |place, part| place.get_mut(part));
    if let Some(table) = table.and_then(Value::as_object_mut) {
        table.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Axis, Experiment, Strategy};
    use super::*;

    #[test]
    fn the_first_run_is_the_base_with_settings_of_its_own() {
        let base = json!({"training": {"epochs": 3.0, "batch_size": 4}, "data": {"train": "/target.jsonl"}});
        let over = json!({"name": "all tasks", "training": {"steps": 200}, "data": {"train": "/all.jsonl"}});
        let axes = vec![Axis { keys: vec!["seed".into()], points: vec![vec![json!(1)], vec![json!(2)]] }];
        let experiment = Experiment { name: "e".into(), base, axes, strategy: Strategy::Grid, first: Some(over) };
        let members = experiment.members().unwrap();
        assert_eq!(
            members.iter().map(|member| member.name.as_str()).collect::<Vec<_>>(),
            ["all tasks", "seed 1", "seed 2"]
        );
        let first = &members[0].settings;
        assert_eq!(first["training"], json!({"steps": 200, "batch_size": 4}));
        assert_eq!(
            (&first["data"]["train"], &members[1].settings["data"]["train"]),
            (&json!("/all.jsonl"), &json!("/target.jsonl"))
        );
        let wrong = Experiment { first: Some(json!({"training": {"stepps": 1}})), ..experiment };
        assert!(wrong.members().unwrap_err().to_string().contains("stepps"));
    }

    #[test]
    fn a_first_run_of_another_method_has_none_of_the_base_method() {
        let base = json!({"method": {"type": "prefix", "n_virtual": 9}});
        let first = member(&base, &json!({"method": {"type": "prompt"}})).unwrap();
        assert_eq!((first.settings, first.name.as_str()), (json!({"method": {"type": "prompt"}}), "first"));
        let same = member(&base, &json!({"method": {"type": "prefix", "dropout": 0.1}})).unwrap();
        assert_eq!(same.settings["method"]["n_virtual"], json!(9));
    }
}
