//! Words on the screen, in English and Chinese.
//!
//! `locales/en.toml` and `locales/zh.toml` hold the same keys; [`t!`](crate::t) finds a sentence by its key and
//! fills in its values. What a setting of a run decides has its English in the engine's schema and its Chinese in
//! `[setting]` of `locales/zh.toml`, under the setting's path; [`help_of`] says it. What the engine and the store say
//! is a [`Sentence`], whose English is its key in `locales/sentences.zh.toml`; [`tell`] renders it. The language belongs
//! to the thread that draws, so that two windows in two tests do not meet.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::LazyLock;

use engine::Sentence;
use engine::config::schema::{SETTINGS, Setting};
use engine::error::Failure;
use serde::{Deserialize, Serialize};

/// The language a user asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// The system's language, if we speak it.
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

/// The language of this thread from now on.
pub fn set_language(language: Language) {
    SPOKEN.set(language.resolved());
}

/// The language of this thread.
pub fn language() -> Language {
    SPOKEN.get()
}

type Words = BTreeMap<String, String>;

static ENGLISH: LazyLock<Words> = LazyLock::new(|| {
    let mut words = parse(include_str!("../locales/en.toml"));
    words.extend(SETTINGS.iter().map(|setting| (help_key(setting.key), setting.help.to_owned())));
    words
});
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

/// Where the words of a language have what a setting is.
fn help_key(setting: &str) -> String {
    format!("setting.{setting}")
}

/// A failure of words that are already told: what went wrong, and advice.
pub fn failure(what: impl Display, advice: impl Display) -> Failure {
    Failure { what: Sentence::verbatim(what), advice: Sentence::verbatim(advice) }
}

/// All keys of a language, with their sentences; those of settings begin with `setting.`.
pub fn words(language: Language) -> &'static BTreeMap<String, String> {
    match language.resolved() {
        Language::Chinese => &CHINESE,
        Language::English | Language::System => &ENGLISH,
    }
}

/// The sentence of a key; the key itself if there is none, which a test forbids.
pub fn sentence(key: &'static str) -> &'static str {
    words(language()).get(key).map_or(key, String::as_str)
}

/// The help of a run's setting, with its name in PEFT or transformers; the key itself if there is none, which a
/// test forbids.
pub fn help_of(key: &str) -> String {
    let help = words(language()).get(&help_key(key)).map_or(key, String::as_str);
    match Setting::find(key).and_then(Setting::known_as) {
        Some((library, name)) => crate::t!("field.known_as", help = help, library = library, name = name),
        None => help.to_owned(),
    }
}

/// [`help_of`] for a field of numbers in which 0 stands for none.
pub fn zero_help_of(key: &str) -> String {
    crate::t!("field.zero_is_none", help = help_of(key))
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
    sentence.render(&|template| match language() {
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

/// The sentence of a key, with its values: `t!("training.left", time = text)`.
#[macro_export]
macro_rules! t {
    ($key:literal) => { $crate::i18n::sentence($key) };
    ($key:literal, $($name:ident = $value:expr),+ $(,)?) => {
        $crate::i18n::fill($key, &[$((stringify!($name), &$value as &dyn std::fmt::Display)),+])
    };
}

/// A failure's words with a capital at the start, where they stand alone, unless the first is the name of a setting.
pub fn as_sentence(text: &str) -> String {
    if text.split_whitespace().next().is_some_and(|word| word.trim_end_matches(['.', ':']).contains(['.', '_'])) {
        return text.to_owned();
    }
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

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

    /// The keys of `[setting]`, and the others.
    fn keys(language: Language) -> (BTreeSet<&'static str>, BTreeSet<&'static str>) {
        words(language).keys().map(String::as_str).partition(|key| key.starts_with("setting."))
    }

    fn blanks(text: &str) -> Vec<&str> {
        let names = text.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(name, _)| name));
        // A word for one and one for several is English alone.
        let mut found: Vec<&str> = names.filter(|name| !name.contains(':')).collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn both_languages_have_the_same_keys_and_the_same_blanks() {
        let ((settings, english), (told, chinese)) = (keys(Language::English), keys(Language::Chinese));
        assert_eq!(english, chinese);
        assert!(told.is_subset(&settings), "no settings: {:?}", told.difference(&settings));
        for (key, text) in words(Language::Chinese) {
            assert_eq!(blanks(text), blanks(&words(Language::English)[key]), "the blanks of {key}");
        }
    }

    /// The keys that the source files below a folder give to what is called so.
    fn keys_below(folder: &Path, call: &str) -> BTreeSet<String> {
        let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        paths
            .flat_map(|path| match path.is_dir() {
                true => keys_below(&path, call),
                false => {
                    let source = std::fs::read_to_string(path).unwrap();
                    let given = source.split(call).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
                    given.filter_map(|rest| rest.split_once('"')).map(|(key, _)| key.to_owned()).collect()
                }
            })
            .collect()
    }

    #[test]
    fn each_key_that_is_asked_for_has_its_words() {
        let mut asked = keys_below(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/screens")), "t!(");
        asked.extend(keys_below(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/report")), "t!("));
        // `format!(` ends like it; what it is given is no key.
        let is_key =
            |text: &str| text.contains('.') && text.chars().all(|c| c.is_ascii_alphanumeric() || "._".contains(c));
        asked.retain(|text| is_key(text));
        assert!(asked.len() > 300, "the screens were read: {}", asked.len());
        let (_, known) = keys(Language::English);
        let without: Vec<&String> = asked.iter().filter(|key| !known.contains(key.as_str())).collect();
        assert!(without.is_empty(), "no words for {without:?}");
    }

    #[test]
    fn each_help_of_the_form_is_of_a_setting_and_told_in_chinese_and_no_other_is() {
        let shown = keys_below(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/screens")), "help_of(");
        assert!(shown.len() > 50, "the screens were read: {shown:?}");
        let unknown: Vec<&String> = shown.iter().filter(|key| Setting::find(key).is_none()).collect();
        assert!(unknown.is_empty(), "no settings: {unknown:?}");
        let (told, _) = keys(Language::Chinese);
        let shown: BTreeSet<String> = shown.iter().map(|key| help_key(key)).collect();
        assert_eq!(told, shown.iter().map(String::as_str).collect(), "[setting] of zh.toml");
    }

    #[test]
    fn a_help_names_the_setting_as_its_library_does() {
        let said = |language: Language, key: &str| {
            set_language(language);
            help_of(key)
        };
        assert_eq!(said(Language::English, "lora.rank"), "Rank of the matrices. PEFT: r");
        assert_eq!(said(Language::Chinese, "lora.rank"), "矩阵的秩。PEFT：r");
        let batch = said(Language::English, "training.batch_size");
        assert!(batch.ends_with(". transformers: per_device_train_batch_size"), "{batch}");
        // Its name is of LoRA alone, and a prefix has a dropout too.
        assert!(!said(Language::English, "method.dropout").contains("lora_dropout"));
        assert!(!said(Language::English, "precision").contains("fp16"), "a name of one value");
        assert!(zero_help_of("training.schedule.timescale").ends_with(". 0 is none here"));
    }
}
