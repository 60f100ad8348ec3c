//! What is wrong with a JSON text, in words for people: the parser's own words are English and speak to programmers.

use serde_json::Error;
use serde_json::error::Category;

use crate::Sentence;
use crate::sentence;
use crate::sentence::ToSentence;

/// The cause of an error, and where in the text it is.
pub fn json_reason(error: &Error) -> Sentence {
    let cause = json_cause(error);
    match (error.line(), error.column()) {
        // A value that was read before has no place.
        (0, _) => cause,
        (line, column) => sentence!("{cause} (line {line}, character {column})", cause, line, column),
    }
}

/// The cause of an error alone.
pub fn json_cause(error: &Error) -> Sentence {
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or(&message);
    match error.classify() {
        Category::Eof => sentence!("it ends too early"),
        Category::Syntax => syntax(message),
        Category::Data => data(message),
        Category::Io => Sentence::verbatim(message),
    }
}

fn syntax(message: &str) -> Sentence {
    match message {
        "expected value" => sentence!("there is no value where one has to be"),
        "expected `:`" => sentence!("a colon is missing behind a name"),
        "expected `,` or `}`" | "expected `,` or `]`" => sentence!("a comma or the closing bracket is missing"),
        "trailing comma" => sentence!("a comma stands behind the last value"),
        "trailing characters" => sentence!("there is more text behind its end"),
        "key must be a string" => sentence!("a name has no quotes around it"),
        "invalid escape" => sentence!("a backslash in a text stands before a letter that means nothing"),
        "invalid number" => sentence!("a number is not written as one"),
        "recursion limit exceeded" => sentence!("it is nested too deeply"),
        other if other.starts_with("control character") => sentence!("a line break or a tab stands inside a text"),
        other => Sentence::verbatim(other),
    }
}

/// It is JSON, and says something else than was to be said.
fn data(message: &str) -> Sentence {
    let named = |start: &str| message.strip_prefix(start)?.split('`').next();
    if let Some(field) = named("missing field `") {
        return sentence!("it has no {field:?}", field);
    }
    if let Some(field) = named("unknown field `") {
        return sentence!("{field:?} is not known", field);
    }
    if let Some(value) = named("unknown variant `") {
        return sentence!("{value:?} is none of the words that can stand there", value);
    }
    let found = message.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected "));
    match found {
        Some((found, expected)) => sentence!("it has {found} in place of {expected}", found, expected),
        None => Sentence::verbatim(message),
    }
}

impl ToSentence for Error {
    fn to_sentence(&self) -> Sentence {
        json_reason(self)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Shape {
        #[expect(dead_code, reason = "it is only read")]
        rank: usize,
    }

    fn said(text: &str) -> String {
        json_reason(&serde_json::from_str::<Shape>(text).unwrap_err()).to_string()
    }

    #[test]
    fn each_cause_has_words_of_ours_and_a_place() {
        for (text, words) in [
            ("{\"rank\": ", "it ends too early (line 1, character 9)"),
            ("{\"rank\": 1,}", "a comma stands behind the last value (line 1, character 12)"),
            ("{\"rank\" 1}", "a colon is missing behind a name (line 1, character 9)"),
            ("{\"rank\": 1\n \"b\"}", "a comma or the closing bracket is missing (line 2, character 2)"),
            ("{\"rank\": 1} x", "there is more text behind its end (line 1, character 13)"),
            ("{}", "it has no \"rank\" (line 1, character 2)"),
            ("{\"rank\": \"a\"}", "it has string \"a\" in place of usize (line 1, character 12)"),
        ] {
            assert_eq!(said(text), words, "{text}");
        }
        assert!(said("{\"rang\": 1}").starts_with("\"rang\" is not known"));
    }

    #[test]
    fn a_value_that_was_read_before_has_no_place() {
        let error = serde_json::from_value::<Shape>(serde_json::json!({})).unwrap_err();
        assert_eq!(json_reason(&error), "it has no \"rank\"");
    }
}
