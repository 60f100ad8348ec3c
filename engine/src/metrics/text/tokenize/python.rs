//! Spaces of Python's `str`: those of Unicode, and four separators of ASCII.

/// Whether `str.isspace` holds, by which `split` and `\s` go.
pub(in super::super) fn is_space(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{1c}'..='\u{1f}')
}

/// Words of `str.split()`.
pub(in super::super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|word| !word.is_empty())
}
