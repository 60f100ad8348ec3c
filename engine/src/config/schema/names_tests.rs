//! Names of other programs and of earlier versions, and what they say.

use serde_json::json;

use super::super::{Reading, default_value};
use super::*;
use crate::config::RunConfig;

/// The tree that names and their values make, one after another, in a run of a method.
fn said(method: &str, pairs: &[(&str, Value)]) -> Result<Value> {
    let mut names = Names::of_method(method);
    let mut tree = json!({ "method": { "type": method } });
    for (name, value) in pairs {
        let said = names.read(name, value.clone())?;
        said.unwrap_or_else(|| panic!("{name}")).into_iter().for_each(|(key, value)| say(&mut tree, key, value));
    }
    names.finish(&mut tree)?;
    Ok(tree)
}

fn refused(method: &str, pairs: &[(&str, Value)]) -> String {
    said(method, pairs).unwrap_err().to_string()
}

fn method_for(setting: &Setting) -> &'static str {
    match setting.methods {
        [] => "prefix",
        methods => methods[methods.len() - 1],
    }
}

#[test]
fn every_name_is_of_one_setting_and_means_the_same_in_its_table() {
    let mut names = 0;
    for setting in SETTINGS {
        for alias in setting.aliases {
            let method = method_for(setting);
            let theirs = match alias.reading {
                Reading::Words(words) => json!(words[0].theirs),
                Reading::Switch | Reading::IfTrue(_) | Reading::OnlyTrue(_) => json!(true),
                Reading::Modules => json!(["c_attn"]),
                Reading::Tokens => json!([1, 2]),
                Reading::Steps => json!(3),
                _ => default_value(setting).filter(|value| !value.is_null()).unwrap_or(json!(3)),
            };
            let table = setting.key.split('.').next().unwrap();
            let within =
                if setting.key.contains('.') { format!("{table}.{}", alias.name) } else { alias.name.to_owned() };
            let read = |name: &str| {
                let mut names = Names::of_method(method);
                names.read(name, theirs.clone()).unwrap_or_else(|error| panic!("{name}: {error}")).is_some()
            };
            assert!(read(&within), "{within}");
            let takes = Setting::find(&within).is_some_and(|own| own.key != setting.key);
            assert!(!takes, "{within} is another setting");
            if !setting.key.starts_with("lora.") {
                assert!(read(alias.name), "{}", alias.name);
            }
            assert!(unmatched(alias.name).is_none(), "{}", alias.name);
            names += 1;
        }
    }
    assert!(names > 50, "{names}");
    for unmatched in UNMATCHED {
        assert!(Setting::find(unmatched.name).is_none(), "{}", unmatched.name);
        if let super::super::Why::Instead(keys) = unmatched.why {
            keys.iter()
                .filter(|key| !key.starts_with("--"))
                .for_each(|key| assert!(Setting::find(key).is_some(), "{key}"));
        }
    }
}

#[test]
fn what_a_word_says_is_a_run() {
    for setting in SETTINGS {
        for alias in setting.aliases {
            let Reading::Words(words) = alias.reading else { continue };
            for word in words {
                let tree = said(
                    if alias.name == "init_weights" {
                        "prefix"
                    } else if alias.name.starts_with("prompt") {
                        "prompt"
                    } else {
                        method_for(setting)
                    },
                    &[("method.init.text", json!("a")), (alias.name, json!(word.theirs))]
                        [usize::from(word.needs.is_none())..],
                );
                let mut tree = tree.unwrap_or_else(|error| panic!("{} = {}: {error}", alias.name, word.theirs));
                if at(&tree, "method.encoder") == Some(&json!(true)) {
                    put(&mut tree, "method.encoder", json!({}));
                }
                put(&mut tree, "model", json!("m"));
                put(&mut tree, "data.train", json!("t"));
                let config: RunConfig = serde_json::from_value(tree)
                    .unwrap_or_else(|error| panic!("{} = {}: {error}", alias.name, word.theirs));
                config.check().unwrap();
            }
        }
    }
}

#[test]
fn values_that_mean_something_else_are_converted() {
    let is = |method: &str, pairs: &[(&str, Value)], key: &str, value: Value| {
        assert_eq!(at(&said(method, pairs).unwrap(), key), Some(&value), "{pairs:?}");
    };
    is("prefix", &[("max_steps", json!(-1))], "training.steps", json!(0));
    is("prefix", &[("max_steps", json!(7))], "training.steps", json!(7));
    is("prefix", &[("max_grad_norm", json!(0.0))], "training.max_grad_norm", json!("none"));
    is("prefix", &[("max_grad_norm", json!(0.5))], "training.max_grad_norm", json!(0.5));
    is("prefix", &[("warmup_steps", json!(0.06))], "training.warmup_ratio", json!(0.06));
    is("prefix", &[("warmup_steps", json!(10))], "training.warmup_steps", json!(10));
    is("prefix", &[("lr_scheduler_type", json!("constant"))], "training.warmup_ratio", json!(0));
    is("prefix", &[("lr_scheduler_type", json!("constant"))], "training.warmup_steps", json!(0));
    is("prefix", &[("lr_scheduler_type", json!("cosine_with_restarts"))], "training.schedule.cycles", json!(1));
    is("prefix", &[("fp16", json!(false)), ("bf16", json!(true))], "precision", json!("bf16"));
    is("lora", &[("init_lora_weights", json!(true))], "method.init.type", json!("fresh"));
    is("lora", &[("target_modules", json!("all-linear"))], "method.targets", json!(["all-linear"]));
    is("lora", &[("target_modules", json!(".*attn.*"))], "method.targets", json!([".*attn.*"]));
    is("lora", &[("trainable_token_indices", json!([7]))], "method.trained_tokens", json!({ "": [7] }));
    let network = [("prefix_projection", json!(true)), ("encoder_hidden_size", json!(64))];
    is("prefix", &network, "method.reparameterization.width", json!(64));
    let encoder = [("encoder_hidden_size", json!(64)), ("encoder_reparameterization_type", json!("LSTM"))];
    is("prompt", &encoder, "method.encoder.width", json!(64));
    is("prompt", &encoder, "method.encoder.type", json!("lstm"));
    // A table of PEFT has every key, most without a value.
    let said_nothing = said("lora", &[("modules_to_save", Value::Null), ("use_dora", json!(false))]).unwrap();
    assert_eq!(said_nothing, json!({ "method": { "type": "lora" } }));
}

#[test]
fn values_that_are_not_computed_are_refused_by_name() {
    for (method, pairs, words) in [
        (
            "prefix",
            &[("lr_scheduler_type", json!("reduce_lr_on_plateau"))][..],
            "lr_scheduler_type: reduce_lr_on_plateau is none of",
        ),
        ("prefix", &[("optim", json!("lion_8bit"))], "optim: lion_8bit is none of"),
        ("prefix", &[("optim", json!("adafactor")), ("adam_beta1", json!(0.9))], "adam_beta1: is for adamw, adam"),
        ("prefix", &[("optim", json!("sgd")), ("adam_epsilon", json!(1e-8))], "adam_epsilon: is for"),
        ("prefix", &[("eval_steps", json!(0.1))], "eval_steps: must be a whole number"),
        ("prefix", &[("save_steps", json!(0))], "save_steps: must be a whole number"),
        ("prefix", &[("logging_steps", json!(10))], "logging_steps: every step is kept"),
        ("prefix", &[("early_stopping_threshold", json!(0.1))], "early_stopping_threshold"),
        (
            "prefix",
            &[("encoder_hidden_size", json!(64))],
            "encoder_hidden_size: says nothing without prefix_projection",
        ),
        (
            "prompt",
            &[("prompt_tuning_init", json!("TEXT"))],
            "prompt_tuning_init: says nothing without method.init.text",
        ),
        ("prefix", &[("r", json!(8))], "r: is for lora, and method.type is prefix"),
        ("prefix", &[("lora_dropout", json!(0.1))], "lora_dropout: is for lora"),
        ("lora", &[("init_lora_weights", json!("pissa"))], "init_lora_weights: pissa is none of"),
        ("lora", &[("init_lora_weights", json!(false))], "init_lora_weights: false is none of"),
        ("lora", &[("target_modules", json!("q_proj"))], "target_modules: a text is a pattern"),
        ("lora", &[("use_dora", json!(true))], "use_dora: is not computed here"),
        ("prefix", &[("token_dim", json!(768))], "token_dim: follows from the model"),
        ("prefix", &[("fp16", json!("yes"))], "fp16: yes is none of"),
        ("prompt", &[("peft_type", json!("CPT"))], "peft_type: CPT is none of"),
    ] {
        let error = refused(method, pairs);
        assert!(error.starts_with(words), "{error}");
    }
}

#[test]
fn what_is_said_twice_has_to_be_the_same() {
    let twice = |a: (&str, Value), b: (&str, Value)| said("prefix", &[a, b]);
    assert!(twice(("training.batch_size", json!(8)), ("per_device_train_batch_size", json!(8))).is_ok());
    assert!(twice(("training.epochs", json!(3)), ("num_train_epochs", json!(3.0))).is_ok());
    let error = refused("prefix", &[("training.batch_size", json!(8)), ("per_device_train_batch_size", json!(4))]);
    assert_eq!(
        error,
        "training.batch_size: is said twice: by training.batch_size (8) and by per_device_train_batch_size (4)"
    );
    for (a, b) in [
        (("fp16", json!(true)), ("bf16", json!(true))),
        (("lr_scheduler_type", json!("constant")), ("warmup_steps", json!(10))),
        (("training.accumulation", json!(2)), ("training.gradient_accumulation", json!(3))),
        (("prefix_projection", json!(false)), ("method.reparameterization.width", json!(3))),
        (("encoder_hidden_size", json!(3)), ("prefix_projection", json!(false))),
    ] {
        assert!(twice(a.clone(), b.clone()).unwrap_err().to_string().contains("is said twice"), "{a:?} {b:?}");
    }
    // The same name again is a change of mind.
    assert!(twice(("training.batch_size", json!(8)), ("training.batch_size", json!(4))).is_ok());
}

#[test]
fn names_of_earlier_versions_are_read() {
    let tree = json!({
        "method": { "type": "text", "shots": 2 },
        "lora": { "rank_stabilised": true },
        "training": { "accumulation": 2, "clip_norm": "none", "warmup_share": 0.1, "checkpoint_every": 5 },
        "unknown": { "kept": 1 },
    });
    let read = Names::of_method("few_shot").read_tree(tree).unwrap();
    assert_eq!(
        read,
        json!({
            "method": { "type": "few_shot", "shots": 2 },
            "lora": { "rank_stabilized": true },
            "training": { "gradient_accumulation": 2, "max_grad_norm": "none", "warmup_ratio": 0.1, "save_every": 5 },
            "unknown": { "kept": 1 },
        })
    );
    let tree = json!({ "method": { "reparameterisation": { "width": 3 } } });
    let read = Names::default().read_tree(tree).unwrap();
    assert_eq!(read, json!({ "method": { "reparameterization": { "width": 3 } } }));
    assert_eq!(method_of(&json!({ "method": "text" })).as_deref(), Some("few_shot"));
    assert_eq!(method_of(&json!({ "peft_type": "P_TUNING" })).as_deref(), Some("prompt"));
    for setting in SETTINGS {
        let old = setting.formerly.map(|name| format!("{}.{name}", setting.table()));
        assert!(old.is_none_or(|old| current(&old) == setting.key), "{}", setting.key);
    }
}
