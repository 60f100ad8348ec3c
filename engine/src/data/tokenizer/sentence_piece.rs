//! Tokenizers from SentencePiece's model file, unigram or BPE, as transformers' classes build them.
//! As in huggingface/transformers: src/transformers/convert_slow_tokenizer.py and
//! src/transformers/models/{t5,llama,albert,deberta_v2,xlm_roberta,mbart,mbart50,pegasus}/tokenization_*.py.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Map, Value, json};
use tokenizers::NormalizerWrapper;
use tokenizers::normalizers::{Precompiled, Sequence};

use super::files::from_bytes;
use super::growth;
use super::guarded::guarded;
use super::piece_merges::{MAX_PIECE, piece_merges};
use super::post_processor::{Part, around};
use super::sentence_model::{Kind, Role, SentenceModel};
use super::special::Settings;
use super::tokenizer_class::Class;
use super::vocab_files::{named, of_another_kind};
use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

/// The languages of mBART, as the tokens that stand beside a text; those of mBART-50 go on from there.
const LANGUAGES: [&str; 52] = [
    "ar_AR", "cs_CZ", "de_DE", "en_XX", "es_XX", "et_EE", "fi_FI", "fr_XX", "gu_IN", "hi_IN", "it_IT", "ja_XX",
    "kk_KZ", "ko_KR", "lt_LT", "lv_LV", "my_MM", "ne_NP", "nl_XX", "ro_RO", "ru_RU", "si_LK", "tr_TR", "vi_VN",
    "zh_CN", "af_ZA", "az_AZ", "bn_IN", "fa_IR", "he_IL", "hr_HR", "id_ID", "ka_GE", "km_KH", "mk_MK", "ml_IN",
    "mn_MN", "mr_IN", "pl_PL", "ps_AF", "pt_XX", "sv_SE", "sw_KE", "ta_IN", "te_IN", "th_TH", "tl_XX", "uk_UA",
    "ur_PK", "xh_ZA", "gl_ES", "sl_SI",
];
/// Tokens that ChatGLM2 and ChatGLM3 put behind the pieces of the file, in the order of their ids. They write `sop` and
/// `eop` without brackets, and never find one of these in a text; GLM-4 writes them so.
const OF_CHATGLM: [&str; 9] =
    ["[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"];
/// Stands for a space.
const SPACE: &str = "▁";

/// Builds the tokenizer of a model file.
///
/// # Errors
/// [`EngineError::Malformed`] for a damaged file, [`EngineError::Tokenizer`] where the class and the file contradict.
pub(super) fn from_model(
    bytes: &[u8],
    path: &Path,
    class: Option<Class>,
    settings: &Settings,
) -> Result<tokenizers::Tokenizer> {
    let malformed =
        |reason: Sentence| EngineError::Malformed { what: sentence!("the tokenizer"), path: path.to_owned(), reason };
    let model = SentenceModel::parse(bytes).map_err(malformed)?;
    from_parsed(&model, path, class, settings)
}

/// The same of a model that was read, from whatever file.
///
/// # Errors
/// As [`from_model`].
pub(super) fn from_parsed(
    model: &SentenceModel<'_>,
    path: &Path,
    class: Option<Class>,
    settings: &Settings,
) -> Result<tokenizers::Tokenizer> {
    let malformed =
        |reason: Sentence| EngineError::Malformed { what: sentence!("the tokenizer"), path: path.to_owned(), reason };
    if let Some(piece) = model.pieces.iter().find(|piece| piece.text.len() > MAX_PIECE) {
        return Err(malformed(sentence!("a piece in it has {n} bytes", n = piece.text.len())));
    }
    let vocab = vocabulary(model, class, settings);
    let id = |text: &str| vocab.iter().rposition(|(piece, _)| piece == text);
    let special = |role: &str| named(role, settings, |text| id(text).and_then(|id| u64::try_from(id).ok()));
    let language = || {
        let text = settings.setting("src_lang").and_then(Value::as_str).unwrap_or("en_XX");
        let found = id(text).and_then(|id| u32::try_from(id).ok());
        let id = found
            .ok_or_else(|| EngineError::Tokenizer(sentence!("its src_lang {text:?} is not in the vocabulary", text)))?;
        Ok((text.to_owned(), id))
    };
    let mut file = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "model": chosen(model, class, &vocab)?, "pre_tokenizer": pieces(class, settings),
        "decoder": decoder(model, class, settings), "post_processor": affixes(class, special, language, vocab.len())?,
    });
    let mut added: Vec<Value> = controls(model, class, settings, &vocab);
    if class == Some(Class::ChatGlm) {
        let behind = |(at, text): (usize, &str)| {
            json!({"id": vocab.len() + at, "content": text, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true})
        };
        added.extend(OF_CHATGLM.into_iter().enumerate().map(behind));
    }
    file["added_tokens"] = added.into();
    let mut tokenizer = from_bytes(file.to_string().as_bytes(), path)?;
    if let Some(normalizer) = normalizer(model, class, settings).map_err(malformed)? {
        guarded(|| tokenizer.with_normalizer(Some(normalizer)).map(|_| ()))?;
    }
    Ok(tokenizer)
}

/// Pieces and scores by id. Some classes put tokens of their own before or after those of the file.
fn vocabulary(model: &SentenceModel<'_>, class: Option<Class>, settings: &Settings) -> Vec<(String, f64)> {
    let pieces = model.pieces.iter().map(|piece| (piece.text.to_owned(), f64::from(piece.score)));
    match class {
        Some(Class::T5) => {
            let n = settings.setting("extra_ids").and_then(Value::as_u64).unwrap_or(100).min(10_000);
            pieces.chain((0..n).rev().map(|id| (format!("<extra_id_{id}>"), 0.0))).collect()
        }
        Some(class @ (Class::XlmRoberta | Class::Mbart | Class::Mbart50)) => {
            let text = |role: &str| (settings.text(role).unwrap_or_default(), 0.0);
            let own = [if class == Class::Mbart50 { "cls" } else { "bos" }, "pad", "eos", "unk"].map(text);
            let languages = languages(class).iter().map(|&language| (language.to_owned(), 0.0));
            own.into_iter().chain(pieces.skip(3)).chain(languages).chain([text("mask")]).collect()
        }
        Some(Class::Camembert) => {
            let text = |role: &str| settings.text(role).unwrap_or_default();
            let own = ["<s>NOTUSED".to_owned(), text("pad"), "</s>NOTUSED".to_owned(), text("unk")];
            let own = own.into_iter().map(|text| (text, 0.0)).chain([("<unk>NOTUSED".to_owned(), -100.0)]);
            own.chain(pieces.skip(1)).chain([(text("mask"), 0.0)]).collect()
        }
        Some(Class::Pegasus) => {
            let own = ["pad", "eos"].map(|role| settings.text(role).unwrap_or_default());
            let masks = masks_of_pegasus(settings);
            let own = own.into_iter().chain(masks).map(|text| (text, 0.0));
            let unused = unused_of_pegasus(settings).map(|text| (text, -100.0));
            own.chain(unused).chain(pieces.skip(2)).collect()
        }
        _ => pieces.collect(),
    }
}

/// Those of a class that writes the language beside a text.
fn languages(class: Class) -> &'static [&'static str] {
    match class {
        Class::Mbart => &LANGUAGES[..25],
        Class::Mbart50 => &LANGUAGES,
        _ => &[],
    }
}

/// Tokens that Pegasus hides words and sentences behind, in the order of their ids.
fn masks_of_pegasus(settings: &Settings) -> Vec<String> {
    let named = |key: &str, usual: &str| match settings.setting(key) {
        None => Some(usual.to_owned()),
        Some(Value::String(text)) => Some(text.clone()),
        Some(token) => Some(token.get("content")?.as_str()?.to_owned()),
    };
    let mut masks: Vec<String> =
        [named("mask_token", "<mask_1>"), named("mask_token_sent", "<mask_2>")].into_iter().flatten().collect();
    masks.dedup();
    masks
}

/// Tokens of Pegasus' pretraining that no text has.
fn unused_of_pegasus(settings: &Settings) -> impl Iterator<Item = String> {
    let offset = settings.setting("offset").and_then(Value::as_u64).unwrap_or(103).min(10_000);
    (2..offset).map(|id| format!("<unk_{id}>"))
}

/// The part that chooses the pieces of a text.
fn chosen(model: &SentenceModel<'_>, class: Option<Class>, vocab: &[(String, f64)]) -> Result<Value> {
    match (model.kind, class) {
        (
            Kind::Unigram,
            None
            | Some(
                Class::T5
                | Class::Albert
                | Class::Camembert
                | Class::DebertaV2
                | Class::XlmRoberta
                | Class::Mbart
                | Class::Mbart50
                | Class::Pegasus,
            ),
        ) => {
            let unk_id = match class {
                Some(Class::Albert) => 1,
                Some(Class::Camembert | Class::XlmRoberta | Class::Mbart | Class::Mbart50) => 3,
                // Behind what stands before the pieces of the file, of which two are left out.
                Some(Class::Pegasus) => model.unk_id.saturating_add(vocab.len()).saturating_sub(model.pieces.len()),
                _ => model.unk_id,
            };
            let byte_fallback = class.is_none() && model.byte_fallback;
            Ok(json!({"type": "Unigram", "unk_id": unk_id, "byte_fallback": byte_fallback, "vocab": vocab}))
        }
        (Kind::Bpe, None | Some(Class::Llama | Class::ChatGlm)) => {
            let unk = vocab.get(model.unk_id).filter(|_| class.is_none()).map(|(piece, _)| piece);
            let byte_fallback = class.is_some() || model.byte_fallback;
            let ids: Map<String, Value> =
                vocab.iter().enumerate().map(|(id, (piece, _))| (piece.clone(), id.into())).collect();
            let texts: Vec<&str> = vocab.iter().map(|(piece, _)| piece.as_str()).collect();
            Ok(json!({
                "type": "BPE", "dropout": null, "unk_token": unk, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": byte_fallback, "vocab": ids,
                "merges": piece_merges(&texts, 0..texts.len()).map_err(EngineError::Tokenizer)?,
            }))
        }
        (Kind::Other(kind), _) => {
            Err(EngineError::Tokenizer(sentence!("SentencePiece models of kind {kind} are not read", kind)))
        }
        (_, Some(class)) => Err(of_another_kind(class, sentence!("a SentencePiece model of this kind"))),
    }
}

/// Tokens that a text is searched for before it is cut. Those that SentencePiece itself adds never come from a text
/// there; transformers reads them all the same.
fn controls(
    model: &SentenceModel<'_>,
    class: Option<Class>,
    settings: &Settings,
    vocab: &[(String, f64)],
) -> Vec<Value> {
    let mut ids: HashMap<&str, usize> = HashMap::with_capacity(vocab.len());
    for (id, (piece, _)) in vocab.iter().enumerate() {
        ids.entry(piece).or_insert(id);
    }
    let own = |text: &str, is_special: bool| {
        let id = ids.get(text)?;
        Some(json!({"id": id, "content": text, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": is_special}))
    };
    let mut added: Vec<Value> = Vec::new();
    for piece in model.pieces.iter().filter(|piece| piece.role != Role::Plain) {
        added.extend(own(piece.text, piece.role == Role::Control));
    }
    for (text, _) in vocab.iter().filter(|(text, _)| text.starts_with("<extra_id_")) {
        added.extend(own(text, true));
    }
    if class == Some(Class::Pegasus) {
        let all = masks_of_pegasus(settings).into_iter().chain(unused_of_pegasus(settings));
        added.extend(all.filter_map(|text| own(&text, true)));
    }
    if let Some(class @ (Class::Mbart | Class::Mbart50)) = class {
        added.extend(languages(class).iter().filter_map(|language| own(language, true)));
        // A mask takes the space before it, unless a file says otherwise.
        let mask = settings.text("mask").filter(|_| !settings.setting("mask_token").is_some_and(Value::is_object));
        added.extend(mask.and_then(|mask| own(&mask, true)).map(|mut mask| {
            mask["lstrip"] = true.into();
            mask
        }));
    }
    added.sort_by_key(|token| token["id"].as_u64());
    added.dedup_by_key(|token| token["id"].as_u64());
    added
}

fn normalizer(
    model: &SentenceModel<'_>,
    class: Option<Class>,
    settings: &Settings,
) -> Result<Option<NormalizerWrapper>, Sentence> {
    let plain = |value: Value| serde_json::from_value::<NormalizerWrapper>(value).map_err(Sentence::verbatim);
    let replace = |from: &str, to: &str| plain(json!({"type": "Replace", "pattern": {"String": from}, "content": to}));
    let mut steps = Vec::new();
    if class == Some(Class::DebertaV2) {
        // Its own table of characters is not looked at there.
        if settings.switch("do_lower_case").unwrap_or(false) {
            steps.push(plain(json!({"type": "Lowercase"}))?);
        }
        let spaces = json!({"type": "Replace", "pattern": {"Regex": r"\s{2,}|[\n\r\t]"}, "content": " "});
        let end = json!({"type": "Strip", "strip_left": false, "strip_right": true});
        steps.extend([plain(spaces)?, plain(json!({"type": "NFC"}))?, plain(end)?]);
        return Ok(Some(NormalizerWrapper::Sequence(Sequence::new(steps))));
    }
    if class == Some(Class::Albert) {
        steps.extend([replace("``", "\"")?, replace("''", "\"")?]);
        if !settings.switch("keep_accents").unwrap_or(false) {
            steps.extend([plain(json!({"type": "NFKD"}))?, plain(json!({"type": "StripAccents"}))?]);
        }
        if settings.switch("do_lower_case").unwrap_or(true) {
            steps.push(plain(json!({"type": "Lowercase"}))?);
        }
    }
    let is_cleaned = matches!(class, Some(Class::Pegasus | Class::Mbart50));
    if class == Some(Class::Pegasus) && model.charsmap.is_empty() {
        steps.push(replace("\n", " ")?);
    }
    if !model.charsmap.is_empty() && !matches!(class, Some(Class::Llama | Class::Mbart)) {
        growth::check_table(model.charsmap)?;
        // The crate slices by sizes that the file claims.
        let charsmap = guarded(|| Ok(Precompiled::from(model.charsmap)?)).map_err(Sentence::verbatim)?;
        steps.push(NormalizerWrapper::Precompiled(charsmap));
    }
    if is_cleaned {
        steps.push(plain(json!({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}))?);
    }
    if class == Some(Class::ChatGlm) {
        // What SentencePiece itself does with spaces.
        if model.squeezes_spaces {
            steps.push(plain(json!({"type": "Strip", "strip_left": true, "strip_right": true}))?);
            steps.push(plain(json!({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}))?);
        }
        if model.adds_space {
            steps.push(plain(json!({"type": "Prepend", "prepend": SPACE}))?);
        }
    }
    if matches!(class, None | Some(Class::ChatGlm)) {
        steps.push(replace(" ", SPACE)?);
    }
    Ok((!steps.is_empty()).then(|| NormalizerWrapper::Sequence(Sequence::new(steps))))
}

fn pieces(class: Option<Class>, settings: &Settings) -> Value {
    let is_space_added = settings.switch("add_prefix_space").unwrap_or(true);
    let metaspace = |scheme: &str, split: bool| {
        let scheme = if is_space_added { scheme } else { "never" };
        json!({"type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme, "split": split})
    };
    match class {
        None | Some(Class::ChatGlm) => Value::Null,
        Some(Class::Llama) => {
            let is_legacy = settings.switch("legacy").unwrap_or(false);
            metaspace(if is_legacy { "always" } else { "first" }, false)
        }
        Some(Class::DebertaV2) => {
            let scheme = if is_space_added { "always" } else { "first" };
            let words = json!({"type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme, "split": true});
            let by_mark = json!({"type": "Punctuation", "behavior": "Isolated"});
            let is_split = settings.switch("split_by_punct").unwrap_or(false);
            json!({"type": "Sequence", "pretokenizers": if is_split { vec![by_mark, words] } else { vec![words] }})
        }
        Some(Class::Pegasus | Class::Mbart50) => {
            json!({"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": true})
        }
        Some(_) => {
            json!({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace("always", true)]})
        }
    }
}

fn decoder(model: &SentenceModel<'_>, class: Option<Class>, settings: &Settings) -> Value {
    let is_fixed = matches!(class, Some(Class::Pegasus | Class::Mbart | Class::Mbart50));
    let is_space_added = is_fixed || settings.switch("add_prefix_space").unwrap_or(true);
    let spaces = json!({"type": "Replace", "pattern": {"String": SPACE}, "content": " "});
    let mut steps = vec![spaces];
    match class {
        None if !model.byte_fallback => {}
        None | Some(Class::Llama | Class::ChatGlm) => {
            steps.extend([json!({"type": "ByteFallback"}), json!({"type": "Fuse"})]);
            if class.is_some() && is_space_added {
                steps.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
            }
        }
        Some(class) => {
            let otherwise = if class == Class::DebertaV2 { "first" } else { "never" };
            let scheme = if is_space_added { "always" } else { otherwise };
            return json!({"type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme, "split": true});
        }
    }
    json!({"type": "Sequence", "decoders": steps})
}

/// Tokens around a text, where the class settles them and not a switch.
fn affixes(
    class: Option<Class>,
    special: impl Fn(&str) -> Result<(String, u32)>,
    language: impl Fn() -> Result<(String, u32)>,
    n_pieces: usize,
) -> Result<Value> {
    let token = |role: &str, type_id: u32| special(role).map(|(text, id)| Part::Token(text, id, type_id));
    let (a, b) = (Part::A(0), Part::B(0));
    Ok(match class {
        Some(Class::T5) => {
            let end = token("eos", 0)?;
            around(&[a.clone(), end.clone()], &[a, end.clone(), b, end])
        }
        Some(Class::Albert | Class::DebertaV2) => {
            let (cls, sep) = (token("cls", 0)?, token("sep", 0)?);
            let pair = [cls.clone(), a.clone(), sep.clone(), Part::B(1), token("sep", 1)?];
            around(&[cls, a, sep], &pair)
        }
        Some(Class::Camembert | Class::XlmRoberta) => {
            let (begin, end) = (token("bos", 0)?, token("eos", 0)?);
            let pair = [begin.clone(), a.clone(), end.clone(), end.clone(), b, end.clone()];
            around(&[begin, a, end], &pair)
        }
        Some(Class::ChatGlm) => {
            let behind = |at: usize| Part::Token(OF_CHATGLM[at].to_owned(), (n_pieces + at) as u32, 0);
            let begin = [behind(1), behind(3)];
            around(
                &[&begin[..], std::slice::from_ref(&a)].concat(),
                &[&begin[..], &[a.clone(), b, token("eos", 0)?]].concat(),
            )
        }
        Some(Class::Pegasus) => {
            let end = token("eos", 0)?;
            around(&[a.clone(), end.clone()], &[a, b, end])
        }
        Some(class @ (Class::Mbart | Class::Mbart50)) => {
            let (end, (text, id)) = (token("eos", 0)?, language()?);
            let language = Part::Token(text, id, 0);
            let [before, after] = match class {
                Class::Mbart => [vec![], vec![end, language]],
                _ => [vec![language], vec![end]],
            };
            let framed = |texts: &[Part]| [&before[..], texts, &after].concat();
            around(&framed(std::slice::from_ref(&a)), &framed(&[a.clone(), b]))
        }
        _ => Value::Null,
    })
}
