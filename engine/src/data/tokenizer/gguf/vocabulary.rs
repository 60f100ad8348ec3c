//! The tokens of a GGUF file with their types and scores. ggml-org/llama.cpp: include/llama.h (`llama_token_type`).

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::fields::Fields;
use crate::error::Result;
use crate::sentence;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    /// Stands for what the vocabulary cannot express.
    Unknown,
    /// Such as the end of a text; found in a text by its name.
    Control,
    /// Always one token where it is found in a text.
    UserDefined,
    Unused,
    /// One byte, for characters that are no token.
    Byte,
}

/// Tokens by id.
pub(super) struct Vocabulary<'a> {
    pub(super) texts: Vec<&'a str>,
    pub(super) kinds: Vec<Kind>,
    /// How likely a token is, in logarithms; empty where the file has none.
    pub(super) scores: Vec<f32>,
    /// How many tokens the file lists, with those that are left out.
    pub(super) n_listed: usize,
}

impl<'a> Vocabulary<'a> {
    /// Reads the three lists. At its end may be tokens that fill the vocabulary up to the rows of the embeddings; they are
    /// no tokens of the model, and are left out.
    ///
    /// # Errors
    /// The lists are of different lengths, a token stands there twice, or a type or a score is none.
    pub(super) fn read(fields: Fields<'a>) -> Result<Self> {
        let key = "tokenizer.ggml.tokens";
        let Some(texts) = fields.texts(key)? else { return Err(fields.wrong(sentence!("it has no {key}", key))) };
        let sized = |key: &str, n: usize| match n == texts.len() {
            true => Ok(()),
            false => {
                Err(fields.wrong(sentence!("it has {n} tokens and {m} values of {key}", n = texts.len(), m = n, key)))
            }
        };
        let key = "tokenizer.ggml.token_type";
        let kinds = match fields.whole::<i64>(key)? {
            None => vec![Kind::Normal; texts.len()],
            Some(kinds) => {
                sized(key, kinds.len())?;
                kinds.into_iter().enumerate().map(|(id, kind)| kind_of(fields, id, kind)).collect::<Result<_>>()?
            }
        };
        let key = "tokenizer.ggml.scores";
        let scores = fields.numbers(key)?.unwrap_or_default();
        if !scores.is_empty() {
            sized(key, scores.len())?;
        }
        if let Some(id) = scores.iter().position(|score| !score.is_finite()) {
            return Err(fields.wrong(sentence!("the score of token {id} is no number", id)));
        }
        let mut ids: HashMap<&str, usize> = HashMap::with_capacity(texts.len());
        for (id, text) in texts.iter().enumerate().filter(|(_, text)| !text.is_empty()) {
            if let Some(first) = ids.insert(text, id) {
                return Err(fields.wrong(sentence!(
                    "token {text:?} is there twice, as {first} and as {second}",
                    text,
                    first,
                    second = id
                )));
            }
        }
        let n_listed = texts.len();
        let mut vocabulary = Self { texts: texts.iter().map(String::as_str).collect(), kinds, scores, n_listed };
        vocabulary.leave_out_fillers();
        Ok(vocabulary)
    }

    fn leave_out_fillers(&mut self) {
        let is_filler = |id: usize| {
            let text = self.texts[id];
            let number = text.strip_prefix("[PAD").and_then(|rest| rest.strip_suffix(']'));
            self.kinds[id] == Kind::Unused && number.is_some_and(|number| number.bytes().all(|c| c.is_ascii_digit()))
        };
        let n = (0..self.texts.len()).rposition(|id| !is_filler(id)).map_or(0, |last| last + 1);
        self.texts.truncate(n);
        self.kinds.truncate(n);
        self.scores.truncate(n);
    }

    /// The id of a token.
    pub(super) fn id(&self, text: &str) -> Option<usize> {
        self.texts.iter().position(|token| *token == text).filter(|_| !text.is_empty())
    }

    /// Ids by token, in the order of the ids.
    pub(super) fn ids(&self) -> Map<String, Value> {
        let named = self.texts.iter().enumerate().filter(|(_, text)| !text.is_empty());
        named.map(|(id, text)| ((*text).to_owned(), id.into())).collect()
    }

    /// Tokens that a text is searched for before it is cut, as `tokenizer.json` lists them. Decoding leaves out those of
    /// control. `takes_spaces` says after which a text loses its white space.
    pub(super) fn added(&self, takes_spaces: impl Fn(&str) -> bool) -> Value {
        let searched = self.texts.iter().zip(&self.kinds).enumerate().filter_map(|(id, (text, kind))| {
            let is_special = match kind {
                Kind::Control | Kind::Unknown => true,
                Kind::UserDefined => false,
                Kind::Normal | Kind::Unused | Kind::Byte => return None,
            };
            Some(json!({"id": id, "content": text, "single_word": false, "lstrip": false, "rstrip": takes_spaces(text),
                "normalized": false, "special": is_special}))
        });
        searched.filter(|token| token["content"] != "").collect()
    }
}

fn kind_of(fields: Fields<'_>, id: usize, kind: i64) -> Result<Kind> {
    Ok(match kind {
        // Undefined, which llama.cpp takes for none of the others.
        0 | 1 => Kind::Normal,
        2 => Kind::Unknown,
        3 => Kind::Control,
        4 => Kind::UserDefined,
        5 => Kind::Unused,
        6 => Kind::Byte,
        _ => return Err(fields.wrong(sentence!("token {id} is of type {kind}, which is not known", id, kind))),
    })
}
