//! The encoding of a file of rows: UTF-8, UTF-16, or what programs of a country wrote before it, told by its bytes
//! (chardetng, the detector of Firefox). The encoding that was taken is said, since a short text may be told wrongly.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{BIG5, EUC_JP, EUC_KR, Encoding, GB18030, GBK, SHIFT_JIS, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::Sentence;
use crate::sentence;

/// Bytes that decide whether a text without a mark is UTF-16.
const PROBE: usize = 4096;
/// Bytes that decide among the encodings of countries.
const COUNTRY_PROBE: usize = 1 << 20;

/// An encoding other than UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OtherEncoding {
    name: &'static str,
    /// Any bytes are a text in it: that the text was read is no sign that it is the right one.
    takes_any: bool,
}

impl OtherEncoding {
    fn new(encoding: &'static Encoding) -> Self {
        let name = match encoding {
            _ if encoding == UTF_16LE || encoding == UTF_16BE => "UTF-16",
            encoding => encoding.name(),
        };
        // The name that encoding_rs has for it is in small letters.
        let name = if name == "gb18030" { "GB18030" } else { name };
        let has_pairs = [GB18030, BIG5, SHIFT_JIS, EUC_JP, EUC_KR, UTF_16LE, UTF_16BE].contains(&encoding);
        Self { name, takes_any: !has_pairs }
    }

    /// A note that says which encoding was taken.
    pub(super) fn note(self) -> Sentence {
        match self.takes_any {
            false => sentence!("The file is read as {encoding}", encoding = self.name),
            true => sentence!(
                "The file is not UTF-8 and is read as {encoding}; where letters are wrong, save it as UTF-8",
                encoding = self.name
            ),
        }
    }
}

/// The bytes as UTF-8 without a byte order mark, and the encoding if they had another. A text that is UTF-8 but for a few
/// characters, or in no encoding that is told apart, stays as it is: its rows are named.
pub(super) fn as_utf8(bytes: &[u8]) -> (Cow<'_, [u8]>, Option<OtherEncoding>) {
    let encoding = match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => return (Cow::Borrowed(rest), None),
        [0xFF, 0xFE, ..] => UTF_16LE,
        [0xFE, 0xFF, ..] => UTF_16BE,
        _ if zeros(bytes, 1) => UTF_16LE,
        _ if zeros(bytes, 0) => UTF_16BE,
        _ if std::str::from_utf8(bytes).is_err() && !is_damaged_utf8(bytes) => of_country(bytes),
        _ => return (Cow::Borrowed(bytes), None),
    };
    match encoding.decode(bytes) {
        (text, _, false) => (Cow::Owned(text.into_owned().into_bytes()), Some(OtherEncoding::new(encoding))),
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

/// A damaged UTF-8 text has more characters than damage; in other encodings few pairs of bytes happen to be characters.
fn is_damaged_utf8(bytes: &[u8]) -> bool {
    let (whole, broken) = bytes.utf8_chunks().fold((0, 0), |(whole, broken), chunk| {
        let long = chunk.valid().chars().filter(|c| c.len_utf8() > 1).count();
        (whole + long, broken + usize::from(!chunk.invalid().is_empty()))
    });
    whole >= broken
}

/// The likeliest encoding of a text that is not UTF-8.
fn of_country(bytes: &[u8]) -> &'static Encoding {
    let begin = bytes.iter().position(|byte| !byte.is_ascii()).unwrap_or(0);
    let end = bytes.len().min(begin + COUNTRY_PROBE);
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(&bytes[begin.saturating_sub(2)..end], end == bytes.len());
    match detector.guess(None, Utf8Detection::Deny) {
        // It has all of GBK.
        guess if guess == GBK => GB18030,
        // Of a single word the detector takes Chinese for letters of Western Europe, which never stand in pairs alone.
        guess if guess == WINDOWS_1252 && is_chinese(bytes) => GB18030,
        guess => guess,
    }
}

/// Nearly all bytes beyond ASCII come in the pairs of GB2312's characters. In the encodings of Western Europe they stand alone
/// between letters.
fn is_chinese(bytes: &[u8]) -> bool {
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
        (String::from_utf8_lossy(&text).into_owned(), encoding.map(|encoding| encoding.name))
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
    fn each_country_is_read_in_its_encoding_and_said() {
        for (encoding, text) in [
            (GB18030, "source,target\n今天天气很好，我们去公园散步。\n"),
            (BIG5, "source,target\n今天天氣很好，我們去公園散步。\n"),
            (SHIFT_JIS, "source,target\n今日は天気がいいです。\n"),
            (EUC_JP, "source,target\n今日は天気がいいです。\n"),
            (EUC_KR, "source,target\n오늘 날씨가 좋습니다\n"),
            (WINDOWS_1252, "source,target\ncafé crème,naïve façade – “oui”\n"),
            (encoding_rs::WINDOWS_1251, "source,target\nСегодня хорошая погода, пойдём гулять\n"),
            (encoding_rs::WINDOWS_1250, "source,target\nZażółć gęślą jaźń\n"),
        ] {
            let bytes = encoding.encode(text).0;
            assert_eq!(read(&bytes), (text.to_owned(), Some(OtherEncoding::new(encoding).name)));
            let note = as_utf8(&bytes).1.unwrap().note().to_string();
            assert_eq!(note.contains("where letters are wrong"), encoding.name().starts_with("windows"), "{note}");
        }
    }

    #[test]
    fn a_broken_character_is_no_other_encoding() {
        for text in ["山高月小", "é à ö ü"] {
            let one_bad = text.bytes().chain([0xE9, b'\n']).collect::<Vec<u8>>();
            assert_eq!(as_utf8(&one_bad).1, None, "{text}");
        }
        assert_eq!(as_utf8(b""), (Cow::Borrowed(&b""[..]), None));
    }
}
