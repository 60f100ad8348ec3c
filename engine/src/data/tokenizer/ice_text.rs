//! The tokenizer of the first ChatGLM: `ice_text.model`, a unigram model of SentencePiece whose ids stand behind places for
//! tokens of images. Line breaks, tabs and runs of spaces are tokens of their own, and `[gMASK]` and `<sop>` stand behind a
//! text: what is written behind them is written into its blank.
//!
//! As in THUDM/chatglm-6b: tokenization_chatglm.py. Files from before April 2023 end in the pieces of text, to which its code
//! adds the others.

use std::path::Path;

use serde_json::{Value, json};
use tokenizers::normalizers::{Precompiled, Sequence};
use tokenizers::{DecoderWrapper, NormalizerWrapper};

use super::files::from_bytes;
use super::growth;
use super::guarded::guarded;
use super::post_processor::{Part, around};
use super::sentence_model::{Kind, Piece, Role, SentenceModel};
use super::special::Settings;
use super::tokenizer_class::Class;
use super::vocab_files::{named, of_another_kind};
use crate::data::token_text::fallback_byte;
use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

/// The name of its file.
pub(super) const FILE: &str = "ice_text.model";
/// The conversation as its code writes it (modeling_chatglm.py, `chat`): a question alone as it is, others with their answers.
pub(super) const CHAT: &str = "{%- set ns = namespace(round=0) -%}
    {%- for message in messages -%}
        {%- if message.role == 'system' -%}
            {{ raise_exception('it knows no system turn') }}
        {%- elif messages|length == 1 -%}
            {{ message.content }}
        {%- elif message.role == 'user' -%}
            {{ '[Round ' ~ ns.round ~ ']\\n问：' ~ message.content ~ '\\n答：' }}
        {%- else -%}
            {{ message.content ~ '\\n' }}
            {%- set ns.round = ns.round + 1 -%}
        {%- endif -%}
    {%- endfor -%}";
/// Stands for a space.
const SPACE: &str = "▁";
/// Stands for a line break.
const BREAK: &str = "<n>";
/// Stands for a tab.
const TAB: &str = "<|tab|>";
/// Longest run of spaces that is one token.
const LONGEST_RUN: usize = 80;
/// Longest piece, in bytes.
const MAX_PIECE: usize = 1024;
/// Places before the pieces of the file where nobody says how many.
const IMAGE_TOKENS: u64 = 20_000;
/// Most of them.
const MAX_IMAGE_TOKENS: u64 = 1 << 17;
/// Pieces that older files do not have, before a tab, the runs of spaces and the bytes.
const SPECIAL: [&str; 8] = ["[MASK]", "[gMASK]", "[sMASK]", "<unused_0>", "<sop>", "<eop>", "<ENC>", "<dBLOCK>"];
/// Below the score of any piece: of those that no text is cut into.
const NEVER: f64 = 1000.0;

/// Builds the tokenizer of the file.
///
/// # Errors
/// [`EngineError::Malformed`] for a damaged file, [`EngineError::Tokenizer`] where the settings name a token that it does not
/// have, or more tokens of images than there can be.
pub(super) fn from_model(bytes: &[u8], path: &Path, settings: &Settings) -> Result<tokenizers::Tokenizer> {
    let malformed =
        |reason: Sentence| EngineError::Malformed { what: sentence!("the tokenizer"), path: path.to_owned(), reason };
    let added = AddedPieces::new();
    let mut model = SentenceModel::parse(bytes).map_err(malformed)?;
    if let Some(piece) = model.pieces.iter().find(|piece| piece.text.len() > MAX_PIECE) {
        return Err(malformed(sentence!("a piece in it has {n} bytes", n = piece.text.len())));
    }
    if model.kind != Kind::Unigram {
        return Err(of_another_kind(Class::IceText, sentence!("a SentencePiece model of this kind")));
    }
    if !model.pieces.iter().any(|piece| piece.text == SPECIAL[1]) {
        model.pieces.extend(added.pieces());
    }
    let n_images = images(settings)?;
    let id = |text: &str| model.pieces.iter().position(|piece| piece.text == text).map(|at| n_images + at);
    let special = |role: &str| named(role, settings, |text| id(text).and_then(|id| u64::try_from(id).ok()));
    let (start, end) = (special("bos")?, special("eos")?);
    let blank = settings.setting("gmask_token").and_then(Value::as_str).unwrap_or(SPECIAL[1]);
    let missing = || EngineError::Tokenizer(sentence!("its gmask_token {blank:?} is not in the vocabulary", blank));
    let blank = (blank.to_owned(), id(blank).and_then(|id| u32::try_from(id).ok()).ok_or_else(missing)?);
    let part = |(text, id): (String, u32)| Part::Token(text, id, 0);
    let single = [Part::A(0), part(blank.clone()), part(start)];
    let pair = [&single[..], &[Part::B(0), part(end)]].concat();
    let is_found = |piece: &Piece<'_>| piece.role == Role::Control || piece.text == blank.0;
    let controls = model.pieces.iter().enumerate().filter(|(_, piece)| is_found(piece)).map(|(at, piece)| {
        json!({"id": n_images + at, "content": piece.text, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true})
    });
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "pre_tokenizer": null, "decoder": null,
        "added_tokens": controls.collect::<Vec<_>>(), "post_processor": around(&single, &pair),
        "model": {"type": "Unigram", "unk_id": n_images.saturating_add(model.unk_id), "byte_fallback": true,
            "vocab": vocabulary(&model, n_images)},
    });
    let mut tokenizer = from_bytes(file.to_string().as_bytes(), path)?;
    // Their steps seem to make a text longer many times over; each takes what no other leaves.
    let normalizer = normalizer(&model).map_err(malformed)?;
    guarded(|| tokenizer.with_normalizer(Some(normalizer)).map(|_| ()))?;
    tokenizer.with_decoder(Some(decoder(&model).map_err(malformed)?));
    Ok(tokenizer)
}

/// Places for tokens of images.
fn images(settings: &Settings) -> Result<usize> {
    let said = settings.setting("num_image_tokens").and_then(Value::as_u64).unwrap_or(IMAGE_TOKENS);
    let n = usize::try_from(said).ok().filter(|_| said <= MAX_IMAGE_TOKENS);
    n.ok_or_else(|| EngineError::Tokenizer(sentence!("its num_image_tokens = {n} is beyond any tokenizer", n = said)))
}

/// Pieces and scores by id. No text has a space in it when it is cut, so that none becomes a token of an image.
fn vocabulary(model: &SentenceModel<'_>, n_images: usize) -> Vec<(String, f64)> {
    let plain = |(at, piece): (usize, &Piece<'_>)| {
        piece.role == Role::Plain && at != model.unk_id && fallback_byte(piece.text).is_none()
    };
    let scores =
        || model.pieces.iter().enumerate().filter(|&piece| plain(piece)).map(|(_, piece)| f64::from(piece.score));
    let (least, most) = scores().fold((0.0_f64, f64::MIN), |(least, most), score| (least.min(score), most.max(score)));
    let score = |at: usize, piece: &Piece<'_>| match piece.role {
        // A piece of the user's is always taken where it is found: as SentencePiece makes sure of it.
        Role::UserDefined => piece.text.len() as f64 * most.min(0.0) - 0.1,
        Role::Plain if plain((at, piece)) => f64::from(piece.score),
        Role::Plain | Role::Control => least - NEVER,
    };
    let images = (0..n_images).map(|image| (format!("<image {image}>"), 0.0));
    let pieces = model.pieces.iter().enumerate().map(|(at, piece)| (piece.text.to_owned(), score(at, piece)));
    images.chain(pieces).collect()
}

/// The texts of pieces that older files lack.
struct AddedPieces {
    spaces: Vec<String>,
    bytes: Vec<String>,
}

impl AddedPieces {
    fn new() -> Self {
        Self {
            spaces: (2..=LONGEST_RUN).map(run).collect(),
            bytes: (0..=255_u8).map(|byte| format!("<0x{byte:02X}>")).collect(),
        }
    }

    /// In the order of their ids.
    fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let piece = |role: Role| move |text| Piece { text, score: 0.0, role };
        let spaces = std::iter::once(TAB).chain(self.spaces.iter().map(String::as_str));
        let special = SPECIAL.into_iter().map(piece(Role::Control)).chain(spaces.map(piece(Role::UserDefined)));
        special.chain(self.bytes.iter().map(String::as_str).map(piece(Role::Plain)))
    }
}

/// The token of so many spaces.
fn run(n: usize) -> String {
    format!("<|blank_{n}|>")
}

/// What stands for a piece of white space: of spaces the longest runs first.
fn white_space() -> impl Iterator<Item = (String, String)> {
    let marks = [("\n", BREAK), ("\t", TAB)].map(|(text, mark)| (text.to_owned(), mark.to_owned()));
    marks.into_iter().chain((2..=LONGEST_RUN).rev().map(|n| (" ".repeat(n), run(n))))
}

fn normalizer(model: &SentenceModel<'_>) -> Result<NormalizerWrapper, Sentence> {
    let plain = |value: Value| serde_json::from_value::<NormalizerWrapper>(value).map_err(Sentence::verbatim);
    let replace = |from: &str, to: &str| plain(replacement(from, to));
    let mut steps = white_space().map(|(text, mark)| replace(&text, &mark)).collect::<Result<Vec<_>, _>>()?;
    if !model.charsmap.is_empty() {
        growth::check_table(model.charsmap)?;
        // The crate slices by sizes that the file claims.
        let charsmap = guarded(|| Ok(Precompiled::from(model.charsmap)?)).map_err(Sentence::verbatim)?;
        steps.push(NormalizerWrapper::Precompiled(charsmap));
    }
    if model.squeezes_spaces {
        steps.push(plain(json!({"type": "Strip", "strip_left": true, "strip_right": true}))?);
        steps.push(plain(json!({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}))?);
    }
    if model.adds_space {
        steps.push(plain(json!({"type": "Prepend", "prepend": SPACE}))?);
    }
    steps.push(replace(" ", SPACE)?);
    Ok(NormalizerWrapper::Sequence(Sequence::new(steps)))
}

fn decoder(model: &SentenceModel<'_>) -> Result<DecoderWrapper, Sentence> {
    let mut steps = vec![replacement(SPACE, " "), json!({"type": "ByteFallback"}), json!({"type": "Fuse"})];
    if model.adds_space {
        // Where no text begins with a space, none of them is one.
        let start = if model.squeezes_spaces { LONGEST_RUN } else { 1 };
        steps.push(json!({"type": "Strip", "content": " ", "start": start, "stop": 0}));
    }
    steps.extend(white_space().map(|(text, mark)| replacement(&mark, &text)));
    serde_json::from_value(json!({"type": "Sequence", "decoders": steps})).map_err(Sentence::verbatim)
}

fn replacement(from: &str, to: &str) -> Value {
    json!({"type": "Replace", "pattern": {"String": from}, "content": to})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_file_gets_its_pieces_in_the_order_of_their_ids() {
        let added = AddedPieces::new();
        let pieces: Vec<Piece<'_>> = added.pieces().collect();
        assert_eq!(pieces.len(), 8 + 80 + 256, "150,000 places and pieces before them, 150,344 in all");
        let at = |text: &str| pieces.iter().position(|piece| piece.text == text);
        assert_eq!([at("[gMASK]"), at("<sop>"), at("<eop>"), at("<|tab|>")], [Some(1), Some(4), Some(5), Some(8)]);
        assert_eq!([at("<|blank_2|>"), at("<|blank_80|>"), at("<0x00>")], [Some(9), Some(87), Some(88)]);
    }
}
