//! Words that a text prompt is put together from: those near the adapter's vectors, those of the rows, those that it said.

use std::collections::BTreeMap;

use burn::tensor::Tensor;

use super::said::is_word;
use crate::analysis::subject::Subject;
use crate::analysis::to_host;
use crate::data::Tokenizer;
use crate::error::Result;

/// Words that are tried alone, at most.
const MOST: usize = 48;
/// Nearest tokens of each soft token.
const NEAREST: usize = 3;

/// Words of several sources, each in the order of its promise.
pub(super) struct Pool<'a> {
    subject: &'a Subject,
    sources: Vec<Vec<String>>,
}

impl<'a> Pool<'a> {
    pub(super) fn new(subject: &'a Subject) -> Self {
        Self { subject, sources: Vec::new() }
    }

    /// Words as they are.
    pub(super) fn add(&mut self, words: &[String]) -> Result<()> {
        self.add_text(&words.join(" "))
    }

    /// The words of a text.
    pub(super) fn add_text(&mut self, text: &str) -> Result<()> {
        self.sources.push(words_of(text, &self.subject.model.tokenizer)?);
        Ok(())
    }

    /// The words of the rows, the most frequent first.
    pub(super) fn add_rows(&mut self) -> Result<()> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for row in &self.subject.bare {
            for word in words_of(&format!("{} {}", row.prompt, row.reference), &self.subject.model.tokenizer)? {
                *counts.entry(word).or_default() += 1;
            }
        }
        let mut words: Vec<(String, usize)> = counts.into_iter().collect();
        words.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        self.sources.push(words.into_iter().map(|(word, _)| word).collect());
        Ok(())
    }

    /// Words of all sources in turn, each once.
    pub(super) fn words(self) -> Vec<String> {
        let longest = self.sources.iter().map(Vec::len).max().unwrap_or(0);
        let mut words: Vec<String> = Vec::new();
        for nth in 0..longest {
            for word in self.sources.iter().filter_map(|source| source.get(nth)) {
                if words.len() < MOST && !words.contains(word) {
                    words.push(word.clone());
                }
            }
        }
        words
    }
}

/// The words of a text, each once, without marks around them; of a writing without spaces the tokens.
fn words_of(text: &str, tokenizer: &Tokenizer) -> Result<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    let mut add = |word: &str| {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        if !word.is_empty() && !word.contains('\u{fffd}') && !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    };
    for word in text.split_whitespace() {
        if word.chars().any(is_unspaced) {
            for token in tokenizer.encode(word)? {
                add(&tokenizer.decode(&[token])?);
            }
        } else {
            add(word);
        }
    }
    Ok(words)
}

/// Whether a letter is of a writing without spaces.
fn is_unspaced(letter: char) -> bool {
    matches!(letter, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}')
}

/// Whether most letters of a text are of a writing without spaces.
pub(super) fn is_unspaced_text(text: &str) -> bool {
    let letters = text.chars().filter(|letter| letter.is_alphabetic());
    2 * letters.clone().filter(|letter| is_unspaced(*letter)).count() > letters.count()
}

/// Words one behind the other, with spaces where the writing has them.
pub(super) fn joined(words: &[&str]) -> String {
    let mut text = String::new();
    for word in words {
        let is_unspaced =
            text.chars().next_back().is_some_and(is_unspaced) && word.chars().next().is_some_and(is_unspaced);
        if !text.is_empty() && !is_unspaced {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}

/// The tokens nearest to each soft token, by the cosine from the vocabulary's mean, the nearest of all first; nothing for an
/// adapter without soft tokens.
pub(super) fn near_soft_prompt(subject: &Subject) -> Result<Vec<String>> {
    let Some(prompt) = &subject.conditioning.soft_prompt else { return Ok(Vec::new()) };
    let table = subject.model.model.embeddings().dense();
    let ([vocab_size, width], [_, own]) = (table.dims(), prompt.dims());
    if own != width {
        return Ok(Vec::new());
    }
    let mean = table.clone().mean_dim(0);
    let unit = |rows: Tensor<2>| {
        let rows = rows - mean.clone();
        let length = rows.clone().powf_scalar(2.0).sum_dim(1).sqrt().clamp_min(1e-12);
        rows / length
    };
    let cosines = to_host(unit(prompt.clone()).matmul(unit(table).transpose()))?;
    let mut near: Vec<(f32, u32)> = Vec::new();
    for row in cosines.chunks(vocab_size.max(1)) {
        let mut order: Vec<u32> = (0..row.len() as u32).filter(|&id| is_word(id, &subject.model.tokenizer)).collect();
        order.sort_by(|&a, &b| row[b as usize].total_cmp(&row[a as usize]));
        near.extend(order.iter().take(NEAREST).map(|&id| (row[id as usize], id)));
    }
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    near.iter().map(|&(_, id)| subject.model.tokenizer.decode(&[id])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_apart_where_their_writing_has_spaces() {
        assert_eq!(joined(&["name", "the", "kind"]), "name the kind");
        assert_eq!(joined(&["描述", "地点"]), "描述地点");
        assert_eq!(joined(&["描述", "kind", "地点"]), "描述 kind 地点");
    }

    #[test]
    fn words_of_a_text_come_once_and_without_marks() {
        let folder =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/cases/gpt2-prefix-2x44/model");
        let tokenizer = Tokenizer::from_folder(&folder).unwrap();
        assert_eq!(words_of("A moon, a moon: “Ada” -", &tokenizer).unwrap(), ["A", "moon", "a", "Ada"]);
        assert!(words_of("月亮", &tokenizer).unwrap().is_empty(), "bytes of a character are no words");
        assert!(is_unspaced_text("月亮在 is") && !is_unspaced_text("the 月") && !is_unspaced_text("12"));
    }
}
