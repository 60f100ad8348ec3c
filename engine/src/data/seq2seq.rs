//! Rows for a model that reads a source and writes a target: the prompt with the special tokens that the tokenizer
//! gives a text, and the target after the token that starts it.

use super::soft;
use super::tokenizer::{Encoded, Tokenizer};
use crate::error::Result;
use crate::tokens::TargetStart;

/// The tokens of a source as the tokenizer frames a text, and how many there were before they were cut to `limit`. A source
/// that is cut loses its end, but not the special tokens around it. Soft tokens, which may be written out in it, are not
/// counted and never cut.
///
/// # Errors
/// [`EngineError::Tokenizer`](crate::error::EngineError::Tokenizer) when the vocabulary cannot express the text.
pub fn source_tokens(text: &str, tokenizer: &Tokenizer, limit: usize) -> Result<(Vec<u32>, usize)> {
    Ok(within(soft::encode_framed(text, tokenizer)?, tokenizer, limit))
}

/// The same of a text that has its special tokens.
pub(super) fn within(mut framed: Encoded, tokenizer: &Tokenizer, limit: usize) -> (Vec<u32>, usize) {
    let n_soft = soft::count(&framed.ids);
    let length = framed.ids.len() - n_soft;
    if length == 0 {
        framed.ids.push(tokenizer.eos());
        return (framed.ids, 1);
    }
    framed.cut(limit.saturating_add(n_soft));
    let mut room = limit;
    framed.ids.retain(|token| {
        let stays = !soft::is_hard(token) || room > 0;
        room = room.saturating_sub(usize::from(soft::is_hard(token)));
        stays
    });
    (framed.ids, length)
}

/// The start token and the tokens of a target, and how many there were before they were cut to `limit`; nothing for a
/// text without tokens. The end token is there if it is asked for, whether the tokenizer adds one or not.
///
/// # Errors
/// As [`source_tokens`].
pub(super) fn target_tokens(
    target: &str,
    tokenizer: &Tokenizer,
    start: TargetStart,
    ends: bool,
    limit: usize,
) -> Result<(Vec<u32>, usize)> {
    let text = target.strip_prefix(' ').unwrap_or(target);
    if tokenizer.encode(text)?.is_empty() {
        return Ok((Vec::new(), 0));
    }
    let mut labels = tokenizer.encode_target(text)?;
    if let Some(first) = start.first {
        let takes_its_place = labels.first().is_some_and(|&token| tokenizer.is_special(token));
        labels.splice(..usize::from(takes_its_place), [first]);
    }
    let eos = tokenizer.eos();
    let has_end = labels.iter().rev().take_while(|&&token| tokenizer.is_special(token)).any(|&token| token == eos);
    if ends && !has_end {
        labels.push(eos);
    }
    if !ends && labels.last() == Some(&eos) {
        labels.pop();
    }
    labels.insert(0, start.token.or(labels.last().copied()).unwrap_or(eos));
    let length = labels.len();
    labels.truncate(limit);
    Ok((labels, length))
}

/// The tokens of a text that continues a prompt, or is written from it, as a target of training has them; nothing for a text
/// without tokens. With `ends` the end token is the last.
///
/// # Errors
/// As [`source_tokens`].
pub fn continuation_tokens(text: &str, tokenizer: &Tokenizer, start: TargetStart, ends: bool) -> Result<Vec<u32>> {
    if start.has_source {
        let (mut tokens, _) = target_tokens(text, tokenizer, start, ends, usize::MAX)?;
        tokens.drain(..tokens.len().min(1));
        return Ok(tokens);
    }
    let mut tokens = tokenizer.encode_continuation(text)?;
    if ends && !tokens.is_empty() {
        tokens.push(tokenizer.eos());
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::super::tokenizer::byte_tokenizer;
    use super::*;

    const END: u32 = 256;

    #[test]
    fn a_continuation_has_the_tokens_of_a_target_without_what_starts_it() {
        let tokenizer = byte_tokenizer();
        let causal = |text, ends| continuation_tokens(text, &tokenizer, TargetStart::default(), ends).unwrap();
        assert_eq!(causal(" b", true), [32, 98, END]);
        assert_eq!((causal(" b", false), causal("", true)), (vec![32, 98], vec![]));
        assert_eq!(causal("b<|endoftext|>", true), [98, END, END], "a target that writes its end out has both");
        let start = TargetStart { has_source: true, token: Some(7), first: Some(9) };
        assert_eq!(continuation_tokens(" b", &tokenizer, start, true).unwrap(), [9, 98, END]);
        assert!(continuation_tokens("", &tokenizer, start, true).unwrap().is_empty());
    }

    #[test]
    fn a_source_is_cut_at_its_end() {
        let tokenizer = byte_tokenizer();
        assert_eq!(source_tokens("abc", &tokenizer, 9).unwrap(), (vec![97, 98, 99], 3));
        assert_eq!(source_tokens("", &tokenizer, 9).unwrap(), (vec![END], 1), "there is something to read");
        assert_eq!(source_tokens("abc", &tokenizer, 2).unwrap(), (vec![97, 98], 3));
    }

    #[test]
    fn a_target_stands_after_its_start_and_ends_once() {
        let tokenizer = byte_tokenizer();
        let tokens = |target, token, first, ends, limit| {
            target_tokens(target, &tokenizer, TargetStart { has_source: true, token, first }, ends, limit).unwrap().0
        };
        assert_eq!(tokens(" ab", Some(1), None, true, 9), [1, 97, 98, END]);
        assert_eq!(tokens("ab<|endoftext|>", Some(1), None, true, 9), [1, 97, 98, END]);
        assert_eq!(tokens("ab<|endoftext|>", Some(1), None, false, 9), [1, 97, 98]);
        assert_eq!(tokens("ab", Some(1), Some(7), true, 9), [1, 7, 97, 98, END]);
        assert_eq!(tokens("<|endoftext|>ab", Some(1), Some(7), true, 9), [1, 7, 97, 98, END]);
        assert_eq!(tokens("ab", None, None, true, 3), [END, 97, 98], "the start is the last token, before the cut");
        assert!(tokens(" ", Some(1), None, true, 9).is_empty());
    }
}
