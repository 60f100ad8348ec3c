//! Sentences for people: a template, which is also the key of its translations, and the values that belong in it.
//!
//! The engine writes English; whoever shows a [`Sentence`] may [render](Sentence::render) it by the templates of another
//! language, as gettext does. Values may be sentences, so that a reason within an error is translated too.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A sentence, or a part of one: made with [`sentence!`](crate::sentence!).
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sentence {
    template: Cow<'static, str>,
    values: Option<Box<Values>>,
    /// Not a template of ours but a name, a number, a path, somebody else's words: the same in every language.
    is_text: bool,
}

/// Values of the blanks, by their names: sentences in the language of the one around them, and texts as they are.
type Values = BTreeMap<Cow<'static, str>, Sentence>;

impl Sentence {
    /// A template without blanks. Called by [`sentence!`](crate::sentence!).
    pub const fn plain(template: &'static str) -> Self {
        Self { template: Cow::Borrowed(template), values: None, is_text: false }
    }

    /// A template whose blanks are filled by the values of these names. Called by [`sentence!`](crate::sentence!).
    pub fn filled(template: &'static str, values: BTreeMap<Cow<'static, str>, Self>) -> Self {
        Self { template: Cow::Borrowed(template), values: Some(Box::new(values)), is_text: false }
    }

    /// A text that is not ours: what a library, a driver or a server said.
    pub fn verbatim(text: impl fmt::Display) -> Self {
        Self { template: Cow::Owned(text.to_string()), values: None, is_text: true }
    }

    /// Several, with commas between them; nothing for none.
    pub fn list(all: impl IntoIterator<Item = Self>) -> Option<Self> {
        all.into_iter().reduce(|before, next| crate::sentence!("{before}, {next}", before, next))
    }

    /// Several clauses as one sentence; nothing for none.
    pub fn clauses(all: impl IntoIterator<Item = Self>) -> Option<Self> {
        all.into_iter().reduce(|before, next| crate::sentence!("{before}; {next}", before, next))
    }

    /// The templates of the sentence and of the sentences in it: equal where only names, numbers and texts differ.
    pub fn form(&self) -> String {
        if self.is_text {
            return String::new();
        }
        let within = self.values.iter().flat_map(|values| values.values()).map(Self::form);
        std::iter::once(self.template.clone().into_owned()).chain(within.filter(|form| !form.is_empty())).collect()
    }

    /// As a column of a table keeps it: a text that is not ours as it is, a template as JSON.
    pub fn kept(&self) -> String {
        match self.is_text {
            true => self.template.clone().into_owned(),
            // A map of texts is always JSON.
            false => serde_json::to_string(self).unwrap_or_else(|_| self.to_string()),
        }
    }

    /// Reads a text that [`kept`](Self::kept) wrote, or one of before there were sentences.
    pub fn from_kept(text: String) -> Self {
        match text.starts_with("{\"template\":") {
            true => serde_json::from_str(&text).unwrap_or_else(|_| Self::verbatim(text)),
            false => Self::verbatim(text),
        }
    }

    /// The sentence by the templates of a language; in English where it has none. Control characters in values stay.
    pub fn render<'a>(&self, translate: &dyn Fn(&str) -> Option<&'a str>) -> String {
        let told = if self.is_text { None } else { translate(&self.template) };
        let template = told.unwrap_or(&self.template);
        match &self.values {
            None => template.to_owned(),
            Some(values) => fill(template, &|name| values.get(name).map(|value| value.render(translate))),
        }
    }
}

/// The English in quotes, as the texts of other values.
impl fmt::Debug for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
    }
}

/// English.
impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(&|_| None))
    }
}

/// By its words in English.
impl PartialEq<&str> for Sentence {
    fn eq(&self, other: &&str) -> bool {
        let said = self.to_string();
        said == *other
    }
}

/// A template with its blanks filled: `{name}` by the value, `{name:?}` by the value in quotes, `{name:row|rows}` by the
/// word for one or for several. What names no value is no blank, as in a sentence about the braces of templates.
pub fn fill(template: &str, value: &dyn Fn(&str) -> Option<String>) -> String {
    let mut rest = template;
    let mut text = String::with_capacity(template.len());
    while let Some((before, blank, after)) = next_blank(rest) {
        text.push_str(before);
        let (name, form) = blank.split_once(':').map_or((blank, None), |(name, form)| (name, Some(form)));
        match (value(name), form.map(|form| (form, form.split_once('|')))) {
            (Some(value), Some((_, Some((one, several))))) => text.push_str(if value == "1" { one } else { several }),
            (Some(value), Some(("?", None))) => text.push_str(&format!("{value:?}")),
            (Some(value), _) => text.push_str(&value),
            (None, _) => text.push_str(&format!("{{{blank}}}")),
        }
        rest = after;
    }
    text + rest
}

/// The text before a blank, in it and behind it.
fn next_blank(text: &str) -> Option<(&str, &str, &str)> {
    let first = text.find('{')?;
    let end = first + text[first..].find('}')?;
    let begin = text[..end].rfind('{')?;
    Some((&text[..begin], &text[begin + 1..end], &text[end + 1..]))
}

/// Panics, while the program is compiled, unless the blanks of a template and the names of its values are the same.
pub const fn check(template: &str, names: &[&str]) {
    let text = template.as_bytes();
    let mut used = [false; 16];
    let (mut at, mut begin) = (0, None);
    while at < text.len() {
        match (text[at], begin) {
            (b'{', _) => begin = Some(at + 1),
            (b'}', Some(start)) => {
                let end = end_of_name(text, start, at);
                if end > start {
                    match position(text, start, end, names) {
                        Some(index) => used[index] = true,
                        None => panic!("a blank of the sentence has no value"),
                    }
                }
                begin = None;
            }
            _ => {}
        }
        at += 1;
    }
    let mut index = 0;
    while index < names.len() {
        assert!(used[index], "a value of the sentence has no blank");
        index += 1;
    }
}

/// Where the name in a blank ends; `start` if it is no blank.
const fn end_of_name(text: &[u8], start: usize, end: usize) -> usize {
    let mut at = start;
    while at < end && (text[at].is_ascii_lowercase() || text[at] == b'_' || (at > start && text[at].is_ascii_digit())) {
        at += 1;
    }
    if at == end || text[at] == b':' { at } else { start }
}

const fn position(text: &[u8], start: usize, end: usize, names: &[&str]) -> Option<usize> {
    let mut index = 0;
    while index < names.len() {
        let name = names[index].as_bytes();
        let mut same = name.len() == end - start;
        let mut at = 0;
        while same && at < name.len() {
            same = name[at] == text[start + at];
            at += 1;
        }
        if same {
            return Some(index);
        }
        index += 1;
    }
    None
}

/// A [`Sentence`] of a template and the values of its blanks: `sentence!("{n} {n:row|rows} of {path}", n = rows, path)`.
/// A name without a value is the variable of that name.
#[macro_export]
macro_rules! sentence {
    ($template:literal) => {{
        const { $crate::sentence::check($template, &[]) };
        $crate::Sentence::plain($template)
    }};
    ($template:literal, $($name:ident $(= $value:expr)?),+ $(,)?) => {{
        const { $crate::sentence::check($template, &[$(stringify!($name)),+]) };
        $crate::Sentence::filled($template, std::collections::BTreeMap::from([$((
            std::borrow::Cow::Borrowed(stringify!($name)),
            $crate::sentence_value!($name $(= $value)?),
        )),+]))
    }};
}

/// The value of a blank of [`sentence!`](crate::sentence!).
#[doc(hidden)]
#[macro_export]
macro_rules! sentence_value {
    ($name:ident) => {
        $crate::sentence::ToSentence::to_sentence(&$name)
    };
    ($name:ident = $value:expr) => {
        $crate::sentence::ToSentence::to_sentence(&$value)
    };
}

/// A value that can stand in a sentence.
pub trait ToSentence {
    /// As the sentence around it keeps it.
    fn to_sentence(&self) -> Sentence;
}

impl ToSentence for Sentence {
    fn to_sentence(&self) -> Sentence {
        self.clone()
    }
}

impl<T: ToSentence + ?Sized> ToSentence for &T {
    fn to_sentence(&self) -> Sentence {
        (**self).to_sentence()
    }
}

impl ToSentence for Path {
    fn to_sentence(&self) -> Sentence {
        Sentence::verbatim(self.display())
    }
}

impl ToSentence for PathBuf {
    fn to_sentence(&self) -> Sentence {
        self.as_path().to_sentence()
    }
}

/// Sizes as they are written of a tensor: `[2, 768]`.
impl ToSentence for [usize] {
    fn to_sentence(&self) -> Sentence {
        Sentence::verbatim(format!("{self:?}"))
    }
}

impl<const N: usize> ToSentence for [usize; N] {
    fn to_sentence(&self) -> Sentence {
        self.as_slice().to_sentence()
    }
}

impl ToSentence for Vec<usize> {
    fn to_sentence(&self) -> Sentence {
        self.as_slice().to_sentence()
    }
}

macro_rules! as_text {
    ($($kind:ty),+ $(,)?) => {$(
        impl ToSentence for $kind {
            fn to_sentence(&self) -> Sentence {
                Sentence::verbatim(self)
            }
        }
    )+};
}

as_text!(str, String, Cow<'_, str>, char, bool, u8, u16, u32, u64, usize, i32, i64, f32, f64);
// What libraries say of what went wrong.
as_text!(serde_json::Value, std::str::Utf8Error, std::num::ParseIntError);
as_text!(rawzip::Error, safetensors::SafeTensorError, safetensors::Dtype);

#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    template: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    values: Option<Box<Values>>,
}

/// A text that is not ours, as all sentences were kept once; a template with its values, if it has any.
impl Serialize for Sentence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_text {
            return self.template.serialize(serializer);
        }
        Kept { template: Cow::Borrowed(&self.template), values: self.values.clone() }.serialize(serializer)
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Read {
    Text(String),
    Kept(Kept<'static>),
}

impl<'de> Deserialize<'de> for Sentence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Read::deserialize(deserializer)? {
            Read::Text(text) => Self::verbatim(text),
            Read::Kept(Kept { template, values }) => Self { template, values, is_text: false },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chinese(template: &str) -> Option<&'static str> {
        match template {
            "cannot {action} {path}: {reason}" => Some("无法{action} {path}：{reason}"),
            "read" => Some("读取"),
            "there is no such file" => Some("文件不存在"),
            _ => None,
        }
    }

    fn missing(path: &str) -> Sentence {
        let (action, reason) = (sentence!("read"), sentence!("there is no such file"));
        sentence!("cannot {action} {path}: {reason}", action, path, reason)
    }

    #[test]
    fn a_sentence_is_told_in_each_language_with_the_sentences_inside_it() {
        let said = missing("a {action} b");
        assert_eq!(said.to_string(), "cannot read a {action} b: there is no such file");
        assert_eq!(said.render(&chinese), "无法读取 a {action} b：文件不存在", "a value is no template");
        assert_eq!(sentence!("it is damaged").render(&chinese), "it is damaged", "without a translation");
    }

    #[test]
    fn blanks_quote_count_and_leave_other_braces_alone() {
        let said = |n: usize| sentence!("{n} {n:row of|rows of} {name:?}", n, name = "a\n").to_string();
        assert_eq!(said(1), "1 row of \"a\\n\"");
        assert_eq!(said(2), "2 rows of \"a\\n\"");
        assert_eq!(
            sentence!("columns are written {{ name }}, {n}", n = 1).to_string(),
            "columns are written {{ name }}, 1"
        );
    }

    #[test]
    fn what_is_kept_is_read_again_and_so_is_a_text_of_before() {
        for said in [missing("x"), sentence!("it is damaged"), Sentence::clauses([missing("x"), missing("y")]).unwrap()]
        {
            let kept = serde_json::to_string(&said).unwrap();
            assert_eq!(serde_json::from_str::<Sentence>(&kept).unwrap(), said, "{kept}");
        }
        let before: Sentence = serde_json::from_str("\"3 {rows} were cut\"").unwrap();
        assert_eq!(before.to_string(), "3 {rows} were cut");
        let read = Sentence::verbatim("read");
        assert_eq!((read.kept().as_str(), read.render(&chinese).as_str()), ("read", "read"), "a column of that name");
        assert_eq!(Sentence::from_kept(sentence!("read").kept()).render(&chinese), "读取");
    }

    #[test]
    #[should_panic(expected = "has no value")]
    fn a_blank_without_a_value_does_not_compile() {
        check("{n} of {total}", &["n"]);
    }

    #[test]
    #[should_panic(expected = "has no blank")]
    fn a_value_without_a_blank_does_not_compile() {
        check("{n} rows", &["n", "total"]);
    }
}
