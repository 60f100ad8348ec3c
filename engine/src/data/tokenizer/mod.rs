//! Text to token ids and back, as the model's own tokenizer does it.

mod chat;
mod chat_guard;
mod encoding;
mod files;
mod gguf;
mod growth;
mod guarded;
mod ice_text;
mod piece_merges;
mod post_processor;
mod roles;
mod sentence_model;
mod sentence_piece;
mod special;
mod tokenizer_class;
mod vocab_files;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokenizers::{DecoderWrapper, ModelWrapper};

pub use self::chat::{ChatTemplate, Message, Turn};
pub use self::encoding::Encoded;
pub(in crate::data) use self::encoding::WithOffsets;
use self::guarded::guarded;
use self::roles::{USUAL_BEGINS, USUAL_ENDS, USUAL_MASKS, USUAL_PADS, notes, resolve, special_ids, usual};
use self::special::{ROLES, Settings};
use super::token_text::{byte_level_bytes, fallback_byte, visible};
use crate::error::{EngineError, Result};
use crate::files::{write_json, write_whole};
use crate::models::load::place;
use crate::weights::gguf::read_metadata;
use crate::weights::hex;
use crate::{Sentence, sentence};

/// A model's tokenizer with the tokens that begin, end and pad a text. A clone shares the vocabulary.
#[derive(Clone, Debug)]
pub struct Tokenizer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tokenizer: tokenizers::Tokenizer,
    special: BTreeSet<u32>,
    is_byte_level: bool,
    /// The tokenizer puts a space before every text (SentencePiece).
    adds_space: bool,
    bos: u32,
    eos: u32,
    pad: u32,
    /// The token of each of [`ROLES`] that the model has.
    roles: [Option<u32>; ROLES.len()],
    /// The begin token, where the tokenizer puts it before every text.
    begins: Vec<u32>,
    /// The tokens behind every text that something is written behind.
    closes: Vec<u32>,
    /// The languages of a source and of a target, where they are others and stand beside a text.
    languages: Option<[u32; 2]>,
    bos_text: String,
    eos_text: String,
    chat: Option<ChatTemplate>,
    notes: Vec<Sentence>,
}

impl Tokenizer {
    /// Reads `tokenizer.json`, or else `vocab.json` with `merges.txt`, `vocab.txt`, or SentencePiece's model file, as the
    /// tokenizer class that the files beside it name; from those also the special and the added tokens and the chat
    /// template. A file in GGUF has all of it within. Without a begin token the end token begins a text too, as in GPT-2;
    /// without a padding token it pads.
    ///
    /// # Errors
    /// [`EngineError::ModelFileMissing`] when there is no vocabulary, [`EngineError::Malformed`] when a file is broken,
    /// [`EngineError::Tokenizer`] when no end token can be found, or the class is one whose older files are not read.
    pub fn from_folder(folder: &Path) -> Result<Self> {
        let folder = &*place::resolved(folder);
        if folder.is_file() {
            return Self::from_gguf(&read_metadata(folder)?, folder);
        }
        let mut settings = Settings::from_folder(folder)?;
        let tokenizer = files::open(folder, &mut settings)?;
        let chat = ChatTemplate::from_folder(folder, &settings)?;
        Self::new(tokenizer, &settings, chat)
    }

    fn new(mut tokenizer: tokenizers::Tokenizer, settings: &Settings, chat: Option<ChatTemplate>) -> Result<Self> {
        make_deterministic(&mut tokenizer)?;
        let roles = ROLES.map(|role| resolve(&mut tokenizer, &settings.named(role)));
        let [own_bos, own_eos, _, sep, own_pad, cls, own_mask] = roles;
        let eos = own_eos.or(sep).or_else(|| usual(&tokenizer, &USUAL_ENDS)).ok_or_else(|| {
            EngineError::Tokenizer(sentence!(
                "no token ends a text: tokenizer_config.json or config.json must name eos_token"
            ))
        })?;
        let own_bos = own_bos.or(cls).or_else(|| usual(&tokenizer, &USUAL_BEGINS));
        let own_pad = own_pad.or_else(|| usual(&tokenizer, &USUAL_PADS));
        let mut inner = Inner {
            special: special_ids(&tokenizer),
            is_byte_level: is_byte_level(&tokenizer),
            adds_space: false,
            tokenizer,
            bos: own_bos.unwrap_or(eos),
            eos,
            pad: own_pad.unwrap_or(eos),
            roles,
            begins: Vec::new(),
            closes: Vec::new(),
            languages: None,
            bos_text: String::new(),
            eos_text: String::new(),
            chat,
            notes: Vec::new(),
        };
        let language = |key: &str| inner.tokenizer.token_to_id(settings.setting(key)?.as_str()?);
        let [source, target] = [language("src_lang"), language("tgt_lang")];
        inner.languages = source.zip(target).map(|(source, target)| [source, target]);
        inner.roles[4] = own_pad;
        inner.roles[6] = own_mask.or_else(|| usual(&inner.tokenizer, &USUAL_MASKS));
        inner.bos_text = inner.text_of(inner.bos);
        inner.eos_text = inner.text_of(eos);
        inner.notes = notes(own_bos, own_pad, &inner.eos_text);
        let probe = inner.encode("a")?;
        inner.adds_space = probe.first().and_then(|&id| inner.token(id)).is_some_and(|t| t.starts_with('▁'));
        let around = guarded(|| inner.tokenizer.encode_fast("a", true))?;
        let begin = around.get_ids().windows(probe.len().max(1)).position(|ids| ids == probe).unwrap_or(0);
        let (before, rest) = around.get_ids().split_at(begin);
        if before == [inner.bos] || before.len() > 1 {
            inner.begins = before.to_vec();
        }
        // What ends in the token that begins a text asks for one.
        let after = rest.get(probe.len()..).unwrap_or_default();
        if own_bos.is_some() && after.len() > 1 && after.last() == own_bos.as_ref() {
            inner.closes = after.to_vec();
        }
        Ok(Self(Arc::new(inner)))
    }

    /// The ids of a text. No special token is added, but the text of one, such as `<|endoftext|>`, becomes it.
    ///
    /// # Errors
    /// [`EngineError::Tokenizer`] when the vocabulary cannot express the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        self.0.encode(text)
    }

    /// The ids of a text that follows another. Tokenizers that put a space before every text get theirs from the text's
    /// own first space, which would otherwise be doubled.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_continuation(&self, text: &str) -> Result<Vec<u32>> {
        self.0.encode(if self.0.adds_space { text.strip_prefix(' ').unwrap_or(text) } else { text })
    }

    /// The text of ids, without special tokens.
    ///
    /// # Errors
    /// [`EngineError::Tokenizer`] when the tokenizer's decoder fails.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.0.decode(ids, true)
    }

    /// The text of ids, special tokens written out.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn decode_with_special(&self, ids: &[u32]) -> Result<String> {
        self.0.decode(ids, false)
    }

    /// One token as people read it: bytes decoded, invisible characters as `\n` or `\u{200b}`, bytes that are not a
    /// whole character as `\xE4`. An id that is not in the vocabulary is `[id]`.
    pub fn token_text(&self, id: u32) -> String {
        let Some(token) = self.0.token(id) else { return format!("[{id}]") };
        if self.0.special.contains(&id) {
            return visible(token.as_bytes());
        }
        match self.byte_level_bytes(id) {
            Some(bytes) => visible(&bytes),
            None => match fallback_byte(&token) {
                Some(byte) => visible(&[byte]),
                None => visible(token.replace('▁', " ").as_bytes()),
            },
        }
    }

    /// The bytes of a token; `None` when the vocabulary is not of bytes.
    pub(super) fn byte_level_bytes(&self, id: u32) -> Option<Vec<u8>> {
        self.0.is_byte_level.then(|| self.0.token(id).map(|token| byte_level_bytes(&token)).unwrap_or_default())
    }

    /// Whether an id is a special token, which decoding leaves out.
    pub fn is_special(&self, id: u32) -> bool {
        self.0.special.contains(&id)
    }

    /// The id of a token by its name in the vocabulary.
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.0.tokenizer.token_to_id(token)
    }

    /// One more than the largest id.
    pub fn vocab_size(&self) -> usize {
        self.0.tokenizer.get_vocab(true).values().max().map_or(0, |&id| id as usize + 1)
    }

    /// The tokenizer as a model of so many tokens can use it. A padding token that the model does not know is never fed to
    /// one; then the end token pads, masked, as where there is none.
    ///
    /// # Errors
    /// [`EngineError::Tokenizer`] when it knows another token that the model does not know.
    pub fn fitting(mut self, vocab_size: usize) -> Result<Self> {
        let first = u32::try_from(vocab_size).unwrap_or(u32::MAX);
        let last = u32::try_from(self.vocab_size()).unwrap_or(u32::MAX);
        let beyond: Vec<u32> = (first..last).filter(|&id| self.0.token(id).is_some()).collect();
        if beyond.is_empty() {
            return Ok(self);
        }
        let unknown = beyond.iter().copied().find(|&id| self.own_pad() != Some(id));
        match (unknown, Arc::get_mut(&mut self.0)) {
            (None, Some(inner)) => {
                (inner.pad, inner.roles[4]) = (inner.eos, None);
                let end = &inner.eos_text;
                inner.notes.push(sentence!(
                    "The model does not know the padding token; its end token {end:?} pads, masked",
                    end
                ));
                Ok(self)
            }
            (unknown, _) => {
                let id = unknown.unwrap_or(beyond[0]);
                let text = self.token_text(id);
                let reason = sentence!(
                    "it has token {id} ({text:?}), the model knows only {vocab_size} tokens",
                    id,
                    text,
                    vocab_size
                );
                Err(EngineError::Tokenizer(reason))
            }
        }
    }

    /// SHA-256 of all that decides which tokens a text becomes, in hexadecimal.
    ///
    /// # Errors
    /// [`EngineError::Tokenizer`] when it cannot be written down.
    pub fn digest(&self) -> Result<String> {
        let whole = guarded(|| self.0.tokenizer.to_string(false))?;
        let mut digest = Sha256::new_with_prefix(whole);
        for id in [self.0.bos, self.0.eos, self.0.pad].iter().chain(&self.0.begins).chain(&self.0.closes) {
            digest.update(id.to_le_bytes());
        }
        Ok(hex(&digest.finalize()))
    }

    /// Writes it as Hugging Face keeps it: `tokenizer.json`, and `tokenizer_config.json` with its special tokens and the chat
    /// template.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let whole = guarded(|| self.0.tokenizer.to_string(true))?;
        write_whole(&folder.join("tokenizer.json"), whole.as_bytes())?;
        let roles = ROLES.iter().zip(self.0.roles);
        let named = roles.filter_map(|(role, id)| Some((format!("{role}_token"), self.0.text_of(id?))));
        let chat = self.0.chat.iter().map(|chat| ("chat_template".to_owned(), chat.source().to_owned()));
        let config: BTreeMap<String, String> = named.chain(chat).collect();
        write_json(&folder.join("tokenizer_config.json"), &config)
    }

    /// The form in which the model wants a conversation written, if it has one.
    pub fn chat_template(&self) -> Option<&ChatTemplate> {
        self.0.chat.as_ref()
    }

    /// Notes on what stands in for what the files do not name, in sentences for people.
    pub fn notes(&self) -> &[Sentence] {
        &self.0.notes
    }
}

impl Inner {
    fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = guarded(|| self.tokenizer.encode_fast(text, false))?;
        Ok(encoding.get_ids().to_vec())
    }

    fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String> {
        guarded(|| self.tokenizer.decode(ids, skip_special))
    }

    fn token(&self, id: u32) -> Option<String> {
        self.tokenizer.id_to_token(id)
    }

    /// The name of an added token; for a plain one what it decodes to.
    fn text_of(&self, id: u32) -> String {
        let name = self.token(id).unwrap_or_default();
        if self.tokenizer.get_added_tokens_decoder().contains_key(&id) {
            return name;
        }
        self.decode(&[id], false).unwrap_or(name)
    }
}

/// Truncation, padding and dropout are settings of a training run that some files were saved with.
fn make_deterministic(tokenizer: &mut tokenizers::Tokenizer) -> Result<()> {
    guarded(|| tokenizer.with_truncation(None).map(|_| ()))?;
    tokenizer.with_padding(None);
    let dropping = match tokenizer.get_model() {
        ModelWrapper::BPE(bpe) if bpe.dropout.is_some() => Some(bpe.clone()),
        _ => None,
    };
    if let Some(mut bpe) = dropping {
        bpe.dropout = None;
        tokenizer.with_model(bpe);
    }
    Ok(())
}

fn is_byte_level(tokenizer: &tokenizers::Tokenizer) -> bool {
    match tokenizer.get_decoder() {
        Some(DecoderWrapper::ByteLevel(_)) => true,
        Some(DecoderWrapper::Sequence(s)) => matches!(s.get_decoders(), [DecoderWrapper::ByteLevel(_)]),
        _ => false,
    }
}

/// A tokenizer for tests: one token for each byte (its id), and `<|endoftext|>` (256).
#[cfg(test)]
pub(super) fn byte_tokenizer() -> Tokenizer {
    let folder = tempfile::tempdir().unwrap();
    write_byte_tokenizer(folder.path());
    Tokenizer::from_folder(folder.path()).unwrap()
}

#[cfg(test)]
fn write_byte_tokenizer(folder: &Path) {
    use serde_json::{Value, json};
    let mut vocab: serde_json::Map<String, Value> = (0..0x200)
        .filter_map(char::from_u32)
        .filter_map(|c| Some((c.to_string(), json!(super::token_text::byte_of(c)?))))
        .collect();
    vocab.insert(roles::END_OF_TEXT.to_owned(), json!(256));
    std::fs::write(folder.join("vocab.json"), Value::from(vocab).to_string()).unwrap();
    std::fs::write(folder.join("merges.txt"), "#version: 0.2\n").unwrap();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_of(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    const WORDS: &str = r#"{"version":"1.0","added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Whitespace"},
        "post_processor":null,"decoder":null,"truncation":{"direction":"Right","max_length":1,"strategy":"LongestFirst","stride":0},
        "model":{"type":"WordLevel","vocab":{"<unk>":0,"a":1,"b":2,"stop":3},"unk_token":"<unk>"}}"#;

    #[test]
    fn text_round_trips_and_the_end_token_is_read_in_text() {
        let tokenizer = byte_tokenizer();
        let ids = tokenizer.encode("hé\n<|endoftext|>").unwrap();
        assert_eq!(ids, [104, 0xC3, 0xA9, 10, 256]);
        assert_eq!(tokenizer.decode(&ids).unwrap(), "hé\n");
        assert_eq!(tokenizer.decode_with_special(&ids).unwrap(), "hé\n<|endoftext|>");
        assert_eq!((tokenizer.bos(), tokenizer.eos(), tokenizer.pad()), (256, 256, 256));
        let texts: Vec<_> = [0xC3, 10, 32, 256, 300].iter().map(|&id| tokenizer.token_text(id)).collect();
        assert_eq!(texts, ["\\xC3", "\\n", " ", "<|endoftext|>", "[300]"]);
    }

    #[test]
    fn special_tokens_come_from_the_files_beside_it() {
        let by_name = folder_of(&[("tokenizer.json", WORDS), ("tokenizer_config.json", r#"{"eos_token": "stop"}"#)]);
        let tokenizer = Tokenizer::from_folder(by_name.path()).unwrap();
        assert_eq!((tokenizer.eos(), tokenizer.eos_text()), (3, "stop"));
        assert_eq!(tokenizer.encode("a b stop").unwrap(), [1, 2, 3], "truncation is off, the end token is read");
        let by_id =
            folder_of(&[("tokenizer.json", WORDS), ("config.json", r#"{"eos_token_id": 2, "bos_token_id": 99}"#)]);
        let tokenizer = Tokenizer::from_folder(by_id.path()).unwrap();
        assert_eq!((tokenizer.eos(), tokenizer.bos(), tokenizer.eos_text()), (2, 2, "b"));
    }

    #[test]
    fn without_a_file_that_names_them_the_usual_tokens_are_taken() {
        let words = WORDS
            .replace(
                r#""added_tokens":[]"#,
                r#""added_tokens":[{"id":2,"content":"</s>","single_word":false,
            "lstrip":false,"rstrip":false,"normalized":false,"special":true}]"#,
            )
            .replace("\"b\"", "\"</s>\"");
        let tokenizer = Tokenizer::from_folder(folder_of(&[("tokenizer.json", &words)]).path()).unwrap();
        assert_eq!((tokenizer.eos_text(), tokenizer.bos_text(), tokenizer.pad()), ("</s>", "</s>", 2));
    }

    #[test]
    fn broken_folders_get_a_sentence() {
        let sentence =
            |files: &[(&str, &str)]| Tokenizer::from_folder(folder_of(files).path()).unwrap_err().to_string();
        assert!(sentence(&[]).contains("vocab.json"));
        assert!(sentence(&[("vocab.json", "{}")]).contains("merges.txt"));
        assert!(sentence(&[("tokenizer.json", "{")]).contains("cannot be understood"));
        assert!(sentence(&[("tokenizer.json", WORDS)]).contains("eos_token"));
        assert!(sentence(&[("tokenizer.json", WORDS), ("config.json", "[")]).contains("config.json"));
        // A merge longer than every token makes the crate slice out of bounds.
        assert!(
            sentence(&[("vocab.json", r#"{"a":0,"b":1}"#), ("merges.txt", "a b")]).contains("cannot be understood")
        );
    }

    #[test]
    fn ids_without_an_embedding_are_refused() {
        let tokenizer = byte_tokenizer();
        assert!(tokenizer.fitting(257).is_ok() && byte_tokenizer().fitting(300).is_ok());
        let error = byte_tokenizer().fitting(256).unwrap_err().to_string();
        assert!(error.contains("token 256") && error.contains("only 256 tokens"), "{error}");
    }

    #[test]
    fn a_padding_token_beyond_the_vocabulary_is_never_fed() {
        let named = r#"{"eos_token": "<|endoftext|>", "pad_token": "<pad>"}"#;
        let added = r#"{"<pad>": 257}"#;
        let with = |config: &str| {
            let folder = folder_of(&[("tokenizer_config.json", config), ("added_tokens.json", added)]);
            write_byte_tokenizer(folder.path());
            Tokenizer::from_folder(folder.path()).unwrap()
        };
        assert_eq!(with(named).pad(), 257);
        let fitting = with(named).fitting(257).unwrap();
        assert_eq!((fitting.pad(), fitting.own_pad()), (fitting.eos(), None));
        assert!(fitting.notes().iter().any(|note| note.to_string().contains("does not know the padding token")));
        let other = with(r#"{"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}"#);
        assert!(other.fitting(257).is_err(), "a token that is no padding could be fed");
    }
}
