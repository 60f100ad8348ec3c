//! Stop words: texts that end a text. As `StopStringCriteria` of huggingface/transformers,
//! `src/transformers/generation/stopping_criteria.py`: a text is over with the token whose own text completes one,
//! wherever the stop word begins; what stands behind it in that token stays.

use std::fmt;
use std::rc::Rc;

/// The text of tokens.
type TextOf = Rc<dyn Fn(&[u32]) -> String>;

/// Tokens that are decoded beside those a stop word can span: a tokenizer may take a space from the first.
const MARGIN: usize = 2;

/// Texts that end a text, and what tokens say.
#[derive(Clone)]
pub struct StopStrings {
    texts: Vec<String>,
    text_of: TextOf,
}

impl fmt::Debug for StopStrings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StopStrings").field(&self.texts).finish()
    }
}

impl StopStrings {
    /// None of the texts is empty.
    pub fn new(texts: Vec<String>, text_of: impl Fn(&[u32]) -> String + 'static) -> Self {
        Self { texts, text_of: Rc::new(text_of) }
    }

    /// Whether the last token completes one.
    pub(super) fn complete(&self, tokens: &[u32]) -> bool {
        let longest = self.texts.iter().map(String::len).max().unwrap_or(0);
        // Every token has a byte of its own, or says nothing.
        let tail = &tokens[tokens.len().saturating_sub(longest + MARGIN)..];
        let Some((_, before)) = tail.split_last() else { return false };
        let (text, before) = ((self.text_of)(tail), (self.text_of)(before));
        let known = text.bytes().zip(before.bytes()).take_while(|(a, b)| a == b).count();
        self.texts.iter().any(|stop| {
            let begin = (known + 1).saturating_sub(stop.len());
            let begin = (begin..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
            text[begin..].contains(stop.as_str())
        })
    }
}

/// A text up to the first stop word in it.
pub fn before_stop<'a>(text: &'a str, stops: &[String]) -> &'a str {
    let first = stops.iter().filter_map(|stop| text.find(stop.as_str())).min();
    first.map_or(text, |end| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECES: [&str; 8] = ["st", "op", "stop", "opera", "las", "topper", " at", "s"];

    fn stops(text: &str, tokens: &[u32]) -> bool {
        let said = |tokens: &[u32]| tokens.iter().map(|&token| PIECES[token as usize]).collect();
        StopStrings::new(vec![text.to_owned()], said).complete(tokens)
    }

    /// The cases in the reference's own words: ["st", "op"], ["stop"], ["st", "opera"], ["las", "topper"] match, and
    /// ["stop", "at"], ["st", "op", "at"] do not.
    #[test]
    fn a_stop_word_ends_a_text_with_the_token_that_completes_it() {
        for tokens in [&[0, 1][..], &[2], &[0, 3], &[4, 5], &[6, 6, 6, 6, 6, 6, 6, 6, 0, 1]] {
            assert!(stops("stop", tokens), "{tokens:?}");
        }
        for tokens in [&[2, 6][..], &[0, 1, 6], &[0], &[], &[1, 0]] {
            assert!(!stops("stop", tokens), "{tokens:?}");
        }
        assert!(stops("ss", &[2, 7, 7]) && !stops("ss", &[2, 7]));
    }

    #[test]
    fn a_text_is_read_up_to_its_first_stop_word() {
        let stops = ["\n".to_owned(), "END".to_owned()];
        assert_eq!(before_stop("a END b\nc", &stops), "a ");
        assert_eq!(before_stop("你好\nEND", &stops), "你好");
        assert_eq!(before_stop("none", &stops), "none");
    }
}
