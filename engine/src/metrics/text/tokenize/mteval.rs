//! Tokenizers of the NIST scripts mteval-v13a.pl and mteval-v14.pl in sacreBLEU's form, and its split of Chinese
//! (mjpost/sacrebleu, sacrebleu/tokenizers). Words are between spaces in what comes out.

use std::sync::LazyLock;

use regex::Regex;

/// `13a`: entities, then punctuation of Western languages.
pub(in super::super) fn mteval_13a(line: &str) -> String {
    let mut line = line.replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
    if line.contains('&') {
        line = line.replace("&quot;", "\"").replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">");
    }
    western(&format!(" {line} "))
}

/// Punctuation apart; periods and commas but between digits; dashes after digits.
pub(in super::super) fn western(line: &str) -> String {
    let mut apart = Vec::with_capacity(line.len() * 2);
    for character in line.chars() {
        if is_western_punctuation(character) {
            apart.extend([' ', character, ' ']);
        } else {
            apart.push(character);
        }
    }
    let is_digit = |character: char| character.is_ascii_digit();
    let is_point = |character: char| matches!(character, '.' | ',');
    let apart = replace_pairs(&apart, |a, b| !is_digit(a) && is_point(b), |a, b| vec![a, ' ', b, ' ']);
    let apart = replace_pairs(&apart, |a, b| is_point(a) && !is_digit(b), |a, b| vec![' ', a, ' ', b]);
    let apart = replace_pairs(&apart, |a, b| is_digit(a) && b == '-', |a, b| vec![a, ' ', b, ' ']);
    apart.into_iter().collect()
}

fn is_western_punctuation(character: char) -> bool {
    matches!(character, '{'..='~' | '['..='`' | ' '..='&' | '('..='+' | ':'..='@' | '/')
}

/// Replaces pairs of neighbors from the left, none of which overlap, as a substitution by a pattern of two characters.
fn replace_pairs(
    text: &[char],
    is_pair: impl Fn(char, char) -> bool,
    replaced: impl Fn(char, char) -> Vec<char>,
) -> Vec<char> {
    let mut out = Vec::with_capacity(text.len() * 2);
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        match tail {
            [second, after @ ..] if is_pair(*first, *second) => {
                out.extend(replaced(*first, *second));
                rest = after;
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

/// Spaces about each character that the `zh` tokenizer takes for Chinese.
pub(in super::super) fn spaced_zh(line: &str) -> String {
    let mut spaced = String::with_capacity(line.len() * 2);
    for character in line.chars() {
        if is_chinese(character) {
            spaced.extend([' ', character, ' ']);
        } else {
            spaced.push(character);
        }
    }
    spaced
}

/// Ranges of `_UCODE_RANGES`. Two of them are written with five digits there, which Python reads as a character and a
/// digit: they hold U+2001 to U+2A6D and U+2F81 to U+2FA1 instead of the ideographs meant, and so they do here.
fn is_chinese(character: char) -> bool {
    matches!(character,
        '\u{3400}'..='\u{4db5}' | '\u{4e00}'..='\u{9fa5}' | '\u{9fa6}'..='\u{9fbb}' | '\u{f900}'..='\u{fa2d}'
        | '\u{fa30}'..='\u{fa6a}' | '\u{fa70}'..='\u{fad9}' | '\u{2001}'..='\u{2a6d}' | '\u{2f81}'..='\u{2fa1}'
        | '\u{ff00}'..='\u{ffef}' | '\u{2e80}'..='\u{2eff}' | '\u{3000}'..='\u{303f}' | '\u{31c0}'..='\u{31ef}'
        | '\u{2f00}'..='\u{2fdf}' | '\u{2ff0}'..='\u{2fff}' | '\u{3100}'..='\u{312f}' | '\u{31a0}'..='\u{31bf}'
        | '\u{fe10}'..='\u{fe1f}' | '\u{fe30}'..='\u{fe4f}' | '\u{3200}'..='\u{33ff}')
}

/// `intl`: punctuation apart but between numbers, symbols apart, both as Unicode says.
pub(super) fn intl(line: &str) -> String {
    let text: Vec<char> = line.chars().collect();
    let text = replace_pairs(&text, |a, b| !is_number(a) && is_punctuation(b), |a, b| vec![a, ' ', b, ' ']);
    let text = replace_pairs(&text, |a, b| is_punctuation(a) && !is_number(b), |a, b| vec![' ', a, ' ', b]);
    let mut spaced = String::with_capacity(line.len() * 2);
    for character in text {
        if is_symbol(character) {
            spaced.extend([' ', character, ' ']);
        } else {
            spaced.push(character);
        }
    }
    spaced
}

fn is_number(character: char) -> bool {
    static CLASS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\A\p{N}\z").ok());
    if character.is_ascii() { character.is_ascii_digit() } else { is_of(&CLASS, character) }
}

fn is_punctuation(character: char) -> bool {
    static CLASS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\A\p{P}\z").ok());
    if character.is_ascii() {
        character.is_ascii_punctuation() && !is_symbol(character)
    } else {
        is_of(&CLASS, character)
    }
}

fn is_symbol(character: char) -> bool {
    static CLASS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\A\p{S}\z").ok());
    if character.is_ascii() {
        matches!(character, '$' | '+' | '<' | '=' | '>' | '^' | '`' | '|' | '~')
    } else {
        is_of(&CLASS, character)
    }
}

fn is_of(class: &Option<Regex>, character: char) -> bool {
    class.as_ref().is_some_and(|class| class.is_match(character.encode_utf8(&mut [0; 4])))
}
