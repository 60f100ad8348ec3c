//! Texts as a model's tokenizer gives them to the model: with the tokens around them, in pairs, or word by word.

use tokenizers::{EncodeInput, InputSequence};

use super::Tokenizer;
use super::files::guarded;
use crate::error::Result;

/// A text, or two, with the special tokens of the model around them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    /// Tokens in order.
    pub ids: Vec<u32>,
    /// For each token 0, or 1 where a model tells the second of two texts apart (BERT).
    pub type_ids: Vec<u32>,
    /// For each token the word it is part of, from 0; `None` for a special token. Words are those that were given, or
    /// those that the tokenizer cuts a text into, of either text from 0.
    pub words: Vec<Option<u32>>,
    /// For each token the bytes of its text that it stands for, as begin and end.
    pub offsets: Vec<(usize, usize)>,
}

impl Tokenizer {
    /// A text with the tokens that the model expects around it, such as `[CLS] … [SEP]`, `<s> …` or `… </s>`.
    ///
    /// # Errors
    /// [`EngineError::Tokenizer`](crate::error::EngineError::Tokenizer) when the vocabulary cannot express the text.
    pub fn encode_with_special(&self, text: &str) -> Result<Encoded> {
        self.encoded(EncodeInput::Single(text.into()))
    }

    /// Two texts as the model expects them together, such as `[CLS] first [SEP] second [SEP]`.
    ///
    /// # Errors
    /// As [`Tokenizer::encode_with_special`].
    pub fn encode_pair(&self, first: &str, second: &str) -> Result<Encoded> {
        self.encoded(EncodeInput::Dual(first.into(), second.into()))
    }

    /// A text that is already cut into words, with the tokens around it. A byte-level tokenizer, in which a space is
    /// part of a word, gets one before each (transformers: `add_prefix_space`).
    ///
    /// # Errors
    /// As [`Tokenizer::encode_with_special`].
    pub fn encode_words(&self, words: &[&str]) -> Result<Encoded> {
        let spaced = |word: &&str| if self.0.is_byte_level { format!(" {word}") } else { (*word).to_owned() };
        let words: Vec<String> = words.iter().map(spaced).collect();
        self.encoded(EncodeInput::Single(InputSequence::from(words)))
    }

    fn encoded(&self, input: EncodeInput<'_>) -> Result<Encoded> {
        let encoding = guarded(|| self.0.tokenizer.encode(input, true))?;
        Ok(Encoded {
            ids: encoding.get_ids().to_vec(),
            type_ids: encoding.get_type_ids().to_vec(),
            words: encoding.get_word_ids().to_vec(),
            offsets: encoding.get_offsets().to_vec(),
        })
    }
}
