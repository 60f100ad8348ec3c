//! What a template from a stranger may ask for: no loop without an end, no text that doubles itself.
//!
//! The template language is whole but for what lets text grow without bound: assignments, captured blocks, repetition
//! and map literals are refused by name, joins of texts are limited in number, and every loop counts its rounds.

/// Called at the start of every round of a loop; see [`guarded`].
pub(super) const TICK: &str = "__round";
/// Longest template, in bytes.
const MAX_SOURCE: usize = 16 * 1024;
/// Most `~` and `+` in one template.
const MAX_JOINS: usize = 64;
/// Statements that neither bind a text to a name nor capture one.
const STATEMENTS: [&str; 6] = ["if", "elif", "else", "endif", "for", "endfor"];

/// The template with a call to [`TICK`] at the start of each loop body.
///
/// # Errors
/// A sentence on what the template holds that is not available.
pub(super) fn guarded(source: &str) -> Result<String, String> {
    if source.len() > MAX_SOURCE {
        return Err(format!("it is longer than {MAX_SOURCE} bytes"));
    }
    let mut guarded = String::with_capacity(source.len());
    let mut joins = 0;
    let mut rest = source;
    while let Some((text, tag)) = next_tag(rest) {
        guarded.push_str(text);
        let Some(end) = tag.end() else {
            guarded.push_str(tag.source); // unterminated: the template engine says so
            return Ok(guarded);
        };
        let (whole, after) = tag.source.split_at(end);
        guarded.push_str(whole);
        if tag.kind != TagKind::Comment {
            joins += tag.check()?;
        }
        if tag.kind == TagKind::Statement && tag.keyword() == "for" {
            // A dash trims the white space after the loop's head, and must still do so.
            let dash = if whole.ends_with("-%}") { "-" } else { "" };
            guarded.push_str(&format!("{{{{ {TICK}() {dash}}}}}"));
        }
        rest = after;
    }
    if joins > MAX_JOINS {
        return Err(format!("at most {MAX_JOINS} texts can be joined with ~ and +"));
    }
    guarded.push_str(rest);
    Ok(guarded)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TagKind {
    Expression,
    Statement,
    Comment,
}

/// A tag and everything after it.
pub(super) struct Tag<'a> {
    pub(super) kind: TagKind,
    pub(super) source: &'a str,
}

/// The text before the next tag, and the tag.
pub(super) fn next_tag(source: &str) -> Option<(&str, Tag<'_>)> {
    let starts = [("{{", TagKind::Expression), ("{%", TagKind::Statement), ("{#", TagKind::Comment)];
    let (start, kind) =
        starts.into_iter().filter_map(|(mark, kind)| Some((source.find(mark)?, kind))).min_by_key(|(at, _)| *at)?;
    let (text, source) = source.split_at(start);
    Some((text, Tag { kind, source }))
}

impl<'a> Tag<'a> {
    /// Bytes up to and with the closing mark.
    pub(super) fn end(&self) -> Option<usize> {
        let closing = match self.kind {
            TagKind::Expression => "}}",
            TagKind::Statement => "%}",
            TagKind::Comment => return Some(self.source[2..].find("#}")? + 4),
        };
        self.code().find(|(at, _)| self.source[*at..].starts_with(closing)).map(|(at, _)| at + 2)
    }

    /// Bytes of the tag that are not inside a quoted text, with their offsets.
    pub(super) fn code(&self) -> impl Iterator<Item = (usize, u8)> + 'a {
        let mut quote = None;
        let mut escaped = false;
        self.source.bytes().enumerate().skip(2).filter(move |&(_, byte)| match quote {
            Some(mark) => {
                if escaped {
                    escaped = false;
                } else if byte == b'\\' {
                    escaped = true;
                } else if byte == mark {
                    quote = None;
                }
                false
            }
            None => {
                quote = matches!(byte, b'"' | b'\'').then_some(byte);
                // A byte inside a character is none of the marks looked for, and no place to cut.
                quote.is_none() && byte.is_ascii()
            }
        })
    }

    /// What is between the marks and their dashes, for a tag that ends there.
    pub(super) fn body(&self, end: usize) -> &'a str {
        self.source[2..end - 2].trim_start_matches(['-', '+']).trim_end_matches(['-', '+']).trim()
    }

    pub(super) fn keyword(&self) -> &'a str {
        let body = self.source[2..].trim_start_matches(['-', '+']).trim_start();
        body.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
    }

    /// How many joins the tag holds.
    fn check(&self) -> Result<usize, String> {
        let is_statement = self.kind == TagKind::Statement;
        if is_statement && !STATEMENTS.contains(&self.keyword()) {
            return Err(format!("{{% {} %}} is not available here; there are if and for", self.keyword()));
        }
        let end = self.end().unwrap_or(self.source.len());
        let marks: Vec<u8> = self.code().take_while(|(at, _)| at + 2 < end).map(|(_, byte)| byte).collect();
        if marks.contains(&b'*') {
            return Err("multiplication (*) is not available here".to_owned());
        }
        if marks.contains(&b'{') {
            return Err("maps ({…}) cannot be written here".to_owned());
        }
        let joins = marks.iter().filter(|&&byte| matches!(byte, b'~' | b'+')).count();
        if joins > 0 && is_statement && self.keyword() == "for" {
            return Err("texts cannot be joined in the head of a loop".to_owned());
        }
        Ok(joins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_count_their_rounds_and_nothing_else_changes() {
        let plain = "a {{ x ~ \"}}\" }}{# {% set #} 中 {% if a %}b{% endif %} {{ '中' }} {";
        assert_eq!(guarded(plain).unwrap(), plain);
        assert_eq!(
            guarded("{% for a in b -%} c{% endfor %}").unwrap(),
            "{% for a in b -%}{{ __round() -}} c{% endfor %}"
        );
        assert_eq!(guarded("{%-for a in '%}'%}c").unwrap(), "{%-for a in '%}'%}{{ __round() }}c");
        assert_eq!(guarded("{{ unfinished").unwrap(), "{{ unfinished");
    }

    #[test]
    fn what_grows_without_bound_is_refused_by_name() {
        for (source, word) in [
            ("{% set a = b %}", "set"),
            ("{%+ filter upper %}{% endfilter %}", "filter"),
            ("{% raw %}{{{% endraw %}", "raw"),
            ("{{ 'a' * 1000000 }}", "multiplication"),
            ("{{ {'a': 1} }}", "maps"),
            ("{% for a in [b ~ b] %}{% endfor %}", "head of a loop"),
        ] {
            assert!(guarded(source).unwrap_err().contains(word), "{source}");
        }
        assert!(guarded(&format!("{{{{ a{} }}}}", " ~ a".repeat(65))).unwrap_err().contains("64"));
        assert!(guarded(&"a".repeat(20_000)).unwrap_err().contains("longer"));
    }
}
