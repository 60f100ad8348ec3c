//! Merges of a SentencePiece vocabulary, whose files say only which pieces there are.
//! As in huggingface/transformers: src/transformers/tokenization_utils_base.py (`generate_merges`), with the order of the
//! published `tokenizer.json` files.

use std::collections::HashMap;

use crate::{Sentence, sentence};

/// Longest piece, in bytes; SentencePiece's own limit is 16 characters, and the longest known have 48 spaces.
pub(super) const MAX_PIECE: usize = 1024;
/// Most bytes of merges for each byte of the pieces, and what is free. LLaMA 2 and Gemma have less than 3; pieces of every
/// length up to the longest that are each the beginning of the next have 500.
const MAX_GROWTH: usize = 32;
const FREE: usize = 1 << 20;

/// A merge for every way to make a piece of two others: the pieces in the order of `first`, their places, and of one piece
/// first the short beginnings. A text that stands there twice is the later piece.
///
/// # Errors
/// A sentence where the pieces are parts of each other so often that the merges take many times the room of the pieces.
pub(super) fn piece_merges<'a>(
    pieces: &[&'a str],
    first: impl Iterator<Item = usize>,
) -> Result<Vec<(&'a str, &'a str)>, Sentence> {
    let ids: HashMap<&str, usize> = pieces.iter().enumerate().map(|(id, piece)| (*piece, id)).collect();
    let mut room = FREE + MAX_GROWTH * pieces.iter().map(|piece| piece.len()).sum::<usize>();
    let mut merges = Vec::new();
    for id in first {
        let piece = pieces[id];
        if ids[piece] != id {
            continue;
        }
        for (at, _) in piece.char_indices().skip(1) {
            let (left, right) = piece.split_at(at);
            if ids.contains_key(left) && ids.contains_key(right) {
                let left_over = room.checked_sub(piece.len());
                room = left_over.ok_or_else(|| sentence!("its pieces can be made of each other in too many ways"))?;
                merges.push((left, right));
            }
        }
    }
    Ok(merges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_beginnings_come_first_and_the_order_of_the_pieces_is_kept() {
        let pieces = ["a", "b", "ab", "ba", "aba", "x"];
        let merges = piece_merges(&pieces, 0..pieces.len()).unwrap();
        assert_eq!(merges, [("a", "b"), ("b", "a"), ("a", "ba"), ("ab", "a")]);
        let other = piece_merges(&pieces, [4, 2, 3].into_iter()).unwrap();
        assert_eq!(other, [("a", "ba"), ("ab", "a"), ("a", "b"), ("b", "a")]);
    }

    #[test]
    fn pieces_that_are_all_parts_of_each_other_are_refused() {
        let families: Vec<String> =
            "abcdefgh".chars().flat_map(|c| (1..=MAX_PIECE).map(move |n| c.to_string().repeat(n))).collect();
        let pieces: Vec<&str> = families.iter().map(String::as_str).collect();
        assert!(piece_merges(&pieces, 0..pieces.len()).unwrap_err().to_string().contains("too many ways"));
        // Runs of spaces, as Gemma has them, are no attack.
        let spaces: Vec<String> = (1..=48).map(|n| "▁".repeat(n)).collect();
        let pieces: Vec<&str> = spaces.iter().map(String::as_str).collect();
        assert_eq!(piece_merges(&pieces, 0..pieces.len()).unwrap().len(), 47 * 48 / 2);
    }
}
