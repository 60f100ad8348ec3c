//! The older files of a vocabulary, put into the form of `tokenizer.json` as transformers' classes read them:
//! `vocab.json` with `merges.txt` (byte-level BPE) and `vocab.txt` (WordPiece).
//! As in huggingface/transformers: src/transformers/models/{gpt2,roberta,qwen2,bert}/tokenization_*.py.

use serde_json::{Map, Value, json};

use super::post_processor::{Part, around};
use super::special::Settings;
use super::tokenizer_class::Class;
use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

/// Cuts a text before Qwen2's merges.
pub(super) const QWEN2_PIECES: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Byte-level BPE.
///
/// # Errors
/// [`EngineError::Tokenizer`] for a class of another kind, or one whose tokens are not in the vocabulary.
pub(super) fn byte_level(vocab: &Value, merges: &str, class: Class, settings: &Settings) -> Result<Value> {
    let is_space_added = settings.switch("add_prefix_space").unwrap_or(false);
    let byte_level = |use_regex: bool| json!({"type": "ByteLevel", "add_prefix_space": is_space_added, "trim_offsets": true, "use_regex": use_regex});
    let (normalizer, pieces, around) = match class {
        Class::Gpt2 => (Value::Null, byte_level(true), Value::Null),
        Class::Qwen2 => {
            let split =
                json!({"type": "Split", "pattern": {"Regex": QWEN2_PIECES}, "behavior": "Isolated", "invert": false});
            let pieces = json!({"type": "Sequence", "pretokenizers": [split, byte_level(false)]});
            (json!({"type": "NFC"}), pieces, Value::Null)
        }
        Class::Roberta => {
            let id = |role: &str| named(role, settings, |text| vocab.get(text).and_then(Value::as_u64));
            let (sep, cls) = (id("sep")?, id("cls")?);
            let around = json!({"type": "RobertaProcessing", "sep": [sep.0, sep.1], "cls": [cls.0, cls.1],
                "trim_offsets": true, "add_prefix_space": is_space_added});
            (Value::Null, byte_level(true), around)
        }
        other => return Err(of_another_kind(other, sentence!("vocab.json and merges.txt"))),
    };
    let merges: Vec<(&str, &str)> =
        merges.lines().filter(|line| !line.starts_with("#version")).filter_map(|line| line.split_once(' ')).collect();
    Ok(json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": normalizer, "post_processor": around,
        "added_tokens": [], "pre_tokenizer": pieces, "decoder": byte_level(true),
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": vocab, "merges": merges,
        },
    }))
}

/// WordPiece, one piece a line.
///
/// # Errors
/// As [`byte_level`].
pub(super) fn word_piece(lines: &str, class: Class, settings: &Settings) -> Result<Value> {
    if class != Class::Bert {
        return Err(of_another_kind(class, sentence!("vocab.txt")));
    }
    let lines = lines.strip_suffix('\n').unwrap_or(lines).split('\n');
    word_piece_of(lines.map(|piece| piece.strip_suffix('\r').unwrap_or(piece).to_owned()), settings)
}

/// The same of pieces by id.
///
/// # Errors
/// [`EngineError::Tokenizer`] where a token of BERT's is not among them.
pub(super) fn word_piece_of(pieces: impl Iterator<Item = String>, settings: &Settings) -> Result<Value> {
    let vocab: Map<String, Value> = pieces.enumerate().map(|(id, piece)| (piece, id.into())).collect();
    let id = |role: &str| named(role, settings, |text| vocab.get(text).and_then(Value::as_u64));
    let (cls, sep, unk) = (id("cls")?, id("sep")?, id("unk")?);
    let token = |(text, id): &(String, u32), type_id: u32| Part::Token(text.clone(), *id, type_id);
    let single = [token(&cls, 0), Part::A(0), token(&sep, 0)];
    let pair = [token(&cls, 0), Part::A(0), token(&sep, 0), Part::B(1), token(&sep, 1)];
    let normalizer = json!({"type": "BertNormalizer", "clean_text": true,
        "handle_chinese_chars": settings.switch("tokenize_chinese_chars").unwrap_or(true),
        "strip_accents": settings.switch("strip_accents"), "lowercase": settings.switch("do_lower_case").unwrap_or(true)});
    Ok(json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": normalizer, "added_tokens": [],
        "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": around(&single, &pair),
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {
            "type": "WordPiece", "unk_token": unk.0, "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocab,
        },
    }))
}

/// The token of a role, which the vocabulary must have.
pub(super) fn named(role: &str, settings: &Settings, id: impl Fn(&str) -> Option<u64>) -> Result<(String, u32)> {
    let text = settings.text(role).unwrap_or_default();
    match id(&text).and_then(|id| u32::try_from(id).ok()) {
        Some(id) => Ok((text, id)),
        None => {
            Err(EngineError::Tokenizer(sentence!("its {role}_token {text:?} is not in the vocabulary", role, text)))
        }
    }
}

pub(super) fn of_another_kind(class: Class, files: Sentence) -> EngineError {
    EngineError::Tokenizer(sentence!("a {class} tokenizer is not made of {files}", class = format!("{class:?}"), files))
}
