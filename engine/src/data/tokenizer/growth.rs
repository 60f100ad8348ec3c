//! A bound on how much longer the files of a tokenizer can make a text: nine replacements of one letter by ten are a
//! gigabyte for each letter. Looked at before anything is encoded.

use serde_json::Value;

use crate::{Sentence, sentence};

/// Most bytes that one byte may become. The longest known is 132, of a table of ligatures and a mark for spaces.
const MAX_GROWTH: usize = 300;
/// Largest growth of one character by the compatibility forms of Unicode.
const OF_FORMS: usize = 11;
/// Deepest list of steps.
const MAX_DEPTH: usize = 8;

/// Refuses a `tokenizer.json` whose normalizer or decoder could make a text too much longer.
///
/// # Errors
/// A sentence.
pub(super) fn check(file: &Value) -> Result<(), Sentence> {
    for part in ["normalizer", "decoder"] {
        let mut growth = Growth { factor: 1, is_fresh: false };
        growth.through(file.get(part).unwrap_or(&Value::Null), 0)?;
        if growth.factor > MAX_GROWTH {
            return Err(sentence!(
                "its {part} makes a text up to {factor} times longer, more than {max_growth}",
                part,
                factor = growth.factor,
                max_growth = MAX_GROWTH
            ));
        }
    }
    Ok(())
}

struct Growth {
    factor: usize,
    /// Whether something was put in that no form has seen yet. A form changes nothing twice.
    is_fresh: bool,
}

impl Growth {
    fn through(&mut self, step: &Value, depth: usize) -> Result<(), Sentence> {
        if depth > MAX_DEPTH {
            return Err(sentence!("its steps are more than {max_depth} deep", max_depth = MAX_DEPTH));
        }
        for list in ["normalizers", "decoders"].iter().filter_map(|list| step.get(list)) {
            for step in list.as_array().into_iter().flatten() {
                self.through(step, depth + 1)?;
            }
        }
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map_or(0, str::len);
        match step.get("type").and_then(Value::as_str).unwrap_or_default() {
            "Replace" => {
                let content = text(step.get("content"));
                self.by(match step.pointer("/pattern/String").and_then(Value::as_str) {
                    Some(from) if !from.is_empty() => content.div_ceil(from.len()),
                    // A pattern may match nothing, between any two characters.
                    _ => 1 + content,
                });
            }
            "Prepend" => self.by(1 + text(step.get("prepend"))),
            "Precompiled" => {
                let table = step.get("precompiled_charsmap").and_then(Value::as_str).unwrap_or_default();
                self.by(longest(&decoded(table)));
            }
            "NFKC" | "NFKD" | "NFC" | "NFD" | "Lowercase" | "BertNormalizer" if self.is_fresh => {
                self.factor = self.factor.saturating_mul(OF_FORMS);
                self.is_fresh = false;
            }
            _ => {}
        }
        Ok(())
    }

    fn by(&mut self, factor: usize) {
        self.factor = self.factor.saturating_mul(factor.max(1));
        self.is_fresh |= factor > 1;
    }
}

/// Bytes of the longest text in a table of SentencePiece's: behind its index, whose size comes first, they end in zeros.
pub(super) fn longest(table: &[u8]) -> usize {
    let Some((size, rest)) = table.split_first_chunk() else { return 0 };
    let texts = rest.get(u32::from_le_bytes(*size) as usize..).unwrap_or(rest);
    texts.split(|&byte| byte == 0).map(<[u8]>::len).max().unwrap_or(0)
}

/// Whether a table makes a text not too much longer.
pub(super) fn check_table(table: &[u8]) -> Result<(), Sentence> {
    match longest(table) {
        factor if factor > MAX_GROWTH => {
            Err(sentence!("its table of characters makes a text up to {factor} times longer", factor))
        }
        _ => Ok(()),
    }
}

/// Bytes written in base 64; what is no digit is left out.
fn decoded(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => Some(c - b'A'),
        b'a'..=b'z' => Some(c - b'a' + 26),
        b'0'..=b'9' => Some(c - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits: Vec<u8> = text.bytes().filter_map(digit).collect();
    let bytes = digits.chunks(4).flat_map(|four| {
        let bits = four.iter().fold(0_u32, |bits, &digit| (bits << 6) | u32::from(digit)) << (6 * (4 - four.len()));
        bits.to_be_bytes().into_iter().skip(1).take(four.len().saturating_sub(1))
    });
    bytes.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(steps: Value) -> Result<(), Sentence> {
        check(&json!({"normalizer": {"type": "Sequence", "normalizers": steps}}))
    }

    fn replace(from: &str, to: &str) -> Value {
        json!({"type": "Replace", "pattern": {"String": from}, "content": to})
    }

    #[test]
    fn normalizers_of_known_models_are_within_the_limit() {
        of(json!([{"type": "Prepend", "prepend": "▁"}, replace(" ", "▁")])).unwrap();
        of(json!([replace("``", "\""), {"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"},
            {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]))
        .unwrap();
        check(&json!({"normalizer": null, "decoder": {"type": "Sequence", "decoders": [replace("▁", " ")]}})).unwrap();
        check(&json!({})).unwrap();
    }

    #[test]
    fn chains_of_replacements_that_multiply_are_refused() {
        let chain: Vec<Value> = "abcdefghij".chars().map(|c| replace(&c.to_string(), &"b".repeat(10))).collect();
        assert!(of(chain.clone().into()).unwrap_err().to_string().contains("10000000000 times"));
        assert!(check(&json!({"decoder": {"type": "Sequence", "decoders": chain}})).is_err());
        assert!(of(json!([{"type": "Prepend", "prepend": "a".repeat(1000)}])).is_err());
        assert!(of(json!([{"type": "Replace", "pattern": {"Regex": ""}, "content": "a".repeat(300)}])).is_err());
        let forms = json!([replace("a", "\u{FDFA}"), {"type": "NFKC"}, replace(" ", "\u{FDFA}"), {"type": "NFKC"}]);
        assert!(of(forms).is_err());
        let mut deep = replace("a", "b");
        for _ in 0..20 {
            deep = json!({"type": "Sequence", "normalizers": [deep]});
        }
        assert!(of(json!([deep])).unwrap_err().to_string().contains("deep"));
    }

    #[test]
    fn a_table_with_a_long_text_is_refused() {
        assert_eq!(decoded("TWFuTWE="), b"ManMa");
        // An index of four bytes, then a text of 600.
        let table = [&4_u32.to_le_bytes()[..], &[0; 4], &[b'a'; 600], &[0]].concat();
        assert_eq!(longest(&table), 600);
        assert!(check_table(&table).is_err() && check_table(&[]).is_ok());
        let encoded = "BAAAAAAAAAB".to_owned() + &"hYWF".repeat(200);
        let precompiled = json!([{"type": "Precompiled", "precompiled_charsmap": encoded}]);
        assert!(of(precompiled).unwrap_err().to_string().contains("times longer"));
    }
}
