//! `generation_config.json`: what a model's makers say about decoding.

use std::path::Path;

use serde::Deserialize;

use crate::error::Result;
use crate::files::{self, Kind};
use crate::models::TargetTokens;

/// What decoding takes from the file; the rest is the user's choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GenerationConfig {
    /// Tokens that end a text.
    pub end_tokens: Vec<u32>,
    /// Tokens that are never generated.
    pub suppress_tokens: Vec<u32>,
    /// What it says about a target that is written from a source; `None` without the file.
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

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(u32),
    More(Vec<u32>),
}

impl OneOrMore {
    fn all(tokens: Option<Self>) -> Vec<u32> {
        match tokens {
            None => Vec::new(),
            Some(Self::One(token)) => vec![token],
            Some(Self::More(tokens)) => tokens,
        }
    }
}

impl GenerationConfig {
    /// Reads the file of a model folder; without one nothing is said.
    ///
    /// # Errors
    /// The file cannot be read or understood.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("generation_config.json");
        if !path.is_file() {
            return Ok(Self::default());
        }
        let file: File = files::read_json(&path, Kind::Settings, "generation_config.json")?;
        let target = TargetTokens {
            start: file.decoder_start_token_id.or(file.bos_token_id),
            last_starts: false,
            forced_first: file.forced_bos_token_id,
            forced_last: OneOrMore::all(file.forced_eos_token_id).first().copied(),
        };
        Ok(Self {
            end_tokens: OneOrMore::all(file.eos_token_id),
            suppress_tokens: file.suppress_tokens.unwrap_or_default(),
            target: Some(target),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<GenerationConfig> {
        let folder = tempfile::tempdir().map_err(EngineError::io("create", "a folder"))?;
        let path = folder.path().join("generation_config.json");
        std::fs::write(&path, text).map_err(EngineError::io("write", &path))?;
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
}
