//! Tables of several kinds in their short forms.

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A table with a `type`, a table that is of the usual type because it does not say, or the type alone.
pub(super) fn tagged<'de, D: Deserializer<'de>, T: DeserializeOwned>(
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
    serde_json::from_value(value).map_err(D::Error::custom)
}
