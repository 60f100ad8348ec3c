//! The files of a folder that make its tokenizer: `tokenizer.json` first, then the older ones.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokenizers::{AddedToken, PostProcessorWrapper};

use super::growth;
use super::guarded::guarded;
use super::post_processor::{Part, around};
use super::special::{Settings, read_json};
use super::tokenizer_class::Class;
use super::{ice_text, sentence_piece, vocab_files};
use crate::error::{EngineError, Result, json_reason};
use crate::file_kind::refuse_other;
use crate::files::{self, Kind};
use crate::{Sentence, sentence};

/// Names of SentencePiece's model file.
const SENTENCE_MODELS: [&str; 4] = ["spiece.model", "tokenizer.model", "sentencepiece.bpe.model", "spm.model"];

/// Builds the tokenizer of a folder with every token it was given, and what stands around a text.
///
/// # Errors
/// [`EngineError::ModelFileMissing`] when no file holds a vocabulary, [`EngineError::Malformed`] when one is broken,
/// [`EngineError::Tokenizer`] when the files contradict each other or are for a class that is not known here.
pub(super) fn open(folder: &Path, settings: &mut Settings) -> Result<tokenizers::Tokenizer> {
    let path = folder.join("tokenizer.json");
    let (mut tokenizer, class) = match read(&path)? {
        // Here the class decides no more than whether the switches are heeded, and most are not known by name.
        Some(bytes) => (from_bytes(&bytes, &path)?, Class::of(settings).unwrap_or(None)),
        None => {
            let named = Class::of(settings)?;
            let (tokenizer, class) = from_older_files(folder, named, settings)?;
            (tokenizer, class)
        }
    };
    add_tokens(&mut tokenizer, settings, class)?;
    if class.is_none_or(Class::heeds_switches) {
        heed_switches(&mut tokenizer, settings)?;
    }
    Ok(tokenizer)
}

fn from_older_files(
    folder: &Path,
    named: Option<Class>,
    settings: &mut Settings,
) -> Result<(tokenizers::Tokenizer, Option<Class>)> {
    let text = |path: &Path| -> Result<Option<String>> {
        read(path)?
            .map(|bytes| String::from_utf8(bytes).map_err(|e| malformed(path, Sentence::verbatim(e))))
            .transpose()
    };
    let mut class_or = |usual: Class| {
        let class = named.unwrap_or(usual);
        settings.defaults = class.defaults();
        class
    };
    let merges = text(&folder.join("merges.txt"))?;
    let path = folder.join("vocab.json");
    if let (Some(vocab), Some(merges)) = (read_json(&path, Kind::Vocabulary)?, &merges) {
        let class = class_or(Class::Gpt2);
        let file = vocab_files::byte_level(&vocab, merges, class, settings)?;
        return Ok((from_bytes(file.to_string().as_bytes(), &path)?, Some(class)));
    }
    let path = folder.join("vocab.txt");
    if let Some(lines) = text(&path)? {
        let class = class_or(Class::Bert);
        let file = vocab_files::word_piece(&lines, class, settings)?;
        return Ok((from_bytes(file.to_string().as_bytes(), &path)?, Some(class)));
    }
    let path = folder.join(ice_text::FILE);
    if let Some(bytes) = read(&path)?.filter(|_| matches!(named, None | Some(Class::ChatGlm))) {
        settings.defaults = Class::IceText.defaults();
        // Its older files name the end of a text, and apart from it that of an answer.
        settings.name_as("eop_token", "eos_token");
        settings.default_to("chat_template", ice_text::CHAT);
        return Ok((ice_text::from_model(&bytes, &path, settings)?, Some(Class::IceText)));
    }
    for name in SENTENCE_MODELS {
        let path = folder.join(name);
        if let Some(bytes) = read(&path)? {
            settings.defaults = named.map_or(Class::Llama, |class| class).defaults();
            return Ok((sentence_piece::from_model(&bytes, &path, named, settings)?, named));
        }
    }
    Err(EngineError::ModelFileMissing {
        what: sentence!("tokenizer.json, nor vocab.json with merges.txt, vocab.txt, spiece.model or tokenizer.model"),
        path: folder.to_owned(),
    })
}

/// Tokens that other files give an id or name as special, where the tokenizer does not have them yet.
fn add_tokens(tokenizer: &mut tokenizers::Tokenizer, settings: &Settings, class: Option<Class>) -> Result<()> {
    let (added, unnamed) = settings.added();
    let mut known: HashSet<String> =
        tokenizer.get_added_tokens_decoder().values().map(|token| token.content.clone()).collect();
    let added: Vec<(u32, AddedToken)> =
        added.into_iter().filter(|(_, token)| known.insert(token.content.clone())).collect();
    // All at once: for each call everything that was added is gone through anew.
    guarded(|| tokenizer.add_tokens(added.iter().map(|(_, token)| token.clone())))?;
    for (id, AddedToken { content, .. }) in added {
        let found = tokenizer.token_to_id(&content);
        if found != Some(id) {
            return Err(EngineError::Tokenizer(match found {
                Some(found) => {
                    sentence!("the added token {content:?} has id {found} instead of {id}", content, found, id)
                }
                None => sentence!("the added token {content:?} has no id instead of {id}", content, id),
            }));
        }
    }
    // The pieces of DeBERTa's own file end before its mask.
    let mask = settings.text("mask").filter(|_| class == Some(Class::DebertaV2));
    let mask = mask.map(|text| AddedToken::from(text, true));
    let unnamed = unnamed.into_iter().chain(mask).filter(|token| known.insert(token.content.clone()));
    guarded(|| tokenizer.add_special_tokens(unnamed)).map(|_| ())
}

/// `add_bos_token` and `add_eos_token`: said for one of them, both decide what stands around a text.
pub(super) fn heed_switches(tokenizer: &mut tokenizers::Tokenizer, settings: &Settings) -> Result<()> {
    let (bos, eos) = (settings.switch("add_bos_token"), settings.switch("add_eos_token"));
    if bos.is_none() && eos.is_none() {
        return Ok(());
    }
    let token = |role: &str, is_on: Option<bool>, type_id: u32| {
        let text = settings.text(role).filter(|_| is_on == Some(true))?;
        let id = tokenizer.token_to_id(&text)?;
        Some(Part::Token(text, id, type_id))
    };
    let side = |text: Part, type_id: u32| [token("bos", bos, type_id), Some(text), token("eos", eos, type_id)];
    let single: Vec<Part> = side(Part::A(0), 0).into_iter().flatten().collect();
    let pair: Vec<Part> = single.iter().cloned().chain(side(Part::B(1), 1).into_iter().flatten()).collect();
    let processor: PostProcessorWrapper = serde_json::from_value(around(&single, &pair))
        .map_err(|error| EngineError::Tokenizer(sentence!("add_bos_token cannot be followed: {error}", error)))?;
    tokenizer.with_post_processor(Some(processor));
    Ok(())
}

/// The file's bytes, `None` when there is no such file.
fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    let Some(bytes) = files::if_there(files::read(path, Kind::Vocabulary))? else { return Ok(None) };
    refuse_other(sentence!("a file of the tokenizer"), path, &bytes).map(|()| Some(bytes))
}

pub(super) fn malformed(path: &Path, reason: Sentence) -> EngineError {
    EngineError::Malformed { what: sentence!("the tokenizer"), path: PathBuf::from(path), reason }
}

pub(super) fn from_bytes(bytes: &[u8], path: &Path) -> Result<tokenizers::Tokenizer> {
    // The crate panics on some files that are not JSON.
    let file = serde_json::from_slice::<Value>(bytes).map_err(|e| malformed(path, json_reason(&e)))?;
    growth::check(&file).map_err(|reason| malformed(path, reason))?;
    guarded(|| tokenizers::Tokenizer::from_bytes(bytes)).map_err(|e| match e {
        EngineError::Tokenizer(reason) => malformed(path, reason),
        other => other,
    })
}
