//! Modules that a name or a pattern of an adapter's settings means. Patterns come from strangers' files, so each may
//! become only so large, and there are only so many.
//! As in huggingface/peft: src/peft/utils/other.py, get_pattern_key.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};

use crate::{Sentence, sentence};

/// Largest pattern once it is compiled, in bytes.
const MAX_SIZE: usize = 64 * 1024;
/// Most patterns of one setting, and most names.
const MAX_PATTERNS: usize = 200;
const MAX_NAMES: usize = 10_000;

/// A name, or a pattern for whole names.
#[derive(Debug)]
pub(crate) enum Pattern {
    /// The end of a module's name, after a dot, or all of it.
    Name(String),
    /// A pattern that a whole name matches.
    Regex(Regex),
}

impl Pattern {
    /// A text that is all letters, digits, dots, dashes and underscores is a name. `before` begins the pattern otherwise.
    ///
    /// # Errors
    /// A pattern that is not well formed or too large, in a sentence.
    fn new(text: &str, before: &str) -> Result<Self, Sentence> {
        if text.chars().all(|c| c.is_alphanumeric() || "._-".contains(c)) {
            return Ok(Self::Name(text.to_owned()));
        }
        let pattern = RegexBuilder::new(&format!("^{before}(?:{text})$"))
            .size_limit(MAX_SIZE)
            .dfa_size_limit(8 * MAX_SIZE)
            .nest_limit(50)
            .build();
        pattern.map(Self::Regex).map_err(Sentence::verbatim)
    }

    /// Each of several, of which only so many may be patterns.
    ///
    /// # Errors
    /// As [`Pattern::new`], and for too many, in a sentence.
    pub(crate) fn each<'a>(texts: impl IntoIterator<Item = &'a String>, before: &str) -> Result<Vec<Self>, Sentence> {
        let (mut patterns, mut n_regexes) = (Vec::new(), 0);
        for text in texts {
            let pattern = Self::new(text, before)?;
            n_regexes += usize::from(matches!(pattern, Self::Regex(_)));
            patterns.push(pattern);
            if n_regexes > MAX_PATTERNS || patterns.len() > MAX_NAMES {
                return Err(sentence!(
                    "it has more than {max_patterns} patterns or {max_names} names",
                    max_patterns = MAX_PATTERNS,
                    max_names = MAX_NAMES
                ));
            }
        }
        Ok(patterns)
    }

    pub(crate) fn is_match(&self, module: &str) -> bool {
        match self {
            Self::Name(name) => {
                module.strip_suffix(name.as_str()).is_some_and(|before| before.is_empty() || before.ends_with('.'))
            }
            Self::Regex(pattern) => pattern.is_match(module),
        }
    }
}

/// Numbers for layers whose names end as a name or a pattern says.
pub(crate) struct Patterns<T>(Vec<(Pattern, T)>);

impl<T: Copy> Patterns<T> {
    /// # Errors
    /// A pattern that is not well formed or too large, or too many, in a sentence.
    pub(crate) fn new(entries: &BTreeMap<String, T>) -> Result<Self, Sentence> {
        let patterns = Pattern::each(entries.keys(), r"(?:.*\.)?")?;
        Ok(Self(patterns.into_iter().zip(entries.values().copied()).collect()))
    }

    pub(crate) fn for_name(&self, name: &str) -> Option<T> {
        self.0.iter().find(|(pattern, _)| pattern.is_match(name)).map(|(_, number)| *number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_end_of_a_modules_name_and_a_pattern_all_of_it() {
        let patterns = Pattern::each(&["q_proj".to_owned(), r".*\.[kv]_proj".to_owned()], "").unwrap();
        let of = |module: &str| patterns.iter().map(|pattern| pattern.is_match(module)).collect::<Vec<_>>();
        assert_eq!(of("layers.0.q_proj"), [true, false]);
        assert_eq!(of("q_proj"), [true, false]);
        assert_eq!(of("layers.0.v_proj"), [false, true]);
        assert_eq!(of("layers.0.xq_proj"), [false, false]);
        let ranks = BTreeMap::from([("layers.1.q_proj".to_owned(), 4), ("[qv]_proj".to_owned(), 2)]);
        let ranks = Patterns::new(&ranks).unwrap();
        assert_eq!(ranks.for_name("model.layers.1.q_proj"), Some(2), "the first in the order of the names");
        assert_eq!(ranks.for_name("model.layers.1.k_proj"), None);
    }

    #[test]
    fn patterns_that_are_large_or_many_are_refused() {
        let large = BTreeMap::from([(r"\w{60}".to_owned(), 1.0)]);
        assert!(Patterns::new(&large).is_err_and(|reason| reason.to_string().contains("size limit")));
        let many: BTreeMap<String, f64> = (0..2000).map(|n| (format!("[a]{n}"), 1.0)).collect();
        assert!(Patterns::new(&many).is_err_and(|reason| reason.to_string().contains("200 patterns")));
        let names: BTreeMap<String, f64> = (0..2000).map(|n| (format!("layers.{n}.q_proj"), 1.0)).collect();
        assert_eq!(Patterns::new(&names).unwrap().for_name("layers.1999.q_proj"), Some(1.0));
        assert!(Patterns::new(&BTreeMap::from([("(".repeat(2000), 1)])).is_err());
    }
}
