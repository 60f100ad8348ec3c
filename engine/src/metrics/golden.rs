//! Golden figures for the tests of this room: `tests/golden/metrics.py` makes them with the reference implementations.

use std::path::Path;

use serde_json::Value;

/// Those of answers, classes, entities, ranks and likelihoods.
pub(super) fn other() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/metrics/other.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Fails unless a figure is the golden one.
#[track_caller]
pub(super) fn close(figure: f64, wanted: &Value, name: &str) {
    let wanted = wanted.as_f64().unwrap_or_else(|| panic!("{name}: {wanted}"));
    assert!((figure - wanted).abs() < 1e-9 * wanted.abs().max(1.0), "{name}: {figure} and not {wanted}");
}
