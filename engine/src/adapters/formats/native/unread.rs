//! Keys of a file of our own that this program does not know, as a newer one may have written them.

use serde::Serialize;
use serde_json::Value;

use crate::{Sentence, sentence};

/// A sentence for each key of `json` that is not among those of what was read of it. What is `null`, `false` or empty says
/// nothing.
pub(crate) fn keys(json: &Value, read: &impl Serialize) -> Vec<Sentence> {
    let known = serde_json::to_value(read).unwrap_or_default();
    let is_off = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Bool(true) | Value::String(_) => false,
    };
    let unknown = |(key, value): &(&String, &Value)| known.get(key).is_none() && !is_off(value);
    let keys = json.as_object().into_iter().flatten().filter(unknown);
    keys.map(|(key, _)| {
        sentence!("its file says {key:?}, which this program does not know: a newer one may compute it", key)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_key_of_a_newer_program_is_named() {
        let read = json!({ "rank": 4 });
        assert!(keys(&json!({ "rank": 8, "left_out": null, "off": false }), &read).is_empty());
        assert_eq!(keys(&json!({ "rank": 8, "tomorrow": 1 }), &read).len(), 1);
    }
}
