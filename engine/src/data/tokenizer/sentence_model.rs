//! A SentencePiece model file: the few fields of its protocol buffer that a tokenizer is made of.
//! Fields as in google/sentencepiece: src/sentencepiece_model.proto.

use crate::{Sentence, sentence};

/// Contents of a SentencePiece model file.
#[derive(Debug, PartialEq)]
pub(super) struct SentenceModel<'a> {
    /// By id.
    pub(super) pieces: Vec<Piece<'a>>,
    pub(super) kind: Kind,
    pub(super) byte_fallback: bool,
    pub(super) unk_id: usize,
    /// Table that characters are normalized by; empty if they are not.
    pub(super) charsmap: &'a [u8],
    /// A space is put before a text that has something in it.
    pub(super) adds_space: bool,
    /// Spaces at the ends of a text are dropped, and several are one.
    pub(super) squeezes_spaces: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    pub(super) score: f32,
    pub(super) role: Role,
}

/// Purpose of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Plain,
    /// Never found in a text, such as `</s>`.
    Control,
    /// Always one piece where it is found.
    UserDefined,
}

/// Algorithm that chooses the pieces of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Unigram,
    Bpe,
    /// Words or characters: not read here.
    Other(u64),
}

/// A field of a protocol buffer.
enum Wire<'a> {
    Number(u64),
    Fraction(f32),
    Bytes(&'a [u8]),
    Other,
}

impl<'a> SentenceModel<'a> {
    /// Reads the file.
    ///
    /// # Errors
    /// A sentence on where it is damaged or no such file.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Sentence> {
        let mut model = Self {
            pieces: Vec::new(),
            kind: Kind::Unigram,
            byte_fallback: false,
            unk_id: 0,
            charsmap: &[],
            adds_space: true,
            squeezes_spaces: true,
        };
        each_field(bytes, |field, wire| match (field, wire) {
            (1, Wire::Bytes(piece)) => {
                model.pieces.push(Piece::parse(piece)?);
                Ok(())
            }
            (2, Wire::Bytes(training)) => each_field(training, |field, wire| {
                match (field, wire) {
                    (3, Wire::Number(1)) => model.kind = Kind::Unigram,
                    (3, Wire::Number(2)) => model.kind = Kind::Bpe,
                    (3, Wire::Number(other)) => model.kind = Kind::Other(other),
                    (35, Wire::Number(is_on)) => model.byte_fallback = is_on != 0,
                    (40, Wire::Number(id)) => model.unk_id = usize::try_from(id).unwrap_or(usize::MAX),
                    _ => {}
                }
                Ok(())
            }),
            (3, Wire::Bytes(normalizer)) => each_field(normalizer, |field, wire| {
                match (field, wire) {
                    (2, Wire::Bytes(charsmap)) => model.charsmap = charsmap,
                    (3, Wire::Number(is_on)) => model.adds_space = is_on != 0,
                    (4, Wire::Number(is_on)) => model.squeezes_spaces = is_on != 0,
                    _ => {}
                }
                Ok(())
            }),
            _ => Ok(()),
        })?;
        if model.pieces.is_empty() {
            return Err(sentence!("it has no pieces; it is not a SentencePiece model"));
        }
        Ok(model)
    }
}

impl<'a> Piece<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, Sentence> {
        let mut piece = Self { text: "", score: 0.0, role: Role::Plain };
        each_field(bytes, |field, wire| {
            match (field, wire) {
                (1, Wire::Bytes(text)) => piece.text = std::str::from_utf8(text).map_err(Sentence::verbatim)?,
                (2, Wire::Fraction(score)) => piece.score = score,
                (3, Wire::Number(3)) => piece.role = Role::Control,
                (3, Wire::Number(4)) => piece.role = Role::UserDefined,
                _ => {}
            }
            Ok(())
        })?;
        Ok(piece)
    }
}

/// Hears of every field of a message in turn.
fn each_field<'a>(
    mut bytes: &'a [u8],
    mut hear: impl FnMut(u64, Wire<'a>) -> Result<(), Sentence>,
) -> Result<(), Sentence> {
    const CUT: Sentence = sentence!("it is no SentencePiece model, or cut short");
    while !bytes.is_empty() {
        let key = varint(&mut bytes).ok_or(CUT)?;
        let wire = match key & 7 {
            0 => Wire::Number(varint(&mut bytes).ok_or(CUT)?),
            1 => {
                bytes.split_off(..8).ok_or(CUT)?;
                Wire::Other
            }
            2 => {
                let n = varint(&mut bytes).and_then(|n| usize::try_from(n).ok()).ok_or(CUT)?;
                Wire::Bytes(bytes.split_off(..n).ok_or(CUT)?)
            }
            5 => {
                let number = bytes.split_off(..4).and_then(|number| number.first_chunk()).ok_or(CUT)?;
                Wire::Fraction(f32::from_le_bytes(*number))
            }
            _ => return Err(CUT.to_owned()),
        };
        hear(key >> 3, wire)?;
    }
    Ok(())
}

/// Seven bits a byte, the lowest first.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = bytes.split_off_first()?;
        number |= u64::from(byte & 0x7F) << shift;
        if byte < &0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two pieces, one of control; BPE with byte fallback.
    const FILE: &[u8] = b"\x0a\x0c\x0a\x05\xE2\x96\x81ab\x15\0\0\0\xC0\x0a\x07\x0a\x03</>\x18\x03\x12\x08\x18\x02\x98\x02\x01\xC0\x02\x01";

    #[test]
    fn the_fields_that_matter_are_read() {
        let model = SentenceModel::parse(FILE).unwrap();
        let ab = Piece { text: "▁ab", score: -2.0, role: Role::Plain };
        let end = Piece { text: "</>", score: 0.0, role: Role::Control };
        assert_eq!(model.pieces, [ab, end]);
        assert_eq!((model.kind, model.byte_fallback, model.unk_id, model.charsmap.len()), (Kind::Bpe, true, 1, 0));
    }

    #[test]
    fn a_file_that_lies_about_its_lengths_is_refused() {
        for end in 1..FILE.len() {
            let cut = SentenceModel::parse(&FILE[..end]);
            assert!(cut.is_err() || cut.unwrap().pieces.len() < 3, "cut at {end}");
        }
        for bytes in [
            &b""[..],
            b"\x0a\xFF\xFF\xFF\xFF\x0F",
            b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
            b"\x0b",
            b"IQ== 0\n",
        ] {
            assert!(SentenceModel::parse(bytes).is_err(), "{bytes:?}");
        }
    }
}
