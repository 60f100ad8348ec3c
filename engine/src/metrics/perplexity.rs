//! Perplexity by token, word and byte of a summed negative log-likelihood, as EleutherAI/lm-evaluation-harness has it
//! (`word_perplexity`, `byte_perplexity`, `bits_per_byte`): the sums over texts are divided, not their means. By word and
//! byte models of different vocabularies can be compared.

use serde::{Deserialize, Serialize};

/// Sums over texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TextLikelihood {
    /// Negative log-likelihood in nats.
    pub nll: f64,
    /// Tokens that were predicted.
    pub tokens: usize,
    /// Words between white space.
    pub words: usize,
    /// Bytes of UTF-8.
    pub bytes: usize,
}

impl TextLikelihood {
    /// Takes in a text whose `tokens` tokens have together this negative log-likelihood.
    pub fn add(&mut self, text: &str, nll: f64, tokens: usize) {
        self.nll += nll;
        self.tokens += tokens;
        self.words += words(text);
        self.bytes += text.len();
    }

    /// Perplexity by token.
    pub fn token_perplexity(&self) -> f64 {
        (self.nll / self.tokens as f64).exp()
    }

    /// Perplexity by word.
    pub fn word_perplexity(&self) -> f64 {
        (self.nll / self.words as f64).exp()
    }

    /// Perplexity by byte.
    pub fn byte_perplexity(&self) -> f64 {
        (self.nll / self.bytes as f64).exp()
    }

    /// Bits for each byte.
    pub fn bits_per_byte(&self) -> f64 {
        self.nll / self.bytes as f64 / std::f64::consts::LN_2
    }
}

/// Pieces of `re.split(r"\s+", text)`: white space at an end leaves an empty piece there, which counts.
fn words(text: &str) -> usize {
    let mut spaces = 0;
    let mut inside = false;
    for c in text.chars() {
        let is_space = is_python_space(c);
        spaces += usize::from(is_space && !inside);
        inside = is_space;
    }
    spaces + 1
}

/// White space of Python's `str.isspace` and `\s`: Unicode's, and four separators of ASCII.
pub(crate) fn is_python_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::golden::{close, other};

    #[test]
    fn words_and_bytes_are_counted_as_the_harness_counts_them() {
        let golden = other()["perplexity"].clone();
        let mut sums = TextLikelihood::default();
        for text in golden["texts"].as_array().unwrap() {
            let (nll, tokens) = (text["nll"].as_f64().unwrap(), text["tokens"].as_u64().unwrap() as usize);
            sums.add(text["text"].as_str().unwrap(), nll, tokens);
        }
        assert_eq!(sums.words as u64, golden["words"].as_u64().unwrap());
        assert_eq!(sums.bytes as u64, golden["bytes"].as_u64().unwrap());
        close(sums.token_perplexity(), &golden["token_perplexity"], "token");
        close(sums.word_perplexity(), &golden["word_perplexity"], "word");
        close(sums.byte_perplexity(), &golden["byte_perplexity"], "byte");
        close(sums.bits_per_byte(), &golden["bits_per_byte"], "bits");
    }
}
