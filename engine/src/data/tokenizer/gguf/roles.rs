//! Which tokens begin, end and pad a text, whether they stand around it, and the chat templates: what other models have in
//! `tokenizer_config.json`.

use serde_json::{Map, Value, json};

use super::super::special::ROLES;
use super::fields::Fields;
use super::vocabulary::{Kind, Vocabulary};
use crate::error::Result;

/// The keys of the roles. The third is spelled so in every file.
const KEYS: [(&str, &str); ROLES.len()] = [
    ("bos", "tokenizer.ggml.bos_token_id"),
    ("eos", "tokenizer.ggml.eos_token_id"),
    ("sep", "tokenizer.ggml.seperator_token_id"),
    ("unk", "tokenizer.ggml.unknown_token_id"),
    ("pad", "tokenizer.ggml.padding_token_id"),
    ("cls", "tokenizer.ggml.cls_token_id"),
    ("mask", "tokenizer.ggml.mask_token_id"),
];

/// The form of `tokenizer_config.json`, of what the metadata says. `usual` are the ids that llama.cpp takes for roles that
/// the file does not name; one counts where the token is of that use.
///
/// # Errors
/// A token is not in the vocabulary, or a value of another type.
pub(super) fn config(
    fields: Fields<'_>,
    vocabulary: &Vocabulary<'_>,
    usual: &[(&str, usize)],
) -> Result<Map<String, Value>> {
    let mut config = Map::new();
    let is_of_use = |id: &usize| matches!(vocabulary.kinds.get(*id), Some(Kind::Control | Kind::Unknown));
    for (role, key) in KEYS {
        let usual = usual.iter().find(|(of, _)| *of == role).map(|(_, id)| *id).filter(is_of_use);
        let id = fields.id(key, vocabulary.n_listed)?.or(usual);
        if let Some(text) = id.and_then(|id| vocabulary.texts.get(id)) {
            config.insert(format!("{role}_token"), (*text).into());
        }
    }
    for switch in ["add_bos_token", "add_eos_token"] {
        if let Some(is_on) = fields.flag(&format!("tokenizer.ggml.{switch}"))? {
            config.insert(switch.to_owned(), is_on.into());
        }
    }
    if let Some(templates) = chat_templates(fields)? {
        config.insert("chat_template".to_owned(), templates);
    }
    Ok(config)
}

/// The template, or all of them by name, the default first.
fn chat_templates(fields: Fields<'_>) -> Result<Option<Value>> {
    let default = fields.text("tokenizer.chat_template")?;
    let mut templates: Vec<Value> =
        default.iter().map(|template| json!({"name": "default", "template": template})).collect();
    for key in fields.metadata.keys() {
        if let Some(name) = key.strip_prefix("tokenizer.chat_template.") {
            templates.extend(fields.text(key)?.map(|template| json!({"name": name, "template": template})));
        }
    }
    Ok((!templates.is_empty()).then(|| templates.into()))
}
