//! Names of models on the hub: `gpt2`, `Langboat/bloom-1b4-zh`, `t5-base@refs/pr/2`.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::HubError;
use crate::{Sentence, sentence};

/// The branch that is meant when none is named.
const MAIN: &str = "main";
/// Longest part of an id, as the hub has it.
const LONGEST: usize = 96;

/// A model and one of its revisions. Its parts are safe to be put into paths and addresses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModelId {
    name: String,
    revision: String,
}

impl ModelId {
    /// `gpt2`, `t5-base@v1`: the id with the revision where it is not the main branch; the prefix `hub:` and the
    /// address of a model's page are understood too.
    ///
    /// # Errors
    /// [`HubError::BadId`]: the hub could not have a model of that name.
    pub fn parse(asked: &str) -> Result<Self, HubError> {
        let bad = |reason: Sentence| HubError::BadId { asked: asked.trim().to_owned(), reason };
        let text = asked.trim();
        let text = text.strip_prefix("hub:").unwrap_or(text);
        let text = text.strip_prefix("https://huggingface.co/").unwrap_or(text);
        let (name, revision) = text.split_once('@').or_else(|| text.split_once("/tree/")).unwrap_or((text, MAIN));
        let parts: Vec<&str> = name.split('/').collect();
        if parts.len() > 2 || parts.iter().any(|part| part.is_empty()) {
            return Err(bad(sentence!("it is written name or organization/name")));
        }
        if let Some(letter) = name.chars().find(|c| !(c.is_ascii_alphanumeric() || "._-/".contains(*c))) {
            return Err(bad(sentence!("{letter:?} is in no id", letter)));
        }
        // Two dashes stand for the slash in the cache's folder names.
        if name.contains("--") || name.contains("..") || parts.iter().any(|part| part.starts_with(['.', '-'])) {
            return Err(bad(sentence!("it has \"--\" or \"..\", or a part that begins with \".\" or \"-\"")));
        }
        if parts.iter().any(|part| part.len() > LONGEST) {
            return Err(bad(sentence!("it is too long")));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/+".contains(c);
        let whole = revision.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && !part.contains(".."));
        if !whole || !revision.chars().all(allowed) {
            return Err(bad(sentence!("{revision:?} is no revision", revision)));
        }
        Ok(Self { name: name.to_owned(), revision: revision.to_owned() })
    }

    /// `gpt2`, `Langboat/bloom-1b4-zh`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A branch, a tag or a commit.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// The folder of the model in the shared cache: `models--Langboat--bloom-1b4-zh`.
    pub(super) fn folder(&self) -> String {
        format!("models--{}", self.name.replace('/', "--"))
    }

    /// The model whose folder in the shared cache is called so, at its main branch.
    pub(super) fn of_folder(folder: &str) -> Option<Self> {
        Self::parse(&folder.strip_prefix("models--")?.replacen("--", "/", 1)).ok()
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.revision.as_str() {
            MAIN => f.write_str(&self.name),
            revision => write!(f, "{}@{revision}", self.name),
        }
    }
}

impl FromStr for ModelId {
    type Err = HubError;

    fn from_str(text: &str) -> Result<Self, HubError> {
        Self::parse(text)
    }
}

impl Serialize for ModelId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_people_write_it() {
        for (text, name, revision) in [
            ("gpt2", "gpt2", "main"),
            (" hub:gpt2 ", "gpt2", "main"),
            ("Langboat/bloom-1b4-zh", "Langboat/bloom-1b4-zh", "main"),
            ("t5-base@refs/pr/2", "t5-base", "refs/pr/2"),
            ("https://huggingface.co/org/m.1/tree/v1.0", "org/m.1", "v1.0"),
        ] {
            let id = ModelId::parse(text).unwrap();
            assert_eq!((id.name(), id.revision()), (name, revision), "{text}");
            assert_eq!(ModelId::parse(&id.to_string()).unwrap(), id);
        }
        let id = ModelId::parse("a/b-c").unwrap();
        assert_eq!((id.folder().as_str(), ModelId::of_folder("models--a--b-c")), ("models--a--b-c", Some(id)));
    }

    #[test]
    fn what_could_lead_out_of_the_cache_is_no_id() {
        for text in ["", "a/b/c", "../etc", "a--b", "a/..", "/abs", "a b", "C:\\m", "a@../../x", "a@", "a@/x", "a/-b"] {
            assert!(matches!(ModelId::parse(text), Err(HubError::BadId { .. })), "{text}");
        }
    }
}
