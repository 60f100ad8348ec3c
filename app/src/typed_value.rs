//! Values of settings as people type them: by `--set`, and in the form of a new run.

use engine::config::schema::Kind;
use serde_json::Value;

/// As TOML reads it where that makes sense; quotes are not needed.
pub fn read_value(kind: Kind, text: &str) -> Value {
    let trimmed = text.trim();
    let quoted = trimmed.len() >= 2 && (trimmed.starts_with('"') || trimmed.starts_with('\''));
    let as_is = || Value::String(text.to_owned());
    let text = trimmed;
    let as_toml = || text.parse::<toml::Value>().ok().and_then(|value| serde_json::to_value(value).ok());
    let as_text = || Value::String(text.to_owned());
    match kind {
        Kind::Words if quoted => as_toml().unwrap_or_else(as_is),
        Kind::Words => as_is(),
        Kind::Text | Kind::Path if !quoted => as_text(),
        _ => as_toml().unwrap_or_else(as_text),
    }
}

/// A value as it is typed; nothing where there is none.
pub fn written(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => toml::Value::try_from(other).map_or_else(|_| other.to_string(), |value| value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for (kind, value) in [
            (Kind::Count(0, 9), json!(7)),
            (Kind::Flag, json!(true)),
            (Kind::Text, json!("a b")),
            (Kind::Entries("names"), json!(["h.11.*", "a, b"])),
            (Kind::Entries("datasets"), json!([{ "train": "a.csv", "name": "a" }])),
            (Kind::Entries("names = ranks"), json!({ "c_attn": 4, "mlp.c_fc": 2 })),
        ] {
            assert_eq!(read_value(kind, &written(&value)), value);
        }
        assert_eq!(written(&Value::Null), "");
    }
}
