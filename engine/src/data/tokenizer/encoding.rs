//! Texts as a model's tokenizer gives them to the model: with the tokens around them, in pairs, or word by word.

use tokenizers::{EncodeInput, InputSequence};

use super::Tokenizer;
use super::guarded::guarded;
use crate::error::Result;

/// Tokens of a text, and the bytes that each stands for, as begin and end.
pub(in crate::data) type WithOffsets = (Vec<u32>, Vec<(usize, usize)>);

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
    /// For each token which of the texts it is from, 0 or 1; for a special token 0.
    pub texts: Vec<usize>,
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

    /// The tokens of a text that the model is to write, with what it expects around it: as around any other, in the language
    /// of targets where that is another (mBART).
    ///
    /// # Errors
    /// As [`Tokenizer::encode_with_special`].
    pub fn encode_target(&self, text: &str) -> Result<Vec<u32>> {
        let mut ids = self.encode_with_special(text)?.ids;
        if let Some([source, target]) = self.0.languages {
            let last = ids.len().saturating_sub(1);
            let beside = [last, 0].into_iter().find(|&at| ids.get(at) == Some(&source));
            if let Some(at) = beside {
                ids[at] = target;
            }
        }
        Ok(ids)
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

    /// The ids that [`Tokenizer::encode`] gives, each with the bytes of the text that it stands for.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub(in crate::data) fn encode_with_offsets(&self, text: &str) -> Result<WithOffsets> {
        let encoding = guarded(|| self.0.tokenizer.encode(text, false))?;
        Ok((encoding.get_ids().to_vec(), encoding.get_offsets().to_vec()))
    }

    /// The same with one more text behind it, as two texts stand together.
    ///
    /// # Errors
    /// As [`Tokenizer::encode_with_special`].
    pub fn encode_words_with(&self, words: &[&str], second: &str) -> Result<Encoded> {
        let spaced = |word: &&str| if self.0.is_byte_level { format!(" {word}") } else { (*word).to_owned() };
        let words: Vec<String> = words.iter().map(spaced).collect();
        let second = vec![spaced(&second)];
        self.encoded(EncodeInput::Dual(InputSequence::from(words), InputSequence::from(second)))
    }

    fn encoded(&self, input: EncodeInput<'_>) -> Result<Encoded> {
        let encoding = guarded(|| self.0.tokenizer.encode(input, true))?;
        Ok(Encoded {
            ids: encoding.get_ids().to_vec(),
            type_ids: encoding.get_type_ids().to_vec(),
            words: encoding.get_word_ids().to_vec(),
            texts: encoding.get_sequence_ids().into_iter().map(Option::unwrap_or_default).collect(),
            offsets: encoding.get_offsets().to_vec(),
        })
    }
}

impl Encoded {
    /// Takes tokens from the end of the longer text, of equal ones the second, until the limit is kept; special tokens
    /// stay.
    pub(in crate::data) fn cut(&mut self, max_tokens: usize) {
        self.keep(&self.longer_first(max_tokens));
    }

    /// Whether each token stays by that rule.
    pub(in crate::data) fn longer_first(&self, max_tokens: usize) -> Vec<bool> {
        let mut places = self.places();
        let mut stays = vec![true; self.ids.len()];
        for _ in max_tokens..self.ids.len() {
            let longer = usize::from(places[1].len() >= places[0].len());
            let Some(last) = places[longer].pop() else { break };
            stays[last] = false;
        }
        stays
    }

    /// Positions of the tokens of either text, special ones not among them.
    pub(in crate::data) fn places(&self) -> [Vec<usize>; 2] {
        let is_of = |at: usize, text| self.words[at].is_some() && self.texts[at] == text;
        [0, 1].map(|text| (0..self.ids.len()).filter(|&at| is_of(at, text)).collect())
    }

    /// Takes away the tokens that do not stay.
    pub(in crate::data) fn keep(&mut self, stays: &[bool]) {
        keep(&mut self.ids, stays);
        keep(&mut self.type_ids, stays);
        keep(&mut self.words, stays);
        keep(&mut self.texts, stays);
        keep(&mut self.offsets, stays);
    }

    /// Where each word begins: the position of its first token, and which word of its text it is.
    pub(in crate::data) fn word_begins(&self) -> Vec<(usize, u32)> {
        let mut before = None;
        let mut begins = Vec::new();
        for (at, (&text, &word)) in self.texts.iter().zip(&self.words).enumerate() {
            let origin = word.map(|word| (text, word));
            if let Some((_, word)) = origin
                && before != origin
            {
                begins.push((at, word));
            }
            before = origin;
        }
        begins
    }
}

fn keep<T>(of_tokens: &mut Vec<T>, stays: &[bool]) {
    let mut stays = stays.iter();
    of_tokens.retain(|_| stays.next().copied().unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> Encoded {
        Encoded {
            ids: vec![101, 1, 2, 3, 102, 4, 5, 102],
            type_ids: vec![0, 0, 0, 0, 0, 1, 1, 1],
            words: vec![None, Some(0), Some(0), Some(1), None, Some(0), Some(1), None],
            texts: vec![0, 0, 0, 0, 0, 1, 1, 0],
            offsets: vec![(0, 0); 8],
        }
    }

    #[test]
    fn the_longer_text_is_cut_and_the_frame_stays() {
        let mut cut = pair();
        cut.cut(6);
        assert_eq!((cut.ids, cut.type_ids), (vec![101, 1, 2, 102, 4, 102], vec![0, 0, 0, 0, 1, 1]));
        let mut cut = pair();
        cut.cut(1);
        assert_eq!(cut.ids, [101, 102, 102], "the frame is never cut");
    }

    #[test]
    fn a_word_begins_at_its_first_piece() {
        assert_eq!(pair().word_begins(), [(1, 0), (3, 1), (5, 0), (6, 1)]);
    }
}
