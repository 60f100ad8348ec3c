//! Soft tokens in a text: written `<|soft|>`, as special tokens are, and numbered in the order in which they stand there.
//! What is between them is tokenized piece by piece, so that no token crosses their places.

use super::encode::Example;
use super::tokenizer::{Encoded, Tokenizer, WithOffsets};
use crate::error::Result;
use crate::tokens::SOFT;

/// A soft token in a rendered text: what `soft(1)` gives.
pub(super) const MARK: &str = "<|soft|>";

/// Whether a token is one of the vocabulary.
pub(super) fn is_hard(token: &u32) -> bool {
    *token < SOFT
}

/// Number of soft tokens among some tokens.
pub(super) fn count(tokens: &[u32]) -> usize {
    tokens.iter().filter(|&token| !is_hard(token)).count()
}

/// The ids of a text with soft tokens; of one without, what [`Tokenizer::encode`] gives.
pub(super) fn encode(text: &str, tokenizer: &Tokenizer) -> Result<Vec<u32>> {
    let mut ids = Vec::new();
    for (slot, piece) in pieces(text) {
        ids.extend(slot);
        ids.extend(piece_ids(piece, ids.is_empty(), tokenizer)?);
    }
    Ok(ids)
}

/// The same ids, each with the bytes of the text that it stands for; a soft token with those of its mark.
pub(super) fn encode_with_offsets(text: &str, tokenizer: &Tokenizer) -> Result<WithOffsets> {
    let (mut ids, mut offsets) = (Vec::new(), Vec::new());
    let mut begin = 0;
    for (slot, piece) in pieces(text) {
        if let Some(slot) = slot {
            ids.push(slot);
            offsets.push((begin, begin + MARK.len()));
            begin += MARK.len();
        }
        let ids_of_piece = piece_ids(piece, ids.is_empty(), tokenizer)?;
        let (plain, places) = tokenizer.encode_with_offsets(piece)?;
        // Without its first space a piece has other places; what they are then is not looked up.
        let is_plain = plain == ids_of_piece;
        let place = |at: usize| match places.get(at).filter(|_| is_plain) {
            Some(&(from, to)) => (begin + from, begin + to),
            None => (begin, begin + piece.len()),
        };
        offsets.extend((0..ids_of_piece.len()).map(place));
        ids.extend(ids_of_piece);
        begin += piece.len();
    }
    Ok((ids, offsets))
}

/// The same with the special tokens that the model expects around a text. A soft token is no word of it, as special tokens
/// are none, so that no cut takes one away.
pub(super) fn encode_framed(text: &str, tokenizer: &Tokenizer) -> Result<Encoded> {
    if !text.contains(MARK) {
        return tokenizer.encode_with_special(text);
    }
    // What stands around the text is what stands around any of its pieces.
    let probe = pieces(text).map(|(_, piece)| piece).find(|piece| !piece.trim().is_empty()).unwrap_or("a");
    let frame = tokenizer.encode_with_special(probe)?;
    let begin = frame.words.iter().take_while(|word| word.is_none()).count();
    let end = frame.words.iter().rposition(Option::is_some).map_or(begin, |last| last + 1);
    let kind = frame.type_ids.get(begin).copied().unwrap_or_default();
    let mut framed = Encoded::default();
    let put = |framed: &mut Encoded, id: u32, kind: u32, word: Option<u32>| {
        framed.ids.push(id);
        framed.type_ids.push(kind);
        framed.words.push(word);
        framed.texts.push(0);
        framed.offsets.push((0, 0));
    };
    (0..begin).for_each(|at| put(&mut framed, frame.ids[at], frame.type_ids[at], None));
    let mut is_first = true;
    for (index, (slot, piece)) in (0..).zip(pieces(text)) {
        is_first &= slot.is_none();
        slot.into_iter().for_each(|slot| put(&mut framed, slot, kind, None));
        for id in piece_ids(piece, is_first, tokenizer)? {
            put(&mut framed, id, kind, Some(index));
        }
    }
    (end..frame.ids.len()).for_each(|at| put(&mut framed, frame.ids[at], frame.type_ids[at], None));
    Ok(framed)
}

/// Each piece of a text behind its soft token, the first behind none.
fn pieces(text: &str) -> impl Iterator<Item = (Option<u32>, &str)> {
    let slots = std::iter::once(None).chain((SOFT..u32::MAX).map(Some));
    slots.zip(text.split(MARK))
}

fn piece_ids(piece: &str, is_first: bool, tokenizer: &Tokenizer) -> Result<Vec<u32>> {
    match (piece.is_empty(), is_first) {
        (true, _) => Ok(Vec::new()),
        (false, true) => tokenizer.encode(piece),
        (false, false) => tokenizer.encode_continuation(piece),
    }
}

impl Example {
    /// Takes the soft tokens out again.
    pub(super) fn drop_soft(&mut self) {
        self.keep_soft(&[], 1);
    }

    /// Leaves these of each task's `n_soft` soft tokens, in ascending order, and numbers them anew.
    pub(crate) fn keep_soft(&mut self, kept: &[usize], n_soft: usize) {
        self.each_choice(|choice| choice.keep_soft(kept, n_soft));
        let renamed = |&token: &u32| {
            if is_hard(&token) {
                return Some(token);
            }
            let (task, slot) = ((token - SOFT) as usize / n_soft.max(1), (token - SOFT) as usize % n_soft.max(1));
            let at = kept.binary_search(&slot).ok()?;
            Some(SOFT + (task * kept.len() + at) as u32)
        };
        let gone = |tokens: &[u32]| tokens.iter().filter(|token| renamed(token).is_none()).count();
        if self.spans.is_empty() {
            self.labels.iter_mut().for_each(|(at, _)| *at -= gone(&self.tokens[..*at]));
        } else {
            self.unshift_spans(gone(&self.tokens));
        }
        self.n_prompt -= gone(&self.tokens[..self.n_prompt]);
        let mut tokens = self.tokens.iter();
        self.types.retain(|_| tokens.next().is_some_and(|token| renamed(token).is_some()));
        for tokens in [&mut self.source, &mut self.tokens] {
            *tokens = tokens.iter().filter_map(renamed).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tokenizer::byte_tokenizer;
    use super::*;

    #[test]
    fn soft_tokens_are_numbered_where_they_stand() {
        let tokenizer = byte_tokenizer();
        let ids = |text: &str| encode(text, &tokenizer).unwrap();
        assert_eq!(ids("<|soft|><|soft|>ab<|soft|>"), [SOFT, SOFT + 1, 97, 98, SOFT + 2]);
        assert_eq!(ids("ab"), [97, 98]);
        assert_eq!((ids(""), count(&ids("a<|soft|>"))), (Vec::new(), 1));
    }

    #[test]
    fn a_token_knows_the_bytes_it_stands_for() {
        let (ids, offsets) = encode_with_offsets("é<|soft|>b", &byte_tokenizer()).unwrap();
        assert_eq!(ids, encode("é<|soft|>b", &byte_tokenizer()).unwrap());
        assert_eq!(offsets[2..], [(2, 10), (10, 11)]);
        assert!(offsets[..2].iter().all(|&(begin, end)| begin < end && end <= 2), "{offsets:?}");
    }

    #[test]
    fn soft_tokens_that_are_left_are_numbered_anew_and_labels_follow() {
        let tokens = vec![SOFT, SOFT + 1, 7, SOFT + 2, 8, 9];
        let row =
            Example { tokens, n_prompt: 4, labels: vec![(5, 3)], types: vec![0, 0, 0, 0, 1, 1], ..Example::default() };
        let mut some = row.clone();
        some.keep_soft(&[1, 2], 3);
        assert_eq!((some.tokens, some.n_prompt), (vec![SOFT, 7, SOFT + 1, 8, 9], 3));
        assert_eq!((some.labels, some.types), (vec![(4, 3)], vec![0, 0, 0, 1, 1]));
        let mut of_second_task =
            Example { tokens: vec![SOFT + 3, SOFT + 4, SOFT + 5, 7], n_prompt: 3, ..Example::default() };
        of_second_task.keep_soft(&[0, 2], 3);
        assert_eq!(of_second_task.tokens, [SOFT + 2, SOFT + 3, 7]);
        let mut same = row.clone();
        same.keep_soft(&[0, 1, 2], 3);
        assert_eq!(same, row);
        let mut none = row;
        none.drop_soft();
        assert_eq!((none.tokens, none.n_prompt, none.labels), (vec![7, 8, 9], 1, vec![(2, 3)]));
    }

    #[test]
    fn a_cut_takes_no_soft_token() {
        let mut framed = encode_framed("ab<|soft|>cd<|soft|>", &byte_tokenizer()).unwrap();
        assert_eq!(framed.ids, [97, 98, SOFT, 99, 100, SOFT + 1]);
        framed.cut(3);
        assert_eq!(framed.ids, [97, SOFT, SOFT + 1]);
    }
}
