//! Tokenizers out of the metadata of a GGUF file.
//!
//! A file has the vocabulary, the merges or scores, and a name for how a text is cut, and not the model's `tokenizer.json`;
//! here that is put together again. transformers does the same and loses some of it; where it differs from the model's own
//! tokenizer, the model's is followed, so that an adapter is the same on the file and on the folder it was made of.
//! As in huggingface/transformers: src/transformers/integrations/gguf/gguf_tokenizer_mapping.py.

mod byte_level;
mod encoders;
mod fields;
mod pre_tokenizer;
mod roles;
mod sentence_bpe;
#[cfg(test)]
mod tests;
mod vocabulary;
mod written;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use self::fields::Fields;
use self::vocabulary::Vocabulary;
use super::roles::{USUAL_ENDS, usual};
use super::special::Settings;
use super::{ChatTemplate, Tokenizer};
use crate::error::{EngineError, Result};
use crate::weights::gguf::Metadata;
use crate::{Sentence, sentence};

/// What a file has of a tokenizer.
struct Opened {
    tokenizer: tokenizers::Tokenizer,
    settings: Settings,
    /// What was guessed.
    note: Option<Sentence>,
}

impl Tokenizer {
    /// The tokenizer and the chat template in the metadata of a GGUF file; the path is for messages alone. Two files of one
    /// model, packed in different bits, have the same.
    ///
    /// # Errors
    /// [`EngineError::Malformed`] where the metadata contradicts itself, [`EngineError::Tokenizer`] for a kind of tokenizer
    /// or a way to cut a text that is not known here, or where no token ends a text.
    pub fn from_gguf(metadata: &Metadata, path: &Path) -> Result<Self> {
        let fields = Fields { metadata, path };
        let architecture = fields.text("general.architecture")?.unwrap_or_default();
        let key = "tokenizer.ggml.model";
        let Opened { tokenizer, settings, note } = match fields.text(key)? {
            Some("gpt2") => byte_level::open(fields, architecture)?,
            Some("llama") => sentence_bpe::open(fields, architecture)?,
            Some("bert") => encoders::word_piece(fields)?,
            Some("t5") => encoders::unigram(fields)?,
            Some(kind) => {
                return Err(EngineError::Tokenizer(sentence!(
                    "tokenizers of kind {kind:?} ({key}) are not read; known are gpt2, llama, bert, t5",
                    kind,
                    key
                )));
            }
            None => return Err(fields.wrong(sentence!("it has no {key}", key))),
        };
        let is_ended = ["eos", "sep"].iter().any(|role| settings.text(role).is_some());
        if !is_ended && usual(&tokenizer, &USUAL_ENDS).is_none() {
            let key = "tokenizer.ggml.eos_token_id";
            return Err(EngineError::Tokenizer(sentence!("no token ends a text: {key} must name one", key)));
        }
        let chat = ChatTemplate::of(&settings);
        let mut tokenizer = Self::new(tokenizer, &settings, chat)?;
        if let Some(inner) = Arc::get_mut(&mut tokenizer.0) {
            inner.notes.extend(note);
        }
        Ok(tokenizer)
    }
}

/// The file's merges; `None` where it has none.
///
/// # Errors
/// One is not of two tokens, or of one that is not in the vocabulary.
fn merges<'a>(fields: Fields<'a>, vocabulary: &Vocabulary<'_>) -> Result<Option<Vec<(&'a str, &'a str)>>> {
    let Some(all) = fields.texts("tokenizer.ggml.merges")? else { return Ok(None) };
    let known: HashSet<&str> = vocabulary.texts.iter().copied().collect();
    let read = |(at, merge): (usize, &'a String)| {
        let number = at + 1;
        // A space may itself be the first of the two.
        let space = merge.char_indices().skip(1).find(|(_, c)| *c == ' ');
        let two = space.map(|(space, _)| (&merge[..space], &merge[space + 1..])).filter(|(_, right)| !right.is_empty());
        let Some((left, right)) = two else {
            return Err(fields.wrong(sentence!("merge {number} is not of two tokens: {merge:?}", number, merge)));
        };
        let whole = [left, right].concat();
        match [left, right, &whole].into_iter().find(|token| !known.contains(token)) {
            None => Ok((left, right)),
            Some(token) => Err(fields.wrong(sentence!(
                "merge {number} is of or makes {token:?}, which is no token",
                number,
                token = token.to_owned()
            ))),
        }
    };
    all.iter().enumerate().map(read).collect::<Result<_>>().map(Some)
}
