//! Texts to words, as the references do it.

mod mteval;
mod ptb;
mod python;

pub(super) use mteval::{mteval_13a, spaced_zh, western};
pub(super) use ptb::ptb_words;
pub(super) use python::{is_space, words};

/// Tokenizers of sacreBLEU 2.6.0 that need no model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tokenizer {
    /// `13a`: mteval-v13a.pl, for Western languages.
    #[default]
    Mteval13a,
    /// `zh`: each Chinese character a word, the rest as `13a`.
    Zh,
    /// `intl`: mteval-v14.pl, by Unicode's punctuation and symbols.
    Intl,
    /// `char`: each character a word.
    Char,
    /// `none`: words are between spaces already.
    None,
}

impl Tokenizer {
    /// Name in sacreBLEU's signature.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mteval13a => "13a",
            Self::Zh => "zh",
            Self::Intl => "intl",
            Self::Char => "char",
            Self::None => "none",
        }
    }

    /// Words of a line.
    pub(super) fn words(self, line: &str) -> Vec<String> {
        let spaced = match self {
            Self::Mteval13a => mteval_13a(line),
            Self::Zh => western(&spaced_zh(line.trim_matches(is_space))),
            Self::Intl => mteval::intl(line),
            Self::Char => return characters(line),
            Self::None => return words(line).map(str::to_owned).collect(),
        };
        words(&spaced).map(str::to_owned).collect()
    }
}

/// Words of metrics that leave the choice to their callers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Words {
    /// The metric's own words.
    #[default]
    Usual,
    /// Between spaces.
    Spaces,
    /// Each character but spaces.
    Characters,
}

impl Words {
    /// Part after the colon of a metric's name.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Usual => "usual",
            Self::Spaces => "none",
            Self::Characters => "char",
        }
    }
}

/// Each character but spaces.
pub(super) fn characters(text: &str) -> Vec<String> {
    text.chars().filter(|character| !is_space(*character)).map(String::from).collect()
}
