//! What varies is read as it is written or typed: whatever it says, it is axes or a sentence.

use std::collections::BTreeSet;

use engine::config::RunConfig;
use engine::config::schema::{Kind, SETTINGS, Setting};
use engine::experiment::{Experiment, Strategy as Chosen, axes, typed};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Trees such as a file may hold.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z0-9._ ,-]{0,12}".prop_map(Value::from),
        Just(json!("lora")),
        Just(json!(1e-3)),
    ];
    let names = prop_oneof![
        prop::sample::select(SETTINGS.iter().map(|setting| setting.name().to_owned()).collect::<Vec<_>>()),
        prop::sample::select(
            ["method", "training", "data", "from", "to", "steps", "scale", "together", "peft_type", "lr"]
                .map(str::to_owned)
                .to_vec()
        ),
        "[a-z_.]{0,8}",
    ];
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..5)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// The points of an axis of one setting.
fn points(text: &str, key: &str) -> Vec<Value> {
    typed(key, text).unwrap().unwrap().points.into_iter().map(|mut point| point.remove(0)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_that_is_typed_panics(text in "[-0-9a-z.,/ e\\[\\]\"…，、]{0,24}|\\PC{0,24}", at in 0..SETTINGS.len()) {
        if let Ok(Some(axis)) = typed(SETTINGS[at].key, &text) {
            prop_assert!(!axis.points.is_empty() && axis.points.iter().all(|point| point.len() == axis.keys.len()));
        }
    }

    #[test]
    fn no_tree_panics_and_its_axes_are_whole(vary in anything(), base in anything()) {
        if let Ok(axes) = axes(&vary) {
            for axis in &axes {
                prop_assert!(!axis.points.is_empty() && axis.points.iter().all(|point| point.len() == axis.keys.len()));
                prop_assert!(axis.keys.iter().all(|key| Setting::find(key).is_some()));
            }
            let (name, strategy) = (String::new(), Chosen::Random { runs: 3, seed: 1 });
            drop(Experiment { name, base, axes, strategy, first: None }.members());
        }
    }

    #[test]
    fn a_list_of_n_values_gives_n_points(lengths in prop::collection::vec(1_u64..4096, 2..20)) {
        let text: Vec<String> = lengths.iter().map(u64::to_string).collect();
        let wanted: Vec<Value> = lengths.iter().map(|&length| length.into()).collect();
        prop_assert_eq!(points(&text.join(", "), "method.n_virtual"), wanted.clone());
        let read = axes(&json!({ "method": { "n_virtual": lengths } })).unwrap();
        prop_assert_eq!(read[0].points.concat(), wanted);
    }

    #[test]
    fn a_range_has_exact_ends_and_points_in_order(from in 1e-9_f64..1.0, factor in 1.1_f64..1e6, steps in 2_u64..200, log in any::<bool>()) {
        let to = (from * factor).min(999.0);
        let scale = if log { "log" } else { "linear" };
        let all = points(&format!("{from} .. {to} / {steps} {scale}"), "training.learning_rate");
        let numbers: Vec<f64> = all.iter().filter_map(Value::as_f64).collect();
        prop_assert_eq!((numbers.first(), numbers.last(), numbers.len() as u64), (Some(&from), Some(&to), steps));
        prop_assert!(numbers.is_sorted_by(|a, b| a < b));
        let range = json!({ "from": from, "to": to, "steps": steps, "scale": scale });
        prop_assert_eq!(axes(&json!({ "training": { "learning_rate": range } })).unwrap()[0].points.concat(), all);
    }

    #[test]
    fn a_range_of_whole_numbers_has_each_once(from in 0_u64..5000, to in 0_u64..5000, steps in 2_u64..200) {
        let all = points(&format!("{from}..{to}/{steps}"), "seed");
        let numbers: Vec<u64> = all.iter().filter_map(Value::as_u64).collect();
        prop_assert_eq!(numbers.len(), all.len());
        prop_assert_eq!((numbers.first(), numbers.last()), (Some(&from), Some(&to)));
        prop_assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), numbers.len());
    }

    #[test]
    fn rungs_rise_by_evaluations_and_leave_someone(
        factor in 0_usize..9, first_steps in 0_usize..5000, runs in 0_usize..300, total in 0_usize..20_000, every in 0_usize..700,
    ) {
        let rungs = Chosen::Halving { factor, first_steps, runs: None, seed: 0 }.rungs(runs, total, every);
        let between = if every > 0 { every } else { total.div_ceil(10).max(1) };
        let mut left = runs;
        prop_assert!(rungs.is_sorted_by(|a, b| a.0 < b.0));
        for (step, survivors) in rungs {
            prop_assert!(step % between == 0 && step >= first_steps && step < total);
            prop_assert!(survivors >= 1 && survivors < left);
            left = survivors;
        }
    }
}

/// Every setting that has more than one value can vary.
#[test]
fn every_setting_of_a_run_can_vary() {
    for setting in SETTINGS.iter().filter(|setting| setting.key != "name") {
        let values = match setting.kind {
            Kind::Text | Kind::Words | Kind::Path => json!(["a", "b"]),
            Kind::Flag => json!([true, false]),
            Kind::Count(least, _) => json!([least, least + 1]),
            Kind::Number(..) => json!([0.5]),
            Kind::Choice(words) => json!(words),
            Kind::Entries(_) => json!([[], {}]),
            Kind::Table => json!([{}]),
        };
        let values = if setting.key == "training.optimizer.decay_rate" { json!([-0.8]) } else { values };
        let vary = setting.key.rsplit('.').fold(values, |below, part| json!({ part: below }));
        let read = axes(&vary).unwrap_or_else(|error| panic!("{}: {error}", setting.key));
        assert_eq!(read[0].keys, [setting.key]);
    }
}

/// The paper's question in one file: runs are whole configurations with the method's own settings.
#[test]
fn runs_of_several_methods_are_whole_configurations() {
    let vary = json!({
        "method": [{ "type": "prefix", "n_virtual": 5 }, { "type": "lora", "r": 4 }, { "type": "full", "top_layers": 2 }],
        "data": { "train_rows": [50, 100] },
        "seed": { "from": 1, "to": 3, "steps": 3 },
    });
    let base = json!({ "model": "/m", "data": { "train": "/d.jsonl" }, "training": { "steps": 20 } });
    let experiment = Experiment {
        name: "low data".to_owned(),
        base,
        axes: axes(&vary).unwrap(),
        strategy: Chosen::Grid,
        first: None,
    };
    let members = experiment.members().unwrap();
    assert_eq!(members.len(), 18);
    assert_eq!(members[4].name, "prefix · train_rows 100 · seed 2");
    assert_eq!(members.iter().map(|member| &member.name).collect::<BTreeSet<_>>().len(), 18);
    for member in &members {
        let config: RunConfig = serde_json::from_value(member.settings.clone()).unwrap();
        config.check().unwrap();
        assert!(member.name.starts_with(config.method.name()));
    }
}
