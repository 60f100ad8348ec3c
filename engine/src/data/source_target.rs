//! Rows for a model that reads a source and writes a target: the prompt with the special tokens that the tokenizer
//! gives a text, and the target after the token that starts it.

use super::tokenizer::Tokenizer;
use crate::error::Result;

/// What becomes of the two texts of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RowForm {
    /// One text, prompt and target: a causal model goes on with it.
    #[default]
    OneText,
    /// Two texts.
    SourceAndTarget {
        /// Stands before the target; `None` if the target's own last token does.
        start: Option<u32>,
        /// The first token of every target, where the model forces one.
        first: Option<u32>,
    },
}

/// The tokens of a source, and how many there were before they were cut to `limit`.
///
/// The tokenizer puts its special tokens around it, so that the begin token with which prompts end by default is left
/// out. A source that is cut loses its end, but not the special token there.
///
/// # Errors
/// [`EngineError::Tokenizer`](crate::error::EngineError::Tokenizer) when the vocabulary cannot express the text.
pub fn source_tokens(prompt: &str, tokenizer: &Tokenizer, limit: usize) -> Result<(Vec<u32>, usize)> {
    let text = prompt.strip_suffix(tokenizer.bos_text()).unwrap_or(prompt);
    let mut tokens = tokenizer.encode_with_special(text)?;
    if tokens.is_empty() {
        tokens.push(tokenizer.eos());
    }
    let length = tokens.len();
    if length > limit {
        let last = tokens[length - 1];
        tokens.truncate(limit);
        if tokenizer.is_special(last)
            && let Some(end) = tokens.last_mut()
        {
            *end = last;
        }
    }
    Ok((tokens, length))
}

/// The start token and the tokens of a target, and how many there were before they were cut to `limit`; nothing for a
/// text without tokens. The end token is there if it is asked for, whether the tokenizer adds one or not.
///
/// # Errors
/// As [`source_tokens`].
pub(super) fn target_tokens(
    target: &str,
    tokenizer: &Tokenizer,
    (start, first): (Option<u32>, Option<u32>),
    ends: bool,
    limit: usize,
) -> Result<(Vec<u32>, usize)> {
    let text = target.strip_prefix(' ').unwrap_or(target);
    if tokenizer.encode(text)?.is_empty() {
        return Ok((Vec::new(), 0));
    }
    let mut labels = tokenizer.encode_with_special(text)?;
    if let Some(first) = first {
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
    let start = start.or(labels.last().copied()).unwrap_or(eos);
    labels.insert(0, start);
    let length = labels.len();
    labels.truncate(limit);
    Ok((labels, length))
}

#[cfg(test)]
mod tests {
    use super::super::tokenizer::byte_tokenizer;
    use super::*;

    const END: u32 = 256;

    #[test]
    fn a_source_keeps_its_last_special_token_when_it_is_cut() {
        let tokenizer = byte_tokenizer();
        assert_eq!(source_tokens("abc<|endoftext|>", &tokenizer, 9).unwrap(), (vec![97, 98, 99], 3), "bos is left out");
        assert_eq!(source_tokens("", &tokenizer, 9).unwrap(), (vec![END], 1), "there is something to read");
        assert_eq!(source_tokens("abc", &tokenizer, 2).unwrap(), (vec![97, 98], 3));
        assert_eq!(
            source_tokens("ab<|endoftext|>c<|endoftext|><|endoftext|>", &tokenizer, 3).unwrap(),
            (vec![97, 98, END], 5)
        );
    }

    #[test]
    fn a_target_stands_after_its_start_and_ends_once() {
        let tokenizer = byte_tokenizer();
        let tokens = |target, start, first, ends, limit| {
            target_tokens(target, &tokenizer, (start, first), ends, limit).unwrap().0
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
