//! `bert` and `t5`: WordPiece, and SentencePiece's unigram.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::super::files::from_bytes;
use super::super::sentence_model::{Kind as ModelKind, Piece, Role, SentenceModel};
use super::super::sentence_piece::from_parsed;
use super::super::special::Settings;
use super::super::tokenizer_class::Class;
use super::super::vocab_files::word_piece_of;
use super::Opened;
use super::fields::Fields;
use super::roles;
use super::vocabulary::{Kind, Vocabulary};
use crate::error::Result;
use crate::sentence;

/// Tokens that hide a blank of T5's, behind its pieces.
const EXTRA_IDS: usize = 100;

/// BERT's. A piece that begins a word is written with `▁`, one that goes on without `##`, and here it is the other way
/// round. Whether texts are put in lower case follows from the vocabulary, unless the file says it.
///
/// # Errors
/// The vocabulary contradicts itself, or lacks a token of BERT's.
pub(super) fn word_piece(fields: Fields<'_>) -> Result<Opened> {
    let vocabulary = Vocabulary::read(fields)?;
    let mut config = roles::config(fields, &vocabulary, &[])?;
    // Its begin and end are those of any model in llama.cpp; here they are what they are for BERT.
    for (role, other) in [("cls_token", "bos_token"), ("sep_token", "eos_token")] {
        if let Some(token) = config.remove(other) {
            config.entry(role).or_insert(token);
        }
    }
    let has_capitals = || {
        let pieces = vocabulary.texts.iter().zip(&vocabulary.kinds).filter(|(_, kind)| **kind == Kind::Normal);
        pieces.into_iter().any(|(text, _)| !text.starts_with('[') && text.bytes().any(|c| c.is_ascii_uppercase()))
    };
    let lowercase = fields.flag("tokenizer.ggml.normalizer.lowercase")?.unwrap_or_else(|| !has_capitals());
    config.insert("do_lower_case".to_owned(), lowercase.into());
    if let Some(strips) = fields.flag("tokenizer.ggml.normalizer.strip_accents")? {
        config.insert("strip_accents".to_owned(), strips.into());
    }
    let mut settings = Settings::of(Value::Object(config));
    settings.defaults = Class::Bert.defaults();
    let pieces: Vec<String> = vocabulary.texts.iter().map(|text| piece_of(text)).collect();
    let distinct: HashSet<&String> = pieces.iter().collect();
    if distinct.len() < pieces.len() {
        return Err(fields.wrong(sentence!("two of its tokens are the same piece")));
    }
    let file = word_piece_of(pieces.into_iter(), &settings)?;
    let tokenizer = from_bytes(file.to_string().as_bytes(), fields.path)?;
    Ok(Opened { tokenizer, settings, note: None })
}

fn piece_of(text: &str) -> String {
    match text.strip_prefix('▁') {
        Some(begins) => begins.to_owned(),
        None if text.starts_with('[') && text.ends_with(']') => text.to_owned(),
        None => format!("##{text}"),
    }
}

/// T5's.
///
/// # Errors
/// The vocabulary contradicts itself, or the table of characters is damaged.
pub(super) fn unigram(fields: Fields<'_>) -> Result<Opened> {
    let vocabulary = Vocabulary::read(fields)?;
    if vocabulary.scores.len() != vocabulary.texts.len() {
        let key = "tokenizer.ggml.scores";
        return Err(fields.wrong(sentence!("it has no {key}", key)));
    }
    let mut config = roles::config(fields, &vocabulary, &[("eos", 1), ("unk", 2), ("pad", 0)])?;
    if let Some(adds_space) = fields.flag("tokenizer.ggml.add_space_prefix")? {
        config.insert("add_prefix_space".to_owned(), adds_space.into());
    }
    // They have no names in the file, and its last tokens are theirs.
    let extra_ids = (vocabulary.n_listed - vocabulary.texts.len()).min(EXTRA_IDS);
    config.insert("extra_ids".to_owned(), json!(extra_ids));
    let key = "tokenizer.ggml.precompiled_charsmap";
    let charsmap: Vec<u8> = match fields.whole::<i64>(key)? {
        None => Vec::new(),
        // Some writers take bytes for signed.
        Some(bytes) => bytes.into_iter().map(|byte| (byte & 0xFF) as u8).collect(),
    };
    let unknown = config.get("unk_token").and_then(Value::as_str).and_then(|text| vocabulary.id(text));
    let role = |kind: &Kind| match kind {
        Kind::Control => Role::Control,
        Kind::UserDefined => Role::UserDefined,
        _ => Role::Plain,
    };
    let pieces = vocabulary.texts.iter().zip(&vocabulary.scores).zip(&vocabulary.kinds);
    let model = SentenceModel {
        pieces: pieces.map(|((text, score), kind)| Piece { text, score: *score, role: role(kind) }).collect(),
        kind: ModelKind::Unigram,
        byte_fallback: false,
        unk_id: unknown.unwrap_or(2),
        charsmap: &charsmap,
        adds_space: true,
        squeezes_spaces: true,
    };
    let mut settings = Settings::of(Value::Object(config));
    settings.defaults = Class::T5.defaults();
    let tokenizer = from_parsed(&model, fields.path, Some(Class::T5), &settings)?;
    Ok(Opened { tokenizer, settings, note: None })
}
