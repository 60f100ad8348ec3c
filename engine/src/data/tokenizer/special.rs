//! Settings in the files beside a vocabulary: the class and its switches, which tokens begin, end and pad a text, and
//! which were added to it.

use std::collections::HashSet;
use std::path::Path;

use serde_json::Value;
use tokenizers::AddedToken;

use crate::error::{EngineError, Result};
use crate::file_kind::refuse_other;
use crate::files::{self, Kind};
use crate::{Sentence, sentence};

/// Roles that a token can have.
pub(super) const ROLES: [&str; 7] = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"];
/// Files that name tokens by their text, the surest first.
const BY_TEXT: [&str; 2] = ["tokenizer_config.json", "special_tokens_map.json"];
/// Files that name tokens by their id, the surest first.
const BY_ID: [&str; 2] = ["generation_config.json", "config.json"];
/// Lists of special tokens without a role.
const LISTS: [&str; 2] = ["additional_special_tokens", "extra_special_tokens"];

/// A token as a file names it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Named {
    Text(AddedToken),
    Id(u32),
}

/// Settings of a tokenizer in the files of its folder.
pub(super) struct Settings {
    by_text: [Option<Value>; 2],
    by_id: [Option<Value>; 2],
    added: Option<Value>,
    /// Tokens of the roles by the tokenizer's class, where no file names one.
    pub(super) defaults: &'static [(&'static str, &'static str)],
}

impl Settings {
    /// # Errors
    /// A file is not JSON, or cannot be read.
    pub(super) fn from_folder(folder: &Path) -> Result<Self> {
        let read = |name: &str| read_json(&folder.join(name), Kind::Settings);
        Ok(Self {
            by_text: [read(BY_TEXT[0])?, read(BY_TEXT[1])?],
            by_id: [read(BY_ID[0])?, read(BY_ID[1])?],
            added: read("added_tokens.json")?,
            defaults: &[],
        })
    }

    /// Settings that one file has, in the form of `tokenizer_config.json`.
    pub(super) fn of(config: Value) -> Self {
        Self { by_text: [Some(config), None], by_id: [None, None], added: None, defaults: &[] }
    }

    /// The tokenizer's class and the model's type, as the files name them.
    pub(super) fn class_names(&self) -> (Option<&str>, Option<&str>) {
        let [_, model] = &self.by_id;
        let model = |key: &str| model.as_ref().and_then(|file| file.get(key)?.as_str());
        let class = self.setting("tokenizer_class").and_then(Value::as_str).or_else(|| model("tokenizer_class"));
        (class, model("model_type"))
    }

    /// Sets a value of `tokenizer_config.json` that it leaves out.
    pub(super) fn default_to(&mut self, key: &str, value: &str) {
        let config = self.by_text[0].get_or_insert_with(|| Value::Object(serde_json::Map::new()));
        if let Some(config) = config.as_object_mut() {
            config.entry(key).or_insert_with(|| value.into());
        }
    }

    /// Takes a value of `tokenizer_config.json` for another one, where it is set.
    pub(super) fn name_as(&mut self, key: &str, other: &str) {
        if let Some(config) = &mut self.by_text[0]
            && let Some(value) = config.get(key).filter(|value| !value.is_null()).cloned()
        {
            config[other] = value;
        }
    }

    /// A switch of `tokenizer_config.json`; `None` when it is not set.
    pub(super) fn switch(&self, key: &str) -> Option<bool> {
        self.setting(key)?.as_bool()
    }

    /// A value of `tokenizer_config.json`.
    pub(super) fn setting(&self, key: &str) -> Option<&Value> {
        self.by_text[0].as_ref()?.get(key)
    }

    /// Every way in which a role is named, the surest first; `role` is one of [`ROLES`].
    pub(super) fn named(&self, role: &str) -> Vec<Named> {
        let key = format!("{role}_token");
        let texts = self.by_text.iter().flatten().filter_map(|file| special(file.get(&key)?));
        let ids = self.by_id.iter().flatten().filter_map(|file| {
            let id = match file.get(format!("{key}_id"))? {
                Value::Array(ids) => ids.first()?, // several tokens end a chat; the first ends a text
                id => id,
            };
            Some(Named::Id(u32::try_from(id.as_u64()?).ok()?))
        });
        let defaults =
            self.defaults.iter().filter(|(of, _)| *of == role).map(|(_, text)| AddedToken::from(*text, true));
        texts.chain(defaults).map(Named::Text).chain(ids).collect()
    }

    /// The text of a role, by its name alone.
    pub(super) fn text(&self, role: &str) -> Option<String> {
        self.named(role).into_iter().find_map(|named| match named {
            Named::Text(token) => Some(token.content),
            Named::Id(_) => None,
        })
    }

    /// Tokens beyond the vocabulary with the ids they must get, in that order, and special ones that have no role.
    pub(super) fn added(&self) -> (Vec<(u32, AddedToken)>, Vec<AddedToken>) {
        let mut added: Vec<(u32, AddedToken)> = Vec::new();
        for (id, token) in self.setting("added_tokens_decoder").and_then(Value::as_object).into_iter().flatten() {
            if let (Ok(id), Some(token)) = (id.parse(), token_of(token, false)) {
                added.push((id, token));
            }
        }
        let mut ids: HashSet<u32> = added.iter().map(|(id, _)| *id).collect();
        let mut texts: HashSet<String> = added.iter().map(|(_, token)| token.content.clone()).collect();
        let special_texts: Vec<String> = ROLES.iter().filter_map(|role| self.text(role)).collect();
        for (content, id) in self.added.as_ref().and_then(Value::as_object).into_iter().flatten() {
            let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
            if let Some(id) = id
                && !ids.contains(&id)
                && texts.insert(content.clone())
            {
                ids.insert(id);
                added.push((id, AddedToken::from(content.clone(), special_texts.contains(content))));
            }
        }
        added.sort_by_key(|(id, _)| *id);
        let lists = self.by_text.iter().flatten().flat_map(|file| LISTS.iter().filter_map(|key| file.get(*key)));
        let unnamed = lists.filter_map(Value::as_array).flatten().filter_map(special).collect();
        (added, unnamed)
    }
}

/// A special token, written as its text or with its properties.
fn special(value: &Value) -> Option<AddedToken> {
    match value {
        Value::String(text) => Some(AddedToken::from(text.clone(), true)),
        value => token_of(value, true),
    }
    .filter(|token| !token.content.is_empty())
}

/// A token written with its properties, special if either says so.
fn token_of(value: &Value, is_special: bool) -> Option<AddedToken> {
    let is = |key: &str| value.get(key).and_then(Value::as_bool);
    let token = AddedToken::from(value.get("content")?.as_str()?, is_special || is("special").unwrap_or(false));
    let normalized = is("normalized").unwrap_or(token.normalized);
    let spaces = (is("lstrip").unwrap_or(false), is("rstrip").unwrap_or(false));
    let single_word = is("single_word").unwrap_or(false);
    Some(token.normalized(normalized).lstrip(spaces.0).rstrip(spaces.1).single_word(single_word))
}

/// The file's content, `None` when there is no such file.
pub(super) fn read_json(path: &Path, kind: Kind) -> Result<Option<Value>> {
    let Some(bytes) = files::if_there(files::read(path, kind))? else { return Ok(None) };
    refuse_other(sentence!("a file of the tokenizer"), path, &bytes)?;
    serde_json::from_slice(&bytes).map(Some).map_err(|e| EngineError::Malformed {
        what: sentence!("a file of the tokenizer"),
        path: path.to_owned(),
        reason: Sentence::verbatim(e),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_of(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn names_come_before_ids() {
        let folder = folder_of(&[
            ("config.json", r#"{"eos_token_id": 7, "bos_token_id": null, "pad_token_id": -1}"#),
            ("generation_config.json", r#"{"eos_token_id": [8, 9]}"#),
            ("tokenizer_config.json", r#"{"eos_token": {"content": "</s>"}, "bos_token": null}"#),
        ]);
        let settings = Settings::from_folder(folder.path()).unwrap();
        let end = Named::Text(AddedToken::from("</s>", true));
        assert_eq!(settings.named("eos"), [end, Named::Id(8), Named::Id(7)]);
        assert_eq!((settings.named("bos"), settings.named("pad")), (vec![], vec![]));
        std::fs::write(folder.path().join("special_tokens_map.json"), "{").unwrap();
        assert!(Settings::from_folder(folder.path()).is_err());
    }

    #[test]
    fn added_tokens_come_in_the_order_of_their_ids() {
        let folder = folder_of(&[
            ("added_tokens.json", r#"{"<b>": 9, "<pad>": 7, "<a>": 8, "odd": -1}"#),
            (
                "tokenizer_config.json",
                r#"{"pad_token": "<pad>", "additional_special_tokens": ["<x>", {"content": "<y>", "lstrip": true}],
                    "added_tokens_decoder": {"8": {"content": "<a>", "special": true, "rstrip": true}, "x": {}}}"#,
            ),
        ]);
        let (added, unnamed) = Settings::from_folder(folder.path()).unwrap().added();
        let summary: Vec<_> = added.iter().map(|(id, t)| (*id, t.content.as_str(), t.special, t.rstrip)).collect();
        assert_eq!(summary, [(7, "<pad>", true, false), (8, "<a>", true, true), (9, "<b>", false, false)]);
        assert_eq!(
            unnamed.iter().map(|t| (t.content.as_str(), t.lstrip)).collect::<Vec<_>>(),
            [("<x>", false), ("<y>", true)]
        );
    }
}
