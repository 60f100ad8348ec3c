//! A token as people read it: bytes decoded, what cannot be seen escaped.

use std::fmt::Write;

/// The byte that byte-level BPE (GPT-2) writes as this character.
pub(super) fn byte_of(c: char) -> Option<u8> {
    let code = c as u32;
    match code {
        0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF => u8::try_from(code).ok(),
        // The bytes that cannot be seen take the code points from 256 on, in their order.
        0x100..=0x120 => u8::try_from(code - 0x100).ok(),
        0x121..=0x142 => u8::try_from(code - 0x121 + 0x7F).ok(),
        0x143 => Some(0xAD),
        _ => None,
    }
}

/// The bytes a byte-level token stands for; a token with another character in it stands for itself.
pub(super) fn byte_level_bytes(token: &str) -> Vec<u8> {
    token.chars().map(byte_of).collect::<Option<Vec<u8>>>().unwrap_or_else(|| token.as_bytes().to_vec())
}

/// The byte of a byte fallback token such as `<0xE4>`.
pub(super) fn fallback_byte(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2).then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

/// Bytes as text: invisible characters as `\n`, `\t`, `\u{200b}`, bytes that are no character as `\xE4`. A space stays
/// a space.
pub(super) fn visible(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| push_visible(&mut text, c));
        for byte in chunk.invalid() {
            push(&mut text, format_args!("\\x{byte:02X}"));
        }
    }
    text
}

fn push_visible(text: &mut String, c: char) {
    match c {
        '\n' | '\r' | '\t' => text.extend(c.escape_default()),
        c if is_invisible(c) => push(text, format_args!("{}", c.escape_unicode())),
        c => text.push(c),
    }
}

fn is_invisible(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(c, '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}')
        || matches!(c, '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
        || matches!(c, '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}' | '\u{E0000}'..='\u{E01EF}')
}

fn push(text: &mut String, piece: std::fmt::Arguments<'_>) {
    text.write_fmt(piece).expect("a String takes any text");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_one_character() {
        let mut bytes: Vec<u8> = (0..0x200).filter_map(|c| byte_of(char::from_u32(c)?)).collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=255).collect::<Vec<u8>>());
        assert_eq!((byte_of('Ġ'), byte_of('Ċ'), byte_of('Ń')), (Some(b' '), Some(b'\n'), Some(0xAD)));
    }

    #[test]
    fn what_cannot_be_seen_is_escaped() {
        assert_eq!(visible(b" a\n\t\xE4\xBD b\xC2\xA0"), " a\\n\\t\\xE4\\xBD b\\u{a0}");
        assert_eq!(visible("你\u{200b}\u{0}".as_bytes()), "你\\u{200b}\\u{0}");
        assert_eq!((fallback_byte("<0xE4>"), fallback_byte("<0xE>"), fallback_byte("<s>")), (Some(0xE4), None, None));
    }
}
