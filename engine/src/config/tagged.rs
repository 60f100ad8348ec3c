//! Tables of several kinds: their short forms, and what they may have.

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// A table with a `type`, a table that is of the usual type because it does not say, or the type alone.
pub(super) fn tagged<'de, D: Deserializer<'de>, T: DeserializeOwned + Serialize>(
    deserializer: D,
    usual: &str,
) -> Result<T, D::Error> {
    let mut value = Value::deserialize(deserializer)?;
    if value.is_string() {
        value = serde_json::json!({ "type": value });
    } else if let Value::Object(table) = &mut value
        && !table.contains_key("type")
    {
        table.insert("type".to_owned(), usual.into());
    }
    read(value).map_err(D::Error::custom)
}

/// A table with a `type`, and nothing that its type does not have: of a type without settings serde would overlook it.
pub(super) fn whole<'de, D: Deserializer<'de>, T: DeserializeOwned + Serialize>(
    deserializer: D,
) -> Result<T, D::Error> {
    read(Value::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn read<T: DeserializeOwned + Serialize>(value: Value) -> serde_json::Result<T> {
    let read: T = serde_json::from_value(value.clone())?;
    let known = serde_json::to_value(&read)?;
    match value.as_object().into_iter().flatten().find(|(key, _)| known.get(key).is_none()) {
        None => Ok(read),
        Some((key, _)) => {
            let kind = known.get("type").and_then(Value::as_str).unwrap_or_default();
            Err(serde_json::Error::custom(format!("unknown field `{key}`, {kind} has no such setting")))
        }
    }
}
