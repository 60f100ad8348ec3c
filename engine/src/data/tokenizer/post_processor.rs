//! The tokens that stand around a text or a pair of texts, in the form of `tokenizer.json`.

use serde_json::{Value, json};

/// A place in a text as the model gets it, with its token type.
#[derive(Clone, Debug)]
pub(super) enum Part {
    /// The text, or the first of two.
    A(u32),
    /// The second of two.
    B(u32),
    /// A special token with its id.
    Token(String, u32, u32),
}

/// A post-processor that puts a text, or two, in its place.
pub(super) fn around(single: &[Part], pair: &[Part]) -> Value {
    let mut special = serde_json::Map::new();
    for part in single.iter().chain(pair) {
        if let Part::Token(text, id, _) = part {
            special.insert(text.clone(), json!({"id": text, "ids": [id], "tokens": [text]}));
        }
    }
    let written = |parts: &[Part]| parts.iter().map(Part::json).collect::<Vec<_>>();
    json!({"type": "TemplateProcessing", "single": written(single), "pair": written(pair), "special_tokens": special})
}

impl Part {
    fn json(&self) -> Value {
        match self {
            Self::A(type_id) => json!({"Sequence": {"id": "A", "type_id": type_id}}),
            Self::B(type_id) => json!({"Sequence": {"id": "B", "type_id": type_id}}),
            Self::Token(text, _, type_id) => json!({"SpecialToken": {"id": text, "type_id": type_id}}),
        }
    }
}
