//! Which tokens begin, end and pad a text, as the files beside a tokenizer name them.

use std::path::Path;

use serde_json::Value;

use crate::error::{EngineError, Result};

/// Files that name tokens by their text, the surest first.
const BY_TEXT: [&str; 2] = ["tokenizer_config.json", "special_tokens_map.json"];
/// Files that name tokens by their id, the surest first.
const BY_ID: [&str; 2] = ["generation_config.json", "config.json"];

/// A token as a file names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Text(String),
    Id(u32),
}

/// What the files of a folder say about special tokens.
pub(super) struct SpecialTokens {
    by_text: Vec<Value>,
    by_id: Vec<Value>,
}

impl SpecialTokens {
    /// # Errors
    /// [`EngineError::Malformed`] for a file that is not JSON, [`EngineError::Io`] for one that cannot be read.
    pub(super) fn from_folder(folder: &Path) -> Result<Self> {
        let read = |names: [&str; 2]| -> Result<Vec<Value>> {
            names.iter().filter_map(|name| read_json(&folder.join(name)).transpose()).collect()
        };
        Ok(Self { by_text: read(BY_TEXT)?, by_id: read(BY_ID)? })
    }

    /// Every way in which a role is named, the surest first; `role` is "bos", "eos", "pad", "cls" or "sep".
    pub(super) fn named(&self, role: &str) -> Vec<Named> {
        let texts = self.by_text.iter().filter_map(|file| match file.get(format!("{role}_token"))? {
            Value::String(text) => Some(Named::Text(text.clone())),
            Value::Object(token) => Some(Named::Text(token.get("content")?.as_str()?.to_owned())),
            _ => None,
        });
        let ids = self.by_id.iter().filter_map(|file| {
            let id = match file.get(format!("{role}_token_id"))? {
                Value::Array(ids) => ids.first()?, // several tokens end a chat; the first ends a text
                id => id,
            };
            Some(Named::Id(u32::try_from(id.as_u64()?).ok()?))
        });
        texts.filter(|t| *t != Named::Text(String::new())).chain(ids).collect()
    }
}

/// The file's content, `None` when there is no such file.
pub(super) fn read_json(path: &Path) -> Result<Option<Value>> {
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        result => result.map_err(EngineError::io("read", path))?,
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|e| EngineError::Malformed {
        what: "a file of the tokenizer",
        path: path.to_owned(),
        reason: e.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_before_ids() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("config.json", r#"{"eos_token_id": 7, "bos_token_id": null, "pad_token_id": -1}"#);
        write("generation_config.json", r#"{"eos_token_id": [8, 9]}"#);
        write("tokenizer_config.json", r#"{"eos_token": {"content": "</s>"}, "bos_token": null}"#);
        let special = SpecialTokens::from_folder(folder.path()).unwrap();
        assert_eq!(special.named("eos"), [Named::Text("</s>".to_owned()), Named::Id(8), Named::Id(7)]);
        assert_eq!((special.named("bos"), special.named("pad")), (vec![], vec![]));
        write("special_tokens_map.json", "{");
        assert!(SpecialTokens::from_folder(folder.path()).is_err());
    }
}
