//! The solution of a head beside numpy's and scipy's.

use std::path::Path;

use serde::Deserialize;

use super::*;

/// What numpy and scipy make of a head: `tests/golden/shorter.py`.
#[derive(Deserialize)]
struct Golden {
    d_head: usize,
    slots: usize,
    keys: Vec<f32>,
    values: Vec<f32>,
    before: Vec<f32>,
    after: Vec<f32>,
    chosen: Vec<usize>,
    fitted_keys: Vec<f64>,
    fitted_values: Vec<f64>,
    error: [f64; 2],
}

fn golden() -> Vec<Golden> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/shorter.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn head(case: &Golden) -> Head<'_> {
    let Golden { d_head, keys, values, before, after, .. } = case;
    Head { d_head: *d_head, keys, values, before, after }
}

#[test]
fn fewer_keys_and_values_are_those_of_numpy_and_scipy() {
    let cases = golden();
    assert!(cases.len() >= 3);
    for case in cases {
        let found = head(&case).fitted(case.slots);
        assert_eq!(found.chosen, case.chosen);
        let far = |ours: &[f64], theirs: &[f64]| {
            assert_eq!(ours.len(), theirs.len());
            ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
        };
        assert!(far(&found.keys, &case.fitted_keys) < 1e-6);
        assert!(far(&found.values, &case.fitted_values) < 1e-6);
        assert!(far(&found.error, &case.error) < 1e-6);
    }
}

#[test]
fn all_keys_under_the_same_queries_stay_as_they_are() {
    let case = &golden()[0];
    let all = Head { after: &case.before, ..head(case) };
    let n = case.keys.len() / case.d_head;
    let found = all.fitted(n);
    let far = |ours: &[f64], theirs: &[f32]| {
        ours.iter().zip(theirs).map(|(a, b)| (a - f64::from(*b)).abs()).fold(0.0, f64::max)
    };
    assert!(far(&found.keys, &case.keys) < 1e-9 && far(&found.values, &case.values) < 1e-9);
    assert!(found.error.iter().all(|&error| error < 1e-9), "{:?}", found.error);
}
