//! The metadata of a file as an architecture asks for it, and which of its entries nobody asked for.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::{Map, json};

use crate::error::{EngineError, Result};
use crate::weights::gguf::{GgufFile, Value};
use crate::{Sentence, sentence};

/// Longest value of an entry that is named.
const LONGEST: usize = 64;

/// Entries of an architecture that change no number that is computed here: what the tensors' shapes say too, or how
/// llama.cpp lays out its memory.
const HARMLESS: [&str; 6] = [
    "vocab_size",
    "tensor_data_layout",
    "attention.value_length",
    "attention.causal",
    "rope.scaling.finetuned",
    "rope.scaling.yarn_log_multiplier",
];

/// What a file says under the name of its architecture.
pub(super) struct Facts<'a> {
    /// The file.
    pub(super) file: &'a GgufFile,
    /// As `general.architecture` names it.
    pub(super) architecture: &'a str,
    asked: RefCell<BTreeSet<String>>,
}

impl<'a> Facts<'a> {
    /// # Errors
    /// The file does not name its architecture.
    pub(super) fn of(file: &'a GgufFile) -> Result<Self> {
        match file.metadata.get("general.architecture") {
            Some(Value::Text(architecture)) => Ok(Self { file, architecture, asked: RefCell::default() }),
            _ => Err(file.malformed(sentence!("it does not say its general.architecture"))),
        }
    }

    /// A size. Of one for each layer it is what all of them are.
    ///
    /// # Errors
    /// It is no size, or layers differ in it.
    pub(super) fn size(&self, key: &str) -> Result<Option<usize>> {
        let number = match self.entry(key) {
            None => return Ok(None),
            Some(Value::Unsigned(number)) => Some(*number),
            Some(Value::Signed(number)) => u64::try_from(*number).ok(),
            Some(Value::Unsigneds(numbers)) => the_same(numbers).copied(),
            Some(Value::Signeds(numbers)) => the_same(numbers).and_then(|number| u64::try_from(*number).ok()),
            Some(_) => None,
        };
        let size = number.and_then(|number| usize::try_from(number).ok());
        size.map(Some).ok_or_else(|| self.wrong(key, sentence!("no size that all layers have")))
    }

    /// A size that there must be.
    ///
    /// # Errors
    /// As [`Facts::size`]; or the file does not say it.
    pub(super) fn needed(&self, key: &str) -> Result<usize> {
        self.size(key)?.ok_or_else(|| self.missing(key))
    }

    /// A fraction.
    ///
    /// # Errors
    /// It is no finite number.
    pub(super) fn float(&self, key: &str) -> Result<Option<f64>> {
        match self.entry(key) {
            None => Ok(None),
            Some(Value::Float(number)) if number.is_finite() => Ok(Some(*number)),
            Some(Value::Unsigned(number)) => Ok(Some(*number as f64)),
            Some(_) => Err(self.wrong(key, sentence!("no number"))),
        }
    }

    /// A fraction that there must be.
    ///
    /// # Errors
    /// As [`Facts::float`]; or the file does not say it.
    pub(super) fn needed_float(&self, key: &str) -> Result<f64> {
        self.float(key)?.ok_or_else(|| self.missing(key))
    }

    /// A flag; `None` where the file says nothing, or no flag.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        match self.entry(key) {
            Some(Value::Bool(flag)) => Some(*flag),
            _ => None,
        }
    }

    /// A flag for each layer; `None` where the file says nothing, or something else.
    pub(super) fn flags(&self, key: &str) -> Option<&'a [bool]> {
        match self.entry(key) {
            Some(Value::Bools(flags)) => Some(flags),
            _ => None,
        }
    }

    /// A word; `None` where the file says nothing, or no word.
    pub(super) fn word(&self, key: &str) -> Option<&'a str> {
        match self.entry(key) {
            Some(Value::Text(word)) => Some(word),
            _ => None,
        }
    }

    /// The id of a token with a part to play, such as `eos`.
    pub(super) fn token(&self, role: &str) -> Option<u64> {
        match self.file.metadata.get(&format!("tokenizer.ggml.{role}_token_id")) {
            Some(Value::Unsigned(id)) => Some(*id),
            Some(Value::Signed(id)) => u64::try_from(*id).ok(),
            _ => None,
        }
    }

    /// Whether there is a tensor of this name.
    pub(super) fn has(&self, tensor: &str) -> bool {
        self.file.shape(tensor).is_some()
    }

    /// The entries that say something and were not asked for, each under its whole name.
    pub(super) fn unread(&self) -> Map<String, serde_json::Value> {
        let (asked, prefix) = (self.asked.borrow(), format!("{}.", self.architecture));
        let own =
            self.file.metadata.iter().filter_map(|(name, value)| Some((name, name.strip_prefix(&prefix)?, value)));
        let unread = own.filter(|(_, key, _)| !asked.contains(*key) && !HARMLESS.contains(key));
        unread.map(|(name, _, value)| (name.clone(), shown(value))).collect()
    }

    /// The refusal of an entry that would make other numbers.
    pub(super) fn refused(&self, key: &str, value: impl std::fmt::Display) -> EngineError {
        let key = format!("{}.{key}", self.architecture);
        self.file.malformed(sentence!("{key} = {value} is not computed here", key, value = value.to_string()))
    }

    fn entry(&self, key: &str) -> Option<&'a Value> {
        self.asked.borrow_mut().insert(key.to_owned());
        self.file.metadata.get(&format!("{}.{key}", self.architecture))
    }

    fn missing(&self, key: &str) -> EngineError {
        self.file.malformed(sentence!("it does not say {key}", key = format!("{}.{key}", self.architecture)))
    }

    fn wrong(&self, key: &str, is: Sentence) -> EngineError {
        self.file.malformed(sentence!("its {key} is {is}", key = format!("{}.{key}", self.architecture), is))
    }
}

fn the_same<T: PartialEq>(numbers: &[T]) -> Option<&T> {
    let (first, others) = numbers.split_first()?;
    others.iter().all(|number| number == first).then_some(first)
}

fn shown(value: &Value) -> serde_json::Value {
    match value {
        Value::Unsigned(number) => json!(number),
        Value::Signed(number) => json!(number),
        Value::Float(number) => json!(number),
        Value::Bool(flag) => json!(flag),
        Value::Text(text) => json!(text.chars().take(LONGEST).collect::<String>()),
        Value::Unsigneds(numbers) => json!(numbers.iter().take(LONGEST).collect::<Vec<_>>()),
        Value::Signeds(numbers) => json!(numbers.iter().take(LONGEST).collect::<Vec<_>>()),
        Value::Floats(numbers) => json!(numbers.iter().take(LONGEST).collect::<Vec<_>>()),
        Value::Bools(flags) => json!(flags.iter().take(LONGEST).collect::<Vec<_>>()),
        Value::Texts(texts) => json!(texts.len()),
    }
}
