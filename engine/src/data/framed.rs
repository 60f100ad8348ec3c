//! Texts as encoders get them: between the special tokens that the tokenizer puts around and between them.

use tokenizers::Encoding;

/// Tokens, and where each comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Framed {
    pub(super) ids: Vec<u32>,
    /// 0 for the first text of a pair, 1 for the second, as the model is told.
    pub(super) types: Vec<u32>,
    /// Text, from 0, and word, from 0; `None` for a special token.
    pub(super) origins: Vec<Option<(usize, u32)>>,
}

impl From<&Encoding> for Framed {
    fn from(encoding: &Encoding) -> Self {
        let texts = encoding.get_sequence_ids();
        let words = encoding.get_word_ids();
        let origin =
            |(at, &special): (usize, &u32)| (special == 0).then(|| (texts[at].unwrap_or(0), words[at].unwrap_or(0)));
        Self {
            ids: encoding.get_ids().to_vec(),
            types: encoding.get_type_ids().to_vec(),
            origins: encoding.get_special_tokens_mask().iter().enumerate().map(origin).collect(),
        }
    }
}

impl Framed {
    /// Takes tokens from the end of the longer text, of equal ones the second, until the limit is kept; special tokens stay.
    pub(super) fn cut(&mut self, max_tokens: usize) {
        while self.ids.len() > max_tokens {
            let length = |text| self.origins.iter().flatten().filter(|(from, _)| *from == text).count();
            let longer = usize::from(length(1) >= length(0));
            let last = self.origins.iter().rposition(|origin| origin.is_some_and(|(text, _)| text == longer));
            let Some(last) = last else { return };
            self.ids.remove(last);
            self.types.remove(last);
            self.origins.remove(last);
        }
    }

    /// Where each word begins: the position of its first token, and which word of its text it is.
    pub(super) fn words(&self) -> Vec<(usize, u32)> {
        let mut before = None;
        let mut begins = Vec::new();
        for (at, origin) in self.origins.iter().enumerate() {
            if let Some((_, word)) = origin
                && before != *origin
            {
                begins.push((at, *word));
            }
            before = *origin;
        }
        begins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> Framed {
        let word = |text, word| Some((text, word));
        Framed {
            ids: vec![101, 1, 2, 3, 102, 4, 5, 102],
            types: vec![0, 0, 0, 0, 0, 1, 1, 1],
            origins: vec![None, word(0, 0), word(0, 0), word(0, 1), None, word(1, 0), word(1, 1), None],
        }
    }

    #[test]
    fn the_longer_text_is_cut_and_the_frame_stays() {
        let mut framed = pair();
        framed.cut(6);
        assert_eq!((framed.ids, framed.types), (vec![101, 1, 2, 102, 4, 102], vec![0, 0, 0, 0, 1, 1]));
        let mut framed = pair();
        framed.cut(1);
        assert_eq!(framed.ids, [101, 102, 102], "the frame is never cut");
    }

    #[test]
    fn a_word_begins_at_its_first_piece() {
        assert_eq!(pair().words(), [(1, 0), (3, 1), (5, 0), (6, 1)]);
    }
}
