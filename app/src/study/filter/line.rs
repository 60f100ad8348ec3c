//! The terms of a filter line: split at spaces outside of quotation marks, each with its sign.

/// A comparison, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Has,
    Is,
    IsNot,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// Longer ones first.
const SIGNS: [(&str, Sign); 8] = [
    ("<=", Sign::AtMost),
    (">=", Sign::AtLeast),
    ("!=", Sign::IsNot),
    ("==", Sign::Is),
    (":", Sign::Has),
    ("=", Sign::Is),
    ("<", Sign::Less),
    (">", Sign::More),
];

/// A part of the line between two spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// Bytes of the line that it takes, a minus included.
    pub(super) from: usize,
    pub(super) to: usize,
    /// It begins with a minus.
    pub(super) negated: bool,
    /// The name before the sign, and the sign; `None` of plain words.
    pub(super) name: Option<(String, Sign)>,
    /// Behind the sign, or the words; without quotation marks.
    pub(super) value: String,
    /// Byte of the line at which the value begins.
    pub(super) value_from: usize,
}

/// The parts of a line. A quotation mark that is not closed reaches to the end.
pub(super) fn tokens(line: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let (mut from, mut quoted) = (None, false);
    for (at, c) in line.char_indices().chain([(line.len(), ' ')]) {
        let ends = at == line.len() || (c.is_whitespace() && !quoted);
        match (from, ends) {
            (Some(begin), true) => {
                tokens.push(token(line, begin, at));
                from = None;
            }
            (None, false) => from = Some(at),
            _ => {}
        }
        quoted ^= c == '"';
    }
    tokens
}

fn token(line: &str, from: usize, to: usize) -> Token {
    let text = &line[from..to];
    let bare = text.strip_prefix('-').unwrap_or(text);
    let negated = bare.len() < text.len();
    let begin = to - bare.len();
    let unquoted = |text: &str| text.replace('"', "");
    match condition(bare) {
        Some((name, sign, value)) => Token {
            from,
            to,
            negated,
            name: Some((name.to_owned(), sign)),
            value: unquoted(value),
            value_from: to - value.len(),
        },
        None => Token { from, to, negated, name: None, value: unquoted(bare), value_from: begin },
    }
}

/// Name, sign and value; `None` of what is no condition: words, addresses, paths of Windows, times.
fn condition(text: &str) -> Option<(&str, Sign, &str)> {
    let at = text.find([':', '=', '<', '>', '!', '"'])?;
    let (name, rest) = text.split_at(at);
    let (written, sign) = SIGNS.iter().find(|(written, _)| rest.starts_with(written))?;
    let value = &rest[written.len()..];
    let is_name = name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || "_./-@+".contains(c));
    let is_place =
        *sign == Sign::Has && (value.starts_with("//") || (name.len() == 1 && value.starts_with(['\\', '/'])));
    (is_name && !is_place).then_some((name, *sign, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_split_at_spaces_outside_of_quotation_marks() {
        let line = r#" paper  "two words" -state:failed tag:"my tag" loss<=2.5 "open end "#;
        let all = tokens(line);
        let told = all.iter().map(|token| {
            let name = token.name.as_ref().map(|(name, sign)| (name.as_str(), *sign));
            (token.negated, name, token.value.as_str())
        });
        assert_eq!(
            told.collect::<Vec<_>>(),
            [
                (false, None, "paper"),
                (false, None, "two words"),
                (true, Some(("state", Sign::Has)), "failed"),
                (false, Some(("tag", Sign::Has)), "my tag"),
                (false, Some(("loss", Sign::AtMost)), "2.5"),
                (false, None, "open end "),
            ]
        );
    }

    #[test]
    fn addresses_paths_and_times_are_words() {
        for word in ["http://a.b/c", "C:\\runs", "12:30", ":", "=", "<3", "a\"b\":c", "-", "--", "\"a:b\"", "!"] {
            assert_eq!(tokens(word)[0].name, None, "{word}");
        }
        for (condition, name, sign) in [
            ("test/bleu>30", "test/bleu", Sign::More),
            ("-lr!=1e-3", "lr", Sign::IsNot),
            ("method.n_virtual==5", "method.n_virtual", Sign::Is),
            ("data:c:/x", "data", Sign::Has),
        ] {
            assert_eq!(tokens(condition)[0].name, Some((name.to_owned(), sign)), "{condition}");
        }
    }
}
