//! `llama`: SentencePiece's BPE, with bytes for what is no token. Spaces are `▁`, and merges follow from the scores.
//!
//! As the published `tokenizer.json` files of these models cut a text, and llama.cpp: a space comes before every stretch of
//! text between two special tokens, whether one stands there or not.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::{Value, json};

use super::super::files::{from_bytes, heed_switches};
use super::super::piece_merges::{MAX_PIECE, piece_merges};
use super::super::post_processor::{Part, around};
use super::super::special::Settings;
use super::fields::Fields;
use super::roles;
use super::vocabulary::{Kind, Vocabulary};
use super::{Opened, merges};
use crate::error::Result;
use crate::sentence;

/// Stands for a space.
const SPACE: &str = "▁";
/// The ids that llama.cpp takes for roles which a file does not name.
const USUAL: [(&str, usize); 3] = [("bos", 1), ("eos", 2), ("unk", 0)];
/// Special tokens of Phi-3 after which a text keeps its white space.
const KEEP_SPACES: [&str; 3] = ["<unk>", "<s>", "<|endoftext|>"];
/// ChatGLM2 and 3 write these without brackets and never find one in a text.
const OF_CHATGLM: [(&str, &str); 2] = [("sop", "<sop>"), ("eop", "<eop>")];

/// # Errors
/// The vocabulary or the merges contradict themselves.
pub(super) fn open(fields: Fields<'_>, architecture: &str) -> Result<Opened> {
    let mut vocabulary = Vocabulary::read(fields)?;
    if let Some(text) = vocabulary.texts.iter().find(|text| text.len() > MAX_PIECE) {
        return Err(fields.wrong(sentence!("a piece in it has {n} bytes", n = text.len())));
    }
    let is_gemma = architecture.starts_with("gemma");
    let spelled = match architecture {
        "chatglm" => vocabulary.texts.iter().map(|text| Cow::Borrowed(in_brackets(text))).collect(),
        _ if is_gemma => with_marks(&vocabulary.texts),
        _ => vocabulary.texts.iter().map(|text| Cow::Borrowed(*text)).collect::<Vec<_>>(),
    };
    vocabulary.texts = spelled.iter().map(AsRef::as_ref).collect();
    let mut config = roles::config(fields, &vocabulary, &USUAL)?;
    config.entry("add_bos_token").or_insert(true.into());
    let adds_space = fields.flag("tokenizer.ggml.add_space_prefix")?.unwrap_or(!is_gemma);
    let unknown = config.get("unk_token").cloned();
    let merges = match merges(fields, &vocabulary)? {
        Some(merges) => merges,
        None => piece_merges(&vocabulary.texts, best_first(&vocabulary, is_gemma).into_iter())
            .map_err(|reason| fields.wrong(reason))?,
    };
    let takes_spaces = |text: &str| architecture == "phi3" && !KEEP_SPACES.contains(&text);
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": normalizer(adds_space),
        "pre_tokenizer": null, "post_processor": chatglm(&vocabulary, architecture), "decoder": decoder(adds_space),
        "added_tokens": vocabulary.added(takes_spaces),
        "model": {
            "type": "BPE", "dropout": null, "unk_token": unknown, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
            "vocab": vocabulary.ids(), "merges": merges,
        },
    });
    let mut tokenizer = from_bytes(file.to_string().as_bytes(), fields.path)?;
    let settings = Settings::of(Value::Object(config));
    if file["post_processor"].is_null() {
        heed_switches(&mut tokenizer, &settings)?;
    }
    Ok(Opened { tokenizer, settings, note: None })
}

/// Ids in the order of their merges: by falling score, and of equal ones runs of spaces last, which is where LLaMA has them;
/// some converters write the same score for every token. Gemma's scores do not follow its merges, its ids do.
fn best_first(vocabulary: &Vocabulary<'_>, is_gemma: bool) -> Vec<usize> {
    let mut ids: Vec<usize> = (0..vocabulary.texts.len()).collect();
    if !is_gemma {
        let is_run = |id: usize| vocabulary.texts[id].chars().all(|c| c == '▁');
        let score = |id: usize| vocabulary.scores.get(id).copied().unwrap_or_default();
        ids.sort_by(|a, b| score(*b).total_cmp(&score(*a)).then_with(|| is_run(*a).cmp(&is_run(*b))));
    }
    ids
}

/// Tokens of spaces alone, which the converter writes as spaces, in the marks that stand for them.
fn with_marks<'a>(texts: &[&'a str]) -> Vec<Cow<'a, str>> {
    let all: HashSet<&str> = texts.iter().copied().collect();
    let marked = |text: &'a str| {
        let marks = SPACE.repeat(text.len());
        let is_spaces = !text.is_empty() && text.bytes().all(|c| c == b' ');
        if is_spaces && !all.contains(marks.as_str()) { Cow::Owned(marks) } else { Cow::Borrowed(text) }
    };
    texts.iter().map(|text| marked(text)).collect()
}

fn in_brackets(text: &str) -> &str {
    OF_CHATGLM.iter().find(|(bare, _)| *bare == text).map_or(text, |(_, written)| written)
}

fn normalizer(adds_space: bool) -> Value {
    let marks = json!({"type": "Replace", "pattern": {"String": " "}, "content": SPACE});
    if adds_space {
        json!({"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": SPACE}, marks]})
    } else {
        marks
    }
}

fn decoder(adds_space: bool) -> Value {
    let spaces = json!({"type": "Replace", "pattern": {"String": SPACE}, "content": " "});
    let mut steps = vec![spaces, json!({"type": "ByteFallback"}), json!({"type": "Fuse"})];
    if adds_space {
        steps.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    json!({"type": "Sequence", "decoders": steps})
}

/// What ChatGLM2 and 3 put before every text.
fn chatglm(vocabulary: &Vocabulary<'_>, architecture: &str) -> Value {
    let token = |text: &str| {
        let id = vocabulary.id(text).filter(|id| vocabulary.kinds[*id] != Kind::Normal)?;
        Some(Part::Token(text.to_owned(), u32::try_from(id).ok()?, 0))
    };
    match ["[gMASK]", "<sop>"].map(token) {
        [Some(first), Some(second)] if architecture == "chatglm" => {
            around(&[first.clone(), second.clone(), Part::A(0)], &[first, second, Part::A(0), Part::B(0)])
        }
        _ => Value::Null,
    }
}
