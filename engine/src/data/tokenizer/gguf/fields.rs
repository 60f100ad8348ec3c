//! What the metadata of a GGUF file has under `tokenizer.`, by key and type.

use std::path::Path;

use super::super::files::malformed;
use crate::error::{EngineError, Result};
use crate::sentence;
use crate::weights::gguf::{Metadata, Value};

/// Metadata, and the file that it is of.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) metadata: &'a Metadata,
    pub(super) path: &'a Path,
}

impl<'a> Fields<'a> {
    /// `None` where there is no such key.
    ///
    /// # Errors
    /// It is something else than a text.
    pub(super) fn text(self, key: &str) -> Result<Option<&'a str>> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(self.of_another_type(key)),
        }
    }

    /// # Errors
    /// It is something else than a list of texts.
    pub(super) fn texts(self, key: &str) -> Result<Option<&'a [String]>> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(Value::Texts(texts)) => Ok(Some(texts)),
            Some(_) => Err(self.of_another_type(key)),
        }
    }

    /// # Errors
    /// It is something else than a flag.
    pub(super) fn flag(self, key: &str) -> Result<Option<bool>> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(self.of_another_type(key)),
        }
    }

    /// The id of one of so many tokens.
    ///
    /// # Errors
    /// It is no whole number, or no id of them.
    pub(super) fn id(self, key: &str, n_tokens: usize) -> Result<Option<usize>> {
        let id = match self.metadata.get(key) {
            None => return Ok(None),
            Some(Value::Unsigned(id)) => i128::from(*id),
            Some(Value::Signed(id)) => i128::from(*id),
            Some(_) => return Err(self.of_another_type(key)),
        };
        match usize::try_from(id) {
            Ok(id) if id < n_tokens => Ok(Some(id)),
            _ => Err(self.wrong(sentence!(
                "{key} is {id}, and it has {n} tokens",
                key,
                id = id.to_string(),
                n = n_tokens
            ))),
        }
    }

    /// Whole numbers, which fit a type.
    ///
    /// # Errors
    /// They are something else.
    pub(super) fn whole<T: TryFrom<u64> + TryFrom<i64>>(self, key: &str) -> Result<Option<Vec<T>>> {
        let numbers: Option<Vec<T>> = match self.metadata.get(key) {
            None => return Ok(None),
            Some(Value::Unsigneds(all)) => all.iter().map(|number| T::try_from(*number).ok()).collect(),
            Some(Value::Signeds(all)) => all.iter().map(|number| T::try_from(*number).ok()).collect(),
            Some(_) => None,
        };
        numbers.ok_or_else(|| self.of_another_type(key)).map(Some)
    }

    /// # Errors
    /// They are no numbers.
    pub(super) fn numbers(self, key: &str) -> Result<Option<Vec<f32>>> {
        match self.metadata.get(key) {
            Some(Value::Floats(all)) => Ok(Some(all.clone())),
            // llama.cpp reads whole numbers too.
            _ => Ok(self.whole::<i64>(key)?.map(|all| all.into_iter().map(|number| number as f32).collect())),
        }
    }

    /// The error for what contradicts itself.
    pub(super) fn wrong(self, reason: crate::Sentence) -> EngineError {
        malformed(self.path, reason)
    }

    fn of_another_type(self, key: &str) -> EngineError {
        self.wrong(sentence!("{key} is of another type than it must be", key))
    }
}
