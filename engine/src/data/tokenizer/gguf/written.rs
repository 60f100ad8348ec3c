//! A tokenizer as the metadata of a GGUF file: the vocabulary by id, merges or scores, the name of how a text is cut, the
//! special tokens and the chat template. What is written is read again and must make the same tokens of a text.
//! ggml-org/llama.cpp: conversion/base.py, gguf-py/gguf/vocab.py.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde_json::Value as Json;

use super::super::Tokenizer;
use super::super::guarded::guarded;
use super::super::special::ROLES;
use super::pre_tokenizer::name_of;
use crate::error::{EngineError, Result};
use crate::weights::gguf::{Metadata, Value};
use crate::{Sentence, sentence};

/// llama.cpp's kinds of tokens.
mod kind {
    pub(super) const NORMAL: i64 = 1;
    pub(super) const UNKNOWN: i64 = 2;
    pub(super) const CONTROL: i64 = 3;
    pub(super) const USER_DEFINED: i64 = 4;
    pub(super) const UNUSED: i64 = 5;
    pub(super) const BYTE: i64 = 6;
}

/// The keys of further roles that llama.cpp knows.
const KEYS: [(&str, &str); 4] = [
    ("unk", "unknown_token_id"),
    ("sep", "seperator_token_id"),
    ("pad", "padding_token_id"),
    ("mask", "mask_token_id"),
];

/// What a tokenizer must make the same tokens of.
const PROBES: [&str; 6] = [
    "The prefix's 12345 words, don't they?",
    "  Two spaces,\r\n\n\ttabs   and an end ",
    "Grüße, naïve café №½; 你好，世界！",
    "fn main() { println!(\"{}\", x_1 + 0xFF); } // 3.14e-10",
    "A🙂B and CamelCase WORDS-with_signs...",
    "",
];

impl Tokenizer {
    /// The metadata of a model with so many rows of embeddings.
    ///
    /// # Errors
    /// [`EngineError::NoPlace`] for a tokenizer that llama.cpp does not have, or that would make other tokens there.
    pub fn to_gguf(&self, n_rows: usize) -> Result<Metadata> {
        let whole = guarded(|| self.0.tokenizer.to_string(false))?;
        let whole: Json =
            serde_json::from_str(&whole).map_err(|error| EngineError::Tokenizer(Sentence::verbatim(error)))?;
        let mut metadata = match (whole["model"]["type"].as_str(), &whole["model"]["byte_fallback"]) {
            (Some("BPE"), Json::Bool(true)) => sentence_bpe(&whole, n_rows)?,
            (Some("BPE"), _) if self.0.is_byte_level => byte_level(&whole, n_rows)?,
            (kind, _) => {
                let kind = kind.unwrap_or_default().to_owned();
                return refused(sentence!("tokenizers of kind {kind} are not written here", kind));
            }
        };
        let roles: BTreeMap<&str, Option<u32>> = ROLES.into_iter().zip(self.0.roles).collect();
        for (role, key) in KEYS {
            if let Some(id) = roles.get(role).copied().flatten() {
                metadata.insert(format!("tokenizer.ggml.{key}"), Value::Unsigned(id.into()));
            }
        }
        // Without a word llama.cpp takes ids of its own.
        for (key, id) in [("bos_token_id", self.0.bos), ("eos_token_id", self.0.eos)] {
            metadata.insert(format!("tokenizer.ggml.{key}"), Value::Unsigned(id.into()));
        }
        let begins = self.0.begins == [self.0.bos];
        metadata.insert("tokenizer.ggml.add_bos_token".to_owned(), Value::Bool(begins));
        if let Some(chat) = &self.0.chat {
            metadata.insert("tokenizer.chat_template".to_owned(), Value::Text(chat.source().to_owned()));
        }
        self.check(&metadata)?;
        Ok(metadata)
    }

    /// Refuses what would be read as another tokenizer.
    fn check(&self, metadata: &Metadata) -> Result<()> {
        let read = Self::from_gguf(metadata, Path::new("GGUF"))?;
        for text in PROBES.into_iter().map(str::to_owned).chain([format!("{0}a{0} b", self.eos_text())]) {
            // What this one cannot express, that one need not.
            if let Ok(ids) = self.encode(&text)
                && read.encode(&text)? != ids
            {
                return refused(sentence!("it would make other tokens of {text:?}", text));
            }
        }
        match (read.begins_texts() == self.begins_texts(), read.eos() == self.eos()) {
            (true, true) => Ok(()),
            _ => refused(sentence!("it would put other tokens around a text")),
        }
    }
}

/// Byte-level merges.
fn byte_level(whole: &Json, n_rows: usize) -> Result<Metadata> {
    let ignores_merges = whole["model"]["ignore_merges"].as_bool().unwrap_or(false);
    let Some(name) = name_of(&whole["pre_tokenizer"], &whole["normalizer"], ignores_merges) else {
        return refused(sentence!("it has no name for how this tokenizer cuts a text before its merges"));
    };
    let (tokens, kinds) = vocabulary(whole, n_rows, |_| kind::NORMAL)?;
    let merges = merges(whole).map(|(left, right)| format!("{left} {right}")).collect();
    Ok(Metadata::from([
        ("tokenizer.ggml.model".to_owned(), Value::Text("gpt2".to_owned())),
        ("tokenizer.ggml.pre".to_owned(), Value::Text(name.to_owned())),
        ("tokenizer.ggml.tokens".to_owned(), Value::Texts(tokens)),
        ("tokenizer.ggml.token_type".to_owned(), Value::Signeds(kinds)),
        ("tokenizer.ggml.merges".to_owned(), Value::Texts(merges)),
    ]))
}

/// SentencePiece's BPE: llama.cpp merges by the score of what two pieces make, which here is the place of the first merge
/// that makes it, from the last.
fn sentence_bpe(whole: &Json, n_rows: usize) -> Result<Metadata> {
    let unknown = whole["model"]["unk_token"].as_str().unwrap_or_default();
    let (tokens, kinds) = vocabulary(whole, n_rows, |token| {
        let is_byte = token.len() == 6 && token.starts_with("<0x") && token.ends_with('>');
        match token {
            _ if token == unknown => kind::UNKNOWN,
            _ if is_byte => kind::BYTE,
            _ => kind::NORMAL,
        }
    })?;
    let mut ranks: HashMap<String, f32> = HashMap::new();
    for (rank, (left, right)) in merges(whole).enumerate() {
        ranks.entry([left, right].concat()).or_insert(-(rank as f32) - 1.0);
    }
    let last = -(ranks.len() as f32) - 1.0;
    let scores = tokens.iter().zip(&kinds).map(|(token, kind)| match *kind {
        kind::NORMAL => ranks.get(token).copied().unwrap_or(last),
        _ => 0.0,
    });
    let adds_space = whole["normalizer"].to_string().contains("Prepend");
    Ok(Metadata::from([
        ("tokenizer.ggml.model".to_owned(), Value::Text("llama".to_owned())),
        ("tokenizer.ggml.pre".to_owned(), Value::Text("default".to_owned())),
        ("tokenizer.ggml.scores".to_owned(), Value::Floats(scores.collect())),
        ("tokenizer.ggml.tokens".to_owned(), Value::Texts(tokens)),
        ("tokenizer.ggml.token_type".to_owned(), Value::Signeds(kinds)),
        ("tokenizer.ggml.add_space_prefix".to_owned(), Value::Bool(adds_space)),
    ]))
}

/// Tokens by id with their kinds, filled up to the rows of the embeddings.
fn vocabulary(whole: &Json, n_rows: usize, kind_of: impl Fn(&str) -> i64) -> Result<(Vec<String>, Vec<i64>)> {
    let mut by_id: BTreeMap<usize, (String, i64)> = BTreeMap::new();
    let id = |value: &Json| value.as_u64().and_then(|id| usize::try_from(id).ok()).filter(|id| *id < n_rows);
    for (token, value) in whole["model"]["vocab"].as_object().into_iter().flatten() {
        if let Some(id) = id(value) {
            by_id.insert(id, (token.clone(), kind_of(token)));
        }
    }
    for added in whole["added_tokens"].as_array().into_iter().flatten() {
        if let (Some(id), Some(token)) = (id(&added["id"]), added["content"].as_str()) {
            let own = kind_of(token);
            let kind = match added["special"].as_bool() {
                _ if own != kind::NORMAL => own,
                Some(true) => kind::CONTROL,
                _ => kind::USER_DEFINED,
            };
            by_id.insert(id, (token.to_owned(), kind));
        }
    }
    let listed = |id: usize| by_id.remove(&id).unwrap_or_else(|| (format!("[PAD{id}]"), kind::UNUSED));
    let (tokens, kinds): (Vec<String>, Vec<i64>) = (0..n_rows).map(listed).unzip();
    match tokens.is_empty() {
        true => refused(sentence!("it has no tokens")),
        false => Ok((tokens, kinds)),
    }
}

/// Pairs, written as two texts or as one with a space between.
fn merges(whole: &Json) -> impl Iterator<Item = (&str, &str)> {
    whole["model"]["merges"].as_array().into_iter().flatten().filter_map(|merge| match merge {
        Json::String(pair) => pair.split_once(' '),
        pair => Some((pair.get(0)?.as_str()?, pair.get(1)?.as_str()?)),
    })
}

fn refused<T>(reason: Sentence) -> Result<T> {
    Err(EngineError::NoPlace { program: "llama.cpp", reason })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of_json(text: &str) -> Tokenizer {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tokenizer.json"), text).unwrap();
        std::fs::write(folder.path().join("tokenizer_config.json"), r#"{"bos_token": "<s>", "eos_token": "</s>"}"#)
            .unwrap();
        Tokenizer::from_folder(folder.path()).unwrap()
    }

    #[test]
    fn a_byte_level_tokenizer_comes_back_with_its_fillers_left_out() {
        let tokenizer = super::super::super::byte_tokenizer();
        let metadata = tokenizer.to_gguf(260).unwrap();
        assert_eq!(metadata["tokenizer.ggml.pre"], Value::Text("gpt-2".to_owned()));
        let Value::Texts(tokens) = &metadata["tokenizer.ggml.tokens"] else { panic!("no texts") };
        assert_eq!((tokens.len(), tokens[256].as_str(), tokens[259].as_str()), (260, "<|endoftext|>", "[PAD259]"));
        let back = Tokenizer::from_gguf(&metadata, Path::new("GGUF")).unwrap();
        assert_eq!((back.vocab_size(), back.eos()), (257, tokenizer.eos()));
    }

    #[test]
    fn pieces_have_the_scores_that_make_their_merges() {
        let bytes: String = (0..256).map(|byte| format!(r#""<0x{byte:02X}>": {}, "#, byte + 3)).collect();
        let special = |(id, content): (usize, &str)| {
            json!({"id": id, "content": content, "special": true, "single_word": false, "lstrip": false, "rstrip": false,
                   "normalized": false})
        };
        let added = json!(["<unk>", "<s>", "</s>"].into_iter().enumerate().map(special).collect::<Vec<_>>());
        let tokenizer = of_json(&format!(
            r#"{{"version": "1.0", "added_tokens": {added},
            "normalizer": {{"type": "Sequence", "normalizers": [{{"type": "Prepend", "prepend": "▁"}},
                {{"type": "Replace", "pattern": {{"String": " "}}, "content": "▁"}}]}},
            "pre_tokenizer": null, "post_processor": null,
            "decoder": {{"type": "Sequence", "decoders": [{{"type": "Replace", "pattern": {{"String": "▁"}}, "content": " "}},
                {{"type": "ByteFallback"}}, {{"type": "Fuse"}}]}},
            "model": {{"type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true,
                "vocab": {{"<unk>": 0, "<s>": 1, "</s>": 2, {bytes} "▁": 259, "a": 260, "b": 261, "ab": 262, "▁a": 263}},
                "merges": [["a", "b"], ["▁", "a"]]}}}}"#
        ));
        let metadata = tokenizer.to_gguf(264).unwrap();
        let Value::Floats(scores) = &metadata["tokenizer.ggml.scores"] else { panic!("no scores") };
        assert_eq!(scores[260..264], [-3.0, -3.0, -1.0, -2.0]);
        let Value::Signeds(kinds) = &metadata["tokenizer.ggml.token_type"] else { panic!("no kinds") };
        assert_eq!((&kinds[..4], kinds[262]), ([2, 3, 3, 6].as_slice(), 1));
        assert_eq!(metadata["tokenizer.ggml.add_bos_token"], Value::Bool(false));
        let back = Tokenizer::from_gguf(&metadata, Path::new("GGUF")).unwrap();
        assert_eq!(back.encode("ab a").unwrap(), tokenizer.encode("ab a").unwrap());
    }

    #[test]
    fn what_llama_cpp_has_no_name_for_is_refused() {
        let words = of_json(
            r#"{"version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": null, "post_processor": null,
            "decoder": null, "model": {"type": "WordLevel", "vocab": {"<s>": 0, "</s>": 1}, "unk_token": "<s>"}}"#,
        );
        assert!(words.to_gguf(2).unwrap_err().to_string().contains("WordLevel"));
    }
}
