//! Settings that are not the same in all runs, and nothing else.

use engine::config::schema::{Kind, SETTINGS, Setting};
use serde_json::Value;

use super::setting::{Said, follows_from_method, said};
use crate::store::RunRow;

/// Settings that are not the same in all runs, by their full names, with each run's value in the order of the runs.
/// Name, device and what follows from another setting are left out: the width of a network that only one run has follows
/// from there being one, which is told as `true` and `false`.
pub fn differences(rows: &[&RunRow]) -> Vec<(String, Vec<Option<Value>>)> {
    let differing = SETTINGS.iter().filter_map(|setting| {
        let all: Vec<Said<'_>> = rows.iter().map(|row| said(row, setting)).collect();
        is_different(rows, setting, &all)
            .then(|| (setting.key.to_owned(), all.iter().map(|said| value(setting, said)).collect()))
    });
    differing.collect()
}

/// Whether a setting tells runs apart, among those in which it has a meaning.
pub(super) fn is_different(rows: &[&RunRow], setting: &Setting, all: &[Said<'_>]) -> bool {
    let follows = || {
        let is_of_method = setting.key.starts_with("method.") && setting.key != "method.type";
        is_of_method && rows.iter().zip(all).all(|(row, said)| follows_from_method(row, setting, said))
    };
    if ["name", "device"].contains(&setting.key) || follows() {
        return false;
    }
    let mut said = all.iter().filter(|said| **said != Said::Not);
    said.next().is_some_and(|first| said.any(|other| !first.is(other)))
}

fn value(setting: &Setting, said: &Said<'_>) -> Option<Value> {
    match said {
        Said::On => Some(true.into()),
        Said::Nothing if setting.kind == Kind::Table => Some(false.into()),
        Said::Not | Said::Nothing => None,
        Said::Value(value) => Some((*value).clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests_support::run;
    use super::*;

    fn keys(rows: &[&RunRow]) -> Vec<String> {
        differences(rows).into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn only_what_differs_is_told() {
        let a = run("a", &[("name", json!("x")), ("device", json!("cpu")), ("method.n_virtual", json!(5))]);
        let b = run("b", &[("name", json!("y")), ("method.n_virtual", json!(20)), ("training.patience", json!(3))]);
        assert_eq!(
            differences(&[&a, &b]),
            [
                ("method.n_virtual".to_owned(), vec![Some(json!(5)), Some(json!(20))]),
                ("training.patience".to_owned(), vec![None, Some(json!(3))]),
            ]
        );
        assert!(differences(&[&a, &a]).is_empty() && differences(&[&a]).is_empty() && differences(&[]).is_empty());
    }

    #[test]
    fn a_default_that_is_left_out_is_told_beside_another_value() {
        let (plain, half) =
            (run("a", &[]), run("b", &[("precision", json!("bf16")), ("data.train_rows", json!(50.0))]));
        assert_eq!(
            differences(&[&plain, &half]),
            [
                ("precision".to_owned(), vec![Some(json!("f32")), Some(json!("bf16"))]),
                ("data.train_rows".to_owned(), vec![None, Some(json!(50.0))]),
            ]
        );
    }

    #[test]
    fn what_follows_from_another_setting_is_left_out() {
        let plain = run("a", &[]);
        let network = run("b", &[("method.reparameterization.width", json!(64))]);
        let wide = run("c", &[("method.reparameterization.width", json!(512))]);
        assert_eq!(
            differences(&[&plain, &network]),
            [("method.reparameterization".to_owned(), vec![Some(json!(false)), Some(json!(true))])]
        );
        assert_eq!(keys(&[&plain, &network, &wide]), ["method.reparameterization", "method.reparameterization.width"]);
        let lora = run("d", &[("method", json!({"type": "lora"}))]);
        assert_eq!(keys(&[&plain, &lora]), ["method.type"], "length and rank follow from the method");
        let prompt = run("p", &[("method", json!({"type": "prompt"}))]);
        assert_eq!(keys(&[&plain, &prompt]), ["method.type"], "its initial values are those of every prompt");
        let short = run("s", &[("method", json!({"type": "prompt", "n_virtual": 7}))]);
        assert!(keys(&[&plain, &short]).contains(&"method.n_virtual".to_owned()), "and its length is not");
        let cosine = run("e", &[("training.schedule", json!({"type": "polynomial", "power": 2.0}))]);
        assert_eq!(keys(&[&plain, &cosine]), ["training.schedule.type"]);
    }
}
