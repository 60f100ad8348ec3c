//! `gpt2`: byte-level BPE with its merges.

use serde_json::{Value, json};

use super::super::files::{from_bytes, heed_switches};
use super::super::post_processor::{Part, around};
use super::super::special::Settings;
use super::fields::Fields;
use super::pre_tokenizer::PreTokenizer;
use super::roles;
use super::vocabulary::{Kind, Vocabulary};
use super::{Opened, merges};
use crate::error::Result;
use crate::sentence;

/// What GLM-4 puts before every text; its files name only the first.
const OF_GLM: [&str; 2] = ["[gMASK]", "<sop>"];

/// # Errors
/// The vocabulary or the merges contradict themselves, or the way to cut is not known.
pub(super) fn open(fields: Fields<'_>, architecture: &str) -> Result<Opened> {
    let vocabulary = Vocabulary::read(fields)?;
    let (pre_tokenizer, is_guess) = PreTokenizer::of(fields.text("tokenizer.ggml.pre")?, architecture)?;
    let mut config = roles::config(fields, &vocabulary, usual(architecture))?;
    config.entry("add_bos_token").or_insert(pre_tokenizer.begins.into());
    let key = "tokenizer.ggml.merges";
    let Some(merges) = merges(fields, &vocabulary)? else {
        return Err(fields.wrong(sentence!("it has no {key}", key)));
    };
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": pre_tokenizer.normalizer(),
        "pre_tokenizer": pre_tokenizer.json(), "post_processor": glm(&vocabulary, &pre_tokenizer),
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "added_tokens": vocabulary.added(|_| false),
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "ignore_merges": pre_tokenizer.ignores_merges, "vocab": vocabulary.ids(), "merges": merges,
        },
    });
    let mut tokenizer = from_bytes(file.to_string().as_bytes(), fields.path)?;
    let settings = Settings::of(Value::Object(config));
    if file["post_processor"].is_null() {
        heed_switches(&mut tokenizer, &settings)?;
    }
    let note = is_guess.then(|| {
        sentence!(
            "The file does not say how a text is cut before its merges (tokenizer.ggml.pre); it is cut as GPT-2 does"
        )
    });
    Ok(Opened { tokenizer, settings, note })
}

/// Falcon's end token, which llama.cpp takes where a file names none.
fn usual(architecture: &str) -> &'static [(&'static str, usize)] {
    if architecture == "falcon" { &[("bos", 11), ("eos", 11)] } else { &[] }
}

fn glm(vocabulary: &Vocabulary<'_>, pre_tokenizer: &PreTokenizer) -> Value {
    let token = |text: &str| {
        let id = vocabulary.id(text).filter(|id| vocabulary.kinds[*id] == Kind::Control)?;
        Some(Part::Token(text.to_owned(), u32::try_from(id).ok()?, 0))
    };
    match OF_GLM.map(token) {
        [Some(first), Some(second)] if pre_tokenizer.names.contains(&"glm4") => {
            around(&[first.clone(), second.clone(), Part::A(0)], &[first, second, Part::A(0), Part::B(1)])
        }
        _ => Value::Null,
    }
}
