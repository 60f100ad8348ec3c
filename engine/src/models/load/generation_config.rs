//! `generation_config.json`: what a model's makers say about decoding.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{EngineError, Result, json_reason};
use crate::file_kind::refuse_other;
use crate::files::{self, Kind};
use crate::models::TargetTokens;
use crate::models::load::{ConfigFile, place};
use crate::{Sentence, sentence};

/// Settings that decoding takes from the file; the rest is the user's choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GenerationConfig {
    /// Tokens that end a text.
    pub end_tokens: Vec<u32>,
    /// Tokens that are never generated.
    pub suppress_tokens: Vec<u32>,
    /// Tokens put into a target that is written from a source, as the file says; `None` without the file.
    pub target: Option<TargetTokens>,
}

#[derive(Deserialize)]
struct File {
    eos_token_id: Option<OneOrMore>,
    suppress_tokens: Option<Vec<u32>>,
    decoder_start_token_id: Option<u32>,
    bos_token_id: Option<u32>,
    forced_bos_token_id: Option<u32>,
    forced_eos_token_id: Option<OneOrMore>,
}

/// Options of `config.json` for decoding.
#[derive(Default, Deserialize)]
struct Ends {
    eos_token_id: Option<OneOrMore>,
}

/// Some files write -1 for a token that there is not.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(i64),
    More(Vec<i64>),
}

impl OneOrMore {
    fn all(tokens: Option<Self>) -> Vec<u32> {
        let tokens = match tokens {
            None => Vec::new(),
            Some(Self::One(token)) => vec![token],
            Some(Self::More(tokens)) => tokens,
        };
        tokens.into_iter().filter_map(|token| u32::try_from(token).ok()).collect()
    }
}

impl GenerationConfig {
    /// Reads the file of a model folder; what it does not say of the end of a text, `config.json` does. A file in GGUF says
    /// the ends alone.
    ///
    /// # Errors
    /// A file cannot be read or understood.
    pub fn read(folder: &Path) -> Result<Self> {
        let folder = &*place::resolved(folder);
        if folder.is_file() {
            let file = ConfigFile::of_model(folder)?;
            let Ends { eos_token_id } = serde_json::from_value(file.options().clone()).unwrap_or_default();
            return Ok(Self { end_tokens: OneOrMore::all(eos_token_id), ..Self::default() });
        }
        let model: Ends = read(&folder.join("config.json"), sentence!("config.json"))?.unwrap_or_default();
        let Some(file): Option<File> =
            read(&folder.join("generation_config.json"), sentence!("generation_config.json"))?
        else {
            return Ok(Self { end_tokens: OneOrMore::all(model.eos_token_id), ..Self::default() });
        };
        let target = TargetTokens {
            start: file.decoder_start_token_id.or(file.bos_token_id),
            last_starts: false,
            forced_first: file.forced_bos_token_id,
            forced_last: OneOrMore::all(file.forced_eos_token_id).first().copied(),
        };
        Ok(Self {
            end_tokens: OneOrMore::all(file.eos_token_id.or(model.eos_token_id)),
            suppress_tokens: file.suppress_tokens.unwrap_or_default(),
            target: Some(target),
        })
    }
}

fn read<T: DeserializeOwned>(path: &Path, what: Sentence) -> Result<Option<T>> {
    if !path.is_file() {
        return Ok(None);
    }
    let text = files::read_to_string(path, Kind::Settings)?;
    refuse_other(what.clone(), path, text.as_bytes())?;
    let malformed =
        |error: serde_json::Error| EngineError::Malformed { what, path: path.to_owned(), reason: json_reason(&error) };
    serde_json::from_str(&text).map(Some).map_err(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::IoAction;

    fn read(text: &str) -> Result<GenerationConfig> {
        let folder = tempfile::tempdir().map_err(EngineError::io(IoAction::Create, "a folder"))?;
        let path = folder.path().join("generation_config.json");
        std::fs::write(&path, text).map_err(EngineError::io(IoAction::Write, &path))?;
        GenerationConfig::read(folder.path())
    }

    #[test]
    fn one_end_or_several_and_what_is_never_said() {
        let one = read(r#"{"eos_token_id": 2, "suppress_tokens": [0], "temperature": 0.6}"#).expect("it is one");
        assert_eq!((one.end_tokens, one.suppress_tokens), (vec![2], vec![0]));
        let two = read(r#"{"eos_token_id": [7, 9], "suppress_tokens": null}"#).expect("there are two");
        assert_eq!((two.end_tokens, two.suppress_tokens), (vec![7, 9], vec![]));
        let nothing = GenerationConfig { target: Some(TargetTokens::default()), ..GenerationConfig::default() };
        assert_eq!(read("{}").expect("nothing is said"), nothing);
        let target = read(r#"{"decoder_start_token_id": 2, "bos_token_id": 0, "forced_eos_token_id": [5, 6]}"#);
        let expected = TargetTokens { start: Some(2), forced_last: Some(5), ..TargetTokens::default() };
        assert_eq!(target.expect("it begins and ends").target, Some(expected));
        assert!(read(r#"{"eos_token_id": "end"}"#).is_err());
    }

    #[test]
    fn end_tokens_that_only_config_json_names_end_a_text_too() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("config.json", r#"{"eos_token_id": [2, 426]}"#);
        assert_eq!(GenerationConfig::read(folder.path()).unwrap().end_tokens, [2, 426]);
        write("generation_config.json", r#"{"bos_token_id": 1}"#);
        assert_eq!(GenerationConfig::read(folder.path()).unwrap().end_tokens, [2, 426], "the file is silent");
        write("generation_config.json", r#"{"eos_token_id": 7}"#);
        assert_eq!(GenerationConfig::read(folder.path()).unwrap().end_tokens, [7], "the file speaks first");
        write("config.json", r#"{"eos_token_id": -1}"#);
        write("generation_config.json", "{}");
        assert_eq!(GenerationConfig::read(folder.path()).unwrap().end_tokens, [0; 0], "there is none");
    }
}
