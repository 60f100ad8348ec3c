//! Runs of experiments: which, in what order, under what names, and what is refused.

use serde_json::json;

use super::super::{axes, axes_beside};
use super::*;

fn experiment(base: Value, vary: Value) -> Experiment {
    let axes = axes_beside(&base, &vary).unwrap();
    Experiment { name: "lengths".to_owned(), base, axes, strategy: Strategy::Grid, first: None }
}

fn members(base: Value, vary: Value) -> Vec<Member> {
    experiment(base, vary).members().unwrap_or_else(|error| panic!("{error}"))
}

fn names(members: &[Member]) -> Vec<&str> {
    members.iter().map(|member| member.name.as_str()).collect()
}

fn refused(base: Value, vary: Value) -> String {
    experiment(base, vary).members().unwrap_err().to_string()
}

fn complete() -> Value {
    json!({ "model": "/models/tiny", "data": { "train": "/rows.jsonl" } })
}

#[test]
fn axes_are_crossed_and_later_ones_vary_fastest() {
    let all = members(complete(), json!({ "method": { "n_virtual": [5, 20] }, "seed": [1, 2, 3] }));
    let wanted = ["5 · seed 1", "5 · seed 2", "5 · seed 3", "20 · seed 1", "20 · seed 2", "20 · seed 3"];
    assert_eq!(names(&all), wanted.map(|name| format!("n_virtual {name}")));
    let last = &all[5];
    assert_eq!(last.values, [("method.n_virtual".to_owned(), json!(20)), ("seed".to_owned(), json!(3))]);
    assert_eq!(at(&last.settings, "method"), Some(&json!({ "n_virtual": 20, "type": "prefix" })));
    assert_eq!(
        (at(&last.settings, "seed"), at(&last.settings, "model")),
        (Some(&json!(3)), Some(&json!("/models/tiny")))
    );
    let config: RunConfig = serde_json::from_value(last.settings.clone()).unwrap();
    assert_eq!((config.method.n_virtual(), config.seed), (20, 3));
}

#[test]
fn paired_settings_are_named_together() {
    let pairs = json!([
        { "method": { "n_virtual": 5 }, "training": { "learning_rate": 1e-4 } },
        { "method": { "n_virtual": 20 }, "training": { "learning_rate": 5e-5 } },
    ]);
    let all = members(complete(), json!({ "together": pairs }));
    assert_eq!(names(&all), ["n_virtual 5 · learning_rate 1e-4", "n_virtual 20 · learning_rate 5e-5"]);
}

#[test]
fn without_axes_it_is_the_run_itself() {
    let all = members(complete(), json!({}));
    assert_eq!((names(&all), all[0].values.len()), (vec!["lengths"], 0));
    assert_eq!(all[0].settings, complete());
}

#[test]
fn another_method_takes_nothing_from_the_one_that_was_there() {
    let base = json!({ "method": { "type": "prefix", "n_virtual": 7, "dropout": 0.1 } });
    for vary in [
        json!({ "method": ["prefix", "prompt", "lora"] }),
        json!({ "method": { "type": ["prefix", "prompt", "lora"] } }),
    ] {
        let all = members(base.clone(), vary);
        assert_eq!(names(&all), ["prefix", "prompt", "lora"]);
        assert_eq!(all[0].settings, base, "the method of the base is as it says");
        assert_eq!(all[1].settings, json!({ "method": { "type": "prompt" } }));
        assert_eq!(all[2].settings, json!({ "method": { "type": "lora" } }));
    }
    let whole = members(base, json!({ "method": [{ "type": "prefix", "dropout": 0.2 }] }));
    assert_eq!(whole[0].settings, json!({ "method": { "type": "prefix", "dropout": 0.2 } }));
}

#[test]
fn what_is_said_of_every_method_is_kept_where_it_is_a_setting() {
    let base = json!({ "method": { "n_virtual": 7, "dropout": 0.1, "init": { "type": "prefill", "text": "a" } } });
    let all = members(base, json!({ "method": ["prefix", "prompt", "lora"] }));
    let init = json!({ "type": "prefill", "text": "a" });
    let prefix = json!({ "type": "prefix", "n_virtual": 7, "dropout": 0.1, "init": init });
    assert_eq!(at(&all[0].settings, "method"), Some(&prefix));
    assert_eq!(at(&all[1].settings, "method"), Some(&json!({ "type": "prompt", "n_virtual": 7 })));
    assert_eq!(at(&all[2].settings, "method"), Some(&json!({ "type": "lora", "dropout": 0.1 })));
}

#[test]
fn combinations_that_mean_the_same_are_one_run() {
    let vary =
        json!({ "method": { "type": ["prefix", "lora"], "n_virtual": [5, 20], "r": [4, 8, 16] }, "seed": [1, 2] });
    let found = experiment(complete(), vary).combined().unwrap();
    assert_eq!(found.merged, 24 - 10);
    assert_eq!(found.sentence().unwrap().to_string(), "14 combinations mean the same as others: 10 runs in all");
    let wanted = ["prefix · n_virtual 5 · seed 1", "prefix · n_virtual 5 · seed 2", "prefix · n_virtual 20 · seed 1"];
    assert_eq!(names(&found.members)[..3], wanted);
    assert_eq!(names(&found.members)[4], "lora · rank 4 · seed 1");
    let lora = found.members[4].values.iter().map(|(key, _)| key.as_str());
    assert_eq!(lora.collect::<Vec<_>>(), ["method.type", "method.rank", "seed"]);

    let found = experiment(complete(), json!({ "method": { "n_virtual": [20, 5, 5.0] } })).combined().unwrap();
    assert_eq!((names(&found.members), found.merged), (vec!["n_virtual 20", "n_virtual 5"], 1));
    let wide = json!({ "method": { "reparameterization": ["none", {}] }, "mid_dim": [8, 16] });
    let all = members(complete(), wide);
    assert_eq!(
        names(&all),
        ["reparameterization none", "reparameterization default · width 8", "reparameterization default · width 16"]
    );
}

#[test]
fn a_setting_of_one_method_leaves_the_others_as_they_are() {
    let mut base = complete();
    base["method"] = json!({ "dropout": 0.1 });
    let all =
        members(base, json!({ "method": { "type": ["prefix", "lora"], "n_virtual": [5, 20], "rank": [4, 8, 16] } }));
    let wanted = ["prefix · n_virtual 5", "prefix · n_virtual 20", "lora · rank 4", "lora · rank 8", "lora · rank 16"];
    assert_eq!(names(&all), wanted);
    assert!(all.iter().all(|member| member.settings["method"]["dropout"] == 0.1));
}

/// What a form gives: a run with every setting, of which some vary.
#[test]
fn a_whole_run_can_be_the_base() {
    let run = RunConfig::new("/models/tiny", crate::config::DataConfig::new("/rows.jsonl"));
    let base = serde_json::to_value(&run).unwrap();
    let vary = json!({
        "method": { "init": ["zero", "scaled_random"], "reparameterization": { "width": [8, 16] } },
        "training": { "schedule": ["linear", "cosine"], "optimizer": { "type": ["adamw", "sgd"] } },
    });
    let found = experiment(base.clone(), vary).combined().unwrap();
    assert_eq!((found.members.len(), found.merged), (16, 0));
    assert_eq!(found.members[0].name, "init zero · width 8 · schedule linear · optimizer adamw");
    let config: RunConfig = serde_json::from_value(found.members[15].settings.clone()).unwrap();
    assert_eq!(config.training.schedule.name(), "cosine");
    assert_eq!(config.method.prefix().and_then(|prefix| prefix.reparameterization.as_ref()?.width), Some(16));
    let methods = members(base, json!({ "method": ["prefix", "lora"] }));
    let config: RunConfig = serde_json::from_value(methods[1].settings.clone()).unwrap();
    assert_eq!(config.method, crate::config::MethodConfig::lora());
}

#[test]
fn a_setting_of_one_type_of_table_is_left_out_of_the_others() {
    let vary = json!({ "training": { "optimizer": { "type": ["adamw", "sgd"], "momentum": [0.0, 0.9] } } });
    let all = members(complete(), vary);
    assert_eq!(names(&all), ["optimizer adamw", "optimizer sgd · momentum 0", "optimizer sgd · momentum 0.9"]);
    let vary = json!({ "method": { "init": [{ "type": "zero" }, { "type": "words", "text": "x" }, "scaled_random"] }, "seed": [1] });
    assert_eq!(names(&members(complete(), vary)), ["init zero", "init words", "init scaled_random"]);
}

#[test]
fn epochs_that_vary_stand_in_place_of_the_steps_of_the_base() {
    let mut base = complete();
    base["training"] = json!({ "steps": 100, "warmup_ratio": 0.1 });
    let all = members(base, json!({ "training": { "epochs": [1, 2], "warmup_steps": [3, 4] } }));
    assert_eq!(all.len(), 4);
    assert_eq!(all[0].settings["training"], json!({ "epochs": 1.0, "warmup_steps": 3 }));
}

#[test]
fn some_are_drawn_and_the_same_each_time() {
    let mut drawn = experiment(
        complete(),
        json!({ "method": { "n_virtual": { "from": 1, "to": 50, "steps": 50 } }, "seed": [1, 2] }),
    );
    drawn.strategy = Strategy::Random { runs: 8, seed: 3 };
    let all = drawn.members().unwrap();
    assert_eq!(names(&all).iter().collect::<BTreeSet<_>>().len(), 8, "without replacement");
    assert_eq!(all, drawn.members().unwrap());
    drawn.strategy = Strategy::Halving { factor: 2, first_steps: 10, runs: Some(8), seed: 3 };
    assert_eq!(all, drawn.members().unwrap());
    drawn.strategy = Strategy::Random { runs: 8, seed: 4 };
    assert_ne!(all, drawn.members().unwrap());
    drawn.strategy = Strategy::Random { runs: 1000, seed: 4 };
    assert_eq!(drawn.members().unwrap().len(), 100, "no more than there are");
    drawn
        .axes
        .push(axes(&json!({ "training": { "steps": { "from": 1, "to": 9000, "steps": 9000 } } })).unwrap().remove(0));
    drawn.strategy = Strategy::Random { runs: 30, seed: 4 };
    assert_eq!(drawn.members().unwrap().len(), 30, "of a million");
    drawn.strategy = Strategy::Grid;
    assert!(drawn.members().unwrap_err().to_string().contains("900000 runs"));
}

#[test]
fn a_run_that_cannot_be_is_refused_by_its_name() {
    let error = refused(complete(), json!({ "method": { "n_frozen": [1, 4] , "n_virtual": [4, 8] } }));
    assert!(error.contains("method.n_frozen") && error.contains("\"n_frozen 4 · n_virtual 4\""), "{error}");
    let mut base = complete();
    base["lora"] = json!({ "rank": 4 });
    let error = refused(base, json!({ "method": ["prefix", "lora"] }));
    assert!(error.contains("stands beside a prefix") && error.contains("\"lora\""), "{error}");
    let error = refused(json!({}), json!({ "method": [{ "type": "prefix", "rank": 4 }] }));
    assert!(error.contains("\"rank\" is not known"), "{error}");
    assert!(refused(complete(), json!({ "r": [1, 2] })).contains("no run of the experiment has it: it is for lora"));
    assert!(refused(json!({ "modl": "a" }), json!({})).contains("model is the nearest"));
}

#[test]
fn axes_of_a_file_that_was_changed_by_hand_are_refused() {
    let with = |keys: &[&str], points: Value| {
        let keys = keys.iter().map(|&key| key.to_owned()).collect();
        Axis { keys, points: serde_json::from_value(points).unwrap() }
    };
    let said = |axes: Vec<Axis>, strategy| {
        Experiment { axes, strategy, ..experiment(complete(), json!({})) }.members().unwrap_err().to_string()
    };
    let seed = with(&["seed"], json!([[1], [2]]));
    assert!(said(vec![seed.clone(), seed.clone()], Strategy::Grid).contains("varies twice"));
    let method = [with(&["method"], json!([["lora"]])), with(&["method.type"], json!([["lora"]]))];
    assert!(said(method.to_vec(), Strategy::Grid).contains("varies twice"));
    assert!(said(vec![with(&["seed"], json!([[1, 2]]))], Strategy::Grid).contains("a value for every setting"));
    assert!(said(vec![with(&["seed"], json!([]))], Strategy::Grid).contains("a value for every setting"));
    assert!(said(vec![with(&["sed"], json!([[1]]))], Strategy::Grid).contains("seed is the nearest"));
    assert!(said(vec![with(&["seed"], json!([[-1]]))], Strategy::Grid).contains("0 or more"));
    let halving = |factor, first_steps, runs| Strategy::Halving { factor, first_steps, runs, seed: 0 };
    assert!(said(vec![seed.clone()], halving(1, 5, None)).contains("strategy.factor"));
    assert!(said(vec![seed.clone()], halving(2, 0, None)).contains("strategy.first_steps"));
    assert!(said(vec![seed.clone()], halving(2, 5, Some(0))).contains("strategy.runs"));
    assert!(said(vec![seed], Strategy::Random { runs: 0, seed: 0 }).contains("strategy.runs"));
}
