//! Frequencies against those that transformers' `ROPE_INIT_FUNCTIONS` make of the same settings.

use std::path::Path;

use serde_json::{Value, json};

use super::*;

fn read(options: Value) -> RopeSettings {
    RopeSettings::read(&ConfigFile::new(options, Path::new("config.json"))).unwrap()
}

fn fixed(found: &Frequencies) -> &[f32] {
    let FrequencyKind::Fixed(frequencies) = &found.kind else { panic!("they are fixed: {found:?}") };
    frequencies
}

#[track_caller]
fn assert_close(found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((f64::from(*found) - expected).abs() < 1e-6 * expected, "{found} is not {expected}");
    }
}

#[test]
fn yarn_is_the_references() {
    let of = |max: usize, changes: Value| {
        let mut rope = json!({ "rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0 });
        rope["original_max_position_embeddings"] = json!(64);
        for (key, value) in changes.as_object().into_iter().flatten() {
            rope[key] = value.clone();
        }
        let settings = read(json!({ "max_position_embeddings": max, "rope_parameters": rope }));
        settings.check("llama", 12).unwrap();
        settings.frequencies(12)
    };
    let plain = of(64, json!({}));
    let expected = [1.0, 0.134_652_15, 0.011_603_971, 0.002_5, 0.000_538_608_58, 0.000_116_039_737];
    assert_close(fixed(&plain), &expected);
    assert_close(&[plain.attention_factor], &[1.138_629_436_111_989]);
    let said =
        of(256, json!({ "beta_fast": 8.0, "beta_slow": 2.0, "mscale": 1.0, "mscale_all_dim": 0.8, "truncate": false }));
    let expected = [1.0, 0.064_677_625_9, 0.011_603_971, 0.002_5, 0.000_538_608_58, 0.000_116_039_737];
    assert_close(fixed(&said), &expected);
    assert_close(&[said.attention_factor], &[1.024_957_960_796_766_8]);
    let found = of(256, json!({ "factor": null, "attention_factor": 0.7 }));
    assert_close(fixed(&found), fixed(&plain).iter().map(|&x| f64::from(x)).collect::<Vec<_>>().as_slice());
    assert_close(&[found.attention_factor], &[0.7]);
}

#[test]
fn longrope_is_the_references() {
    let of = |changes: Value| {
        let mut rope = json!({
            "type": "longrope", "short_factor": [1.0, 1.1, 1.2, 1.3, 1.4, 1.5],
            "long_factor": [1.0, 2.0, 4.0, 8.0, 16.0, 32.0],
        });
        for (key, value) in changes.as_object().into_iter().flatten() {
            rope[key] = value.clone();
        }
        let options = json!({
            "max_position_embeddings": 256, "original_max_position_embeddings": 64, "rope_scaling": rope,
            "rope_theta": 10000.0,
        });
        let settings = read(options);
        settings.check("phi3", 12).unwrap();
        settings.frequencies(12)
    };
    let Frequencies { kind: FrequencyKind::ByLength { short, long, original }, attention_factor } = of(json!({}))
    else {
        panic!("they follow from the length")
    };
    assert_eq!(original, 64);
    assert_close(&short, &[1.0, 0.195_857_69, 0.038_679_901_5, 0.007_692_307_7, 0.001_538_881_57, 0.000_309_439_32]);
    assert_close(&long, &[1.0, 0.107_721_72, 0.011_603_971, 0.001_25, 0.000_134_652_15, 1.450_496_7e-5]);
    assert_close(&[attention_factor], &[1.154_700_538_379_251_7]);
    assert_close(&[of(json!({ "factor": 9.0 })).attention_factor], &[1.236_252_738_550_543_8]);
}

#[test]
fn a_scaling_that_lacks_something_is_refused_by_name() {
    let long = |short: Value, long: Value| json!({ "type": "longrope", "short_factor": short, "long_factor": long });
    let cases = [
        (json!({ "rope_type": "proportional" }), "rope_type = proportional"),
        (json!({ "rope_type": "linear" }), "rope_type = linear"),
        (json!({ "rope_type": "dynamic", "factor": 0.0 }), "rope_type = dynamic"),
        (json!({ "rope_type": "llama3", "factor": 4.0 }), "rope_type = llama3"),
        (json!({ "rope_type": "yarn", "factor": 4.0, "rope_theta": 1.0 }), "rope_type = yarn"),
        (long(json!([1.0, 1.0]), Value::Null), "long_factor = null"),
        (long(json!([1.0, 1.0, 1.0]), json!([1.0, 1.0])), "short_factor = [1.0, 1.0, 1.0]"),
        (long(json!([1.0, 1.0]), json!([1.0, -1.0])), "long_factor = [1.0, -1.0]"),
        (json!({ "full_attention": { "rope_type": "default" } }), "rope_parameters = { full_attention: … }"),
    ];
    for (rope, said) in cases {
        let settings = read(json!({ "max_position_embeddings": 64, "rope_parameters": rope }));
        let error = settings.check("llama", 4).expect_err(said).to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn a_text_may_be_as_long_as_its_scaling_was_made_for() {
    let of = |rope: Value| read(json!({ "max_position_embeddings": 64, "rope_scaling": rope })).n_positions(64);
    assert_eq!(of(json!({ "type": "dynamic", "factor": 2.5 })), 160);
    assert_eq!(of(json!({ "type": "yarn", "factor": 4.0 })), 256);
    let whole = json!({ "type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16 });
    assert_eq!(of(whole), 64, "the positions of the file are the stretched ones already");
    assert_eq!(of(json!({ "type": "linear", "factor": 4.0 })), 64);
}

#[test]
fn kinds_of_layers_turn_differently_in_either_form() {
    let of = |options: Value| {
        let file = ConfigFile::new(options, Path::new("config.json"));
        RopeSettings::read_by_kind(&file, "gemma3_text", [1e6, 5e3])
    };
    let base = |of: &RopeSettings| fixed(&of.frequencies(4))[1].powi(-2);
    let close = |a: f32, b: f32| (a - b).abs() < 1e-5 * b;
    let [global, local] = of(json!({ "rope_scaling": { "rope_type": "linear", "factor": 8.0 } })).unwrap();
    assert_eq!((global.kind(), local.kind()), ("linear", "default"));
    assert!(close(base(&global), 64e6) && close(base(&local), 5e3), "{} {}", base(&global), base(&local));
    let [global, _] = of(json!({ "rope_theta": 300.0 })).unwrap();
    assert!(close(base(&global), 300.0));
    let newer = json!({
        "full_attention": { "rope_type": "linear", "factor": 2.0, "rope_theta": 100.0 },
        "sliding_attention": { "rope_type": "default", "rope_theta": 50.0 },
    });
    let [global, local] = of(json!({ "rope_parameters": newer })).unwrap();
    assert!(close(base(&global), 400.0) && close(base(&local), 50.0));
    let error = of(json!({ "rope_parameters": { "rope_type": "default", "rope_theta": 5.0 } })).unwrap_err();
    assert!(error.to_string().contains("rope_parameters = { rope_type: … }"), "{error}");
}
