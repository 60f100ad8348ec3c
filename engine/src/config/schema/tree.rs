//! Trees of settings, by dotted path.

use serde_json::{Map, Value};

use super::Setting;

/// The value at a dotted path.
pub fn at<'a>(tree: &'a Value, key: &str) -> Option<&'a Value> {
    key.split('.').try_fold(tree, |place, part| place.get(part))
}

/// Puts a value at a dotted path. Tables on the way are made; what is no table on the way is replaced, and a name there is
/// the table's type.
pub fn put(tree: &mut Value, key: &str, value: Value) {
    let mut place = tree;
    let mut above = String::new();
    for part in key.split('.') {
        if !place.is_object() {
            let named = place.is_string() && Setting::find(&format!("{above}.type")).is_some();
            let name = place.take();
            *place = Value::Object(Map::new());
            if named {
                place["type"] = name;
            }
        }
        above = if above.is_empty() { part.to_owned() } else { format!("{above}.{part}") };
        place = &mut place[part];
    }
    *place = value;
}
