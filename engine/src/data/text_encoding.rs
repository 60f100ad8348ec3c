//! The encoding of a file of rows: UTF-8, or what Windows and older Chinese programs write, told by its bytes.

use std::borrow::Cow;

use encoding_rs::{GB18030, UTF_16BE, UTF_16LE};

/// Bytes that decide whether a text without a mark is UTF-16.
const PROBE: usize = 4096;

/// The bytes as UTF-8 without a byte order mark, and the name of the encoding if they had another. What is in none of those
/// that are told apart stays as it is: its rows are named.
pub(super) fn as_utf8(bytes: &[u8]) -> (Cow<'_, [u8]>, Option<&'static str>) {
    let encoding = match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => return (Cow::Borrowed(rest), None),
        [0xFF, 0xFE, ..] => UTF_16LE,
        [0xFE, 0xFF, ..] => UTF_16BE,
        _ if zeros(bytes, 1) => UTF_16LE,
        _ if zeros(bytes, 0) => UTF_16BE,
        _ if std::str::from_utf8(bytes).is_err() && is_chinese(bytes) => GB18030,
        _ => return (Cow::Borrowed(bytes), None),
    };
    let name = if encoding == GB18030 { "GB18030" } else { "UTF-16" };
    match encoding.decode(bytes) {
        (text, _, false) => (Cow::Owned(text.into_owned().into_bytes()), Some(name)),
        // One character that cannot be is as good as none that can: the rows with it are named.
        (_, _, true) => (Cow::Borrowed(bytes), None),
    }
}

/// Every second byte, from `first` on, is mostly zero, and next to none of the others is: letters of ASCII in UTF-16.
fn zeros(bytes: &[u8], first: usize) -> bool {
    let pairs = bytes[..bytes.len().min(PROBE)].chunks_exact(2);
    let zero_at = |place: usize| pairs.clone().filter(|pair| pair[place] == 0).count();
    let n = pairs.len();
    n > 1 && zero_at(first) * 2 > n && zero_at(1 - first) * 10 < n
}

/// Nearly all bytes beyond ASCII come in the pairs of GB2312's characters. In the encodings of Western Europe they stand alone
/// between letters, and a damaged UTF-8 text has more characters than damage.
fn is_chinese(bytes: &[u8]) -> bool {
    let chunks = bytes.utf8_chunks();
    let (whole, broken) = chunks.fold((0, 0), |(whole, broken), chunk| {
        let long = chunk.valid().chars().filter(|c| c.len_utf8() > 2).count();
        (whole + long, broken + usize::from(!chunk.invalid().is_empty()))
    });
    if whole >= broken {
        return false;
    }
    let (mut paired, mut alone) = (0_usize, 0_usize);
    let mut rest = bytes;
    while let [lead, after @ ..] = rest {
        rest = after;
        if lead.is_ascii() {
            continue;
        }
        match after {
            [trail, after @ ..] if (0xA1..=0xF7).contains(lead) && *trail >= 0xA1 => {
                paired += 1;
                rest = after;
            }
            _ => alone += 1,
        }
    }
    paired > 4 * alone
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> (String, Option<&'static str>) {
        let (text, encoding) = as_utf8(bytes);
        (String::from_utf8_lossy(&text).into_owned(), encoding)
    }

    fn utf16(text: &str, big: bool) -> Vec<u8> {
        text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    }

    #[test]
    fn what_windows_and_chinese_programs_write_is_read() {
        let text = "source,target\n山高月小,水落石出\n";
        for (bytes, encoding) in [
            (text.as_bytes().to_vec(), None),
            ([b"\xEF\xBB\xBF", text.as_bytes()].concat(), None),
            (utf16(&format!("\u{FEFF}{text}"), false), Some("UTF-16")),
            (utf16(&format!("\u{FEFF}{text}"), true), Some("UTF-16")),
            (utf16(text, false), Some("UTF-16")),
            (utf16(text, true), Some("UTF-16")),
            (GB18030.encode(text).0.into_owned(), Some("GB18030")),
        ] {
            assert_eq!(read(&bytes), (text.to_owned(), encoding));
        }
    }

    #[test]
    fn letters_of_western_europe_are_not_taken_for_chinese() {
        let latin = b"source,target\ncaf\xE9 cr\xE8me,na\xEFve fa\xE7ade\n";
        assert_eq!(as_utf8(latin), (Cow::Borrowed(&latin[..]), None));
        let one_bad = "山高月小".bytes().chain([0xE9, b'\n']).collect::<Vec<u8>>();
        assert_eq!(as_utf8(&one_bad).1, None, "a UTF-8 file with one broken character is no other encoding");
        assert_eq!(as_utf8(b""), (Cow::Borrowed(&b""[..]), None));
    }
}
