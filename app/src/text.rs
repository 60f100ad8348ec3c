//! Words and numbers on the screen, in English and Chinese.
//!
//! `locales/en.toml` and `locales/zh.toml` hold the same keys; [`say!`](crate::say) finds a sentence by its key and
//! fills in its values. What the engine and the store say is a [`Sentence`], whose English is its key in
//! `locales/sentences.zh.toml`; [`tell`] renders it. The language belongs to the thread that draws, so that two windows in two tests do not meet.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::LazyLock;

use engine::Sentence;
use engine::error::Failure;
use serde::{Deserialize, Serialize};

/// The language a user asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// What the system speaks, if we do.
    #[default]
    System,
    /// English.
    English,
    /// 中文.
    Chinese,
}

impl Language {
    /// The language that is spoken: never [`Language::System`].
    pub fn resolved(self) -> Self {
        match self {
            Self::System => system_language(),
            chosen => chosen,
        }
    }
}

fn system_language() -> Language {
    let spoken =
        ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    match spoken {
        Some(name) if name.starts_with("zh") => Language::Chinese,
        _ => Language::English,
    }
}

thread_local! {
    static SPOKEN: Cell<Language> = const { Cell::new(Language::English) };
}

/// Speaks this language on this thread from now on.
pub fn speak(language: Language) {
    SPOKEN.set(language.resolved());
}

/// The language spoken on this thread.
pub fn spoken() -> Language {
    SPOKEN.get()
}

type Words = BTreeMap<String, String>;

static ENGLISH: LazyLock<Words> = LazyLock::new(|| parse(include_str!("../locales/en.toml")));
static CHINESE: LazyLock<Words> = LazyLock::new(|| parse(include_str!("../locales/zh.toml")));
/// Chinese by the English template, as [`Sentence`] has it.
static SENTENCES: LazyLock<Words> = LazyLock::new(|| parse_flat(include_str!("../locales/sentences.zh.toml")));

fn parse(source: &str) -> Words {
    let table: BTreeMap<String, BTreeMap<String, String>> =
        toml::from_str(source).expect("the word lists are part of the program and tested");
    table
        .into_iter()
        .flat_map(|(section, words)| words.into_iter().map(move |(key, text)| (format!("{section}.{key}"), text)))
        .collect()
}

fn parse_flat(source: &str) -> Words {
    toml::from_str(source).expect("the sentences are part of the program and tested")
}

/// What went wrong and what to do, in words that are already told.
pub fn failure(what: impl Display, advice: impl Display) -> Failure {
    Failure { what: Sentence::verbatim(what), advice: Sentence::verbatim(advice) }
}

/// All keys of a language, with their sentences.
pub fn words(language: Language) -> &'static BTreeMap<String, String> {
    match language.resolved() {
        Language::Chinese => &CHINESE,
        Language::English | Language::System => &ENGLISH,
    }
}

/// The sentence of a key; the key itself if there is none, which a test forbids.
pub fn sentence(key: &'static str) -> &'static str {
    words(spoken()).get(key).map_or(key, String::as_str)
}

/// A sentence with `{name}` replaced by its value, and `{name:row|rows}` by the word for one or for several.
pub fn fill(key: &'static str, values: &[(&str, &dyn Display)]) -> String {
    fill_in(sentence(key), values)
}

fn fill_in(template: &str, values: &[(&str, &dyn Display)]) -> String {
    engine::sentence::fill(template, &|name| {
        values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string())
    })
}

/// A sentence of the engine or the store, in the language spoken here.
pub fn tell(sentence: &Sentence) -> String {
    sentence.render(&|template| match spoken() {
        Language::Chinese => in_chinese(template),
        Language::English | Language::System => None,
    })
}

/// A sentence that stands alone: with a capital at its beginning.
pub fn told(sentence: &Sentence) -> String {
    as_sentence(&tell(sentence))
}

/// The Chinese of a template, if it has one.
pub fn in_chinese(template: &str) -> Option<&'static str> {
    SENTENCES.get(template).map(String::as_str)
}

/// Every template that has one.
pub fn chinese_sentences() -> impl Iterator<Item = &'static str> {
    SENTENCES.keys().map(String::as_str)
}

/// The sentence of a key, with its values: `say!("training.left", time = text)`.
#[macro_export]
macro_rules! say {
    ($key:literal) => { $crate::text::sentence($key) };
    ($key:literal, $($name:ident = $value:expr),+ $(,)?) => {
        $crate::text::fill($key, &[$((stringify!($name), &$value as &dyn std::fmt::Display)),+])
    };
}

/// `9857024` as `9,857,024`.
pub fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What went wrong begins with a capital where it stands alone, unless its first word is the name of a setting.
pub fn as_sentence(text: &str) -> String {
    if text.split_whitespace().next().is_some_and(|word| word.trim_end_matches(['.', ':']).contains(['.', '_'])) {
        return text.to_owned();
    }
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// A text of at most so many characters.
pub fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end_matches([' ', ',', '·']))
}

/// `9857024` as `9.86 M`.
pub fn short_count(number: usize) -> String {
    let value = number as f64;
    match number {
        0..=9_999 => count(number),
        10_000..=999_999 => format!("{} k", three_digits(value / 1e3)),
        1_000_000..=999_999_999 => format!("{} M", three_digits(value / 1e6)),
        _ => format!("{} B", three_digits(value / 1e9)),
    }
}

/// `1610612736` as `1.61 GB`.
pub fn bytes(number: u64) -> String {
    let value = number as f64;
    match number {
        0..=999 => format!("{number} B"),
        1_000..=999_999 => format!("{} kB", three_digits(value / 1e3)),
        1_000_000..=999_999_999 => format!("{} MB", three_digits(value / 1e6)),
        _ => format!("{} GB", three_digits(value / 1e9)),
    }
}

fn three_digits(value: f64) -> String {
    let decimals = if value < 10.0 {
        2
    } else if value < 100.0 {
        1
    } else {
        0
    };
    format!("{value:.decimals$}")
}

/// A span of time as people say it.
pub fn duration(secs: f64) -> String {
    if !secs.is_finite() {
        return "–".to_owned();
    }
    let whole = secs.max(0.0).round() as u64;
    match whole {
        0..=59 if secs < 10.0 => say!("time.seconds", n = format!("{secs:.1}")),
        0..=59 => say!("time.seconds", n = whole),
        60..=3_599 => say!("time.minutes", n = whole / 60, rest = format!("{:02}", whole % 60)),
        3_600..=86_399 => say!("time.hours", n = whole / 3_600, rest = format!("{:02}", whole % 3_600 / 60)),
        _ => say!("time.days", n = whole / 86_400, rest = format!("{:02}", whole % 86_400 / 3_600)),
    }
}

/// How long ago a moment was, both in seconds since 1970.
pub fn ago(moment: f64, now: f64) -> String {
    let secs = (now - moment).max(0.0) as u64;
    match secs {
        0..=59 => say!("time.just_now").to_owned(),
        60..=3_599 => say!("time.minutes_ago", n = secs / 60),
        3_600..=86_399 => say!("time.hours_ago", n = secs / 3_600),
        _ => say!("time.days_ago", n = secs / 86_400),
    }
}

/// A loss or another figure of about one: four digits after the point.
pub fn figure(value: f64) -> String {
    if value.is_finite() { format!("{value:.4}") } else { "–".to_owned() }
}

/// A learning rate or another small number: `5e-3`, `0.5`.
pub fn scientific(value: f64) -> String {
    if value == 0.0 || (0.01..1e4).contains(&value.abs()) {
        return format!("{value}");
    }
    let text = format!("{value:.3e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) => {
            let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
            format!("{mantissa}e{exponent}")
        }
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(count(9_857_024), "9,857,024");
        assert_eq!(short_count(9_857_024), "9.86 M");
        assert_eq!(short_count(184_320), "184 k");
        assert_eq!(bytes(1_610_612_736), "1.61 GB");
        assert_eq!(duration(75.0), "1 min 15 s");
        assert_eq!(scientific(5e-3), "5e-3");
        assert_eq!(scientific(5e-5), "5e-5");
        assert_eq!(scientific(0.05), "0.05");
    }

    #[test]
    fn one_and_several_have_words_of_their_own() {
        let said = |n: usize| fill_in("{n} {n:run was|runs were} interrupted", &[("n", &n)]);
        assert_eq!(said(1), "1 run was interrupted");
        assert_eq!(said(12), "12 runs were interrupted");
        assert_eq!(fill_in("written {{ source }}, {n}", &[("n", &2)]), "written {{ source }}, 2");
        assert_eq!(fill_in("{path}", &[("path", &"a{n}b")]), "a{n}b", "a value is no sentence");
    }

    #[test]
    fn a_sentence_begins_with_a_capital_and_a_setting_does_not() {
        assert_eq!(as_sentence("the file is empty"), "The file is empty");
        assert_eq!(as_sentence("data.max_tokens: must be at least 1"), "data.max_tokens: must be at least 1");
        assert_eq!(as_sentence("no"), "No");
    }

    #[test]
    fn both_languages_have_the_same_keys_and_the_same_blanks() {
        let blanks = |text: &str| -> Vec<String> {
            let mut found: Vec<String> = text
                .split('{')
                .skip(1)
                .filter_map(|part| part.split_once('}').map(|(name, _)| name.to_owned()))
                // A word for one and one for several is English alone.
                .filter(|name| !name.contains(':'))
                .collect();
            found.sort();
            found
        };
        let (english, chinese) = (words(Language::English), words(Language::Chinese));
        assert_eq!(english.keys().collect::<Vec<_>>(), chinese.keys().collect::<Vec<_>>());
        for (key, text) in english {
            assert_eq!(blanks(text), blanks(&chinese[key]), "the blanks of {key}");
        }
    }
}
